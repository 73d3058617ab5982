"""The shape of a row's case: a request, and what is sent for it or why not."""

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec
import pytest

from proxy import errors
from proxy.translate import assemble
from request_translation import translated

NOT_SENT = object()
"""The value of a field that must not be in the body at all."""

HI = [{"role": "user", "content": "Hi"}]


@dataclass(frozen=True)
class Case:
    """One case of a row of the contract.

    ``given`` is laid over a request with one user message, and ``sent`` over the body
    that goes upstream for it; ``refused`` is (param, code) of a 400.
    """

    row: str
    says: str
    given: dict[str, Any] = field(default_factory=dict)
    sent: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    version: str | None = None
    betas: tuple[str, ...] = ()
    refused: tuple[str | None, str | None] | None = None
    config: dict[str, Any] = field(default_factory=dict)

    ONE_MESSAGE: ClassVar[dict[str, Any]] = {"model": "claude-opus-5-5", "messages": HI}
    """The request that ``given`` is laid over."""

    def __str__(self) -> str:
        return f"{self.row} {self.says}"

    @property
    def request(self) -> dict[str, Any]:
        whole = {**self.ONE_MESSAGE, **self.given}
        return {k: v for k, v in whole.items() if v is not NOT_SENT}


def parametrize(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=str)


PLAIN = {
    "max_tokens": 16384,
    "stream": True,
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
}
"""What is sent for a request with one user message, besides its model."""


def check(case: Case, **config: Any) -> None:
    """Translate the case's request and compare the whole body with what it says.

    ``config`` holds the settings of all cases of a module; a case's own come before.
    """
    config |= case.config
    if case.refused is not None:
        with pytest.raises(errors.InvalidRequestError) as caught:
            translated(case.request, **config)
        assert (caught.value.param, caught.value.code) == case.refused
        return
    check_sent(case, translated(case.request, **config))


def check_sent(case: Case, one: assemble.Translation) -> None:
    """Compare all that goes upstream with what a case says."""
    body = json.loads(msgspec.json.encode(one.request))
    expected = {"model": case.request.get("model"), **PLAIN, **case.sent}
    expected = {k: v for k, v in expected.items() if v is not NOT_SENT}
    assert body == expected
    assert one.warnings == case.warnings
    assert one.version == case.version
    assert one.betas == case.betas
