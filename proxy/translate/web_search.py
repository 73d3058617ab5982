"""Anthropic's web search: the tool, and which of Claude's citations come from it."""

from proxy.schema import common, messages_request

NAME = "web_search"
CITED = "web_search_result_location"


def tool(
    location: common.ApproximateLocation | None,
    *,
    allowed_domains: list[str] | None = None,
    blocked_domains: list[str] | None = None,
    max_uses: int | None = None,
) -> messages_request.WebSearchTool:
    """The version of the tool that all models have and that keeps no data."""
    found = {
        field: value
        for field in ("city", "region", "country", "timezone")
        if (value := getattr(location, field, None))
    }
    return messages_request.WebSearchTool(
        name=NAME,
        allowed_domains=allowed_domains or None,
        blocked_domains=blocked_domains or None,
        max_uses=max_uses,
        user_location=messages_request.UserLocation(**found) if found else None,
    )
