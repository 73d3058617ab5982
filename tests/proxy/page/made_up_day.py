"""A day as a proxy may see it: two agents at work, a rate limit, a stall at noon."""

import math
import random

from proxy import gauges, history, limits, log, overview, prices, trail
from proxy.schema.messages_response import CacheCreation, Usage

NOW = 1_795_960_800.0  # 2026-11-29 14:00 UTC
SHARES = (
    ("claude-sonnet-5-5", 0.62),
    ("claude-opus-5-5", 0.3),
    ("claude-haiku-5-5", 1),
)


def make() -> tuple[history.History, overview.Now]:
    chance = random.Random(7)
    clock = [NOW - 86400]
    past = history.History(now=lambda: clock[0])
    for minute in range(24 * 60):
        clock[0] = NOW - 86400 + 60 * minute + 30
        hour = (minute / 60 + 14) % 24
        busy = 0.25 + 2.6 * math.exp(-(((hour - 11) / 3.4) ** 2))
        for number in range(_times(chance, busy)):
            _one(past, chance, f"req_{minute:04}{number:02}a7f3", hour)
    clock[0] = NOW
    windows = {
        "5h": limits.Window(0.71, NOW + 5520, NOW),
        "7d": limits.Window(0.38, NOW + 3 * 86400 + 4000, NOW),
    }
    state = gauges.State(
        ready=True,
        in_flight=3,
        held=0,
        slots=512,
        windows=windows,
        verdict=limits.Verdict("allowed", "five_hour"),
        credential="file",
        expires_at=NOW + 4 * 3600,
        refused_at=None,
        log_lines_dropped=0,
        remembered={},
    )
    now = overview.Now(
        at=NOW,
        state=state,
        trouble=None,
        login_ends_at=NOW + 11 * 86400,
        streams=2,
        version="0.1.0",
    )
    return past, now


def _times(chance: random.Random, mean: float) -> int:
    return sum(chance.random() < mean / 6 for _ in range(6))


def _one(past, chance, request_id, hour):
    model = next(name for name, share in SHARES if chance.random() < share)
    stalls = 11.6 < hour < 12.3
    first = chance.lognormvariate(0.5, 0.5) * (3 if stalls else 1)
    record = log.Completion(
        request_id=request_id,
        upstream_model=model,
        status=200,
        first_event_ms=first * 1000,
    )
    way = trail.Trail()
    way.call()
    luck = chance.random()
    if stalls and luck < 0.12:
        way.end(trail.Outcome.TIMED_OUT)
        record.status, record.code, record.reason = (
            524,
            "upstream_timeout",
            "idle_timeout",
        )
        record.first_event_ms = None
    elif 9.5 < hour < 10.6 and luck < 0.3:
        way.end(trail.Outcome.RATE_LIMITED)
        way.step("retry")
        if luck < 0.05:
            record.status, record.code = 429, "rate_limit_exceeded"
            record.first_event_ms = None
    elif luck < 0.012:
        way.end(trail.Outcome.OVERLOADED)
        way.step("retry")
    elif luck > 0.996:
        way.end(trail.Outcome.CUT)
        record.code = "stream_incomplete"
    if record.first_event_ms is not None:
        prompt = int(chance.lognormvariate(9.6, 0.6))
        cached = int(prompt * chance.uniform(0.7, 0.95))
        written = int((prompt - cached) * 0.6)
        way.started(
            Usage(
                input_tokens=prompt - cached - written,
                output_tokens=int(chance.lognormvariate(6, 0.8)),
                cache_read_input_tokens=cached,
                cache_creation_input_tokens=written,
                cache_creation=CacheCreation(written, 0),
            )
        )
    bill = way.bill(prices.BUILT_IN, model, delivered=record.code is None)
    past.completed(record, way, bill)
