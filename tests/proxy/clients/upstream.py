"""What a client's conversation became upstream; for the suites in Python.

`RECEIVED_URL` is a ledger (`received.py`).
"""

import json
import os
import urllib.request

THINKING = ("thinking", "redacted_thinking")
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def sent(*, thinking_may_be_dropped=False):
    """The bodies of all messages since the last time, each of them accepted as it was.

    That includes its thinking, unless that does not matter.
    """
    with _direct.open(os.environ["RECEIVED_URL"]) as answer:
        received = [x for x in json.load(answer) if x["path"] == "/v1/messages"]
    assert [x["rule"] for x in received] == [None] * len(received)
    if not thinking_may_be_dropped:
        assert [x["dropped"] for x in received] == [[]] * len(received)
    return [x["body"] for x in received]


def thoughts():
    """For each call upstream: how many blocks of thinking each turn in it has.

    `[[], [1]]` is a loop of two steps whose second has what was thought in the first.
    """
    return [
        [sum(block["type"] in THINKING for block in turn) for turn in _turns(body)]
        for body in sent()
    ]


def _turns(body):
    """The assistant's turns; a string is one without thinking."""
    turns = [x["content"] for x in body["messages"] if x["role"] == "assistant"]
    return [[] if isinstance(turn, str) else turn for turn in turns]
