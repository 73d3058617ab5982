"""One request as it arrived, and the ways to read it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from standin import models

Block = dict[str, Any]
PlacedBlock = tuple[str, Block]  # its path as the API writes it, and the block

NEW_VERSION = "2026-10-21"
OLD_VERSION = "2023-06-01"


@dataclass(frozen=True)
class Call:
    """A request to one of the Messages endpoints.

    `headers` have lower-case names. `size` is the body's length in bytes. `tokens`
    holds the credentials that count as valid, None means any.
    """

    body: dict[str, Any]
    headers: Mapping[str, str]
    size: int = 0
    counting: bool = False
    tokens: frozenset[str] | None = None

    @property
    def version(self) -> str:
        return self.headers.get("anthropic-version", "")

    @property
    def credential(self) -> str:
        """The API key or the bearer token, "" without one."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" else ""
        return self.headers.get("x-api-key", "").strip() or bearer

    @property
    def betas(self) -> list[str]:
        listed = self.headers.get("anthropic-beta", "").split(",")
        return [name.strip() for name in listed if name.strip()]

    @cached_property
    def model(self) -> models.Model:
        """The model's row; an unknown model is read as the newest one."""
        return models.find(self.body.get("model")) or models.MODELS[0]

    @cached_property
    def messages(self) -> list[tuple[str, list[Block]]]:
        """Each message as its role and its blocks, a string being one text block."""
        return [
            (message["role"], blocks(message["content"]))
            for message in self.body["messages"]
        ]

    @cached_property
    def last_turn(self) -> list[Block]:
        """The blocks of the user turn at the end, system messages left out."""
        turn: list[Block] = []
        for role, content in reversed(self.messages):
            if role == "assistant":
                break
            if role == "user":
                turn = [*content, *turn]
        return turn

    @property
    def last_block(self) -> Block | None:
        """The last block of the messages that can carry a cache mark."""
        thought = ("thinking", "redacted_thinking")
        placed = [block for _, content in self.messages for block in content]
        return next((b for b in reversed(placed) if b["type"] not in thought), None)

    @property
    def tools(self) -> list[Block]:
        return self.body.get("tools") or []

    @property
    def client_tools(self) -> list[Block]:
        """The tools that the client runs; Anthropic runs those of other types."""
        return [tool for tool in self.tools if tool.get("type", "custom") == "custom"]

    @property
    def searches(self) -> bool:
        """Whether the answer may search the web."""
        offered = any(tool["name"] == "web_search" for tool in self.tools)
        client = any(tool["name"] == "web_search" for tool in self.client_tools)
        return offered and not client and self.tool_choice != "none"

    @property
    def tool_choice(self) -> str:
        """The type of the tool choice; a request without one means auto."""
        choice = self.body.get("tool_choice") or {}
        return str(choice.get("type", "auto"))

    @property
    def compacts(self) -> bool:
        """Whether the conversation is to be summarized, and nothing said."""
        return "compaction" in self.body and not self.counting

    @property
    def output_config(self) -> Block:
        return self.body.get("output_config") or {}

    @property
    def output_schema(self) -> Block | None:
        """The schema of a structured output, None without one."""
        form = self.output_config.get("format") or {}
        return form.get("schema")

    @property
    def thinking_type(self) -> str:
        """The mode of thinking that holds, the model's default included."""
        off = self.model.thinking_default == "off"
        default = "disabled" if off else "adaptive"
        return str((self.body.get("thinking") or {}).get("type", default))

    @property
    def drops_unbound_thinking(self) -> bool:
        binding = (self.body.get("thinking") or {}).get("block_binding") or {}
        return binding.get("prefix_mismatch_behavior") == "drop_block"

    def message_blocks(self) -> Iterator[PlacedBlock]:
        """Give every content block of the messages, those in tool results too."""
        for index, (_, content) in enumerate(self.messages):
            yield from _with_nested(f"messages.{index}.content", content)

    def system_blocks(self) -> Iterator[PlacedBlock]:
        """Give the blocks of the top-level system prompt."""
        for index, block in enumerate(blocks(self.body.get("system") or [])):
            yield f"system.{index}", block


def blocks(content: str | list[Block]) -> list[Block]:
    """Give content as a list of blocks; a string is one text block, "" is none."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content


def _with_nested(path: str, content: list[Block]) -> Iterator[PlacedBlock]:
    for index, block in enumerate(content):
        yield f"{path}.{index}", block
        if block["type"] == "tool_result":
            inner = blocks(block.get("content") or [])
            yield from _with_nested(f"{path}.{index}.tool_result.content", inner)


def without_marks(value: object) -> object:
    """Copy a JSON value without any `cache_control` in it."""
    match value:
        case dict():
            kept = (pair for pair in value.items() if pair[0] != "cache_control")
            return {name: without_marks(inner) for name, inner in kept}
        case list():
            return [without_marks(inner) for inner in value]
        case _:
            return value


def canonical(value: object) -> bytes:
    """Write a JSON value so that what means the same to a cache is the same bytes.

    Marks do not count; the order of keys does, as it does for the real prompt cache.
    Raises ValueError for what JSON cannot say, RecursionError for too deep a value.
    """
    written = json.dumps(
        without_marks(value),
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )
    return written.encode()


def digest(*parts: bytes) -> str:
    """Give a short hash of some bytes, for ids and signatures."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:24]


def tokens(value: object) -> int:
    """Estimate how many tokens a value is: a quarter of its bytes, at least one."""
    written = value.encode() if isinstance(value, str) else canonical(value)
    return max(1, len(written) // 4)
