"""One cheap question to Anthropic: whether it accepts this access token.

It asks for one page of one model, which costs no usage. Only Anthropic's own refusal
counts as one: a company's proxy, an outage and a rate limit say nothing about the token.
"""

import asyncio
import json
import os

import aiohttp

from refresher import reach
from refresher.operator.check import Response, Verdict

URL = "https://api.anthropic.com/v1/models?limit=1"
_HEADERS = {
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "oauth-2025-04-20",  # needed for any OAuth token
    "user-agent": "claude-refresher",
}
_TIMEOUT = aiohttp.ClientTimeout(total=20)
_MOST_BYTES = 64 * 1024
_HTTP_OK = 200
_HTTP_UNAUTHORIZED = 401


async def ask(access_token: str) -> Response:
    """Ask once, through HTTPS_PROXY if it is set. Never raises, ends within 20 s."""
    headers = {**_HEADERS, "authorization": f"Bearer {access_token}"}
    try:
        context = await asyncio.to_thread(reach.tls_context, os.environ)
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as session,
            session.get(
                URL, headers=headers, ssl=context, allow_redirects=False
            ) as response,
        ):
            body = await response.content.read(_MOST_BYTES)
            return judge(response.status, body)
    except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as ex:
        # Their texts can hold a proxy's address with its password.
        name = type(ex).__name__
        return Response(Verdict.UNKNOWN, f"no response from Anthropic ({name})")


def judge(status: int, body: bytes) -> Response:
    """Say what a response means for the token. Pure."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    answer = value if isinstance(value, dict) else {}
    if status == _HTTP_OK and isinstance(answer.get("data"), list):
        return Response(Verdict.ACCEPTED)
    error = answer.get("error")
    kind = error.get("type") if isinstance(error, dict) else None
    if status == _HTTP_UNAUTHORIZED and kind == "authentication_error":
        return Response(Verdict.REJECTED)
    return Response(Verdict.UNKNOWN, f"api.anthropic.com responded with HTTP {status}")
