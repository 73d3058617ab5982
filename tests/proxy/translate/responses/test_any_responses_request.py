"""Any JSON: a request that the strict stand-in accepts, or a 4xx that says where."""

import json
import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy import errors
from proxy.translate import assemble
from request_strategies import ANY
from responses_requests import broken, read
from responses_strategies import GOOD, LOOSE

CLIENTS_OWN = {
    "thinking.foreign",  # a signature that nobody gave: stripped, and tried again
    "thinking.moved",
    "server_tool.orphan",  # the same blocks twice, or some of them left out
    "server_tool.unanswered",
}
STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def exists(param: str, given: Any) -> bool:
    """Whether a path leads to something in the request, or to what is missing there."""
    here = given
    steps = STEP.findall(param)
    for n, (name, index) in enumerate(steps):
        if index:
            if not isinstance(here, list) or int(index) >= len(here):
                return False
            here = here[int(index)]
        elif isinstance(here, dict) and name in here:
            here = here[name]
        else:
            return isinstance(here, dict) and n == len(steps) - 1
    return True


def check_sent(one: assemble.Translation) -> None:
    rules = broken(one)
    if (
        "model.unknown" not in rules
    ):  # nothing is known of it: the upstream is the judge
        assert rules <= CLIENTS_OWN


def check_refusal(why: errors.ProxyError, given: Any) -> None:
    assert why.status in {400, 404, 413}
    assert why.type == "invalid_request_error"
    if why.code != "invalid_json":  # no object, or a number that JSON does not have
        assert why.param is not None
        assert exists(why.param, given), why.param


@settings(suppress_health_check=list(HealthCheck))
@given(given=GOOD)
def test_a_well_formed_request_is_accepted_upstream(given: dict) -> None:
    one, _ = read(given)

    check_sent(one)


@settings(suppress_health_check=list(HealthCheck))
@given(given=LOOSE)
def test_any_request_is_accepted_upstream_or_refused_by_its_path(given: dict) -> None:
    try:
        one, _ = read(given)
    except errors.ProxyError as why:
        check_refusal(why, given)
    else:
        check_sent(one)


@settings(suppress_health_check=list(HealthCheck))
@given(given=ANY)
def test_any_json_at_all_is_refused(given: object) -> None:
    try:
        read(json.loads(json.dumps(given)))
    except errors.ProxyError as why:
        check_refusal(why, given)
    else:
        raise AssertionError


@settings(suppress_health_check=list(HealthCheck))
@given(given=st.one_of(GOOD, LOOSE))
def test_equal_requests_are_translated_alike(given: dict) -> None:
    def translated() -> object:
        try:
            one, way_back = read(given)
        except errors.ProxyError as why:
            return why.message, why.param
        return one, way_back

    assert translated() == translated()
