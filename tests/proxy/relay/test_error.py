"""proxy.relay.error: every error of the proxy as Anthropic's own SDK raises it."""

import json

import anthropic
import httpx2
import msgspec
import pytest

from proxy import errors, metrics
from proxy.relay import error
from proxy.schema import messages_response
from proxy.translate import error as upstream_error

ABOUT = upstream_error.Circumstances(credential="ANTHROPIC_API_KEY", oauth=True)


def raised(failed: errors.ProxyError) -> anthropic.APIStatusError:
    """What the SDK makes of an error."""
    response = httpx2.Response(
        failed.status,
        content=error.to_envelope(failed, "req_7"),
        headers={"request-id": "req_7", **failed.headers},
        request=httpx2.Request("POST", "http://localhost/v1/messages"),
    )
    client = anthropic.Anthropic(api_key="x")
    return client._make_status_error_from_response(response)


@pytest.mark.parametrize(
    ("status", "code", "type_", "raises"),
    [
        (400, None, "invalid_request_error", anthropic.BadRequestError),
        (400, "invalid_json", "invalid_request_error", anthropic.BadRequestError),
        (401, "invalid_api_key", "authentication_error", anthropic.AuthenticationError),
        (402, "insufficient_quota", "billing_error", anthropic.PaymentRequiredError),
        (403, "origin_not_allowed", "permission_error", anthropic.PermissionDeniedError),
        (404, "not_found", "not_found_error", anthropic.NotFoundError),
        (405, "method_not_allowed", "invalid_request_error", anthropic.APIStatusError),
        (408, "request_timeout", "timeout_error", anthropic.RequestTimeoutError),
        (409, "conflict", "conflict_error", anthropic.ConflictError),
        (413, "request_too_large", "request_too_large", anthropic.ContentTooLargeError),
        (415, "unsupported_media_type", "invalid_request_error", anthropic.APIStatusError),
        (421, "host_not_allowed", "invalid_request_error", anthropic.APIStatusError),
        (429, "rate_limit_exceeded", "rate_limit_error", anthropic.RateLimitError),
        (500, "internal_error", "api_error", anthropic.InternalServerError),
        (502, "upstream_unreachable", "api_error", anthropic.InternalServerError),
        (502, "stream_incomplete", "api_error", anthropic.InternalServerError),
        (503, "no_credentials", "api_error", anthropic.ServiceUnavailableError),
        (503, "at_capacity", "overloaded_error", anthropic.ServiceUnavailableError),
        (503, "shutting_down", "overloaded_error", anthropic.ServiceUnavailableError),
        (503, "overloaded", "overloaded_error", anthropic.ServiceUnavailableError),
        (524, "upstream_timeout", "timeout_error", anthropic.InternalServerError),
    ],
)  # fmt: skip
def test_an_error_of_ours_has_anthropics_word_for_it(
    status: int, code: str | None, type_: str, raises: type[Exception]
) -> None:
    ours = errors.ProxyError("Words", status=status, type="of OpenAI", code=code)

    seen = raised(ours)

    assert type(seen) is raises
    assert (seen.type, seen.api_message, seen.error_code) == (type_, "Words", code)
    assert seen.request_id == "req_7"
    assert seen.body["request_id"] == "req_7"


def test_no_code_of_ours_is_one_that_the_sdk_knows() -> None:
    """It raises other classes for those."""
    plain = {raised(errors.ProxyError("W", status=status, type="t")).__class__
             for status in (400, 403, 409)}  # fmt: skip
    coded = {
        raised(errors.ProxyError("W", status=status, type="t", code=code)).__class__
        for status in (400, 403, 409)
        for code in metrics.CODES
    }

    assert coded == plain


@pytest.mark.parametrize(
    ("status", "type_", "message", "code"),
    [
        (400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum",
         "context_length_exceeded"),
        (429, "rate_limit_error", "Slow down", "rate_limit_exceeded"),
        (529, "overloaded_error", "Overloaded", "overloaded"),
        (418, "teapot_error", "I am new", None),
        (400, "invalid_request_error", "Your credit balance is too low.",
         "insufficient_quota"),
    ],
)  # fmt: skip
def test_anthropics_own_error_keeps_its_type_and_its_words(
    status: int, type_: str, message: str, code: str | None
) -> None:
    reported = messages_response.Error(type_, message)

    seen = raised(upstream_error.to_openai_error(status, reported, ABOUT))

    assert (seen.type, seen.api_message, seen.error_code) == (type_, message, code)


@pytest.mark.parametrize("status", [400, 402, 403, 409, 418, 429, 500, 529])
def test_anthropics_own_code_and_all_that_stands_beside_it_reach_the_sdk(
    status: int,
) -> None:
    details = {"error_code": "of_tomorrow", "limit": 1.50, "more": [None]}
    reported = messages_response.Error(
        "of_tomorrow_error", "Words", msgspec.Raw(json.dumps(details).encode())
    )

    seen = raised(upstream_error.to_openai_error(status, reported, ABOUT))

    assert seen.error_code == "of_tomorrow"
    assert seen.body["error"]["details"] == details


@pytest.mark.parametrize("details", [b"null", b"{}", b"[7]", b'"x"'])
def test_where_anthropics_details_name_no_code_ours_is_there(details: bytes) -> None:
    reported = messages_response.Error("rate_limit_error", "W", msgspec.Raw(details))

    seen = raised(upstream_error.to_openai_error(429, reported, ABOUT))

    assert seen.error_code == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("status", "message", "type_", "words"),
    [
        (401, "invalid x-api-key", "authentication_error", "the proxy's own credential"),
        (403, "This credential is only authorized for use with Claude Code and cannot",
         "permission_error", "Use an API key"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_proxys_credential_the_proxy_says(
    status: int, message: str, type_: str, words: str
) -> None:
    reported = messages_response.Error(type_, message)

    seen = raised(upstream_error.to_openai_error(status, reported, ABOUT))

    assert seen.type == type_
    assert words in seen.api_message


def test_an_error_that_is_raised_again_keeps_anthropics_words() -> None:
    reported = messages_response.Error("rate_limit_error", "Slow down")
    failed = upstream_error.to_openai_error(429, reported, ABOUT)

    assert failed.anew().reported == failed.reported
    assert failed.reported == ("rate_limit_error", "Slow down", b"null")


def test_inside_a_stream_it_is_an_error_event() -> None:
    event = error.to_event(errors.shutting_down(), "req_7")

    name, data, *rest = event.decode().split("\n")
    assert (name, rest) == ("event: error", ["", ""])
    assert (
        json.loads(data.removeprefix("data: "))["error"]["type"] == "overloaded_error"
    )
