"""The response object, from its beginning to any of its ends (rows r7)."""

from collections.abc import Callable, Sequence
from typing import Any, get_args

from msgspec import UNSET, structs

from proxy import errors
from proxy.schema import messages_response, openai
from proxy.schema import responses_response as out
from proxy.translate import usage
from proxy.translate.responses import context

Keep = Callable[[out.Response], bool]
"""Keeps a response that has ended; says whether there was room for it."""

_INCOMPLETE: dict[str, out.IncompleteReason] = {
    "max_tokens": "max_output_tokens",
    "model_context_window_exceeded": "max_output_tokens",
    "pause_turn": "max_output_tokens",  # only with server tools: there is more to come
    "refusal": "content_filter",
}
_FAILURES = frozenset({"rate_limit_exceeded", "context_length_exceeded"})


class ResponseObject:
    """What of a response object is known before its end, encoded once."""

    def __init__(self, asked: context.Context, *, created: int) -> None:
        self._asked = asked
        self._created = created
        self._removed: list[out.InputTransformation] = [*asked.removed]
        self.suffix = ""

    def began(self, message: messages_response.StartedMessage) -> out.Response:
        """The object with which the stream begins."""
        self.suffix = message.id.removeprefix("msg_")
        self.transformed(message.input_transformations)
        return self._object("in_progress", store=self._asked.store)

    def transformed(
        self, reported: Sequence[messages_response.InputTransformation] | None
    ) -> None:
        """Note what Anthropic left out of the input; the last report is valid."""
        if reported is not None:
            self._removed = [*self._asked.removed, *self._traced(reported)]

    def ended(
        self,
        stop_reason: str | None,
        output: list[out.Item],
        reported: messages_response.Usage,
        *,
        completed: Callable[[], int],
        keep: Keep,
    ) -> out.Response:
        """The object with which a response ends that was not broken off.

        ``completed`` says what time it is. ``keep`` is asked only for what is to be
        kept, and its answer is what ``store`` says.

        Raises ``UpstreamError`` if a compaction was asked for and there is none: a client
        that took an empty response for one would lose its conversation.
        """
        made = any(isinstance(item, out.Compaction) for item in output)
        if self._asked.compact and not made:
            raise errors.UpstreamError(
                "Anthropic's response holds no compaction",
                status=502,
                type="server_error",
                code="upstream_error",
            )
        reason = _INCOMPLETE.get(stop_reason or "")
        ended = self._object(
            "incomplete" if reason else "completed",
            completed_at=None if reason else completed(),
            incomplete_details=out.IncompleteDetails(reason) if reason else None,
            output=output,
            usage=_usage(reported),
            service_tier=usage.service_tier(reported) or "default",
            store=self._asked.store,
        )
        if ended.store and not keep(ended):
            return structs.replace(ended, store=False)
        return ended

    def failed(self, error: openai.Error, output: list[out.Item]) -> out.Response:
        """The object of a response that was broken off (row r9.failed)."""
        code = error.code if error.code in _FAILURES else "server_error"
        return self._object(
            "failed",
            error=out.Error(code or "server_error", error.message),
            output=output,
            store=False,
        )

    def _object(self, status: out.Status, **known: object) -> out.Response:
        return structs.replace(
            self._asked.echo,
            id=f"resp_{self.suffix}",
            created_at=self._created,
            status=status,
            model=self._asked.model,
            input_transformations=self._removed or UNSET,
            **known,
        )

    def _traced(
        self, reported: Sequence[messages_response.InputTransformation]
    ) -> list[out.InputTransformation]:
        traced = []
        for one in reported:
            reason: Any = one.reason.replace("_binding_mismatch", "_mismatch")
            item_id = self._asked.replayed.get(one.path)
            if one.type == "thinking_dropped" and item_id and reason in _REASONS:
                traced.append(out.InputTransformation(id=item_id, reason=reason))
        return traced


_REASONS = frozenset(get_args(out.Reason))


def _usage(reported: messages_response.Usage) -> out.Usage:
    counts = usage.counts(reported)
    return out.Usage(
        input_tokens=counts.input,
        input_tokens_details=out.InputTokensDetails(counts.read, counts.written),
        output_tokens=counts.output,
        output_tokens_details=out.OutputTokensDetails(counts.reasoning),
        total_tokens=counts.total,
    )
