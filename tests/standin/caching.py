"""What a prompt costs, and what of it comes from the prompt cache.

A prompt is a sequence of blocks: tools, then the system prompt, then the messages. A
mark (`cache_control`) asks to keep the prefix that ends with its block; the top-level
field marks the last block that can carry one. A later prompt reads the longest kept
prefix that it starts with, and looks for one only at the 20 blocks that lead up
to each of its own marks. A prefix shorter than the model's minimum is not kept.

Source: the prompt-caching pages of Anthropic's documentation.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from standin.call import Block, Call, canonical, tokens

LOOKBACK = 20  # blocks, the marked one included
_SECONDS = {"5m": 300, "1h": 3600}
_UNMARKABLE = ("thinking", "redacted_thinking")


@dataclass(frozen=True, slots=True)
class Step:
    """A block of a prompt, and the prefix that ends with it.

    `key` is a hash of that prefix, `size` its tokens, `ttl` the mark's lifetime
    or None without a mark.
    """

    key: str
    size: int
    ttl: str | None


@dataclass(slots=True)
class Cache:
    """The prefixes that were kept; reading one renews its lifetime."""

    clock: Callable[[], float] = time.monotonic
    _kept: dict[str, tuple[float, int]] = field(default_factory=dict)  # end, lifetime
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def usage(self, call: Call) -> dict[str, Any]:
        """Give the input side of a message's usage, and keep what the prompt marks."""
        steps = list(prompt(call))
        marks = [
            place
            for place, step in enumerate(steps)
            if step.ttl is not None and step.size >= call.model.min_cacheable
        ]
        with self._lock:
            self._forget_expired()
            read = max((self._read(steps, mark) for mark in marks), default=0)
            for mark in marks:
                self._keep(steps[mark].key, _SECONDS[steps[mark].ttl or "5m"])
        marked = steps[marks[-1]].size if marks else 0
        hour = max((steps[m].size for m in marks if steps[m].ttl == "1h"), default=0)
        written, written_1h = marked - read, max(0, hour - read)
        return {
            "input_tokens": (steps[-1].size if steps else 0) - marked,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": written - written_1h,
                "ephemeral_1h_input_tokens": written_1h,
            },
            "service_tier": "standard",
        }

    def _read(self, steps: list[Step], mark: int) -> int:
        """Give the size of the longest kept prefix that ends at a mark or before it."""
        for step in reversed(steps[max(0, mark + 1 - LOOKBACK) : mark + 1]):
            if step.key in self._kept:
                self._keep(step.key, self._kept[step.key][1])
                return step.size
        return 0

    def _keep(self, key: str, lifetime: int) -> None:
        new = self.clock() + lifetime, lifetime
        self._kept[key] = max(new, self._kept.get(key, new))

    def _forget_expired(self) -> None:
        now = self.clock()
        for key in [key for key, (end, _) in self._kept.items() if end <= now]:
            del self._kept[key]


def prompt(call: Call) -> Iterator[Step]:
    """Give the blocks of a prompt in the order in which it is cached.

    What changes how the blocks are read is part of the prefix: the model from the
    start, a structured output from the system prompt on, and from the messages on the
    tool choice, the thinking mode and whether there are images at all.
    """
    placed = list(_placed(call))
    markable = [
        i for i, (_, b) in enumerate(placed) if b.get("type") not in _UNMARKABLE
    ]
    key, size, level = hashlib.sha256(call.model.id.encode()), 0, ""
    for place, (part, block) in enumerate(placed):
        if part != level:
            key.update(canonical([part, _settings(call, part)]))
            level = part
        key.update(canonical(block) + b"\n")
        size += tokens(block)
        mark = _mark(block)
        if markable and place == markable[-1]:
            mark = mark or call.body.get("cache_control")
        ttl = mark.get("ttl", "5m") if mark else None
        yield Step(key.hexdigest(), size, ttl)


def prompt_tokens(call: Call) -> int:
    """Estimate the tokens of tools, system prompt and messages together."""
    return sum(tokens(block) for _, block in _placed(call))


def _placed(call: Call) -> Iterator[tuple[str, Block]]:
    for tool in call.tools:
        yield "tools", tool
    for _, block in call.system_blocks():
        yield "system", block
    for role, content in call.messages:
        for block in content:
            yield "messages", block | {"role": role}


def _mark(block: Block) -> Block | None:
    """Give a block's mark; one inside a tool result counts for the whole result."""
    inner = block.get("content") if block.get("type") == "tool_result" else None
    nested = inner if isinstance(inner, list) else []
    marks = [part.get("cache_control") for part in (block, *nested)]
    return next(filter(None, marks), None)


def _settings(call: Call, part: str) -> object:
    match part:
        case "system":
            return call.output_schema
        case "messages":
            budget = (call.body.get("thinking") or {}).get("budget_tokens")
            images = any(b["type"] == "image" for _, b in call.message_blocks())
            choice = call.body.get("tool_choice")
            return [call.output_schema, choice, call.thinking_type, budget, images]
        case _:
            return None
