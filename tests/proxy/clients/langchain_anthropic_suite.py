"""LangChain's standard chat-model suite for `ChatAnthropic`, which speaks Anthropic's own API.

Run by `test_clients.py` in an environment of its own; `PROXY_URL` is the proxy.
"""

import base64
import os

import httpx
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
FILES = {".png": base64.b64decode(PIXEL), ".pdf": b"%PDF-1.4\n%%EOF\n"}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """The suite takes its picture and its PDF from the web: here, from memory."""

    def get(url, **_):
        return httpx.Response(200, content=FILES[url[-4:]])

    monkeypatch.setattr(httpx, "get", get)


class TestAnthropic(ChatModelIntegrationTests):
    model_override_value = "claude-haiku-4-5"
    supports_image_inputs = True
    supports_image_urls = True
    supports_image_tool_message = True
    supports_pdf_inputs = True
    supports_pdf_tool_message = True

    @property
    def chat_model_class(self):
        return ChatAnthropic

    @property
    def chat_model_params(self):
        return {
            "model": "claude-sonnet-4-6",
            "max_tokens": 1000,
            "base_url": os.environ["PROXY_URL"],
            "api_key": "unused",
            "max_retries": 0,
        }


def test_tokens_are_counted():
    model = ChatAnthropic(
        model="claude-sonnet-4-6",
        base_url=os.environ["PROXY_URL"],
        api_key="unused",
    )
    assert model.get_num_tokens_from_messages([HumanMessage("Hello")]) == 11
