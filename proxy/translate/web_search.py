"""Anthropic's web search: the tool, and its citations as annotations.

Chat completions ask for it with ``web_search_options``. What is shared with any other
API of OpenAI's (the tool, the flat location, the cited span) is here alone.
"""

from proxy.schema import (
    chat_request,
    chat_response,
    messages_request,
    messages_response,
)

NAME = "web_search"
CITED = "web_search_result_location"


def tool(
    location: chat_request.ApproximateLocation | None,
) -> messages_request.WebSearchTool:
    """The version of the tool that all models have and that keeps no data."""
    found = {
        field: value
        for field in ("city", "region", "country", "timezone")
        if (value := getattr(location, field, None))
    }
    return messages_request.WebSearchTool(
        name=NAME,
        user_location=messages_request.UserLocation(**found) if found else None,
    )


def annotations(
    citations: list[messages_response.Citation], start: int, end: int
) -> list[chat_response.Annotation]:
    """The annotations of one cited text block of Claude's.

    ``start`` and ``end`` are its place in the whole text, in code points: the block is
    the cited span. Citations of anything but the web have no equivalent.
    """
    return [
        chat_response.Annotation(
            chat_response.URLCitation(
                start_index=start,
                end_index=end,
                title=citation.title or citation.url,
                url=citation.url,
            )
        )
        for citation in citations
        if citation.type == CITED and citation.url
    ]
