"""A real proxy and a real refresher, well and ill, before a real Prometheus.

One story is told from its beginning to its end; what was seen on the way is kept, and the
tests look at it in any order. `agents` holds a proxy on the refresher's login, `other` a
proxy without a credential.
"""

import copy
import json
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import msgspec

import proxy_command
from fake_claude import FakeClaude
from logins import login
from oauth_ledger import Behaviour
from oauth_standin import Standin
from operator_process import OperatorProcess
from prometheus import Prometheus, running
from queries import SPEC, of_panels, of_rules
from refresher import credentials, files, history, outcome, refresh
from refresher.settings import Command
from standin import server
from tests.refresher.operator.api_server import ApiServer, credential, failure
from waiting import LONG, until

MODEL = "claude-opus-5-5"
HELLO = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
PROXY = ("proxy", {"namespace": "agents", "pod": "proxy", "container": "proxy"})
OTHER = ("other", {"namespace": "other", "pod": "other", "container": "proxy"})
REFRESHER = (
    "refresher",
    {"namespace": "agents", "pod": "claude-refresher-0", "container": "refresher"},
)
PRICES = {
    "date": "2026-11-10",
    "source": "a test",
    "models": {
        MODEL: {
            "input": 4,
            "output": 20,
            "cache_write_5m": 5,
            "cache_write_1h": 8,
            "cache_read": 0.2,
        }
    },
}
USAGE = {
    "input_tokens": 100,
    "output_tokens": 1,
    "cache_read_input_tokens": 900,
    "server_tool_use": {"web_search_requests": 1},
}
BEGIN = [
    {
        "type": "message_start",
        "message": {"id": "msg_1", "model": MODEL, "usage": USAGE},
    },
    {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "text", "text": ""},
    },
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "word"},
    },
]
END = [
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": 50},
    },
    {"type": "message_stop"},
]
SHARES = {
    "anthropic-ratelimit-unified-status": "allowed_warning",
    "anthropic-ratelimit-unified-representative-claim": "five_hour",
    "anthropic-ratelimit-unified-5h-utilization": "0.95",
}


@dataclass
class Seen:
    """What Prometheus said in the course of the story."""

    well: set[str] = field(default_factory=set)
    """Alerts that fired in `agents` while all was well there."""
    fired: set[str] = field(default_factory=set)
    """Alerts that fired in the chapter that is about them."""
    samples: dict[str, int] = field(default_factory=dict)
    """How many samples a query had, by its place."""


