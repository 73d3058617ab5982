"""b8: errors, and b0: repairs."""

import json

import pytest
from falcon import testing
from msgspec import Raw

from proxy import errors
from proxy.schema import messages_request, messages_response
from proxy.translate import error, repair
from request_translation import sent, translated
from row_cases import HI
from standin import server

WHERE = error.Circumstances(credential="ANTHROPIC_API_KEY")
LOGIN = error.Circumstances(credential="the credentials file", oauth=True)


def answered(
    kind: str = "api_error",
    message: str = "Said.",
    *,
    status: int = 400,
    code: str | None = None,
    retry_after: float | None = None,
) -> tuple[int, str, str | None, dict[str, str]]:
    details = Raw(json.dumps({"error_code": code} if code else None).encode())
    context = error.Circumstances(credential="X", retry_after=retry_after)
    ex = error.to_openai_error(
        status, messages_response.Error(kind, message, details), context
    )
    return ex.status, ex.type, ex.code, ex.headers


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        ("invalid_request_error", 400, (400, "invalid_request_error", None)),
        (
            "authentication_error",
            401,
            (401, "invalid_request_error", "invalid_api_key"),
        ),
        ("billing_error", 402, (402, "invalid_request_error", "insufficient_quota")),
        ("permission_error", 403, (403, "invalid_request_error", "permission_denied")),
        ("not_found_error", 404, (404, "invalid_request_error", "model_not_found")),
        ("conflict_error", 409, (409, "invalid_request_error", "conflict")),
        ("request_too_large", 413, (413, "invalid_request_error", "request_too_large")),
        ("rate_limit_error", 429, (429, "rate_limit_error", "rate_limit_exceeded")),
        ("timeout_error", 504, (524, "server_error", "upstream_timeout")),
        ("overloaded_error", 529, (503, "server_error", "overloaded")),
        ("overloaded_error", 500, (503, "server_error", "overloaded")),
        ("overloaded_error", 200, (503, "server_error", "overloaded")),
        ("api_error", 500, (500, "server_error", "upstream_error")),
        ("an_error_of_tomorrow", 529, (503, "server_error", "overloaded")),
        ("an_error_of_tomorrow", 418, (418, "invalid_request_error", None)),
        ("an_error_of_tomorrow", 599, (500, "server_error", "upstream_error")),
    ],
)
def test_b8_table_maps_by_type_first_and_by_status_second(
    kind: str, status: int, expected: tuple
) -> None:
    assert answered(kind, status=status)[:3] == expected


def test_b8_invalid_carries_anthropics_own_stable_code() -> None:
    got = answered("invalid_request_error", code="image_dimensions_too_large")

    assert got[2] == "image_dimensions_too_large"


@pytest.mark.parametrize(
    ("kind", "message", "param"),
    [
        ("not_found_error", "model: claude-nope", "model"),
        ("invalid_request_error", "tools.3.custom.name: String should match", "tools"),
        ("invalid_request_error", "temperature: must be below 1", "temperature"),
        ("invalid_request_error", "max_tokens: 9 > 8, by a name of Anthropic's", None),
        ("invalid_request_error", "A sentence of another shape", None),
    ],
)
def test_b8_table_names_the_field_that_anthropic_names(
    kind: str, message: str, param: str | None
) -> None:
    wrong = messages_response.Error(type=kind, message=message)

    assert error.to_openai_error(400, wrong, WHERE).param == param


@pytest.mark.parametrize(
    ("message", "limit", "told"),
    [
        (
            "prompt is too long: 210000 tokens > 200000 maximum",
            "200000",
            "your messages resulted in 210000 tokens",
        ),
        (
            "input length and `max_tokens` exceed context limit: 190000 + 16384 > 200000",
            "200000",
            "you requested 206384 tokens (190000 in the messages, 16384 in the",
        ),
    ],
)
def test_b8_overflow_is_told_in_the_words_that_clients_parse(
    message: str, limit: str, told: str
) -> None:
    ex = error.to_openai_error(
        400, messages_response.Error("invalid_request_error", message), WHERE
    )

    assert (ex.status, ex.code) == (400, "context_length_exceeded")
    assert f"maximum context length is {limit}" in ex.message
    assert told in ex.message


