"""What all of OpenAI's APIs share: model listings and the error envelope."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType


class Model(Struct, frozen=True, kw_only=True):
    id: str
    object: str = "model"
    created: int
    owned_by: str = "anthropic"


class ModelList(Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: list[Model]
    models: list[dict[str, Any]] | UnsetType = UNSET
    """The same for Codex, which reads no ``data``."""


class Error(Struct, frozen=True, kw_only=True):
    """All four keys, always: the .NET client drops the message of any other shape."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorResponse(Struct, frozen=True):
    error: Error