class Story:
    """The world, and the chapters."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.seen = Seen()
        self._directory, self._stack = directory, stack
        self.volume = directory / "volume"
        self.volume.mkdir()
        self.upstream = stack.enter_context(server.serve())
        self.anthropic = stack.enter_context(Standin(directory))
        self.anthropic.behaviour = Behaviour(unknown_tokens=True)
        self.api = stack.enter_context(ApiServer())
        self.operator = OperatorProcess(
            directory,
            self.volume,
            # After the first refresh none works, so a login that is due stays due.
            FakeClaude(directory / "bin", "ok", "unchanged").path,
            self.api.kubeconfig(),
            "here",
            compressed=True,
            **self.anthropic.environ,
        )
        stack.callback(lambda: self.operator.runs and self.operator.kill())
        self.proxy = self._proxy("proxy", self.volume / credentials.FILE_NAME)
        self.other = self._proxy("other", directory / "nowhere")
        until(lambda: self.operator.ask("/healthz")[0] == 200)
        self.prometheus = self._prometheus()

    def _proxy(self, name: str, file: Path) -> proxy_command.Service:
        directory = self._directory / name
        directory.mkdir()
        (directory / "prices.json").write_text(json.dumps(PRICES))
        return self._stack.enter_context(
            proxy_command.running(
                directory,
                words=".*\n*",
                ANTHROPIC_API_BASE=self.upstream.base_url,
                CLAUDE_CREDENTIALS_PATH=file,
                PRICES_FILE=directory / "prices.json",
                MAX_REQUESTS=1,
            )
        )

    def _prometheus(self) -> Prometheus:
        targets = [
            (PROXY[0], self.proxy.health_port, PROXY[1]),
            (OTHER[0], self.other.health_port, OTHER[1]),
            (REFRESHER[0], self.operator._port, REFRESHER[1]),
        ]
        return self._stack.enter_context(
            running(self._directory, targets, _at_once(SPEC))
        )

    def tell(self) -> Seen:
        """Go through the chapters."""
        self._nothing_is_set_up()
        self._the_secret_cannot_be_written()
        self._all_is_well()
        self._responses_break_off()
        self._the_proxy_is_full_and_the_limit_near()
        self._refreshes_fail_and_the_login_ends_soon()
        self._look_at_the_queries()
        self._the_token_is_revoked()
        self._the_refresher_disappears()
        return self.seen

    # Chapters

    def _nothing_is_set_up(self) -> None:
        for job, _ in (PROXY, OTHER, REFRESHER):
            until(lambda job=job: self.prometheus.scrapes(job) >= 2)
        self._fires("ClaudeProxyNotReady", namespace="other")
        self._fires("ClaudeCredentialUnmanaged")
        self._fires("ClaudeLoginRequired")

    def _the_secret_cannot_be_written(self) -> None:
        self.api.script = lambda _, path: failure(403) if "/secrets/" in path else None
        self.put_login(timedelta(hours=4))
        self.api.put(credential(publish={"secretName": "claude-access-token"}))
        self._fires("ClaudePublishFailing")

    def _all_is_well(self) -> None:
        self.api.script = lambda *_: None
        self.put_login(timedelta(seconds=200))  # which is refreshed at once
        until(lambda: self.operator.metric("claude_credential_ready") == 1)
        until(lambda: self.api.status.get("refreshes") == 1)
        until(self.proxy_is_ready)
        self._ask_twice(self.ask)
        until(self._is_calm)

    def _is_calm(self) -> bool:
        self.seen.well = self.prometheus.firing("agents")
        return not self.seen.well

    def _responses_break_off(self) -> None:
        def broken() -> None:
            for _ in range(4):
                self.upstream.answer_with(BEGIN, cut=True)
                self.ask(seed=1)

        self._ask_twice(broken)
        self._fires("ClaudeProxyUpstreamStalls")
        self._fires("ClaudeProxyFailing")

    def _the_proxy_is_full_and_the_limit_near(self) -> None:
        def crowded() -> None:
            self.upstream.fail_next(headers=SHARES)
            self.ask(model="claude-sonnet-5")  # which has no price here
            self._ask_while_it_is_full()

        self._ask_twice(crowded)
        self._fires("ClaudeProxyAtCapacity")
        self._fires("ClaudeLimitNearlyUsed")

    def _refreshes_fail_and_the_login_ends_soon(self) -> None:
        self.put_login(
            timedelta(seconds=100), ends=timedelta(days=3), failures=3, name="ends"
        )
        self._fires("ClaudeTokenExpiring")
        self._fires("ClaudeRefreshFailing")
        self._fires("ClaudeLoginEndsSoon")

    def _the_token_is_revoked(self) -> None:
        self.anthropic.ledger.revoke("access-revoked")
        self.put_login(timedelta(hours=4), name="revoked")
        self._fires("ClaudeTokenUnusable")

    def _the_refresher_disappears(self) -> None:
        assert self.operator.stop() == 0
        self._fires("ClaudeRefresherGone")

    # What the chapters are made of

    def put_login(
        self,
        left: timedelta,
        *,
        ends: timedelta = timedelta(days=20),
        failures: int = 0,
        name: str = "first",
    ) -> None:
        """Put a login in the volume, and what is remembered of attempts at it."""
        now = refresh.utc_now()
        data = login(
            expires_at=now + left,
            login_ends_at=now + ends,
            access=f"access-{name}",
            refresh=f"refresh-{name}",
        )
        past = files.read_history(self.volume)
        if failures:
            found = credentials.parse(data)
            attempt = history.Attempt(
                at=now,
                ended_at=now,
                command=Command.REFRESH,
                outcome=outcome.Outcome(outcome.Kind.NOT_REFRESHED, "no response"),
                revision=found.revision,
            )
            past = msgspec.structs.replace(past, last=attempt, failures=failures)
            files.write_history(self.volume, past)
        files.replace(self.volume / credentials.FILE_NAME, data)

    def ask(self, **more: Any) -> int:
        """Ask the proxy for a completion once it has no other one; its status."""
        until(self._is_idle)
        return self._ask_at_once(**more)

    def _ask_at_once(self, **more: Any) -> int:
        url = f"{self.proxy.url}/v1/chat/completions"
        with httpx2.Client(trust_env=False, timeout=LONG) as http:
            return http.post(url, json={**HELLO, **more}).status_code

    def _is_idle(self) -> bool:
        """A completion's slot is free shortly after its client has the answer."""
        return "\nclaude_proxy_requests_in_flight 0.0\n" in self._health("metrics").text

    def proxy_is_ready(self) -> bool:
        return self._health("readyz").status_code == 200

    def _health(self, path: str) -> httpx2.Response:
        with httpx2.Client(trust_env=False, timeout=LONG) as http:
            return http.get(f"{self.proxy.health_url}/{path}")

    def _ask_while_it_is_full(self) -> None:
        until(self._is_idle)
        go_on = threading.Event()
        self.upstream.answer_with([*BEGIN, go_on, *END])
        url = f"{self.proxy.url}/v1/chat/completions"
        with (
            httpx2.Client(trust_env=False, timeout=LONG) as http,
            http.stream("POST", url, json={**HELLO, "stream": True}) as response,
        ):
            pieces = response.iter_bytes()
            next(pieces)
            assert self._ask_at_once() == 503
            go_on.set()
            assert b"[DONE]" in b"".join(pieces)

    def _ask_twice(self, ask: Any) -> None:
        """Have Prometheus see series begin, and then grow: a rate needs both."""
        for _ in range(2):
            self._next_scrape()
            ask()
        self._next_scrape()

    def _next_scrape(self) -> None:
        """Wait until a scrape has begun and ended after now."""
        seen = self.prometheus.scrapes("proxy")
        until(lambda: self.prometheus.scrapes("proxy") >= seen + 2)

    def _fires(self, alert: str, namespace: str = "agents") -> None:
        until(
            lambda: alert in self.prometheus.firing(namespace),
            what=f"{alert} does not fire",
        )
        self.seen.fired.add(alert)

    def _look_at_the_queries(self) -> None:
        self._next_scrape()
        for query in [*of_rules(), *of_panels()]:
            self.seen.samples[query.place] = len(self.prometheus.query(query.text))


def _at_once(rules: dict[str, Any]) -> dict[str, Any]:
    """The rules without their patience; `promtool` tests that."""
    made = copy.deepcopy(rules)
    for group in made["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    return made
