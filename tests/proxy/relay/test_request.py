"""proxy.relay.request: the client's body as it is, but for the model and ``stream``."""

import json

import msgspec
import pytest

from proxy import capabilities, errors
from proxy.relay import request

PROMPT = '[ {"role":"user", "content":"Gr\\u00fc\\u00dfe \\ud83d\\ude00 1.0"} ]'


def asked(body: str, endpoint: request.Endpoint = "messages") -> request.Asked:
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return request.to_asked(fields, endpoint)


def sent(body: str, endpoint: request.Endpoint = "messages") -> str:
    return request.to_body(asked(body, endpoint), "claude-x", endpoint).decode()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            f'{{"max_tokens":1.50e1,"model":"y","messages":{PROMPT},"new":{{"a":[ ]}}}}',
            f'{{"max_tokens":1.50e1,"model":"claude-x","messages":{PROMPT},"new":{{"a":[ ]}},"stream":true}}',
        ),
        (
            f'{{"stream":false,"messages":{PROMPT}}}',
            f'{{"stream":true,"messages":{PROMPT},"model":"claude-x"}}',
        ),
        ('{ "stream" : true , "model":\n"y" }', '{"stream":true,"model":"claude-x"}'),
        ("{}", '{"model":"claude-x","stream":true}'),
        ('{"a":1,"model":null,"a":2}', '{"a":2,"model":"claude-x","stream":true}'),
    ],
)
def test_every_field_goes_on_as_it_came_and_in_its_place(
    given: str, expected: str
) -> None:
    assert sent(given) == expected


@pytest.mark.parametrize(
    ("given", "streamed"),
    [
        ('{"max_tokens":0}', "false"),
        ('{"max_tokens": 0 ,"stream":false}', "false"),
        ('{"stream":null,"max_tokens":0}', "false"),
        ('{"max_tokens":0,"stream":true}', "true"),
        ('{"max_tokens":1}', "true"),
        ('{"max_tokens":false}', "true"),
        ('{"max_tokens":null}', "true"),
    ],
)
def test_only_a_prompt_that_is_cached_and_not_answered_is_no_stream(
    given: str, streamed: str
) -> None:
    assert f'"stream":{streamed}' in sent(given)


def test_a_count_of_tokens_has_only_its_model_decided() -> None:
    assert (
        sent('{"model":"y","messages":[]}', "count_tokens")
        == '{"model":"claude-x","messages":[]}'
    )
    assert sent('{"stream":1}', "count_tokens") == '{"stream":1,"model":"claude-x"}'


@pytest.mark.parametrize(
    ("given", "model", "stream"),
    [
        ("{}", None, None),
        ('{"model":"m","stream":true}', "m", True),
        ('{"model":"m","stream":false}', "m", False),
        ('{"model":null,"stream":null}', None, None),
    ],
)
def test_the_model_and_the_form_of_the_response_are_read(
    given: str, model: str | None, stream: bool | None
) -> None:
    found = asked(given)

    assert (found.model, found.stream) == (model, stream)


@pytest.mark.parametrize(
    ("given", "param", "words"),
    [
        ('{"model":7}', "model", "model: must be a string"),
        ('{"model":["m"]}', "model", "model: must be a string"),
        ('{"stream":"true"}', "stream", "stream: must be a boolean"),
        ('{"stream":1}', "stream", "stream: must be a boolean"),
    ],
)
def test_a_field_of_ours_of_another_type_is_refused(
    given: str, param: str, words: str
) -> None:
    with pytest.raises(errors.InvalidRequestError) as refused:
        asked(given)

    assert (refused.value.param, refused.value.message) == (param, words)
    assert refused.value.code == "invalid_type"


@pytest.mark.parametrize(
    ("model", "thinking", "thinks"),
    [
        ("claude-opus-5-5", None, True),
        ("claude-opus-4-8", None, False),
        ("claude-of-tomorrow", None, True),
        ("claude-opus-4-8", {"type": "adaptive"}, True),
        ("claude-haiku-4-5", {"type": "enabled", "budget_tokens": 2000}, True),
        ("claude-sonnet-5-5", {"type": "between_tools"}, True),
        ("claude-opus-5", {"type": "disabled"}, False),
        ("claude-opus-4-8", "nonsense", False),
        ("claude-opus-5-5", [], True),
        ("claude-opus-5-5", {"type": 7}, True),
        ("claude-opus-4-8", {}, False),
    ],
)
def test_whether_the_model_thinks_is_what_the_request_or_its_default_says(
    model: str, thinking: object, thinks: bool
) -> None:
    body = json.dumps({} if thinking is None else {"thinking": thinking})

    row = capabilities.model_for(model)

    assert request.thinks(asked(body).fields, row) is thinks


@pytest.mark.parametrize(
    ("endpoint", "beta", "path"),
    [
        ("messages", False, "/v1/messages"),
        ("messages", True, "/v1/messages?beta=true"),
        ("count_tokens", False, "/v1/messages/count_tokens"),
        ("count_tokens", True, "/v1/messages/count_tokens?beta=true"),
    ],
)
def test_the_path_is_the_one_that_was_called(
    endpoint: request.Endpoint, beta: bool, path: str
) -> None:
    relayed = request.Relayed(
        endpoint=endpoint,
        body=b"{}",
        model="m",
        version=None,
        betas=(),
        beta=beta,
        thinks=False,
    )

    assert relayed.path == path