def test_b8_overflow_without_its_numbers_keeps_anthropics_words() -> None:
    ex = error.to_openai_error(
        400,
        messages_response.Error("invalid_request_error", "prompt is too long"),
        WHERE,
    )

    assert (ex.status, ex.code) == (400, "context_length_exceeded")
    assert ex.message == "prompt is too long"


@pytest.mark.parametrize(
    ("ex", "status", "code", "headers"),
    [
        (
            error.unreachable("the connection was refused", WHERE),
            502,
            "upstream_unreachable",
            {"retry-after": "3"},
        ),
        (error.unreadable(WHERE), 502, "upstream_error", {"retry-after": "3"}),
        (error.no_stream(WHERE), 502, "upstream_error", {"x-should-retry": "false"}),
        (error.incomplete(WHERE), 502, "stream_incomplete", {"retry-after": "3"}),
        (
            error.timed_out("Anthropic did not begin its response in time"),
            524,
            "upstream_timeout",
            {"x-should-retry": "false"},
        ),
        (
            error.being_replaced("the credentials file"),
            503,
            "credentials_refused",
            {"retry-after": "8"},
        ),
    ],
)
def test_b8_table_of_what_anthropic_did_not_say_itself(
    ex: errors.ProxyError, status: int, code: str, headers: dict
) -> None:
    assert (ex.status, ex.type, ex.code) == (status, "server_error", code)
    assert ex.headers == headers


@pytest.mark.parametrize(
    ("seconds", "told"), [(20.0, "20"), (0.3, "1"), (0.0, "12"), (600.0, None)]
)
def test_b8_retry_after_of_a_known_limit_says_what_is_left_of_it(
    seconds: float, told: str | None
) -> None:
    """Where nothing is left, one request is finding out: the others wait as usual."""
    context = error.Circumstances(credential="X", lasted=60.0)

    ex = error.limited(seconds, context)

    assert (ex.status, ex.code) == (429, "rate_limit_exceeded")
    assert ex.headers.get("retry-after") == told


NOT_ALLOWED = "This credential is only authorized for use with Claude Code and cannot …"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
    ],
)
def test_b8_not_allowed_names_the_alternatives_and_is_final(
    status: int, kind: str
) -> None:
    ex = error.to_openai_error(
        status, messages_response.Error(kind, NOT_ALLOWED), LOGIN
    )

    assert (ex.status, ex.code) == (403, "credential_not_allowed")
    assert "ANTHROPIC_API_KEY" in ex.message
    assert "Workload Identity Federation" in ex.message
    assert ex.headers == {"x-should-retry": "false"}


@pytest.mark.parametrize(
    ("status", "kind", "message", "where"),
    [
        (404, "not_found_error", NOT_ALLOWED, LOGIN),
        (404, "not_found_error", f"model: {NOT_ALLOWED}", LOGIN),
        (403, "permission_error", f"You may not use {NOT_ALLOWED}", LOGIN),
        (400, "invalid_request_error", f"tools.0.name: {NOT_ALLOWED}", LOGIN),
        (429, "rate_limit_error", NOT_ALLOWED, LOGIN),
        (500, "api_error", NOT_ALLOWED, LOGIN),
        (403, "permission_error", NOT_ALLOWED, WHERE),
    ],
)
def test_b8_not_allowed_cannot_be_said_by_a_client(
    status: int, kind: str, message: str, where: error.Circumstances
) -> None:
    """Neither by a name that Anthropic quotes, nor under a status of something else."""
    ex = error.to_openai_error(status, messages_response.Error(kind, message), where)

    assert ex.code != "credential_not_allowed"


