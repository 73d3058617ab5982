"""The decision as a table, and the properties that hold for any clock and state."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from logins import NOW, credential, make_settings
from refresher import credentials, decide, history
from refresher.outcome import Kind, Outcome
from refresher.settings import Command

SETTINGS = make_settings()
SECOND = timedelta(seconds=1)


def failed(
    found,
    *,
    ago,
    failures=1,
    kind=Kind.NOT_REFRESHED,
    fallback_for=None,
    called=True,
    refreshed_at=None,
):
    """The history after `failures` attempts, the last one `ago` seconds before NOW."""
    return history.History(
        last=history.Attempt(
            at=NOW - timedelta(seconds=ago),
            ended_at=NOW - timedelta(seconds=ago - 1),
            command=Command.REFRESH,
            outcome=Outcome(kind, "for a reason"),
            revision=found.revision,
            called=called,
        ),
        failures=failures,
        fallback_for=fallback_for,
        refreshed_at=refreshed_at,
    )


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (28800, Kind.NOT_DUE),
        (241, Kind.NOT_DUE),
        (240, None),
        (1, None),
        (0, None),
        (-1, None),
        (-86400 * 365, None),
    ],
)
def test_the_window_opens_four_minutes_before_expiry(left, expected):
    found = credential(left=left)

    decision = decide.decide(NOW, SETTINGS, history.History(), found)

    if expected is None:
        assert decision.command is Command.REFRESH
    else:
        assert decision.outcome.kind is expected
        assert decision.until == found.expires_at - timedelta(seconds=240)


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (credentials.Missing("there is no file"), Kind.NO_CREDENTIALS),
        (credentials.Blanked("both tokens are empty"), Kind.LOGIN_REQUIRED),
        (credentials.Malformed("the file is not JSON"), Kind.INVALID),
        (credentials.Unreadable("permission denied"), Kind.BLOCKED),
    ],
)
def test_what_only_a_person_can_repair_has_no_next_attempt(found, kind):
    decision = decide.decide(NOW, SETTINGS, history.History(), found)

    assert isinstance(decision, decide.Stop)
    assert decision.outcome.kind is kind
    assert found.reason in decision.outcome.reason


@pytest.mark.parametrize(
    ("left", "ago", "runs"),
    [
        (-86400, 61, True),  # a pause of ten minutes is not waited out
        (-86400, 59, False),  # but the least interval is
        (100, 61, True),
        (28800, 61, False),  # a request does not refresh early
    ],
)
def test_a_request_shortens_a_pause_and_nothing_else(left, ago, runs):
    found = credential(left=left)
    after = failed(found, ago=ago, failures=9)

    decision = decide.decide(NOW, SETTINGS, after, found, requested=True)

    assert isinstance(decision, decide.Run) is runs


def test_another_credential_skips_even_a_dead_token():
    settings = make_settings(skipped_for="ANTHROPIC_API_KEY")

    decision = decide.decide(NOW, settings, history.History(), credential(left=-1))

    assert decision.outcome.kind is Kind.SKIPPED
    assert "ANTHROPIC_API_KEY" in decision.outcome.reason


@pytest.mark.parametrize(
    ("left_at_attempt", "failures", "pause"),
    [
        (240, 1, 60),  # alive: every minute, however many attempts have failed
        (60, 4, 60),
        (0, 5, 60),  # just expired, after the attempts before that
        (-60, 6, 60),
        (-120, 7, 120),
        (-240, 8, 240),
        (-480, 9, 480),
        (-960, 10, 600),
        (-86400, 1, 60),  # long expired, as after downtime: it starts quickly
        (-86400, 2, 120),
        (-86400, 3, 240),
        (-86400, 5, 600),
        (-86400, 5000, 600),
    ],
)
def test_the_pause_grows_only_once_the_token_has_expired(
    left_at_attempt, failures, pause
):
    found = credential(left=left_at_attempt)
    after = failed(found, ago=0, failures=failures)

    decision = decide.decide(NOW + SECOND, SETTINGS, after, found)

    assert decision.until == NOW + timedelta(seconds=pause)


def test_a_pause_reports_the_failure_and_not_that_all_is_well():
    found = credential(left=-10)
    after = failed(found, ago=5, kind=Kind.POSSIBLY_SPENT)

    decision = decide.decide(NOW, SETTINGS, after, found)

    assert decision.outcome.kind is Kind.POSSIBLY_SPENT
    assert "the next attempt is at" in decision.outcome.reason


@pytest.mark.parametrize(
    ("words", "changes", "command"),
    [
        ({}, {}, Command.FALLBACK),
        ({"failures": 3}, {}, Command.FALLBACK),
        ({"called": True}, {}, Command.REFRESH),  # the network, or Anthropic, failed
        ({}, {"fallback": "off"}, Command.REFRESH),
        ({"kind": Kind.POSSIBLY_SPENT}, {}, Command.REFRESH),
        ({"fallback_for": NOW - 10 * SECOND}, {}, Command.REFRESH),
        ({"fallback_for": NOW - 28800 * SECOND}, {}, Command.FALLBACK),
    ],
)
def test_the_fallback_runs_once_per_expiry_after_a_run_that_asked_for_nothing(
    words, changes, command
):
    found = credential(left=-10)
    after = failed(found, ago=900, **{"called": False} | words)

    decision = decide.decide(NOW, make_settings(**changes), after, found)

    assert decision.command is command


def test_a_changed_file_owes_nothing_to_earlier_failures():
    expired, imported = credential(left=-10), credential(left=-5, access="another")

    decision = decide.decide(
        NOW, SETTINGS, failed(expired, ago=1, failures=9), imported
    )

    assert decision.command is Command.REFRESH


def test_a_clock_that_was_set_back_delays_nothing():
    found = credential(left=-10)
    after = failed(found, ago=-3600, failures=9)

    assert isinstance(decide.decide(NOW, SETTINGS, after, found), decide.Run)


def refreshed_by_a_clock_ahead(found, ahead, **changes):
    """The history after a refresh that gave `found`, dated after NOW."""
    after = failed(found, ago=-ahead, failures=0, kind=Kind.REFRESHED)
    at = NOW + timedelta(seconds=ahead)
    return msgspec.structs.replace(after, refreshed_at=at, **changes)


@pytest.mark.parametrize("ahead", [61, 86400, 86400 * 365])
def test_a_token_from_a_clock_that_was_ahead_is_refreshed_now(ahead):
    found = credential(left=ahead + 28800)

    decision = decide.decide(
        NOW, SETTINGS, refreshed_by_a_clock_ahead(found, ahead), found
    )

    assert (decision.early, decision.due) == (True, NOW)
    assert "the clock was set back since the refresh" in decision.reason


def test_a_clock_that_drifts_makes_no_token_due():
    found = credential(left=28800)
    past = refreshed_by_a_clock_ahead(found, 59)

    assert isinstance(decide.decide(NOW, SETTINGS, past, found), decide.Wait)


def test_a_login_since_the_clock_was_ahead_is_not_refreshed_for_it():
    past = refreshed_by_a_clock_ahead(credential(left=9, access="older"), 86400)
    found = credential(left=28800)

    assert isinstance(decide.decide(NOW, SETTINGS, past, found), decide.Wait)


def test_a_failure_to_replace_a_token_from_a_clock_ahead_is_repeated_with_pauses():
    found = credential(left=86400 + 28800)
    past = msgspec.structs.replace(
        failed(found, ago=1, failures=3), refreshed_at=NOW + timedelta(days=1)
    )

    decision = decide.decide(NOW, SETTINGS, past, found)

    assert NOW < decision.until <= NOW + decide.LONGEST_WAIT
    assert decide.decide(decision.until, SETTINGS, past, found).early


def test_a_tick_adds_an_attempt_to_the_pause_after_the_expiry():
    settings = make_settings(refresh_schedule="*/2 * * * *")
    expired = credential(left=-86400)
    after = failed(expired, ago=0, failures=9)

    decision = decide.decide(NOW + SECOND, settings, after, expired)

    assert decision.until == NOW + timedelta(minutes=2)


AT_THREE = make_settings(refresh_schedule="0 3 * * *")
THREE = NOW.replace(hour=3)


def refreshed(at):
    """The history after a refresh, and the token that it gave."""
    return history.History(refreshes=1, refreshed_at=at), credential(left=28800, now=at)


@pytest.mark.parametrize(
    ("refreshed_at", "now", "early"),
    [
        (THREE - timedelta(hours=5), THREE - SECOND, None),
        (THREE - timedelta(hours=5), THREE, True),
        (THREE - timedelta(hours=5), THREE + timedelta(hours=2), True),  # was off
        (THREE - timedelta(minutes=12), THREE, True),
        (THREE - timedelta(minutes=9), THREE, None),  # that is as good
        (THREE + SECOND, THREE + timedelta(hours=1), None),
        (THREE - timedelta(hours=8), THREE, False),  # the CLI would do it by itself
    ],
)
def test_a_tick_refreshes_however_long_the_token_is_valid(refreshed_at, now, early):
    past, found = refreshed(refreshed_at)

    decision = decide.decide(now, AT_THREE, past, found)

    assert getattr(decision, "early", None) is early
    assert early is not None or decision.outcome.kind is Kind.NOT_DUE


def test_a_login_that_was_never_refreshed_waits_for_a_tick_and_takes_it():
    found = credential(left=28800, now=THREE - timedelta(hours=1))
    decisions = [
        decide.decide(now, AT_THREE, history.History(), found)
        for now in (THREE - SECOND, THREE, THREE + timedelta(minutes=9))
    ]

    assert decisions[0].until == THREE
    assert [getattr(each, "early", None) for each in decisions] == [None, True, True]


@pytest.mark.parametrize(
    ("before", "age", "left", "early"),
    [
        (3600, 2, 3601, None),
        (3600, 2, 3600, True),
        (3600, 2, 291, True),
        (3600, 2, 290, False),
        (290, 2, 290, False),
        (25200, 0.9, 20000, None),  # not again within the hour
        (25200, 1, 20000, True),
        (25200, 0.1, 290, False),  # but a token that lives for minutes is kept fresh
    ],
)
def test_before_moves_the_first_attempt(before, age, left, early):
    past = history.History(refreshes=1, refreshed_at=NOW - timedelta(hours=age))

    decision = decide.decide(
        NOW, make_settings(refresh_before=before), past, credential(left=left)
    )

    assert getattr(decision, "early", None) is early


def test_early_failures_back_off_but_never_past_the_last_minutes():
    settings = make_settings(refresh_before=3600)
    pauses = []
    for failures in (1, 2, 3, 4, 5, 50):
        found = credential(left=3000)
        after = failed(found, ago=0, failures=failures)
        pauses.append(
            decide.decide(NOW, settings, after, found).until.timestamp()
            - NOW.timestamp()
        )
    found = credential(left=300)
    near = decide.decide(NOW, settings, failed(found, ago=0, failures=50), found)

    assert pauses == [60, 120, 240, 480, 600, 600]
    assert near.until == NOW + timedelta(seconds=60)


@pytest.mark.parametrize(
    ("left", "kind", "requested", "seconds"),
    [
        (3000, Kind.NOT_REFRESHED, False, 60),
        (3000, Kind.POSSIBLY_SPENT, False, 3000 - 290),
        (3000, Kind.POSSIBLY_SPENT, True, 60),
        (300, Kind.POSSIBLY_SPENT, False, 60),
        (200, Kind.POSSIBLY_SPENT, False, 60),
    ],
)
def test_a_token_that_works_is_not_risked_where_the_refresh_token_may_be_spent(
    left, kind, requested, seconds
):
    settings, found = make_settings(refresh_before=3600), credential(left=left)

    decision = decide.decide(
        NOW, settings, failed(found, ago=0, kind=kind), found, requested=requested
    )

    assert decision.until == NOW + seconds * SECOND


def test_an_expiry_that_the_cli_cannot_read_is_due_and_needs_another_one():
    found = msgspec.structs.replace(
        credential(left=0), expires_at=credentials.LONG_AGO, cli_refreshes=False
    )

    decision = decide.decide(NOW, SETTINGS, history.History(), found)

    assert decision.early
    assert decision.reason == "the file does not say when the access token expires"


def test_a_tick_waits_out_the_interval():
    settings = make_settings(refresh_schedule="* * * * *", refresh_interval=90)
    expired = credential(left=-86400)

    decision = decide.decide(NOW, settings, failed(expired, ago=0, failures=9), expired)

    assert decision.until == NOW + timedelta(seconds=90)


@pytest.mark.parametrize(
    ("schedule", "zone", "after", "tick"),
    [
        ("0 3 * * *", "UTC", "2026-11-25T12:00Z", "2026-11-26T03:00Z"),
        ("0 3 * * *", "Europe/Berlin", "2026-11-25T12:00Z", "2026-11-26T02:00Z"),
        # the hour from 02:00 to 03:00 does not exist on this day
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T00:00Z", "2026-03-29T01:00Z"),
        # and here it comes twice
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:00Z", "2026-10-25T00:30Z"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30Z", "2026-10-26T01:30Z"),
        # a schedule that goes by minutes runs through both
        ("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:30Z", "2026-10-25T01:00Z"),
        ("0 0 29 2 *", "UTC", "2026-11-25T12:00Z", "2028-02-29T00:00Z"),
    ],
)
def test_ticks_follow_the_time_zone(schedule, zone, after, tick):
    settings = make_settings(refresh_schedule=schedule, refresh_time_zone=zone)

    found = decide.next_tick(settings, datetime.fromisoformat(after))

    assert found == datetime.fromisoformat(tick)


@pytest.mark.parametrize(
    ("days", "warning"),
    [(None, None), (30, None), (7.01, None), (7, "ends"), (0.1, "ends"), (-1, "ended")],
)
def test_the_end_of_the_login_is_announced_from_seven_days_before(days, warning):
    ends = None if days is None else NOW + timedelta(days=days)

    shown = decide.login_warning(NOW, credential(left=60, login_ends_at=ends))

    assert (shown is None) == (warning is None)
    assert warning is None or f"the login {warning}" in shown


def test_a_login_near_its_end_is_still_refreshed():
    found = credential(left=-1, login_ends_at=NOW - timedelta(days=1))

    assert isinstance(
        decide.decide(NOW, SETTINGS, history.History(), found), decide.Run
    )


seconds = st.integers(min_value=-90_000, max_value=90_000)
kinds = st.sampled_from([Kind.NOT_REFRESHED, Kind.POSSIBLY_SPENT, Kind.REFRESHED])
settings_of_any_kind = st.builds(
    make_settings,
    refresh_before=st.integers(60, 25200),
    refresh_interval=st.integers(60, 600),
    fallback=st.sampled_from(["on", "off"]),
    refresh_schedule=st.sampled_from(
        ["", "* * * * *", "*/7 * * * *", "30 2 * * *", "0 0 31 12 *"]
    ),
    refresh_time_zone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
)


@st.composite
def situations(draw):
    found = credential(left=draw(seconds))
    after = failed(
        found if draw(st.booleans()) else credential(left=1, access="older"),
        ago=draw(st.integers(0, 90_000)),
        failures=draw(st.integers(0, 40)),
        kind=draw(kinds),
        fallback_for=draw(st.sampled_from([None, found.expires_at])),
        called=draw(st.booleans()),
        refreshed_at=NOW - draw(st.integers(0, 90_000)) * SECOND,
    )
    return draw(settings_of_any_kind), after, found


@given(situations())
def test_nothing_runs_before_its_time_without_a_schedule(situation):
    settings, after, found = situation
    settings = msgspec.structs.replace(settings, refresh_schedule="")
    assume(found.expires_at - settings.before > NOW)

    assert isinstance(decide.decide(NOW, settings, after, found), decide.Wait)


@given(situations())
def test_an_expired_token_gets_another_attempt_within_the_longest_pause(situation):
    settings, after, found = situation
    assume(found.expires_at <= NOW)

    decision = decide.decide(NOW, settings, after, found)

    if isinstance(decision, decide.Wait):
        assert NOW < decision.until <= NOW + timedelta(minutes=10)


@given(situations())
def test_a_wait_ends_exactly_when_it_says(situation):
    settings, after, found = situation
    decision = decide.decide(NOW, settings, after, found)
    assume(isinstance(decision, decide.Wait))

    then = decide.decide(decision.until, settings, after, found)
    just_before = decide.decide(decision.until - SECOND / 1000, settings, after, found)

    assert isinstance(then, decide.Run)
    assert just_before.until == decision.until


@given(situations(), st.integers(0, 900_000))
def test_what_is_due_stays_due_until_it_is_done(situation, later):
    settings, after, found = situation
    assume(isinstance(decide.decide(NOW, settings, after, found), decide.Run))

    then = decide.decide(NOW + later * SECOND, settings, after, found)

    assert isinstance(then, decide.Run)


@given(situations())
def test_a_restart_changes_nothing(situation):
    settings, after, found = situation
    read_again = history.decode(history.encode(after))

    assert read_again == after
    assert decide.decide(NOW, settings, read_again, found) == decide.decide(
        NOW, settings, after, found
    )


@given(situations(), st.integers(1, 40))
def test_no_two_attempts_are_closer_than_the_interval(situation, count):
    settings, after, found = situation
    now, last = NOW, None
    for _ in range(count):
        decision = decide.decide(now, settings, after, found)
        if isinstance(decision, decide.Wait):
            now = decision.until
            decision = decide.decide(now, settings, after, found)
        assert last is None or now - last >= settings.interval
        after = history.begin(after, now, decision.command, found)
        last = now


@given(situations())
def test_a_schedule_only_ever_brings_an_attempt_forward(situation):
    settings, after, found = situation
    without = msgspec.structs.replace(settings, refresh_schedule="")

    scheduled = decide.decide(NOW, settings, after, found)
    plain = decide.decide(NOW, without, after, found)

    if isinstance(plain, decide.Run):
        assert isinstance(scheduled, decide.Run)
        assert scheduled.due <= plain.due <= NOW
    elif isinstance(scheduled, decide.Wait):
        assert scheduled.until <= plain.until


@given(
    st.sampled_from(["30 2 * * *", "*/20 * * * *", "0 */6 * * *", "15 2,3 * * 0"]),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001
)
def test_ticks_always_move_forward_through_any_clock_change(schedule, zone, start):
    settings = make_settings(refresh_schedule=schedule, refresh_time_zone=zone)
    instant = start.replace(tzinfo=UTC)
    for _ in range(5):
        tick = decide.next_tick(settings, instant)
        assert instant < tick <= instant + timedelta(days=8)
        instant = tick


@pytest.mark.parametrize(
    ("requested", "rejected", "early"),
    [(True, True, True), (True, False, None), (False, True, None)],
)
def test_a_rejected_token_is_refreshed_early_when_a_person_requests_it(
    requested, rejected, early
):
    found = credential(left=6 * 3600)

    decision = decide.decide(
        NOW,
        SETTINGS,
        history.History(),
        found,
        requested=requested,
        rejected=found.revision if rejected else "another",
    )

    assert getattr(decision, "early", None) is early


def test_an_early_refresh_that_failed_is_repeated_after_the_interval():
    found = credential(left=6 * 3600)
    early = {"requested": True, "rejected": found.revision}

    soon = decide.decide(NOW, SETTINGS, failed(found, ago=50), found, **early)
    later = decide.decide(NOW, SETTINGS, failed(found, ago=60), found, **early)

    assert soon.until == NOW + timedelta(seconds=10)
    assert isinstance(later, decide.Run)


PERIOD, LIFE = 180, 28800


def cron(phase, late, fails):
    """A little more than a day of `once` every three minutes; for how many seconds each token was expired.

    The run of each period begins `late` seconds late and takes four; `fails` says which
    of the attempts do.
    """
    settings = make_settings(refresh_before=290)
    found, past = credential(left=LIFE, now=NOW), history.History()
    attempts, expired = 0, []
    for start in range(phase, 3 * LIFE + 2 * PERIOD, PERIOD):
        now = NOW + (start + late) * SECOND
        decision = decide.decide(now, settings, past, found)
        if not isinstance(decision, decide.Run):
            continue
        past = history.begin(past, now, decision.command, found)
        now += 4 * SECOND
        if fails(attempts):
            outcome = Outcome(Kind.NOT_REFRESHED, "for a reason")
        else:
            outcome = Outcome(Kind.REFRESHED, "at last")
            expired.append(max(0, (now - found.expires_at).total_seconds()))
            found = credential(left=LIFE, now=now, access=f"access-{attempts}")
        past = history.end(past, now, outcome, found)
        attempts += 1
    return expired


@pytest.mark.parametrize("late", [0, 30, 100])
def test_every_phase_of_the_cron_forms_refreshes_before_the_token_expires(late):
    for phase in range(0, PERIOD, 3):
        expired = cron(phase, late, fails=lambda _: False)

        assert len(expired) >= 3
        assert set(expired) == {0}, f"phase {phase}"


@pytest.mark.parametrize("late", [0, 30, 100])
def test_one_failure_of_the_cron_forms_costs_at_most_one_period(late):
    for phase in range(0, PERIOD, 3):
        expired = cron(phase, late, fails=lambda attempt: attempt % 2 == 0)

        assert len(expired) >= 3
        assert max(expired) <= PERIOD, f"phase {phase}"
