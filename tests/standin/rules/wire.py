"""The shapes of a request's body, from the `anthropic` package's `*_param.py` (2.14).

Of the server tools there is the web search, which finds the same thing always. The
others, containers and skills are left out: nothing behind the stand-in could run them, so
a request with one of them is refused by its tag.
"""

from standin.rules import shape
from standin.rules.shape import Object, Shape, Tagged, array, array_or, one_of, optional

ephemeral = Object({"type": shape.string}, {"ttl": shape.string})
cache_control = optional(Tagged({"ephemeral": ephemeral}))
_marked = {"cache_control": cache_control}
_type = {"type": shape.string}

_cited = _type | {"cited_text": shape.string}
_in_document = _cited | {
    "document_index": shape.integer,
    "document_title": optional(shape.string),
}
citation = Tagged(
    {
        "char_location": Object(
            _in_document
            | {"start_char_index": shape.integer, "end_char_index": shape.integer}
        ),
        "page_location": Object(
            _in_document
            | {"start_page_number": shape.integer, "end_page_number": shape.integer}
        ),
        "content_block_location": Object(
            _in_document
            | {"start_block_index": shape.integer, "end_block_index": shape.integer}
        ),
        "web_search_result_location": Object(
            _cited
            | {
                "encrypted_index": shape.string,
                "title": optional(shape.string),
                "url": shape.string,
            }
        ),
        "search_result_location": Object(
            _cited
            | {
                "search_result_index": shape.integer,
                "source": shape.string,
                "title": optional(shape.string),
                "start_block_index": shape.integer,
                "end_block_index": shape.integer,
            }
        ),
    }
)
text = Object(
    {"type": one_of("text"), "text": shape.string},
    _marked | {"citations": optional(array(citation))},
)

base64_source = Object(_type | {"media_type": shape.string, "data": shape.string})
url_source = Object(_type | {"url": shape.string})
file_source = Object(_type | {"file_id": shape.string})
image = Object(
    _type
    | {
        "source": Tagged(
            {"base64": base64_source, "url": url_source, "file": file_source}
        )
    },
    _marked
    | {
        "transformations": optional(
            Object(fields={"oversized_image": one_of("downsize", "error")})
        )
    },
)
text_or_image = Tagged({"text": text, "image": image})
citations_config = Object(fields={"enabled": shape.boolean})
document_source = Tagged(
    {
        "base64": base64_source,
        "text": base64_source,
        "content": Object(_type | {"content": shape.string_or(array(text_or_image))}),
        "url": url_source,
        "file": file_source,
    }
)
document = Object(
    _type | {"source": document_source},
    _marked
    | {
        "citations": optional(citations_config),
        "context": optional(shape.string),
        "title": optional(shape.string),
    },
)
search_result = Object(
    _type | {"content": array(text), "source": shape.string, "title": shape.string},
    _marked | {"citations": optional(citations_config)},
)
_by_server_tool = Object(_type | {"tool_id": shape.string})
caller = Tagged(
    {
        "direct": Object(_type),
        "code_execution_20250825": _by_server_tool,
        "code_execution_20260120": _by_server_tool,
    }
)
tool_use = Object(
    _type | {"id": shape.string, "name": shape.string, "input": shape.mapping},
    _marked | {"caller": optional(caller), "toolset_name": optional(shape.string)},
)
tool_result_content = Tagged(
    {
        "text": text,
        "image": image,
        "document": document,
        "search_result": search_result,
        "tool_reference": Object(_type | {"tool_name": shape.string}, _marked),
    }
)
tool_result = Object(
    _type | {"tool_use_id": shape.string},
    _marked
    | {
        "content": shape.string_or(array(tool_result_content)),
        "is_error": shape.boolean,
        "toolset_name": optional(shape.string),
    },
)
found_page = Object(
    _type
    | {
        "encrypted_content": shape.string,
        "title": shape.string,
        "url": shape.string,
    },
    {"page_age": optional(shape.string)},
)
search_error = Object(
    {
        "type": one_of("web_search_tool_result_error"),
        "error_code": one_of(
            "invalid_tool_input",
            "unavailable",
            "max_uses_exceeded",
            "too_many_requests",
            "query_too_long",
            "request_too_large",
        ),
    }
)
server_tool_use = Object(
    _type | {"id": shape.string, "name": one_of("web_search"), "input": shape.mapping},
    _marked | {"caller": optional(caller)},
)
web_search_tool_result = Object(
    _type
    | {
        "tool_use_id": shape.string,
        "content": array_or(Tagged({"web_search_result": found_page}), search_error),
    },
    _marked | {"caller": optional(caller)},
)
compaction_block = Object(
    _type,
    _marked
    | {
        "content": optional(shape.string),
        "encrypted_content": optional(shape.string),
        "signature": optional(shape.string),
        "tool_changes": optional(array(shape.mapping)),
    },
)
block = Tagged(
    {
        "text": text,
        "image": image,
        "document": document,
        "search_result": search_result,
        "thinking": Object(
            _type | {"thinking": shape.string, "signature": shape.string}
        ),
        "redacted_thinking": Object(_type | {"data": shape.string}),
        "tool_use": tool_use,
        "tool_result": tool_result,
        "server_tool_use": server_tool_use,
        "web_search_tool_result": web_search_tool_result,
        "compaction": compaction_block,
    }
)
message = Object(
    {"role": shape.string, "content": shape.string_or(array(block))},
)

