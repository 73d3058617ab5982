"""Why a message ended, as far as both of OpenAI's APIs need to know."""

from proxy.schema import messages_response

DECLINED = "The model declined to respond."

CUT = frozenset({"max_tokens", "model_context_window_exceeded", "refusal"})
"""Stop reasons after which the last block may be unfinished. A call in it must not run."""


def refusal_text(
    stop_reason: str | None, details: messages_response.StopDetails | None
) -> str | None:
    """The words of a refusal: Anthropic's explanation, or ours; ``None`` if it is none."""
    if stop_reason != "refusal":
        return None
    return (details.explanation if details else None) or DECLINED
