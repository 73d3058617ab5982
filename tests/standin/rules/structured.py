"""Rows about the schemas that an answer must follow to the letter.

They are `output_config.format` and the tools with `strict: true`; both compile to a
grammar, and only a part of JSON Schema can.
"""

import re
from collections.abc import Iterator

from standin.call import Call
from standin.rules import json_schema
from standin.rules.json_schema import Node
from standin.rules.row import Row

_MAX_STRICT_TOOLS = 20
_MAX_OPTIONAL = 24
_MAX_UNIONS = 16

_UNSUPPORTED = {
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "maxItems", "uniqueItems", "contains", "prefixItems"),
    *("minContains", "maxContains", "minProperties", "maxProperties"),
    *("patternProperties", "propertyNames", "dependentRequired", "dependentSchemas"),
    *("oneOf", "not", "if", "then", "else"),
    *("unevaluatedProperties", "unevaluatedItems"),
}
_FORMATS = {
    *("date-time", "time", "date", "duration", "email", "hostname", "uri"),
    *("ipv4", "ipv6", "uuid"),
}
_LOOKAROUND = re.compile(r"\(\?(?:<?[=!])|\\[bB1-9]")

_FORMAT = "output_config.format.schema"

Placed = tuple[str, Node]  # where a schema stands in the request, and the schema


def _format_schema(call: Call) -> list[Placed]:
    schema = call.output_schema
    return [(_FORMAT, schema)] if json_schema.is_valid(schema) and schema else []


def _strict_schemas(call: Call) -> list[Placed]:
    return [
        (f"tools.{index}.custom.input_schema", tool["input_schema"])
        for index, tool in enumerate(call.tools)
        if tool in call.client_tools
        and tool.get("strict")
        and json_schema.is_valid(tool["input_schema"])
    ]


def _is_object(node: Node) -> bool:
    kind = node.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    return "object" in kinds or "properties" in node


def _open_objects(schemas: list[Placed]) -> Iterator[str]:
    for path, schema in schemas:
        for node in json_schema.nodes(schema):
            if _is_object(node) and node.get("additionalProperties") is not False:
                yield (
                    f"{path}: For 'object' type, 'additionalProperties' must be "
                    "explicitly set to false"
                )


def _keywords(schemas: list[Placed]) -> Iterator[str]:
    for path, schema in schemas:
        for node in json_schema.nodes(schema):
            yield from (f"{path}: {problem}" for problem in _unsupported(node))


def _unsupported(node: Node) -> Iterator[str]:
    kind = node.get("type", "schema")
    if found := sorted(_UNSUPPORTED & node.keys()):
        yield f"For '{kind}' type, properties {', '.join(found)} are not supported"
    if node.get("minItems", 0) not in (0, 1):
        yield "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
    if "format" in node and node["format"] not in _FORMATS:
        yield f"For 'string' type, format '{node['format']}' is not supported"
    if _LOOKAROUND.search(str(node.get("pattern", ""))):
        yield "For 'string' type, this pattern is not supported"
    values = [*(node.get("enum") or ()), *([node["const"]] if "const" in node else [])]
    if any(isinstance(value, dict | list) for value in values):
        yield "Enum values must be strings, numbers, booleans or null"
    elif "type" in node and not all(_declared(value, kind) for value in values):
        wrong = next(value for value in values if not _declared(value, kind))
        yield f"Invalid schema: Enum value '{wrong}' does not match declared type '{kind}'"
    elif not {"type", "enum", "const", "$ref", *json_schema.UNIONS} & node.keys():
        yield f"Invalid schema: Schema type is missing for schema: {node}"
    parts = node.get("allOf") or ()
    if any(isinstance(part, dict) and "$ref" in part for part in parts):
        yield "'allOf' with '$ref' is not supported"
    reference = node.get("$ref", "#")
    if not isinstance(reference, str) or not reference.startswith("#"):
        yield "External '$ref' is not supported"


