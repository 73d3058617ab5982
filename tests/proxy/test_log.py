"""The line of a completion, as it is written."""

import logging
from collections.abc import Callable

import msgspec
import pytest

from proxy import log

SECRET = "sk-ant-api03-" + "A" * 30


@pytest.mark.parametrize("model", ["claude-opus-5-5", f"{SECRET}\u202e"])
def test_a_completions_line_holds_all_its_facts_in_their_order(
    log_lines: Callable[[], list[dict]], model: str
) -> None:
    facts = log.Completion(request_id="req_1", model=model, warnings=("seed_ignored",))

    log.completed(facts)

    [line] = log_lines()
    assert [*line] == ["time", "level", "message", *log.Completion.__struct_fields__]
    assert (line["level"], line["message"]) == ("info", "completion")
    assert line["warnings"] == ["seed_ignored"]
    assert (line["code"], line["reason"], line["cost_usd"]) == (None, "", None)


@pytest.mark.parametrize(
    "name",
    [
        field.name
        for field in msgspec.structs.fields(log.Completion)
        if field.type in {str, str | None}
    ],
)
def test_no_text_of_a_completions_line_holds_a_secret_or_what_does_not_print(
    log_lines: Callable[[], list[dict]], name: str
) -> None:
    facts = {"request_id": "req_1", "model": "fine", name: f"a {SECRET}\n\u202e"}

    log.completed(log.Completion(**facts))

    [line] = log_lines()
    assert line[name] == "a [redacted]\\u000a\\u202e"
    assert name == "model" or line["model"] == "fine"


@pytest.mark.parametrize(
    ("seconds", "time"),
    [
        (1_796_000_400.0, "2026-11-30T01:00:00.000+00:00"),
        (1_796_000_400.5, "2026-11-30T01:00:00.500+00:00"),
        (1_796_000_401.009, "2026-11-30T01:00:01.009+00:00"),
        (1_796_000_401.9999, "2026-11-30T01:00:01.999+00:00"),
    ],
)
def test_the_time_of_a_line_is_in_milliseconds(seconds: float, time: str) -> None:
    record = logging.makeLogRecord({"msg": "Said.", "created": seconds})

    assert msgspec.json.decode(log.to_line(record))["time"] == time
