"""What is changed or left out of a Responses request is reported, or refused."""

import re
from pathlib import Path

import pytest

from proxy.translate import warn
from responses_requests import MODEL, read, refusal
from responses_warnings import FOREIGN, ONLY_HERE, REQUESTS

CONTRACT = Path(__file__).parents[4] / "docs/responses.md"


def given(code: str) -> dict:
    return {"model": MODEL, "input": "Hi", **REQUESTS[code]}


@pytest.mark.parametrize("code", REQUESTS)
def test_a_change_is_reported(code: str) -> None:
    one, _ = read(given(code))

    assert one.warnings == (code,)


@pytest.mark.parametrize("code", REQUESTS)
def test_strict_params_refuse_a_change_that_changes_the_response(code: str) -> None:
    if warn.changes_response(code):
        why = refusal(given(code), strict_params=True)
        assert (why.status, why.code) == (400, "unsupported_value")
        assert why.param
        assert code in why.message
    else:
        one, _ = read(given(code), strict_params=True)
        assert one.warnings == (code,)


def test_the_document_says_of_each_warning_whether_it_is_refused() -> None:
    table = CONTRACT.read_text(encoding="utf-8").partition("| Warning |")[2]
    rows = re.findall(r"^\| (`.+?) \| .* \| (yes|no) \|$", table, re.MULTILINE)
    told = {
        code: word == "yes"
        for codes, word in rows
        for code in re.findall(r"`([^`]+)`", codes)
    }
    for kind in FOREIGN:
        told[f"{kind}_ignored"] = told["<item type>_ignored"]
    del told["<item type>_ignored"]

    assert told == {code: warn.changes_response(code) for code in ONLY_HERE}
