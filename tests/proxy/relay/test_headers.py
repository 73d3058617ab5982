"""proxy.relay.headers: which headers are passed on, and whose shapes a client expects."""

import pytest

from proxy import errors
from proxy.relay import headers


@pytest.mark.parametrize(
    ("given", "flags"),
    [
        (None, ()),
        ("", ()),
        ("files-api-2025-04-14", ("files-api-2025-04-14",)),
        (" a-1 ,b-2,, a-1", ("a-1", "b-2")),
    ],
)
def test_beta_flags_are_passed_on_once(
    given: str | None, flags: tuple[str, ...]
) -> None:
    assert headers.betas(given) == flags


@pytest.mark.parametrize("given", ["a b", "a;b", "é", "x" * 200])
def test_what_is_no_flag_goes_into_no_header(given: str) -> None:
    with pytest.raises(errors.InvalidRequestError, match="anthropic-beta: must be"):
        headers.betas(given)


def test_the_version_is_passed_on() -> None:
    assert headers.version("2023-06-01") == "2023-06-01"
    assert headers.version(None) is None
    with pytest.raises(errors.InvalidRequestError, match="anthropic-version: must be"):
        headers.version("2023 06 01")


def test_what_anthropic_says_of_itself_reaches_the_client_and_nothing_else() -> None:
    passed = {
        "request-id": "req_1",
        "anthropic-organization-id": "org",
        "anthropic-ratelimit-unified-status": "allowed",
    }
    others = {
        "content-length": "7",
        "set-cookie": "a=b",
        "retry-after": "3",
        "via": "x",
    }

    assert headers.to_client({**passed, **others}) == passed


@pytest.mark.parametrize(
    ("path", "version", "expected"),
    [
        ("/v1/messages", None, True),
        ("/v1/messages/count_tokens", None, True),
        ("/v1/messages/batches", None, True),
        ("/v1/models", None, False),
        ("/v1/models", "2023-06-01", True),
        ("/v1/files", "2023-06-01", True),
        ("/v1/chat/completions", "2023-06-01", False),
        ("/v1/responses", "2023-06-01", False),
        ("/v1/responses/resp_1", "2023-06-01", False),
        ("/v1/chat/completions", None, False),
    ],
)
def test_the_path_or_the_version_shows_which_api_a_client_speaks(
    path: str, version: str | None, expected: bool
) -> None:
    assert headers.speaks_anthropic(path, version) is expected
