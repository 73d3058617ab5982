"""Log lines for people."""

import msgspec
import pytest

from proxy import log, log_text

TIME = "2026-11-25T16:21:05.351+00:00"


def completion(**facts: object) -> dict:
    facts = {"request_id": "req_1", "upstream_model": "claude-opus-5-5",
             "status": 200, "duration_ms": 1234.0, **facts}  # fmt: skip
    fields = msgspec.structs.asdict(log.Completion(**facts))
    return {"time": TIME, "level": "info", "message": "completion", **fields}


def text(line: dict) -> str:
    """The line after its time, which is the machine's own."""
    return log_text.to_text(line, colour=False).partition(" ")[2]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, "200 claude-opus-5-5  1.2 s req_1"),
        (
            {"stream": True, "first_event_ms": 400.0},
            "200 claude-opus-5-5  1.2 s (first 0.4 s) req_1",
        ),
        (
            {"input_tokens": 100, "cache_read_tokens": 1900, "output_tokens": 1500},
            "200 claude-opus-5-5  1.2 s  2,000 in (95 % cached), 1,500 out req_1",
        ),
        (
            {"input_tokens": 1, "output_tokens": 2, "cost_usd": 0.01234},
            "200 claude-opus-5-5  1.2 s  1 in, 2 out  $0.0123 req_1",
        ),
        (
            {"status": 524, "code": "upstream_timeout", "reason": "idle_timeout",
             "calls": 2},
            "524 claude-opus-5-5  1.2 s  upstream_timeout idle_timeout  2 calls req_1",
        ),
        (
            {"status": 499, "client_gone": True},
            "499 claude-opus-5-5  1.2 s  client left req_1",
        ),
        (
            {"status": 499, "client_gone": True, "unclaimed": True},
            "499 claude-opus-5-5  1.2 s  client left  nobody came back req_1",
        ),
        ({"joined": True}, "200 claude-opus-5-5  1.2 s  joined req_1"),
        (
            {"warnings": ("seed_ignored", "audio_ignored")},
            "200 claude-opus-5-5  1.2 s  seed_ignored, audio_ignored req_1",
        ),
        ({"upstream_model": "", "model": "mine"}, "200 mine  1.2 s req_1"),
        ({"upstream_model": ""}, "200 -  1.2 s req_1"),
    ],
)  # fmt: skip
def test_a_completion_is_told_in_a_few_words(facts: dict, expected: str) -> None:
    assert text(completion(**facts)) == expected


def test_another_line_is_its_level_and_its_words() -> None:
    line = {"time": TIME, "level": "warning", "logger": "proxy", "message": "Said."}

    assert text(line) == "warning Said."


def test_an_exception_is_followed_by_where_it_was() -> None:
    fault = {"exception": "ValueError", "where": ["a.py:1 f", "b.py:2 g"]}
    line = {
        "time": TIME,
        "level": "error",
        "logger": "proxy",
        "message": "Bad.",
        **fault,
    }

    assert text(line) == "error   Bad. (ValueError)\n    a.py:1 f\n    b.py:2 g"


@pytest.mark.parametrize(
    ("facts", "colour"),
    [
        ({"status": 200}, 32),
        ({"status": 200, "code": "stream_incomplete"}, 31),
        ({"status": 400}, 33),
        ({"status": 499}, 33),
        ({"status": 503, "code": "overloaded"}, 31),
    ],
)
def test_on_a_terminal_the_status_has_the_colour_of_its_meaning(
    facts: dict, colour: int
) -> None:
    shown = log_text.to_text(completion(**facts), colour=True)

    assert f"\033[{colour}m{facts['status']}\033[0m" in shown


def test_a_colour_is_only_for_terminals() -> None:
    assert "\033" not in log_text.to_text(completion(), colour=False)