def test_b8_unauthorized_says_whose_credential_was_refused() -> None:
    ex = error.to_openai_error(
        401, messages_response.Error("authentication_error", "invalid x-api-key"), WHERE
    )

    assert "the proxy's own credential (ANTHROPIC_API_KEY)" in ex.message


BODIES = [b"<html>Bad Gateway</html>", b"", b"[1]", b"{}", b"\xff", b"[" * 20_000]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, (400, "invalid_request_error", None, {})),
        (401, (401, "invalid_request_error", "invalid_api_key", {})),
        (402, (402, "invalid_request_error", "insufficient_quota",
               {"x-should-retry": "false"})),
        (403, (403, "invalid_request_error", "permission_denied", {})),
        (404, (404, "invalid_request_error", "model_not_found", {})),
        (407, (502, "server_error", "upstream_error", {"x-should-retry": "false"})),
        (413, (413, "invalid_request_error", "request_too_large", {})),
        (418, (418, "invalid_request_error", None, {})),
        (429, (429, "rate_limit_error", "rate_limit_exceeded", {"retry-after": "3"})),
        (529, (503, "server_error", "overloaded", {"retry-after": "3"})),
        (302, (502, "server_error", "upstream_error", {"x-should-retry": "false"})),
        (500, (502, "server_error", "upstream_error", {"retry-after": "3"})),
        (502, (502, "server_error", "upstream_error", {"retry-after": "3"})),
        (504, (524, "server_error", "upstream_timeout", {"x-should-retry": "false"})),
        (524, (524, "server_error", "upstream_timeout", {"x-should-retry": "false"})),
    ],
)  # fmt: skip
def test_b8_html_and_other_bodies_mean_what_their_status_says(
    body: bytes, status: int, expected: tuple
) -> None:
    ex = error.to_openai_error(status, error.decode_error(body), WHERE)

    assert (ex.status, ex.type, ex.code, ex.headers) == expected
    assert "html" not in ex.message.lower()
    assert str(status) in ex.message


@pytest.mark.parametrize("status", [302, 404])
def test_b8_html_that_is_not_anthropics_names_the_setting(status: int) -> None:
    ex = error.to_openai_error(status, None, WHERE)

    assert "ANTHROPIC_API_BASE" in ex.message


@pytest.mark.parametrize("status", [401, 403])
def test_b8_html_that_refuses_a_request_is_not_in_anthropics_name(status: int) -> None:
    ex = error.to_openai_error(status, None, WHERE)

    assert "Something on the way to Anthropic" in ex.message
    assert "HTTPS_PROXY" in ex.message
    assert "credential" not in ex.message


def test_b8_html_or_not_a_407_of_anthropics_kind_names_the_network_proxy() -> None:
    reported = messages_response.Error("", "Proxy Authentication Required")

    ex = error.to_openai_error(407, reported, WHERE)

    assert (ex.status, ex.code) == (502, "upstream_error")
    assert "HTTPS_PROXY" in ex.message


def test_b8_html_or_no_type_at_all_means_what_its_status_says() -> None:
    reported = error.decode_error(
        b'{"error": {"message": "Rate limited", "code": 429}}'
    )

    ex = error.to_openai_error(429, reported, WHERE)

    assert (ex.status, ex.code, ex.message) == (
        429,
        "rate_limit_exceeded",
        "Rate limited",
    )


