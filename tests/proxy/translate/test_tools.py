"""b5: tools, choice and names; b3: output formats; b10: injected instructions."""

import hashlib
import json

from proxy import capabilities
from proxy.translate import tool_schema
from request_translation import context_of, sent, translate, translated
from row_cases import HI, NOT_SENT, Case, check, parametrize

OBJECT = {"type": "object", "properties": {"city": {"type": "string"}}}
CLOSED = {**OBJECT, "additionalProperties": False, "required": ["city"]}
ANYTHING = {"type": "object", "properties": {"a": {}}, "additionalProperties": False}
EMPTY = {"type": "object", "properties": {}}


def tool(name: str = "get_weather", **function: object) -> dict:
    return {"type": "function", "function": {"name": name, **function}}


def ours(name: str = "get_weather", schema: dict = EMPTY, **rest: object) -> dict:
    return {"name": name, "input_schema": schema, **rest}


def with_hash(clean: str, name: str) -> str:
    return f"{clean}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def choice(name: str) -> dict:
    return {"type": "function", "function": {"name": name}}


OLD = {"model": "claude-opus-5"}
TOOL = {"tools": [tool()]}
OURS = {"tools": [ours()]}
CALLED = [
    *HI,
    {"role": "assistant", "tool_calls": [
        {"id": "c1", "type": "function",
         "function": {"name": "files.read", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "ok"},
]  # fmt: skip


def nested(levels: int) -> list:
    return [nested(levels - 1)] if levels else []


SENT_CALLED = [
    {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
    {"role": "assistant", "content": [
        {"type": "tool_use", "id": "c1", "name": with_hash("files_read", "files.read"),
         "input": {}}]},
    {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "c1", "content": "ok"}]},
]  # fmt: skip

CASES = [
    Case("b5.function", "name, description, schema",
         {"tools": [tool(description="Weather.", parameters=OBJECT)]},
         {"tools": [ours(description="Weather.", schema=OBJECT)]}),
    *[
        Case("b5.function", f"parameters {given!r} are an empty object",
             {"tools": [tool(parameters=given)]}, {"tools": [ours()]})
        for given in ([], None, {})
    ],
    Case("b5.function", "nulls of a serialiser are absent keys",
         {"tools": [tool(description=None, strict=None, parameters={
             "type": None, "properties": None, "required": None})]},
         {"tools": [ours()]}),
    Case("b5.function", "a missing type is object",
         {"tools": [tool(parameters={"properties": {"a": {"minimum": 1}}})]},
         {"tools": [ours(schema={"type": "object", "properties": {"a": {"minimum": 1}}})]}),
    Case("b5.function", "another type", {"tools": [tool(parameters={"type": "array"})]},
         refused=("tools[0].function.parameters.type", "invalid_value")),
    Case("b5.function", "an object or null is an object",
         {"tools": [tool(parameters={**OBJECT, "type": ["object", "null"]})]},
         {"tools": [ours(schema=OBJECT)]}),
    Case("b5.function", "parameters of too many values",
         {"tools": [tool(parameters={"enum": [0] * tool_schema.MAX_ELEMENTS})]},
         refused=("tools[0].function.parameters", "invalid_value")),
    Case("b5.function", "parameters that are no schema",
         {"tools": [tool(parameters=[1])]},
         refused=("tools[0].function.parameters", "invalid_value")),
    Case("b5.function", "properties that are no object",
         {"tools": [tool(parameters={"properties": [1]})]},
         refused=("tools[0].function.parameters.properties", "invalid_value")),
    Case("b5.function", "an empty description is none",
         {"tools": [tool(description="")]}, {"tools": [ours()]}),
    Case("b5.function", "other keywords are untouched, $schema too",
         {"tools": [tool(parameters={"$schema": "x", **OBJECT, "definitions": {}})]},
         {"tools": [ours(schema={"$schema": "x", **OBJECT, "definitions": {}})]}),
    Case("b5.function", "a union at the top level is told in words",
         {"tools": [tool(parameters={**OBJECT, "anyOf": [{"required": ["city"]}]})]},
         {"tools": [ours(schema={
             **OBJECT, "description": 'anyOf: [{"required":["city"]}]'})]},
         ("tool_schema_simplified",)),
    Case("b5.properties", "a name that Anthropic refuses is changed, with a hash of it",
         {"tools": [tool(parameters={
             "type": "object", "properties": {"a b": {}}, "required": ["a b"]})]},
         {"tools": [ours(schema={
             "type": "object", "properties": {with_hash("a_b", "a b"): {}},
             "required": [with_hash("a_b", "a b")]})]}),
    Case("b5.properties", "a name that another has already, once it is changed",
         {"tools": [tool(parameters={"type": "object", "properties": {
             "a b": {}, with_hash("a_b", "a b"): {}}})]},
         refused=("tools[0].function.parameters.properties", "invalid_value")),
    Case("b5.draft", "a tuple of an older draft",
         {"tools": [tool(parameters={
             "$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
             "properties": {"pos": {"type": "array", "items": [
                 {"type": "number"}, {"type": "number"}]}}})]},
         {"tools": [ours(schema={
             "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
             "properties": {"pos": {"type": "array", "prefixItems": [
                 {"type": "number"}, {"type": "number"}]}}})]}),
    Case("b5.draft", "data without end, to be renamed",
         {"tools": [tool(parameters={
             "type": "object", "properties": {"$top": {}}, "default": nested(700)})]},
         refused=("tools[0].function.parameters", "invalid_value")),
    Case("b5.draft", "what no draft allows",
         {"tools": [tool(parameters={"type": "object", "properties": {
             "a": {"type": "object", "properties": {"b": {"type": "color"}}}}})]},
         refused=("tools[0].function.parameters.properties.a.properties.b.type",
                  "invalid_value")),
    Case("b1.web_search", "is Anthropic's own tool, behind the client's",
         {**TOOL, "web_search_options": {}},
         {"tools": [ours(), {"type": "web_search_20250305", "name": "web_search"}]}),
    Case("b1.web_search", "knows where the user is; how much context is not ours to say",
         {"web_search_options": {"search_context_size": "high", "user_location": {
             "type": "approximate",
             "approximate": {"country": "DE", "city": "Bonn", "region": ""}}}},
         {"tools": [{"type": "web_search_20250305", "name": "web_search",
                     "user_location": {
                         "type": "approximate", "city": "Bonn", "country": "DE"}}]}),
    Case("b1.web_search", "beside a history whose tools are gone",
         {"messages": CALLED, "web_search_options": {}},
         {"messages": SENT_CALLED, "tools": [
             {"name": with_hash("files_read", "files.read"),
              "input_schema": {"type": "object"}},
             {"type": "web_search_20250305", "name": "web_search"}]}),
    Case("b1.web_search", "beside a tool of the same name",
         {"tools": [tool("web_search")], "web_search_options": {}},
         refused=("web_search_options", None)),
    Case("b5.empty", "no tools", {"tools": []}, {"tools": NOT_SENT}),
    Case("b5.custom", "a custom tool", {"tools": [{"type": "custom", "custom": {}}]},
         refused=("tools[0]", "unsupported_value")),
    Case("b5.custom", "an unknown type", {"tools": [{"type": "retrieval"}]},
         refused=("tools[0].type", "invalid_value")),
    Case("b5.duplicate", "two of one name", {"tools": [tool(), tool()]},
         refused=("tools[1].function.name", None)),
    # ------------------------------------------------------------------ strict
    Case("b5.strict", "a closed schema stays strict",
         {"tools": [tool(parameters=CLOSED, strict=True)]},
         {"tools": [ours(schema={
             "type": "object", "properties": {"city": {"type": "string"}},
             "required": ["city"], "additionalProperties": False}, strict=True)]}),
    Case("b5.strict", "no parameters at all are closed",
         {"tools": [tool(strict=True)]},
         {"tools": [ours(schema={**EMPTY, "additionalProperties": False}, strict=True)]}),
    Case("b5.strict", "an open one cannot",
         {"tools": [tool(parameters=OBJECT, strict=True)]},
         {"tools": [ours(schema=OBJECT)]}, ("strict_dropped",)),
    Case("b5.strict", "a closed one that cannot be compiled stays as it is",
         {"tools": [tool(parameters=ANYTHING, strict=True)]},
         {"tools": [ours(schema=ANYTHING)]}, ("strict_dropped",)),
    Case("b5.strict", "twenty",
         {"tools": [tool(f"t{i}", parameters=CLOSED, strict=True) for i in range(20)]},
         {"tools": [ours(f"t{i}", schema=CLOSED, strict=True) for i in range(20)]}),
    Case("b5.strict", "more than twenty: none",
         {"tools": [tool(f"t{i}", parameters=CLOSED, strict=True) for i in range(21)]},
         {"tools": [ours(f"t{i}", schema=CLOSED) for i in range(21)]},
         ("strict_dropped",)),
    # ------------------------------------------------------------------ names
    Case("b5.names", "odd characters go, with a hash of the name",
         {"tools": [tool("files.read/v1")]},
         {"tools": [ours(with_hash("files_read_v1", "files.read/v1"))]}),
    Case("b5.names", "128 characters pass", {"tools": [tool("a" * 128)]},
         {"tools": [ours("a" * 128)]}),
    Case("b5.names", "more are shortened", {"tools": [tool("a" * 129)]},
         {"tools": [ours(with_hash("a" * 55, "a" * 129))]}),
    Case("b5.names", "an empty one", {"tools": [tool("")]},
         refused=("tools[0].function.name", None)),
    # ------------------------------------------------------------------ history
    Case("b5.history", "calls without tools get them, and none may be called",
         {"messages": CALLED},
         {"tools": [ours(with_hash("files_read", "files.read"), {"type": "object"})],
          "tool_choice": {"type": "none"},
          "messages": [
              {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
              {"role": "assistant", "content": [
                  {"type": "tool_use", "id": "c1", "input": {},
                   "name": with_hash("files_read", "files.read")}]},
              {"role": "user", "content": [
                  {"type": "tool_result", "tool_use_id": "c1", "content": "ok"}]}]}),
    # ------------------------------------------------------------------ choice
    Case("b5.choice", "absent", TOOL, {**OURS, "tool_choice": NOT_SENT}),
    Case("b5.choice", "none keeps the tools", {**TOOL, "tool_choice": "none"},
         {**OURS, "tool_choice": {"type": "none"}}),
    Case("b5.choice", "auto", {**TOOL, "tool_choice": "auto"},
         {**OURS, "tool_choice": {"type": "auto"}}),
    Case("b5.choice", "required is any", {**OLD, **TOOL, "tool_choice": "required"},
         {**OURS, "tool_choice": {"type": "any"}}),
    Case("b5.choice", "a function is tool",
         {**OLD, **TOOL, "tool_choice": choice("get_weather")},
         {**OURS, "tool_choice": {"type": "tool", "name": "get_weather"}}),
    Case("b5.choice", "a function that is none",
         {**TOOL, "tool_choice": choice("get_time")}, refused=("tool_choice", None)),
    Case("b5.choice", "a custom tool",
         {**TOOL, "tool_choice": {"type": "custom", "custom": {"name": "f"}}},
         refused=("tool_choice", "unsupported_value")),
    Case("b5.choice", "another word", {**TOOL, "tool_choice": "maybe"},
         refused=("tool_choice", "invalid_value")),
    Case("b5.choice", "allowed_tools is auto, the tools stay",
         {**OLD, **TOOL, "tool_choice": {
             "type": "allowed_tools",
             "allowed_tools": {"mode": "auto", "tools": [choice("get_weather")]}}},
         {**OURS, "tool_choice": {"type": "auto"}}, ("tool_choice_ignored",)),
    Case("b5.choice", "allowed_tools required is any",
         {**OLD, **TOOL, "tool_choice": {
             "type": "allowed_tools", "allowed_tools": {"mode": "required"}}},
         {**OURS, "tool_choice": {"type": "any"}}, ("tool_choice_ignored",)),
    Case("b5.choice", "allowed_tools required are tool where there is one",
         {**OLD, **TOOL, "tool_choice": {
             "type": "allowed_tools",
             "allowed_tools": {"mode": "required", "tools": [choice("get_weather")]}}},
         {**OURS, "tool_choice": {"type": "tool", "name": "get_weather"}}),
    Case("b5.choice", "allowed_tools that are none of the tools",
         {**OLD, **TOOL, "tool_choice": {
             "type": "allowed_tools",
             "allowed_tools": {"mode": "required", "tools": [choice("get_time")]}}},
         refused=("tool_choice", None)),
    *[
        Case("b5.choice", f"{word} without tools is ignored", {"tool_choice": word},
             {"tool_choice": NOT_SENT, "tools": NOT_SENT})
        for word in ("none", "auto")
    ],
    Case("b5.choice", "required without tools", {"tool_choice": "required"},
         refused=("tool_choice", None)),
    Case("b5.legacy", "a function_call without functions",
         {"function_call": {"name": "f"}}, refused=("function_call", None)),
    Case("b5.choice", "a function without tools", {"tool_choice": choice("x")},
         refused=("tool_choice", None)),
    Case("b5.downgrade", "a model that cannot be forced is asked",
         {**TOOL, "tool_choice": "required"},
         {**OURS, "tool_choice": {"type": "auto"}, "system": [
             {"type": "text", "text": "Answer by calling at least one of the tools."}]},
         ("forced_tool_choice_downgraded",)),
    Case("b5.downgrade", "... by the tool's name, at the end of the system prompt",
         {"tools": [tool(), tool("get_time")], "tool_choice": choice("get_time"),
          "messages": [{"role": "system", "content": "Be brief."}, *HI]},
         {"tools": [ours(), ours("get_time")], "tool_choice": {"type": "auto"}, "system": [
             {"type": "text", "text": "Be brief."},
             {"type": "text", "text": "Answer by calling the tool get_time."}]},
         ("forced_tool_choice_downgraded",)),
    Case("b5.downgrade", "refused under STRICT_PARAMS",
         {**TOOL, "tool_choice": "required"},
         refused=("tool_choice", "unsupported_value"), config={"strict_params": True}),
    # ------------------------------------------------------------------ parallel
    Case("b5.parallel", "false makes an auto choice",
         {**TOOL, "parallel_tool_calls": False},
         {**OURS, "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}),
    Case("b5.parallel", "false joins a choice",
         {**OLD, **TOOL, "parallel_tool_calls": False, "tool_choice": "required"},
         {**OURS, "tool_choice": {"type": "any", "disable_parallel_tool_use": True}}),
    Case("b5.parallel", "false is nothing for none",
         {**TOOL, "parallel_tool_calls": False, "tool_choice": "none"},
         {**OURS, "tool_choice": {"type": "none"}}),
    Case("b5.parallel", "true is the default", {**TOOL, "parallel_tool_calls": True},
         {**OURS, "tool_choice": NOT_SENT}),
    Case("b5.parallel", "without tools it is nothing", {"parallel_tool_calls": False},
         {"tool_choice": NOT_SENT}),
    # ------------------------------------------------------------------ legacy
    Case("b5.legacy", "functions are tools, one call at a time",
         {"functions": [{"name": "get_weather", "parameters": OBJECT}]},
         {"tools": [ours(schema=OBJECT)],
          "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}),
    Case("b5.legacy", "function_call names one",
         {**OLD, "functions": [{"name": "f"}], "function_call": {"name": "f"}},
         {"tools": [ours("f")], "tool_choice": {
             "type": "tool", "name": "f", "disable_parallel_tool_use": True}}),
    Case("b5.legacy", "function_call none",
         {"functions": [{"name": "f"}], "function_call": "none"},
         {"tools": [ours("f")], "tool_choice": {"type": "none"}}),
    Case("b5.legacy", "function_call of another word",
         {"functions": [{"name": "f"}], "function_call": "maybe"},
         refused=("function_call", "invalid_value")),
    # ------------------------------------------------------------------ b3
    Case("b3.text", "text", {"response_format": {"type": "text"}},
         {"output_config": NOT_SENT}),
    Case("b3.text", "null", {"response_format": None}, {"output_config": NOT_SENT}),
    Case("b3.json_schema", "is enforced",
         {"response_format": {"type": "json_schema", "json_schema": {
             "name": "x", "schema": {"$schema": "d", **OBJECT}}}},
         {"output_config": {"format": {"type": "json_schema", "schema": {
             "type": "object", "properties": {"city": {"type": "string"}},
             "additionalProperties": False}}}}),
    Case("b3.json_schema", "without a schema",
         {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
         refused=("response_format.json_schema.schema",
                  "missing_required_parameter")),
    Case("b3.json_schema", "with a schema that is none",
         {"response_format": {"type": "json_schema", "json_schema": {"schema": "x"}}},
         refused=("response_format.json_schema.schema", "invalid_type")),
    Case("b3.json_schema", "output_config.format wins",
         {"response_format": {"type": "json_object"}, "output_config": {
             "format": {"type": "json_schema", "schema": CLOSED}}},
         {"output_config": {"format": {"type": "json_schema", "schema": {
             "type": "object", "properties": {"city": {"type": "string"}},
             "required": ["city"], "additionalProperties": False}}}}),
    Case("b3.json_schema", "never the deprecated field",
         {"response_format": {"type": "json_schema", "json_schema": {"schema": CLOSED}}},
         {"output_config": {"format": {"type": "json_schema", "schema": CLOSED}},
          "output_format": NOT_SENT}),
    Case("b3.inexpressible", "a map is told in words",
         {"response_format": {"type": "json_schema", "json_schema": {
             "schema": {"type": "object", "additionalProperties": {"type": "string"}}}}},
         {"output_config": NOT_SENT, "system": [{"type": "text", "text":
             "Reply with one JSON value that conforms to the following JSON Schema, and "
             'nothing else.\n{"type": "object", "additionalProperties": '
             '{"type": "string"}}'}]},
         ("schema_not_enforced",)),
    Case("b3.inexpressible", "refused under STRICT_PARAMS",
         {"response_format": {"type": "json_schema", "json_schema": {
             "schema": {"type": "object", "additionalProperties": {"type": "string"}}}}},
         refused=("response_format.json_schema.schema", "unsupported_value"),
         config={"strict_params": True}),
    Case("b3.json_object", "is asked for in words, never by a schema",
         {"response_format": {"type": "json_object"}},
         {"output_config": NOT_SENT, "system": [
             {"type": "text", "text": "Reply with one JSON object and nothing else."}]},
         ("json_object_by_prompt",)),
    Case("b3.json_object", "an unknown format", {"response_format": {"type": "xml"}},
         refused=("response_format.type", "invalid_value")),
    Case("b3.prefill", "a schema is never combined with a prefill",
         {"model": "claude-haiku-4-5",
          "messages": [*HI, {"role": "assistant", "content": "{"}],
          "response_format": {"type": "json_schema", "json_schema": {"schema": CLOSED}}},
         {"output_config": {"format": {"type": "json_schema", "schema": CLOSED}},
          "messages": [
              {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
              {"role": "assistant", "content": [{"type": "text", "text": "{"}]},
              {"role": "user", "content": [{"type": "text", "text": "Continue."}]}]},
         ("prefill_unsupported",)),
    # ------------------------------------------------------------------ b10
    Case("b10.injected", "what is constant stands before what is not, both at the end",
         {**TOOL, "tool_choice": "required", "response_format": {"type": "json_object"},
          "messages": [{"role": "system", "content": "Be brief."}, *HI]},
         {**OURS, "tool_choice": {"type": "auto"}, "system": [
             {"type": "text", "text": "Be brief."},
             {"type": "text", "text": "Reply with one JSON object and nothing else."},
             {"type": "text", "text": "Answer by calling at least one of the tools."}]},
         ("forced_tool_choice_downgraded", "json_object_by_prompt")),
]  # fmt: skip


@parametrize(CASES)
def test_tools_and_formats_are_translated_as_their_rows_say(case: Case) -> None:
    check(case, prompt_caching="off")  # breakpoints have rows of their own


def test_b3_inexpressible_is_every_schema_for_a_model_without_structured_outputs() -> (
    None
):
    model = "claude-some-day-9"
    live = {model: capabilities.with_live(model, structured_outputs=False)}
    schema = {"type": "json_schema", "json_schema": {"schema": CLOSED}}

    one = translated({"model": model, "messages": HI, "response_format": schema}, live)

    assert one.request.output_config is None
    assert one.request.system[-1].text.startswith("Reply with one JSON value")
    assert one.warnings == ("schema_not_enforced",)


def test_b5_legacy_responses_are_only_for_requests_without_tools() -> None:
    legacy = {"messages": HI, "functions": [{"name": "f"}]}

    assert context_of(legacy).legacy_functions
    assert not context_of({**legacy, **TOOL}).legacy_functions


def test_b5_names_are_mapped_in_tools_choice_history_and_answer_alike() -> None:
    given = {
        "model": "claude-opus-5",
        "messages": CALLED,
        "tools": [tool("files.read"), tool("plain")],
        "tool_choice": choice("files.read"),
    }
    ours_is = with_hash("files_read", "files.read")

    body = sent(given)

    assert body["tools"][0]["name"] == ours_is
    assert body["tool_choice"]["name"] == ours_is
    assert body["messages"][1]["content"][0]["name"] == ours_is
    assert context_of(given).names.tools == {ours_is: "files.read"}


def test_b5_function_schemas_keep_their_own_bytes() -> None:
    """The tools are the head of the cached prefix: equal bytes, equal tokens."""
    schema = '{"type":"object",  "properties":{"n":{"maximum":1.50e2}}}'
    body = json.dumps({"messages": HI, "tools": [tool(parameters={"x": 1})]})
    body = body.replace('{"x": 1}', schema)

    one, _ = translate(body.encode())

    assert bytes(one.request.tools[0].input_schema).decode() == schema
