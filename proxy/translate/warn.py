"""What was dropped or changed in translation, by stable codes.

The codes reach the client in ``x-proxy-warnings`` and the completion's log line.
"""

from proxy import errors

HARMLESS = frozenset(
    {
        "cache_marks_dropped",
        "cache_ttl_lowered",
        "call_incomplete_dropped",
        "compact_threshold_raised",
        "defer_loading_ignored",
        "opening_added",
        "reasoning_context_ignored",
        "reasoning_ignored",
        "service_tier_ignored",
        "system_only_request",
        "think_text_dropped",
        "thinking_blocks_dropped",
        "tool_arguments_invalid_json",
        "tool_schema_simplified",
        "tool_search_ignored",
        "truncation_ignored",
        "web_search_call_ignored",
    }
)
"""Codes of changes that leave the response what was asked for: the model reads all that
the client sent for it to read, or what differs is a price. What no client can avoid when
a conversation moves here is one too. ``STRICT_PARAMS`` refuses every other."""


def changes_response(code: str) -> bool:
    """Whether ``STRICT_PARAMS`` refuses what this code reports."""
    return code not in HARMLESS


class Warnings:
    """Collects codes, each once, in order. ``strict`` turns most of them into 400s."""

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._codes: dict[str, None] = {}

    def add(self, code: str, *, param: str) -> None:
        """Report a change, or refuse it under ``STRICT_PARAMS``.

        Raises ``InvalidRequestError`` naming ``param``, the field that is changed.
        """
        if self._strict and changes_response(code):
            raise errors.InvalidRequestError(
                f"{param}: must not need a change that alters the response, since "
                f"STRICT_PARAMS is set ({code})",
                param=param,
                code="unsupported_value",
            )
        self._codes[code] = None

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes so far, in the order of their first occurrence."""
        return tuple(self._codes)
