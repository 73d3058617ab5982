"""What the ClaudeCredential says: an observation and what became of it. Pure.

    Ready          the access token works, and what the spec asks for is done
    Reconciling    something is in progress or will be repeated; no person is needed
    Stalled        nothing will change before a person has acted
    LoginRequired  a person must log in: now, or soon
    Published      the Secret holds the access token and the pods have been annotated;
                   only where the spec asks for one of the two
    Suspended      the CLI is never started

`Reconciling` and `Stalled` are kstatus's words, which Flux, Argo CD and Helm go by.
`events` says which events follow from a change.
"""

from datetime import UTC, datetime

import msgspec

from refresher.operator.observation import Observation, Statement
from refresher.operator.resource import Condition, CredentialStatus
from refresher.outcome import moment

PUBLISHED = "TokenPublished"
PODS_ANNOTATED = "PodsAnnotated"
PODS_NOT_ANNOTATED = "PodsNotAnnotated"
NO_TOKEN = Statement(False, "NoToken", "the volume holds no access token to publish")


def build(
    observation: Observation,
    published: Statement | None,
    before: CredentialStatus,
    now: datetime,
) -> CredentialStatus:
    """Return the status that says `observation`; `before` lends what did not change."""
    ready = _ready(observation.ready, published)
    stalled = _stalled(observation, published)
    statements = {
        "Ready": ready,
        "Reconciling": _reconciling(observation, published, ready, stalled),
        "Stalled": stalled,
        "LoginRequired": observation.login_required,
        "Suspended": observation.suspended,
    }
    if published:
        statements["Published"] = published
    credential, generation = observation.credential, observation.generation
    known = credential is not None and credential.expiry_known
    return CredentialStatus(
        observed_generation=generation,
        expires_at=_second(credential.expires_at if credential and known else None),
        login_ends_at=_second(credential.login_ends_at if credential else None),
        last_refresh_time=_second(observation.refreshed_at),
        next_refresh_time=_second(observation.next_at),
        last_failure_time=_second(observation.failed_at) or before.last_failure_time,
        failed_attempts=observation.failures,
        refreshes=observation.refreshes,
        token_revision=credential.revision if credential else None,
        handled_refresh_request=observation.handled or before.handled_refresh_request,
        conditions=tuple(
            _condition(kind, each, before.condition(kind), now, generation)
            for kind, each in statements.items()
        ),
    )


def join(secret: Statement | None, pods: Statement | None) -> Statement | None:
    """Return `Published` for what the spec asks for; None where it asks for nothing."""
    asked = [each for each in (secret, pods) if each]
    if not asked:
        return None
    failed = [each for each in asked if not each.true]
    reported = failed or asked
    return Statement(
        not failed,
        reported[0].reason,
        "; ".join(each.message for each in reported),
        any(each.needs_person for each in reported),
    )


def _ready(ready: Statement, published: Statement | None) -> Statement:
    if published is None or published.true or published is NO_TOKEN:
        return ready  # a volume without a token is not ready anyway
    if ready.true:
        text = f"{published.message}; {ready.message}"
        return Statement(False, published.reason, text, published.needs_person)
    text = f"{ready.message}; {published.message}"
    return msgspec.structs.replace(ready, message=text)


def _stalled(observation: Observation, published: Statement | None) -> Statement:
    for each in (observation.ready, published):
        if each and each.needs_person:
            return Statement(True, each.reason, each.message)
    return Statement(False, "NoActionNeeded", "nobody needs to act")


def _reconciling(
    observation: Observation,
    published: Statement | None,
    ready: Statement,
    stalled: Statement,
) -> Statement:
    if ready.true or stalled.true or observation.suspended.true:
        return Statement(False, "Settled", "nothing is in progress")
    if observation.attempting:
        return Statement(True, "Refreshing", "an attempt to refresh is running")
    if published and observation.ready.true:
        return Statement(True, "Publishing", published.message)
    when = f"at {moment(observation.next_at)}" if observation.next_at else "soon"
    return Statement(True, "RefreshScheduled", f"the next attempt comes {when}")


def _condition(
    kind: str,
    said: Statement,
    before: Condition | None,
    now: datetime,
    generation: int,
) -> Condition:
    word = "True" if said.true else "False"
    same = before is not None and before.status == word
    return Condition(
        type=kind,
        status=word,
        reason=said.reason,
        message=said.message,
        last_transition_time=before.last_transition_time
        if before is not None and same
        else now.astimezone(UTC).replace(microsecond=0),
        observed_generation=generation,
    )


def _second(when: datetime | None) -> datetime | None:
    return when.astimezone(UTC).replace(microsecond=0) if when else None