@pytest.mark.parametrize(
    ("kind", "retry_after", "expected"),
    [
        ("rate_limit_error", 7, {"retry-after": "7"}),
        ("rate_limit_error", 45, {"retry-after": "45"}),
        ("rate_limit_error", 60, {"retry-after": "45"}),
        ("rate_limit_error", 136, {"x-should-retry": "false"}),
        ("rate_limit_error", None, {"retry-after": "3"}),
        ("rate_limit_error", 0.2, {"retry-after": "1"}),
        ("rate_limit_error", 1.2, {"retry-after": "2"}),
        ("overloaded_error", None, {"retry-after": "3"}),
        ("api_error", None, {"retry-after": "3"}),
        ("timeout_error", None, {"x-should-retry": "false"}),
        ("billing_error", None, {"x-should-retry": "false"}),
        ("invalid_request_error", None, {}),
        ("not_found_error", 3, {}),
    ],
)
def test_b8_retry_after_is_on_what_is_worth_a_retry_and_never_long(
    kind: str, retry_after: float | None, expected: dict
) -> None:
    assert answered(kind, retry_after=retry_after)[3] == expected


@pytest.mark.parametrize(
    ("lasted", "retry_after", "told"),
    [
        (0.0, None, "3"),
        (2.9, None, "3"),
        (3.1, None, "8"),
        (11.5, None, "12"),
        (600.0, None, "12"),
        (4.0, 1.0, "8"),
        (4.0, 20.0, "20"),
        (600.0, 60.0, "45"),
    ],
)
def test_b8_retry_after_grows_while_the_trouble_lasts(
    lasted: float, retry_after: float | None, told: str
) -> None:
    context = error.Circumstances(
        credential="X", retry_after=retry_after, lasted=lasted
    )

    ex = error.to_openai_error(
        529, messages_response.Error("overloaded_error", "Wait."), context
    )

    assert ex.headers == {"retry-after": told}


@pytest.mark.parametrize("seconds", [60, 7200])
def test_b8_retry_after_of_a_minute_or_of_hours_is_put_into_words(seconds: int) -> None:
    context = error.Circumstances(credential="X", retry_after=seconds)

    ex = error.to_openai_error(
        429, messages_response.Error("rate_limit_error", "Wait."), context
    )

    assert f"{seconds} seconds" in ex.message


def test_b8_spend_cap_and_exhausted_credit_are_an_insufficient_quota() -> None:
    cap = answered("rate_limit_error", code="enforced_spend_limit_reached")
    credit = answered(
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to …",
    )

    assert cap == credit
    assert cap == (
        402,
        "invalid_request_error",
        "insufficient_quota",
        {"x-should-retry": "false"},
    )


def test_b8_spend_cap_and_credit_cannot_be_said_by_a_client() -> None:
    said = "tools.0.name: Your credit balance is too low"

    assert answered("invalid_request_error", said)[0] == 400


# ---------------------------------------------------------------------- b0 repair

TOOL = {"type": "function", "function": {"name": "f"}}
CLOSED = {"type": "object", "properties": {}, "additionalProperties": False}


@pytest.mark.parametrize(
    "message",
    [
        'tool_choice: type "tool" and "any" are not supported for this model.',
        "Thinking may not be enabled when tool_choice forces tool use.",
    ],
)
def test_b0_repair_forced_becomes_auto_with_an_instruction(message: str) -> None:
    one = translated(
        {"model": "claude-opus-5", "messages": HI, "tools": [TOOL],
         "tool_choice": "required"}
    )  # fmt: skip

    mended = repair.repaired(one, message)

    assert mended.request.tool_choice == messages_request.ToolChoice(type="auto")
    assert mended.request.system[-1].text.startswith("Answer by calling")
    assert mended.warnings == ("forced_tool_choice_downgraded",)


def test_b0_repair_sampling_is_dropped_with_its_version() -> None:
    one = translated({"model": "claude-sonnet-4-6", "messages": HI, "temperature": 0.2})

    mended = repair.repaired(one, "`temperature` is deprecated for this model.")

    assert mended.request.temperature is None
    assert mended.version is None


def test_b0_repair_prefill_is_continued() -> None:
    given = [*HI, {"role": "assistant", "content": "A"}]
    one = translated({"model": "claude-haiku-4-5", "messages": given})

    mended = repair.repaired(
        one, "This model does not support assistant message prefill"
    )

    assert mended.request.messages[-1].role == "user"


