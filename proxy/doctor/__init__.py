"""``claude-proxy doctor``: what is wrong, and what to do about it.

Facts are gathered in one place and judged in another.

    report     gathers facts, has them judged, prints the lines
    diagnosis  pure: what facts mean
    network    pure: what the one call to Anthropic shows
    line       pure: a line of the report
    facts      pure: what was found out
"""

from proxy.doctor.report import main

__all__ = ["main"]
