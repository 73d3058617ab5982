"""The stand-in's shapes and models are those of the installed SDK."""

import typing

import pytest
from anthropic import types

from standin import models
from standin.rules import wire

SAMPLING = {"temperature", "top_p", "top_k"}  # left the SDK, live on in the old version
SERVER_SIDE = {"container"}  # nothing here could run one
BETA_ONLY = {"block_binding", "task_budget"}
NOT_IN_THE_SDK = {
    "output_format",
    "context_management",
    "compaction",
}  # each has a row of its own


def fields(thing):
    return {*thing.required, *thing.fields}


def _camel(name):
    return name.title().replace("_", "")


BLOCK = wire.block.members
SOURCE = wire.document_source.members
CHOICE = wire.tool_choice.members
THINKING = wire.thinking.members


@pytest.mark.parametrize(
    ("known", "params"),
    [
        (wire.message, types.UserMessageParam),
        (wire.ephemeral, types.CacheControlEphemeralParam),
        (wire.metadata, types.MetadataParam),
        (wire.output_config, types.OutputConfigParam),
        (wire.json_schema, types.JSONOutputFormatParam),
        (wire.custom_tool, types.ToolParam),
        (CHOICE["auto"], types.ToolChoiceAutoParam),
        (CHOICE["any"], types.ToolChoiceAnyParam),
        (CHOICE["tool"], types.ToolChoiceToolParam),
        (CHOICE["none"], types.ToolChoiceNoneParam),
        (THINKING["enabled"], types.ThinkingConfigEnabledParam),
        (THINKING["adaptive"], types.ThinkingConfigAdaptiveParam),
        (THINKING["disabled"], types.ThinkingConfigDisabledParam),
        (THINKING["between_tools"], types.ThinkingConfigBetweenToolsParam),
        (BLOCK["text"], types.TextBlockParam),
        (BLOCK["image"], types.ImageBlockParam),
        (BLOCK["document"], types.DocumentBlockParam),
        (BLOCK["search_result"], types.SearchResultBlockParam),
        (BLOCK["thinking"], types.ThinkingBlockParam),
        (BLOCK["redacted_thinking"], types.RedactedThinkingBlockParam),
        (BLOCK["tool_use"], types.ToolUseBlockParam),
        (BLOCK["tool_result"], types.ToolResultBlockParam),
        (BLOCK["server_tool_use"], types.ServerToolUseBlockParam),
        (BLOCK["web_search_tool_result"], types.WebSearchToolResultBlockParam),
        *(
            (known, getattr(types, f"Citation{_camel(name)}Param"))
            for name, known in wire.citation.members.items()
        ),
        (SOURCE["base64"], types.Base64ImageSourceParam),
        (SOURCE["text"], types.PlainTextSourceParam),
        (SOURCE["content"], types.ContentBlockSourceParam),
        (SOURCE["url"], types.URLImageSourceParam),
        (SOURCE["file"], types.FileImageSourceParam),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_object_has_the_fields_of_the_sdk(known, params):
    hints = typing.get_type_hints(params, include_extras=True)
    required = {n for n, h in hints.items() if typing.get_origin(h) is typing.Required}
    assert fields(known) - BETA_ONLY == set(hints)
    assert set(known.required) == required


def test_a_request_has_the_fields_of_the_sdk():
    params = types.message_create_params.MessageCreateParamsStreaming
    known = fields(wire.create) - SAMPLING - NOT_IN_THE_SDK
    assert known == set(typing.get_type_hints(params)) - SERVER_SIDE
    counted = typing.get_type_hints(types.MessageCountTokensParams)
    assert fields(wire.count_tokens) == set(counted)


def test_every_model_of_the_sdk_is_known():
    literal, _ = typing.get_args(types.model.Model)
    names = set(typing.get_args(literal))
    assert {name for name in names if models.find(name) is None} == set()
    listed = {model.id for model in models.MODELS}
    assert listed <= names


@pytest.mark.parametrize("model", models.MODELS, ids=lambda model: model.id)
def test_a_model_is_described_as_the_sdk_does(model):
    described = types.ModelInfo.model_validate(models.info(model), strict=False)
    assert described.model_extra == {}
    assert described.capabilities.model_extra == {}
    types_ = described.capabilities.thinking.types
    accepted = {name for name, able in types_ if able.supported}
    assert accepted == set(model.thinking)


def test_the_newest_model_comes_first():
    days = [model.created for model in models.MODELS]
    assert days == sorted(days, reverse=True)