@pytest.mark.parametrize(
    "message",
    [
        "messages.1.content.0: Invalid `signature` in `thinking` block",
        "messages.1.content.0: Invalid `data` in `redacted_thinking` block",
        "thinking block is bound to a different conversation",
        "`thinking` blocks in the latest assistant message cannot be modified",
    ],
)
def test_b0_repair_signature_strips_all_thinking(message: str) -> None:
    block = {"type": "thinking", "thinking": "", "signature": "c2ln"}
    given = [
        *HI,
        {"role": "assistant", "content": "A", "thinking_blocks": [block]},
        *HI,
    ]
    one = translated(
        {"model": "claude-opus-5-5", "messages": given}, prompt_caching="off"
    )
    assert isinstance(one.request.messages[1].content[0], messages_request.Thinking)

    mended = repair.repaired(one, message)

    assert mended.request.messages[1].content == [messages_request.Text(text="A")]


@pytest.mark.parametrize(
    "message",
    ["Too many strict tools", "too many optional parameters", "Compiled grammar is too large",
     "Grammar compilation timed out", "Schema is too complex",
     "Schemas contains too many parameters with union types (17 parameters …)",
     "tools.0.custom: Invalid schema: …"],
)  # fmt: skip
def test_b0_repair_strict_is_dropped(message: str) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": CLOSED,
                                             "strict": True}}  # fmt: skip
    one = translated({"messages": HI, "tools": [tool]})
    assert one.request.tools[0].strict

    mended = repair.repaired(one, message)

    assert mended.request.tools[0].strict is None
    assert mended.warnings == ("strict_dropped",)


NO_ROOM = (
    "input length and `max_tokens` exceed context limit: 190000 + 16384 > 200000, "
    "decrease input length or `max_tokens` and try again"
)


@pytest.mark.parametrize("strict", [False, True])
def test_b0_repair_room_lowers_our_own_limit_to_what_fits(strict: bool) -> None:
    one = translated({"messages": HI}, strict_params=strict)

    mended = repair.repaired(one, NO_ROOM)

    assert mended.request.max_tokens == 10_000
    assert mended.warnings == ("max_tokens_clamped",)
    assert repair.repaired(mended, NO_ROOM) is None


@pytest.mark.parametrize(
    ("tool", "output", "message", "warning"),
    [
        (1, 17, "Schemas contains too many parameters with union types", "schema_not_enforced"),
        (17, 1, "Schemas contains too many parameters with union types", "strict_dropped"),
        (17, 1, "output_config.format.schema: Invalid schema: …", "schema_not_enforced"),
        (1, 17, "tools.0.custom: Invalid schema: …", "strict_dropped"),
        (1, 17, "Too many strict tools (21).", "strict_dropped"),
    ],
)  # fmt: skip
def test_b0_repair_strict_gives_up_what_is_named_or_the_larger_of_tools_and_schema(
    tool: int, output: int, message: str, warning: str
) -> None:
    function = {"name": "f", "strict": True, "parameters": nullable(tool)}
    schema = {"name": "x", "schema": nullable(output)}
    one = translated(
        {
            "messages": HI,
            "tools": [{"type": "function", "function": function}],
            "response_format": {"type": "json_schema", "json_schema": schema},
        }
    )

    mended = repair.repaired(one, message)

    assert mended.warnings == (warning,)