custom_tool = Object(
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
web_search = Object(
    _type | {"name": one_of("web_search")},
    _marked
    | {
        "allowed_domains": optional(array(shape.string)),
        "blocked_domains": optional(array(shape.string)),
        "max_uses": optional(shape.integer),
        "user_location": optional(
            Object(
                {"type": one_of("approximate")},
                {
                    "city": optional(shape.string),
                    "country": optional(shape.string),
                    "region": optional(shape.string),
                    "timezone": optional(shape.string),
                },
            )
        ),
        "strict": shape.boolean,
        "defer_loading": shape.boolean,
        "allowed_callers": array(shape.string),
    },
)
tool = Tagged(
    {"custom": custom_tool, "web_search_20250305": web_search}, default="custom"
)
_serially = {"disable_parallel_tool_use": shape.boolean}
tool_choice = Tagged(
    {
        "auto": Object(_type, _serially),
        "any": Object(_type, _serially),
        "tool": Object(_type | {"name": shape.string}, _serially),
        "none": Object(_type),
    }
)

_display = {"display": optional(one_of("summarized", "omitted"))}
block_binding = Object(
    fields={"prefix_mismatch_behavior": optional(one_of("error", "drop_block"))}
)
thinking = Tagged(
    {
        "enabled": Object(_type | {"budget_tokens": shape.integer}, _display),
        "adaptive": Object(
            _type, _display | {"block_binding": optional(block_binding)}
        ),
        "disabled": Object(_type),
        "between_tools": Object(_type),
    }
)
json_schema = Object(_type | {"schema": shape.mapping})
task_budget = Object(
    {"type": one_of("tokens"), "total": shape.integer},
    {"remaining": optional(shape.integer)},
)
output_config = Object(
    fields={
        "task_budget": optional(task_budget),
        "effort": optional(one_of("low", "medium", "high", "xhigh", "max")),
        "format": optional(Tagged({"json_schema": json_schema})),
    }
)

metadata = Object(fields={"user_id": optional(shape.string)})

_counted: dict[str, Shape] = {
    "cache_control": cache_control,
    "output_config": output_config,
    "speed": optional(one_of("standard", "fast")),
    "system": shape.string_or(array(text)),
    "thinking": thinking,
    "tool_choice": tool_choice,
    "tools": array(tool),
    "user_profile_id": shape.string,
    "workspace_id": shape.string,
}
_sampling = {
    "temperature": optional(shape.number),
    "top_p": optional(shape.number),
    "top_k": optional(shape.integer),
}
_always = {"model": shape.string, "messages": array(message)}

create = Object(
    _always | {"max_tokens": shape.integer},
    _counted
    | _sampling
    | {
        "diagnostics": optional(
            Object(fields={"previous_message_id": optional(shape.string)})
        ),
        "context_management": optional(Object(fields={"edits": array(shape.mapping)})),
        "compaction": Object(
            {"type": one_of("summarize")}, {"instructions": optional(shape.string)}
        ),
        "output_format": optional(shape.mapping),  # deprecated: a row of its own
        "inference_geo": optional(shape.string),
        "metadata": metadata,
        "service_tier": one_of("auto", "standard_only"),
        "stop_sequences": array(shape.string),
        "stream": shape.boolean,
    },
)
"""The body of `POST /v1/messages`."""

count_tokens = Object(_always, _counted)
"""The body of `POST /v1/messages/count_tokens`."""
