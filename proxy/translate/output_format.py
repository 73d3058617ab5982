"""A wish for JSON as Anthropic's structured outputs, or as an instruction (rows b3)."""

from msgspec import Raw, Struct

from proxy import capabilities, errors
from proxy.schema import messages_request
from proxy.translate import ask, json_schema, warn

JSON_OBJECT = "Reply with one JSON object and nothing else."
"""Never ``{"type": "object"}`` as a schema: closed, as it must be, it allows only ``{}``."""

BY_SCHEMA = (
    "Reply with one JSON value that conforms to the following JSON Schema, and nothing "
    "else.\n"
)


class Output(Struct, frozen=True):
    """What JSON is asked for by: a format that Anthropic enforces, an instruction, or neither."""

    format: messages_request.JSONSchemaFormat | None = None
    instruction: str | None = None
    """Goes to the end of the system prompt; a function of that wish alone,
    which clients keep constant over a conversation (b10.injected)."""


def to_output(
    wanted: ask.AnyJSONObject | ask.JSONOf | None,
    model: capabilities.Model,
    warnings: warn.Warnings,
) -> Output:
    """What a request for JSON becomes.

    Raises ``InvalidRequestError`` for a schema that is missing, or is none.
    """
    match wanted:
        case ask.AnyJSONObject(at=at):
            warnings.add("json_object_by_prompt", param=at)
            return Output(instruction=JSON_OBJECT)
        case ask.JSONOf(schema=schema, at=at):
            return _by_schema(schema, at, model, warnings)
        case None:
            return Output()


def _by_schema(
    raw: Raw, at: str, model: capabilities.Model, warnings: warn.Warnings
) -> Output:
    given = bytes(raw)
    if given in {b"", b"null"}:
        raise errors.InvalidRequestError(
            f"{at}: is required", param=at, code="missing_required_parameter"
        )
    if given[:1] not in {b"{", b"t", b"f"}:
        raise errors.InvalidRequestError(
            f"{at}: must be a JSON schema", param=at, code="invalid_type"
        )
    if model.structured_outputs:
        try:
            schema = json_schema.to_anthropic_schema(given)
        except json_schema.InexpressibleError:
            pass
        else:
            return Output(format=messages_request.JSONSchemaFormat(schema=Raw(schema)))
    warnings.add("schema_not_enforced", param=at)
    return Output(instruction=BY_SCHEMA + given.decode())
