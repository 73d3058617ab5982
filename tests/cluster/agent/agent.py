"""Request chat completions without end, alternately plain and streamed.

Prints a JSON line for each: {"time": when it ended, "trouble": null or what went wrong}.
"""

import http.client
import itertools
import json
import os
import time
import urllib.error
import urllib.request

PAUSE = 0.25


def ask(*, stream):
    """Make one request; returns None, or what was wrong with the response."""
    question = {"messages": [{"role": "user", "content": "ping"}], "stream": stream}
    request = urllib.request.Request(
        os.environ["OPENAI_BASE_URL"] + "/chat/completions",
        data=json.dumps(question).encode(),
        headers={
            "content-type": "application/json",
            "authorization": f"Bearer {os.environ['OPENAI_API_KEY']}",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read().decode()
    except urllib.error.HTTPError as ex:
        return f"{ex.code}: {ex.read().decode()}"
    except (OSError, http.client.HTTPException) as ex:
        return repr(ex)
    whole = '"pong"' in text and (not stream or text.endswith("data: [DONE]\n\n"))
    return None if whole else f"no whole answer: {text}"


def main():
    for stream in itertools.cycle((False, True)):
        trouble = ask(stream=stream)
        print(json.dumps({"time": time.time(), "trouble": trouble}))  # noqa: T201
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
