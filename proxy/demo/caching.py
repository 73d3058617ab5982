"""What a prompt costs, and what of it would have come from the prompt cache."""

from typing import Any

from proxy.demo import call as calls


def prompt_tokens(call: calls.Call) -> int:
    """Estimate the tokens of tools, system prompt and messages together."""
    parts = [*call.tools]
    parts += [block for _, block in call.system_blocks()]
    for _, content in call.messages:
        parts += content
    return sum(calls.tokens(part) for part in parts)


class Cache:
    """The prompt prefixes that were written."""

    def usage(self, call: calls.Call) -> dict[str, Any]:
        """Give the input side of an answer's usage, and keep what it would write."""
        return {
            "input_tokens": prompt_tokens(call),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 0,
                "ephemeral_1h_input_tokens": 0,
            },
            "service_tier": "standard",
        }
