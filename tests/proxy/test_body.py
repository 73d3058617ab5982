"""proxy.body: what a body costs beside its own size."""

import json

import pytest

from proxy import body, errors
from proxy.admission import Bodies
from proxy.translate import json_text


def text(content: str) -> bytes:
    message = {"role": "user", "content": content}
    return json.dumps({"messages": [message]}, ensure_ascii=False).encode()


MESSAGES = json.dumps({"messages": [{"role": "user", "content": "x"}] * 1000}).encode()
EMOJI = "\U0001f600"


@pytest.mark.parametrize(
    ("given", "least", "most"),
    [
        pytest.param(text("x" * 100_000), 0, 1000, id="ASCII costs nothing more"),
        pytest.param(text("\\" * 100_000), 0, 1000, id="nor do escapes"),
        pytest.param(
            text(EMOJI + 100_000 * "x"), 400_000, 401_000, id="wide text does"
        ),
        pytest.param(
            text(EMOJI + 10_000 * "x"), 0, 1000, id="but not where it is short"
        ),
        pytest.param(MESSAGES, 300_000, 301_000, id="and so does each value"),
    ],
)
def test_a_body_takes_room_for_what_is_built_from_it(
    given: bytes, least: int, most: int
) -> None:
    def admit(room: int) -> None:
        bodies = Bodies(room)
        with bodies.under_way() as other, bodies.under_way() as arriving:
            assert other.add(b"x")  # alone it would get all
            assert other.whole()
            body.admit(given, arriving)

    admit(most)
    if least:
        with pytest.raises(errors.UnavailableError) as raised:
            admit(least)
        assert raised.value.code == "at_capacity"


@pytest.mark.parametrize(
    ("content", "ends"),
    [
        (EMOJI + (json_text.MAX_WIDE - 4) * "x", None),
        (EMOJI + (json_text.MAX_WIDE - 3) * "x", "bytes of text that is not ASCII"),
        (2 * json_text.MAX_WIDE * "x", None),
    ],
)
def test_text_that_is_not_ascii_has_a_bound(content: str, ends: str | None) -> None:
    with Bodies(1).under_way() as alone:
        if ends is None:
            body.admit(text(content), alone)
            return
        with pytest.raises(errors.InvalidRequestError) as raised:
            body.admit(text(content), alone)
    assert raised.value.message.endswith(ends)
    assert raised.value.code == "invalid_value"
