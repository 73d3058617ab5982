"""What the loops share: three values, each written by one side and read by the others.

    credential    the ClaudeCredential      written by the cluster's side
    observation   the volume as last seen   written by the scheduler
    check         what Anthropic says       written by the checker

No loop knows another one. Whoever depends on a value subscribes to it.
"""

import asyncio
from typing import Generic, TypeVar

from refresher.operator.check import Check
from refresher.operator.observation import Observation
from refresher.operator.resource import Found, Unknown

_T = TypeVar("_T")


class Topic(Generic[_T]):
    """One value, and who wants to know when it changes."""

    def __init__(self, value: _T) -> None:
        self.value = value
        self._subscribers: list[asyncio.Event] = []

    def subscribe(self, event: asyncio.Event) -> None:
        """Set `event` at each change from now on."""
        self._subscribers.append(event)

    def set(self, value: _T) -> None:
        """Replace the value; an equal one wakes nobody. Call it in the event loop."""
        if value == self.value:
            return
        self.value = value
        for event in self._subscribers:
            event.set()


class Board:
    """The three values of one operator."""

    def __init__(self, credential: Found | None = None) -> None:
        self.credential = Topic[Found](credential or Unknown())
        self.observation = Topic[Observation | None](None)
        self.check = Topic[Check | None](None)
