"""Anthropic's web search: the tool, and which of Claude's citations come from it."""

from proxy.schema import common, messages_request

NAME = "web_search"
CITED = "web_search_result_location"


def tool(
    location: common.ApproximateLocation | None,
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