def nullable(count: int) -> dict:
    names = [f"p{i}" for i in range(count)]
    return {
        "type": "object",
        "properties": {name: {"type": ["string", "null"]} for name in names},
        "required": names,
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("wanted", "warning"),
    [
        (
            {"response_format": {"type": "json_schema",
                                 "json_schema": {"name": "x", "schema": nullable(17)}}},
            "schema_not_enforced",
        ),
        (
            {"tools": [{"type": "function", "function": {
                "name": "f", "strict": True, "parameters": nullable(17)}}]},
            "strict_dropped",
        ),
    ],
    ids=["an output", "a tool"],
)  # fmt: skip
def test_b0_repair_strict_serves_a_schema_with_more_nullable_properties_than_anthropic_takes(
    client: testing.TestClient, wanted: dict, warning: str
) -> None:
    answer = client.simulate_post(
        "/v1/chat/completions", json={"messages": HI, **wanted}
    )

    assert answer.status_code == 200
    assert answer.headers["x-proxy-warnings"] == warning


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_tokens": 16384}, NO_ROOM),
        ({"max_completion_tokens": 16384}, NO_ROOM),
        ({}, NO_ROOM.replace("190000", "200000")),
        ({"model": "claude-haiku-4-5", "reasoning_effort": "max"}, NO_ROOM),
    ],
    ids=["the client's own", "the client's own, new", "no room at all", "a budget"],
)
def test_b0_repair_room_is_the_clients_where_a_limit_cannot_be_ours(
    given: dict, message: str
) -> None:
    assert repair.repaired(translated({"messages": HI, **given}), message) is None


def test_b0_repair_room_is_tried_once_and_answered(
    client: testing.TestClient, standin: server.StandIn
) -> None:
    standin.fail_next(status=400, type="invalid_request_error", message=NO_ROOM)

    answer = client.simulate_post("/v1/chat/completions", json={"messages": HI})

    assert answer.status_code == 200
    assert answer.headers["x-proxy-warnings"] == "max_tokens_clamped"
    asked = [one.body["max_tokens"] for one in standin.requests if one.body]
    assert asked == [16384, 10_000]


def test_b0_repair_forced_keeps_a_temperature_of_0_with_its_version() -> None:
    one = translated(
        {
            "model": "claude-sonnet-4-6",
            "messages": HI,
            "temperature": 0,
            "tools": [TOOL],
            "tool_choice": "required",
        }
    )

    mended = repair.repaired(one, 'tool_choice: type "tool" and "any" are …')

    assert mended.request.temperature == 0
    assert mended.version == "2023-06-01"


def test_b0_repair_never_changes_the_response_under_strict_params() -> None:
    one = translated(
        {"messages": HI, "temperature": 0.3, "model": "claude-sonnet-4-6"},
        strict_params=True,
    )

    assert repair.repaired(one, "`temperature` is deprecated") is None


@pytest.mark.parametrize(
    "message",
    ["Schema is too complex", "output_config.format.schema: Invalid schema: …",
     "output_format.schema: For 'string' type, …"],
)  # fmt: skip
def test_b0_repair_strict_puts_a_schema_that_is_too_much_in_words(message: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    one = translated(
        {
            "messages": HI,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"schema": schema},
            },
        }
    )

    mended = repair.repaired(one, message)

    assert mended.request.output_config is None
    assert '"a"' in mended.request.system[-1].text
    assert mended.warnings == ("schema_not_enforced",)


@pytest.mark.parametrize(
    "rest", [{"effort": "low"}, {"task_budget": {"type": "tokens", "total": 20_000}}]
)
def test_b0_repair_strict_keeps_what_else_the_client_configured(rest: dict) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    form = {"type": "json_schema", "schema": schema}
    one = translated({"messages": HI, "output_config": {"format": form, **rest}})

    mended = repair.repaired(one, "Schema is too complex")

    assert mended.request.output_config == messages_request.OutputConfig(**rest)


@pytest.mark.parametrize(
    "message",
    [
        "messages: at least one message is required",
        'tool_choice: type "tool" and "any" are not supported for this model.',
        "`temperature` is …",
        "This model does not support assistant message prefill",
        "Schema is too complex",
        "",
    ],
)
def test_b0_repair_never_sends_the_same_request_twice(message: str) -> None:
    assert repair.repaired(translated({"messages": HI}), message) is None
    assert sent({"messages": HI})
