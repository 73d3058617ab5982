"""Names of tools and their properties, and tool-call ids, as Anthropic accepts them.

All are pure functions of the string itself, so a history always translates the same way.
A changed name gets eight hex digits of its sha256, which keeps similar names apart.
"""

import hashlib
import re

MAX_NAME = 128  # from the live API's error message; the documentation still says 64
MAX_ID = 64
_SHORTENED = (
    64  # a name that must change anyway is made to fit the documented limit too
)
_ODD = re.compile(r"[^a-zA-Z0-9_-]")
is_tool_name = re.compile(rf"[a-zA-Z0-9_-]{{1,{MAX_NAME}}}").fullmatch
"""Whether Anthropic takes a name as it is: nearly all."""
_ODD_IN_PROPERTY = re.compile(r"[^a-zA-Z0-9_.-]")


def _sanitise(
    value: str, *, longest: int, shortened: int, odd: re.Pattern[str] = _ODD
) -> str:
    if 0 < len(value) <= longest and odd.search(value) is None:
        return value
    clean = odd.sub("_", value)
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{clean[: shortened - 9]}_{digest}"


def tool_name(name: str) -> str:
    """``files.read/v1`` -> ``files_read_v1_3f2a…``; a legal name is returned as it is.

    The pattern is ``^[a-zA-Z0-9_-]{1,128}$`` (the API's own 400).
    """
    if is_tool_name(name):
        return name
    return _sanitise(name, longest=MAX_NAME, shortened=_SHORTENED)


def property_name(name: str) -> str:
    """A tool's property within ``^[a-zA-Z0-9_.-]{1,64}$`` (the API's own 400)."""
    return _sanitise(name, longest=64, shortened=64, odd=_ODD_IN_PROPERTY)


def tool_use_id(call_id: str) -> str:
    """A tool call's id within ``^[a-zA-Z0-9_-]+$`` and 64 characters."""
    return _sanitise(call_id, longest=MAX_ID, shortened=MAX_ID)


class UseIds:
    """Keeps tool_use ids unique over a conversation.

    Clients that number their calls afresh in each turn send ``call_1`` again and again,
    and Anthropic rejects a second ``tool_use`` with the same id. The n-th use of an id
    gets the suffix ``_n``, which depends on earlier turns only.
    """

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._next: dict[str, int] = {}  # id -> the number its next use gets

    def take(self, call_id: str) -> str:
        """The id to send for the next call with this id of the client's."""
        base = unique = tool_use_id(call_id)
        if base not in self._used:  # the usual case
            self._used.add(base)
            return base
        n = self._next.get(base, 2)
        while unique in self._used:
            unique = f"{base[: MAX_ID - len(str(n)) - 1]}_{n}"
            n += 1
        self._used.add(unique)
        self._next[base] = n
        return unique
