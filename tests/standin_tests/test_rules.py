"""Every row of the stand-in's table refuses what it is for, and nothing else does."""

import httpx2
import pytest

from loopback import PLAIN
from standin import call, rules, server
from standin.rules import request
from standin_tests.bad_requests import ADAPTIVE, CASES, two_turns
from standin_tests.requests import BINDING, NEW, body
from waiting import LONG


def broken(request, headers=NEW, **fields):
    return {v.rule for v in rules.violations(call.Call(request, headers, **fields))}


@pytest.mark.parametrize(("rule", "request_", "headers"), CASES)
def test_a_bad_request_breaks_exactly_its_row(rule, request_, headers):
    assert broken(request_, headers) == {rule}


@pytest.fixture(scope="module")
def standin():
    with server.serve() as running:
        yield running


@pytest.mark.parametrize(("rule", "request_", "headers"), CASES)
def test_a_bad_request_is_refused_over_http_and_kept_with_its_row(
    standin, rule, request_, headers
):
    url = f"{standin.base_url}/v1/messages"
    sent = {name: value.strip() for name, value in headers.items()}
    answer = httpx2.post(
        url, json=request_, headers=sent, trust_env=False, verify=PLAIN, timeout=LONG
    )
    error = answer.json()
    assert answer.is_client_error
    assert (error["type"], bool(error["error"]["message"])) == ("error", True)
    assert standin.requests[-1].rule == rule


def test_a_body_above_32_mb_is_too_large():
    assert broken(body(), size=request.MAX_BODY_BYTES + 1) == {"request.size"}
    assert broken(body(), size=request.MAX_BODY_BYTES) == set()


def test_a_credential_that_is_not_accepted_is_wrong():
    assert broken(body(), tokens=frozenset({"other"})) == {"auth.wrong"}
    assert broken(body(), tokens=frozenset({"any"})) == set()


@pytest.mark.parametrize(
    ("rule", "raw"),
    [
        ("body.json", b""),
        ("body.json", b'{"model": '),
        ("body.json", b'{"model": "\xff"}'),
        ("body.json", b'{"max_tokens": NaN}'),
        ("body.json", b'{"max_tokens": 1e999}'),
        ("body.json", b'{"model": "\\ud800"}'),
        ("body.json", b'{"a":' * 500 + b"1" + b"}" * 500),
        ("body.object", b"[]"),
    ],
)
def test_a_body_that_is_no_object_is_refused(rule, raw):
    assert rules.parse(raw).rule == rule


def test_no_row_is_without_a_case():
    ids = [row.id for row in (*request.HEADER_ROWS, *rules.ROWS)]
    assert len(ids) == len(set(ids))
    cased = {rule for rule, _, _ in CASES} | {"request.size", "auth.wrong"}
    assert cased == {*ids, *rules.SHAPE_IDS}
    assert rules.PARSE_IDS == ("body.json", "body.object")


def test_tokens_are_counted_without_the_fields_of_an_answer():
    counted = {k: v for k, v in body().items() if k != "max_tokens"}
    assert broken(counted, counting=True) == set()
    assert broken(body(), counting=True) == {"shape.unknown_field"}


def test_the_controls_of_binding_need_their_beta():
    controls = ADAPTIVE | {"block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    assert broken(two_turns(system="Be verbose.", thinking=controls), BINDING) == set()
