"""Which headers are passed on between a client and Anthropic. No credential is among them."""

import re
from collections.abc import Mapping

from proxy import errors

_WORD = re.compile(r"[\w.:-]{1,128}", re.ASCII)
"""What version and flags look like: nothing else goes into a header of ours."""

_OPENAI_ONLY = ("/v1/chat/", "/v1/responses")


def version(given: str | None) -> str | None:
    """The client's ``anthropic-version``; ``None`` without one.

    Raises ``InvalidRequestError``.
    """
    if given is not None and not _WORD.fullmatch(given):
        raise errors.InvalidRequestError(
            "anthropic-version: must be a date such as 2023-06-01", code="invalid_value"
        )
    return given


def betas(given: str | None) -> tuple[str, ...]:
    """The client's ``anthropic-beta`` flags, each once. Raises ``InvalidRequestError``."""
    flags = [one.strip() for one in (given or "").split(",") if one.strip()]
    if not all(map(_WORD.fullmatch, flags)):
        raise errors.InvalidRequestError(
            "anthropic-beta: must be names, separated by commas", code="invalid_value"
        )
    return tuple(dict.fromkeys(flags))


def to_client(headers: Mapping[str, str]) -> dict[str, str]:
    """What Anthropic says beside its response: whose it is, its id, the rate limits.

    Names are in lower case.
    """
    return {
        name: value
        for name, value in headers.items()
        if name == "request-id" or name.startswith("anthropic-")
    }


def speaks_anthropic(path: str, version: str | None) -> bool:
    """Whether a client expects Anthropic's shapes, its envelope of errors among them.

    ``version`` is its ``anthropic-version``. It decides where a path is of both APIs
    (``/v1/models``), or of neither.
    """
    if path.startswith("/v1/messages"):
        return True
    return version is not None and not path.startswith(_OPENAI_ONLY)
