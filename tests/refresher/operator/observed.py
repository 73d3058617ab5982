"""Observations of a made-up volume, for the tests of the pure modules."""

from datetime import timedelta

from logins import NOW, credential, make_settings
from refresher import decide, history
from refresher.operator import observation
from refresher.operator.check import Check, Verdict
from refresher.operator.observation import Circumstances, Statement
from refresher.operator.resource import ClaudeCredential, Spec
from refresher.outcome import Kind, Outcome
from refresher.settings import Command

HOURS = 3600
SETTINGS = make_settings()
FRESH = history.History()
MANAGED = Statement(True, "Managed", "there is one")
ALIVE, DEAD = credential(left=8 * HOURS), credential(left=-60)
REFRESHED = history.History(refreshes=1, refreshed_at=NOW)


def claude_credential(spec=Spec(), **words):  # noqa: B008 - frozen
    given = {"name": "claude", "namespace": "here", "uid": "1", "generation": 3}
    return ClaudeCredential(spec=spec, **{**given, **words})


def failed(found, count=1, *, ended=True, revision=None, why="the CLI said 429"):
    """The history after `count` failed attempts, the last one ten seconds ago."""
    at = NOW - timedelta(seconds=10)
    return history.History(
        last=history.Attempt(
            at=at,
            ended_at=at if ended else None,
            command=Command.REFRESH,
            outcome=Outcome(Kind.NOT_REFRESHED, why),
            revision=revision or found.revision,
        ),
        failures=count,
    )


def checked(found, verdict, detail=""):
    unanswered = int(verdict is Verdict.UNKNOWN)
    return Check(
        revision=found.revision,
        request=None,
        at=0.0,
        verdict=verdict,
        detail=detail,
        unanswered=unanswered,
    )


def observe(
    found, past=FRESH, *, settings=SETTINGS, now=NOW, before=None, spec=Spec(),  # noqa: B008
    **around,
):  # fmt: skip
    decision = decide.decide(now, settings, past, found)
    view = decide.View(now=now, found=found, history=past, decision=decision)
    given = {"managed": MANAGED, "credential": claude_credential(spec), **around}
    return observation.observe(settings, view, Circumstances(**given), before)