_PYTHON_TYPES: dict[object, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def _declared(value: object, kind: object) -> bool:
    """Say whether a value is of the one type that its schema declares.

    No value is of a list of types, as the API compares them.
    """
    return not isinstance(kind, list) and type(value) in _PYTHON_TYPES.get(kind, ())


def _recursive(schemas: list[Placed]) -> Iterator[str]:
    for path, schema in schemas:
        if any(_reaches_itself(schema, node) for node in json_schema.nodes(schema)):
            yield f"{path}: Recursive schemas are not supported"


def _reaches_itself(root: Node, start: Node) -> bool:
    seen: list[str] = []
    waiting = [node["$ref"] for node in json_schema.nodes(start) if "$ref" in node]
    while waiting:
        reference = waiting.pop()
        target = json_schema.resolve(root, reference)
        if target is start:
            return True
        if target is not None and reference not in seen:
            seen.append(reference)
            waiting += [
                node["$ref"] for node in json_schema.nodes(target) if "$ref" in node
            ]
    return False


def _format_invalid(call: Call) -> Iterator[str]:
    if call.output_schema is not None and not json_schema.is_valid(call.output_schema):
        yield f"{_FORMAT}: JSON schema is invalid"


def _format_open(call: Call) -> Iterator[str]:
    return _open_objects(_format_schema(call))


def _format_keyword(call: Call) -> Iterator[str]:
    return _keywords(_format_schema(call))


def _format_recursive(call: Call) -> Iterator[str]:
    return _recursive(_format_schema(call))


def _format_dialect(call: Call) -> Iterator[str]:
    for path, schema in _format_schema(call):
        if "$schema" in schema:
            yield f"{path}: '$schema' is not supported"


def _strict_open(call: Call) -> Iterator[str]:
    return _open_objects(_strict_schemas(call))


def _strict_keyword(call: Call) -> Iterator[str]:
    return _keywords(_strict_schemas(call))


def _strict_recursive(call: Call) -> Iterator[str]:
    return _recursive(_strict_schemas(call))


def _strict_count(call: Call) -> Iterator[str]:
    count = len(_strict_schemas(call))
    if count > _MAX_STRICT_TOOLS:
        yield (
            f"Too many strict tools ({count}). The maximum number of strict tools "
            f"supported is {_MAX_STRICT_TOOLS}. Try reducing the number of tools "
            "marked as strict."
        )


def _compiled(call: Call) -> Iterator[Node]:
    for _, schema in (*_strict_schemas(call), *_format_schema(call)):
        yield from json_schema.nodes(schema)


def _optional_count(call: Call) -> Iterator[str]:
    count = sum(
        len((node.get("properties") or {}).keys() - set(node.get("required") or []))
        for node in _compiled(call)
    )
    if count > _MAX_OPTIONAL:
        yield (
            f"Schemas contains too many optional parameters ({count}), which would "
            "make grammar compilation inefficient. Reduce the number of optional "
            f"parameters in your tool schemas (limit: {_MAX_OPTIONAL})."
        )


def _union_count(call: Call) -> Iterator[str]:
    nodes = list(_compiled(call))
    count = sum("anyOf" in n or isinstance(n.get("type"), list) for n in nodes)
    if count > _MAX_UNIONS:
        yield (
            f"Schemas contains too many parameters with union types ({count} "
            "parameters with type arrays or anyOf). This causes exponential "
            f"compilation cost (limit: {_MAX_UNIONS} parameters with unions)."
        )


ROWS = (
    Row("format.invalid", _format_invalid),
    Row("format.open_object", _format_open),
    Row("format.keyword", _format_keyword),
    Row("format.recursive", _format_recursive),
    Row("format.dialect", _format_dialect),
    Row("strict.open_object", _strict_open),
    Row("strict.keyword", _strict_keyword),
    Row("strict.recursive", _strict_recursive),
    Row("strict.too_many_tools", _strict_count),
    Row("strict.too_many_optional", _optional_count),
    Row("strict.too_many_unions", _union_count),
)
