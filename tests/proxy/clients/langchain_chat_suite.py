"""LangChain's standard suite for `ChatOpenAI` over chat completions.

Once for a model that takes every field of OpenAI's, once for one that takes the fewest.
"""

from langchain_openai import ChatOpenAI
from langchain_standard import PROXY, CannotForce, Standard


class TestOlder(Standard):
    supports_json_mode = True

    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        return {
            "model": self.model_name,
            "base_url": f"{PROXY}/v1",
            "api_key": "unused",
            "max_retries": 0,
            "stream_usage": True,
        }


class TestNewest(CannotForce, TestOlder):
    pass
