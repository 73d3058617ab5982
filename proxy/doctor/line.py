"""One line of the report: a verdict, the reason for it, and what to do.

``fail`` means that requests fail, ``warn`` that some do or soon will.
"""

from typing import Literal

from msgspec import Struct

Verdict = Literal["ok", "warn", "fail"]


class Line(Struct, frozen=True):
    """One line of the report."""

    check: str
    verdict: Verdict
    why: str
    do: str = ""
    """What to do, where something should be done."""
