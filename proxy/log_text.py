"""Log lines for people at a terminal: the same facts as the JSON, the usual ones left out.

Pure. Times are the machine's own; what a line says has already been made printable.
"""

from datetime import datetime
from typing import Any

_COLOURS = {"debug": "2", "info": "0", "warning": "33", "error": "31", "critical": "31"}
_DIM, _GREEN, _YELLOW, _RED = "2", "32", "33", "31"
_CLIENT_GONE, _ERRORS, _SERVER_ERRORS = 499, 400, 500


def to_text(line: dict[str, Any], *, colour: bool) -> str:
    """One line, without its end. ``line`` is what would be written as JSON."""

    def painted(code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if colour else text

    when = datetime.fromisoformat(line["time"]).astimezone()
    head = painted(_DIM, f"{when:%H:%M:%S}")
    if "request_id" in line:
        status = painted(_status_colour(line), str(line["status"]))
        return (
            f"{head} {status} {_completion(line)} {painted(_DIM, line['request_id'])}"
        )
    level = line["level"]
    word = painted(_COLOURS.get(level, "0"), f"{level:7}")
    text = f"{head} {word} {line['message']}"
    if "exception" in line:
        text += f" ({line['exception']})"
        text += "".join(f"\n    {where}" for where in line["where"])
    return text


def _status_colour(line: dict[str, Any]) -> str:
    status, code = line["status"], line["code"]
    if status == _CLIENT_GONE:
        return _YELLOW
    if status >= _SERVER_ERRORS or (code and status < _ERRORS):
        return _RED
    return _YELLOW if status >= _ERRORS else _GREEN


def _completion(line: dict[str, Any]) -> str:
    """A completion in a few words: model, times, tokens, cost, and what was unusual."""
    words = [line["upstream_model"] or line["model"] or "-"]
    took = f"{line['duration_ms'] / 1000:.1f} s"
    if line["stream"] and line["first_event_ms"] is not None:
        took += f" (first {line['first_event_ms'] / 1000:.1f} s)"
    words.append(took)
    cached, written = line["cache_read_tokens"], line["cache_write_tokens"]
    prompt = line["input_tokens"] + cached + written
    if prompt or line["output_tokens"]:
        share = f" ({100 * cached // prompt} % cached)" if cached else ""
        words.append(f"{prompt:,} in{share}, {line['output_tokens']:,} out")
    if line["cost_usd"]:
        words.append(f"${line['cost_usd']:.4f}")
    if line["code"] or line["reason"]:
        words.append(" ".join(filter(None, (line["code"], line["reason"]))))
    if line["client_gone"]:
        words.append("client left")
    if line["joined"]:
        words.append("joined")
    if line["unclaimed"]:
        words.append("nobody came back")
    if line["calls"] > 1:
        words.append(f"{line['calls']} calls")
    if line["warnings"]:
        words.append(", ".join(line["warnings"]))
    return "  ".join(words)
