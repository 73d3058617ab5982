"""LangChain's standard chat-model suite in front of the proxy, for any of its classes.

`PROXY_URL` is the proxy.
"""

import base64
import os

import httpx
import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests

PROXY = os.environ["PROXY_URL"]
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
FILES = {".png": base64.b64decode(PIXEL), ".pdf": b"%PDF-1.4\n%%EOF\n"}


class Standard(ChatModelIntegrationTests):
    model_name = "claude-sonnet-4-6"
    model_override_value = "claude-haiku-4-5"
    supports_image_inputs = True
    supports_image_urls = True
    supports_image_tool_message = True
    supports_pdf_inputs = True
    supports_pdf_tool_message = True

    @pytest.fixture(autouse=True)
    def _no_network(self, monkeypatch):
        """The suite takes its picture and its PDF from the web: here, from memory."""

        def get(url, **_):
            return httpx.Response(200, content=FILES[url[-4:]])

        monkeypatch.setattr(httpx, "get", get)


class CannotForce:
    """The newest generation takes the most fields and cannot be forced to call."""

    model_name = "claude-opus-5-5"

    @pytest.mark.xfail(
        reason="this model cannot be forced to call a tool; an instruction asks for it, and the stand-in follows none"
    )
    def test_tool_choice(self, model):
        super().test_tool_choice(model)
