"""Bad tools, calls, results and schemas, each with the row that it breaks."""

from standin_tests.requests import (
    assistant,
    body,
    formatted,
    loop,
    png,
    result,
    schema,
    text,
    tool,
    use,
    user,
)

TOOLS = [tool()]
CITY = schema(city={"type": "string"})
FORCED = {"type": "any"}
MANUAL = {"type": "enabled", "budget_tokens": 1024}


def strict(shape=CITY, count=1):
    tools = [tool(f"t{n}", input_schema=shape, strict=True) for n in range(count)]
    return body(tools=tools)


def recursive(**fields):
    return schema(next={"$ref": "#"}, **fields)


def optionals(count):
    shape = schema(**{f"p{n}": {"type": "string"} for n in range(count)})
    return shape | {"required": []}


def unions(count):
    return schema(**{f"p{n}": {"type": ["string", "null"]} for n in range(count)})


TOOL_CASES = [
    ("tools.name_pattern", body(tools=[tool("get.weather")])),
    ("tools.name_pattern", body(tools=[tool("x" * 129)])),
    ("tools.duplicate_name", body(tools=[tool(), tool()])),
    ("tools.schema_type", body(tools=[tool(input_schema={})])),
    ("tools.schema_type", body(tools=[tool(input_schema={"type": "array"})])),
    ("tools.schema_union", body(tools=[tool(input_schema=CITY | {"anyOf": [CITY]})])),
    (
        "tools.schema_invalid",
        body(tools=[tool(input_schema=schema(a={"type": "str"}))]),
    ),
    *(
        ("tools.schema_invalid", body(tools=[tool(input_schema=schema(a=bad))]))
        for bad in (
            {"type": "array", "items": [{"type": "number"}]},
            {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            {"type": "string", "description": None},
            {"type": "any"},
            {"type": "string", "required": True},
            {"$id": "#a"},
        )
    ),
    ("tools.property_key", body(tools=[tool(input_schema=schema(**{"a b": {}}))])),
    (
        "tools.property_key",
        body(tools=[tool(input_schema=schema(a=schema(**{"$top": {}})))]),
    ),
    *(
        (
            "tool_result.failed",
            loop() | {"messages": [user("a"), assistant(use()), user(bad)]},
        )
        for bad in (
            {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True},
            result(content=[text("a"), png()]) | {"is_error": True},
        )
    ),
    ("tools.missing_for_history", loop(tools=[])),
    ("tools.missing_for_history", {k: v for k, v in loop().items() if k != "tools"}),
    ("tool_choice.no_tools", body(tool_choice={"type": "auto"})),
    (
        "tool_choice.unknown_tool",
        body(tools=TOOLS, tool_choice={"type": "tool", "name": "get_time"}),
    ),
    *(
        (
            "tool_choice.forced_on_model",
            body(model=model, tools=TOOLS, tool_choice=FORCED),
        )
        for model in (
            "claude-opus-5-5",
            "claude-sonnet-5-5",
            "claude-fable-5-1",
            "claude-mythos-5-2",
        )
    ),
    (
        "tool_choice.forced_with_thinking",
        body(thinking=MANUAL, tools=TOOLS, tool_choice=FORCED),
    ),
    (
        "tool_use.id_pattern",
        loop(
            use("a.b"), messages=[user("a"), assistant(use("a.b")), user(result("a.b"))]
        ),
    ),
    ("tool_use.name_pattern", loop(use(name="get weather"))),
    (
        "tool_use.duplicate_id",
        loop(
            messages=[
                *(user("a"), assistant(use()), user(result())),
                *(assistant(use()), user(result())),
            ]
        ),
    ),
    ("tool_use.role", body(messages=[user(use())], tools=TOOLS)),
    (
        "tool_use.role",
        loop(messages=[user("a"), assistant(result()), user("c")]),
    ),
    ("tool_use.unanswered", loop(messages=[user("a"), assistant(use()), user("b")])),
    (
        "tool_use.unanswered",
        loop(messages=[user("a"), assistant(use(), use("t2")), user(result())]),
    ),
    (
        "tool_use.unanswered",
        loop(
            messages=[
                *(user("a"), assistant(use(), use("t2"))),
                *(user(result()), user("and"), assistant("b"), user("c")),
            ]
        ),
    ),
    ("tool_result.orphan", body(messages=[user(result())], tools=TOOLS)),
    (
        "tool_result.orphan",
        loop(messages=[user("a"), assistant(use()), user(result(), result("t9"))]),
    ),
    (
        "tool_result.duplicate",
        loop(messages=[user("a"), assistant(use()), user(result(), result())]),
    ),
    (
        "tool_result.not_first",
        loop(messages=[user("a"), assistant(use()), user(text("b"), result())]),
    ),
    ("format.invalid", formatted(schema(a={"type": "str"}))),
    ("format.open_object", formatted({"type": "object", "properties": {}})),
    ("format.open_object", formatted(CITY | {"additionalProperties": True})),
    (
        "format.open_object",
        formatted(schema(a={"type": "array", "items": {"type": "object"}})),
    ),
    ("format.keyword", formatted(schema(a={"type": "integer", "minimum": 1}))),
    ("format.keyword", formatted(schema(a={"type": "array", "minItems": 2}))),
    ("format.keyword", formatted(schema(a={"type": "string", "format": "iri"}))),
    ("format.keyword", formatted(schema(a={"type": "string", "pattern": "a(?=b)"}))),
    ("format.keyword", formatted(schema(a={"oneOf": [{"type": "string"}]}))),
    ("format.keyword", formatted(schema(a={"enum": [{}]}))),
    ("format.keyword", formatted(schema(a={"type": "string", "enum": ["a", None]}))),
    (
        "format.keyword",
        formatted(schema(a={"type": ["string", "null"], "enum": ["a", None]})),
    ),
    ("format.keyword", formatted(schema(a={"type": "string", "const": 1}))),
    ("format.keyword", formatted(schema(a={"description": "any"}))),
    ("format.keyword", formatted(schema(a={"allOf": [{"$ref": "#/$defs/b"}]}))),
    ("format.keyword", formatted(schema(a={"$ref": "https://a.b/c"}))),
    ("format.recursive", formatted(recursive())),
    (
        "format.recursive",
        formatted(
            schema(a={"$ref": "#/$defs/b"})
            | {"$defs": {"b": schema(c={"$ref": "#/$defs/b"})}}
        ),
    ),
    ("format.dialect", formatted(CITY | {"$schema": "https://json-schema.org/draft"})),
    ("strict.open_object", strict({"type": "object"})),
    ("strict.keyword", strict(schema(a={"type": "string", "maxLength": 9}))),
    ("strict.recursive", strict(recursive())),
    ("strict.too_many_tools", strict(count=21)),
    ("strict.too_many_optional", strict(optionals(25))),
    ("strict.too_many_optional", strict(optionals(13), count=2)),
    ("strict.too_many_unions", strict(unions(17))),
]
