"""proxy.redaction: what neither a client nor a log may see."""

import base64
from urllib.parse import quote

import pytest

from proxy import errors, redaction

SECRET = "own/key+of=the tests"


@pytest.fixture(autouse=True)
def known() -> None:
    redaction.remember(SECRET)


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        quote(SECRET, safe=""),
        SECRET.encode().hex(),
        *(base64.b64encode(b"x" * n + SECRET.encode()).decode() for n in range(3)),
        base64.urlsafe_b64encode(b"user:" + SECRET.encode()).decode(),
    ],
)
def test_a_known_secret_is_found_in_every_spelling(shown: str) -> None:
    clean = redaction.redacted(f"the header was {shown}, it said")

    assert clean.startswith("the header was ")
    assert clean.endswith(", it said")
    assert redaction.REDACTED in clean
    for part in (SECRET, "own", "tests", quote(SECRET)):
        assert part not in clean


@pytest.mark.parametrize(
    "text",
    [
        "key sk-ant-api03-abc_def-1 was refused",
        "Authorization: Bearer abc.def",
        "authorization: basic dXNlcjpwYXNz",
        "token eyJhbGciOi.eyJzdWIi.c2ln expired",
        "token eyJhbGciOi.eyJzdWIi",
    ],
)
def test_what_looks_like_a_credential_is_found_unknown(text: str) -> None:
    clean = redaction.redacted(text)

    assert redaction.REDACTED in clean
    for secret in ("sk-ant", "abc", "dXNl", "eyJ"):
        assert secret not in clean


def test_ordinary_words_stay() -> None:
    redaction.remember("key")  # too short to be told from a word

    text = "The proxy's key is missing: send it as 'Authorization: …'; use claude"
    assert redaction.redacted(text) == text


def test_a_text_is_cut_and_a_huge_one_costs_no_more() -> None:
    assert len(redaction.redacted("x" * 10_000_000)) == redaction.LONGEST


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\u202eb", r"a\u202eb"),  # right-to-left override
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),  # line and paragraph separator
        ("a\x85b\x9bc", r"a\u0085b\u009bc"),  # C1: next line, CSI
        ("a\x1b[2Jb\r\nc", r"a\u001b[2Jb\u000d\u000ac"),
        ("a\u200bb\ufeffc", r"a\u200bb\ufeffc"),  # zero width
        ("a\U000e0041b", r"a\U000e0041b"),  # a tag character
        ("a\ud800b", r"a\ud800b"),  # half of a pair
        ("Übung 模型 🙂", "Übung 模型 🙂"),
    ],
)
def test_a_log_spells_out_what_does_not_print(raw: str, shown: str) -> None:
    assert redaction.printable(raw) == shown


def test_of_many_secrets_the_latest_are_remembered() -> None:
    names = [f"rotated-token-{i:04}" for i in range(2 * redaction.KEPT)]
    redaction.remember(*names)

    assert redaction.redacted(names[-1]) == redaction.REDACTED
    assert redaction.redacted(names[0]) == names[0]


def test_details_of_an_error_that_hold_a_secret_are_left_out() -> None:
    failed = errors.UpstreamError("W", status=400, type="t")
    clean = errors.Reported("t", "W", b'{"error_code":"c"}')
    for details, left in (
        (clean.details, clean.details),
        (b'{"key":"sk-ant-api03-canary-of-a-key"}', b"null"),
    ):
        failed.reported = clean._replace(details=details)
        redaction.redact(failed)
        assert failed.reported == clean._replace(details=left)
