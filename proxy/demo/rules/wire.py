"""The shapes of a request's body, from the `anthropic` package's `*_param.py` (2.14).

Server tools, containers and skills are left out: nothing behind the stand-in could
run them, so a request with one of them is refused by its tag.
"""

from proxy.demo.rules import shape
from proxy.demo.rules.shape import Object, Shape, Tagged, array, one_of, optional

_cache_control = optional(
    Tagged({"ephemeral": Object({"type": shape.string}, {"ttl": shape.string})})
)
_marked = {"cache_control": _cache_control}
_type = {"type": shape.string}

_citation = Object(_type, open=True)
_text = Object(
    _type | {"text": shape.string},
    _marked | {"citations": optional(array(_citation))},
)
_text_only = Tagged({"text": _text})
system_content = shape.string_or(array(_text_only))

_base64 = Object(_type | {"media_type": shape.string, "data": shape.string})
_url = Object(_type | {"url": shape.string})
_file = Object(_type | {"file_id": shape.string})
_image = Object(
    _type | {"source": Tagged({"base64": _base64, "url": _url, "file": _file})},
    _marked
    | {
        "transformations": optional(
            Object(fields={"oversized_image": one_of("downsize", "error")})
        )
    },
)
_text_or_image = Tagged({"text": _text, "image": _image})
_citations_config = optional(Object(fields={"enabled": shape.boolean}))
_document_source = Tagged(
    {
        "base64": _base64,
        "text": _base64,
        "content": Object(
            _type | {"content": shape.string_or(array(_text_or_image))},
        ),
        "url": _url,
        "file": _file,
    }
)
_document = Object(
    _type | {"source": _document_source},
    _marked
    | {
        "citations": _citations_config,
        "context": optional(shape.string),
        "title": optional(shape.string),
    },
)
_search_result = Object(
    _type
    | {"content": array(_text_only), "source": shape.string, "title": shape.string},
    _marked | {"citations": _citations_config},
)
_caller = Object(_type, {"tool_id": shape.string})
_tool_use = Object(
    _type | {"id": shape.string, "name": shape.string, "input": shape.mapping},
    _marked | {"caller": optional(_caller), "toolset_name": optional(shape.string)},
)
_tool_result_content = Tagged(
    {
        "text": _text,
        "image": _image,
        "document": _document,
        "search_result": _search_result,
        "tool_reference": Object(_type | {"tool_name": shape.string}, _marked),
    }
)
_tool_result = Object(
    _type | {"tool_use_id": shape.string},
    _marked
    | {
        "content": shape.string_or(array(_tool_result_content)),
        "is_error": shape.boolean,
        "toolset_name": optional(shape.string),
    },
)
_block = Tagged(
    {
        "text": _text,
        "image": _image,
        "document": _document,
        "search_result": _search_result,
        "thinking": Object(
            _type | {"thinking": shape.string, "signature": shape.string}
        ),
        "redacted_thinking": Object(_type | {"data": shape.string}),
        "tool_use": _tool_use,
        "tool_result": _tool_result,
    }
)
_message = Object(
    {"role": shape.string, "content": shape.string_or(array(_block))},
)

_custom_tool = Object(
    {"name": shape.string, "input_schema": Object(open=True)},
    _marked
    | {
        "type": optional(one_of("custom")),
        "description": shape.string,
        "strict": shape.boolean,
        "defer_loading": shape.boolean,
        "eager_input_streaming": optional(shape.boolean),
        "allowed_callers": array(shape.string),
        "input_examples": array(shape.mapping),
    },
)
_tool = Tagged({"custom": _custom_tool}, default="custom")
_serially = {"disable_parallel_tool_use": shape.boolean}
_tool_choice = Tagged(
    {
        "auto": Object(_type, _serially),
        "any": Object(_type, _serially),
        "tool": Object(_type | {"name": shape.string}, _serially),
        "none": Object(_type),
    }
)

_display = {"display": optional(one_of("summarized", "omitted"))}
_block_binding = Object(
    fields={"prefix_mismatch_behavior": optional(one_of("error", "drop_block"))}
)
_thinking = Tagged(
    {
        "enabled": Object(_type | {"budget_tokens": shape.integer}, _display),
        "adaptive": Object(
            _type, _display | {"block_binding": optional(_block_binding)}
        ),
        "disabled": Object(_type),
        "between_tools": Object(_type),
    }
)
_output_config = Object(
    fields={
        "effort": optional(one_of("low", "medium", "high", "xhigh", "max")),
        "format": optional(
            Tagged({"json_schema": Object(_type | {"schema": shape.mapping})})
        ),
    }
)

_counted: dict[str, Shape] = {
    "cache_control": _cache_control,
    "output_config": _output_config,
    "speed": optional(one_of("standard", "fast")),
    "system": system_content,
    "thinking": _thinking,
    "tool_choice": _tool_choice,
    "tools": array(_tool),
    "user_profile_id": shape.string,
    "workspace_id": shape.string,
}
_sampling = {
    "temperature": optional(shape.number),
    "top_p": optional(shape.number),
    "top_k": optional(shape.integer),
}
_always = {"model": shape.string, "messages": array(_message)}

create = Object(
    _always | {"max_tokens": shape.integer},
    _counted
    | _sampling
    | {
        "diagnostics": optional(
            Object(fields={"previous_message_id": optional(shape.string)})
        ),
        "output_format": optional(shape.mapping),  # deprecated: a row of its own
        "inference_geo": optional(shape.string),
        "metadata": Object(fields={"user_id": optional(shape.string)}),
        "service_tier": one_of("auto", "standard_only"),
        "stop_sequences": array(shape.string),
        "stream": shape.boolean,
    },
)
"""The body of `POST /v1/messages`."""

count_tokens = Object(_always, _counted)
"""The body of `POST /v1/messages/count_tokens`."""
