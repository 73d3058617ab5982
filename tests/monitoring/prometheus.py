"""A real Prometheus: Debian's, which `.ci/monitoring` unpacks."""

import os
import shutil
from pathlib import Path

_HOME = Path(os.environ.get("PROMETHEUS_HOME", "/nonexistent"))


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=_HOME / "usr/bin")


PROMTOOL = _program("promtool")
PROMETHEUS = _program("prometheus")
