"""A real Prometheus: Debian's, which `.ci/monitoring` unpacks."""

import contextlib
import json
import os
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ports import free_port
from waiting import LONG, until

_HOME = Path(os.environ.get("PROMETHEUS_HOME", "/nonexistent"))

Target = tuple[str, int, dict[str, str]]
"""A job, a port of loopback, and the labels that a PodMonitor would add."""


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=_HOME / "usr/bin")


PROMTOOL = _program("promtool")
PROMETHEUS = _program("prometheus")


class Prometheus:
    """One that runs and can be asked."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, path: str, **query: str) -> Any:
        """Call its API, and return what the answer holds."""
        words = urllib.parse.urlencode(query)
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{words}"
        with urllib.request.urlopen(url, timeout=LONG) as answer:
            return json.load(answer)["data"]

    def query(self, text: str) -> list[dict[str, Any]]:
        """The samples that a query has now."""
        return self.ask("query", query=text)["result"]

    def firing(self, namespace: str) -> set[str]:
        """The names of the alerts that fire for a namespace."""
        found = self.query(f'ALERTS{{alertstate="firing",namespace="{namespace}"}}')
        return {sample["metric"]["alertname"] for sample in found}

    def scrapes(self, job: str) -> int:
        """How many times a job's target has been scraped."""
        found = self.query(f'count_over_time(up{{job="{job}"}}[1h])')
        return int(found[0]["value"][1]) if found else 0


@contextlib.contextmanager
def running(
    directory: Path, targets: list[Target], rules: dict[str, Any]
) -> Iterator[Prometheus]:
    """Run one that scrapes and evaluates every second, until the block ends."""
    port = free_port()
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {
                "job_name": job,
                "static_configs": [
                    {"targets": [f"127.0.0.1:{port}"], "labels": {**labels}}
                ],
            }
            for job, port, labels in targets
        ],
    }
    (directory / "rules.yaml").write_text(yaml.safe_dump(rules))
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(config))
    log = directory / "prometheus.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                PROMETHEUS,
                "--config.file=prometheus.yaml",
                "--storage.tsdb.path=data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            cwd=directory,
            env={"PATH": os.environ["PATH"]},
            stdout=out,
            stderr=subprocess.STDOUT,
        )

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError):
            return bool(found.ask("targets")["activeTargets"])
        return False

    found = Prometheus(port)
    try:
        until(ready, what="Prometheus did not start")
        yield found
    finally:
        process.terminate()
        process.wait()
