"""One token for all completions: when it is tried, and what a refusal does to others."""

import json
from pathlib import Path

import pytest

from proxy import credentials, errors, lease, patience

NOW = 1_790_000_000.0
HOUR = 3600.0


def cli_file(token: str = "tok-1", expires_in: float = HOUR) -> str:
    oauth = {"accessToken": token, "expiresAt": int((NOW + expires_in) * 1000)}
    return json.dumps({"claudeAiOauth": oauth})


def credential(path: Path) -> lease.Credential:
    return lease.Credential(credentials.File(str(path)), now=lambda: NOW)


def fixed(clock: list[float] | None = None) -> lease.Credential:
    token = credentials.Token("key", oauth=False)
    source = credentials.Fixed(token, "ANTHROPIC_API_KEY")
    ticks = clock or [0.0]
    return lease.Credential(source, clock=lambda: ticks[0])


def replaced(path: Path, text: str) -> None:
    """Write as the CLI does: another file, renamed into place."""
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


def no_wait(seconds: float) -> None:
    raise AssertionError(f"nobody has to wait for {seconds} s")


def refusal(code: str = "invalid_api_key") -> errors.UpstreamError:
    final = {"x-should-retry": "false"} if code == "credential_not_allowed" else {}
    return errors.UpstreamError("no", status=401, type="x", code=code, headers=final)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".credentials.json"


def test_a_missing_file_is_not_ready_and_says_what_to_do(path: Path) -> None:
    one = credential(path)

    with pytest.raises(errors.UnavailableError) as caught:
        one.token()

    assert (caught.value.status, caught.value.code) == (503, "no_credentials")
    assert caught.value.headers == {"x-should-retry": "false"}
    assert "claude auth login" in caught.value.message
    assert str(path) not in caught.value.message
    assert str(path) in one.trouble()


@pytest.mark.parametrize("text", [None, ""], ids=["missing", "empty"])
def test_a_missing_published_token_is_not_a_matter_of_logging_in_here(
    tmp_path: Path, text: str | None
) -> None:
    published = tmp_path / "access-token"
    if text is not None:
        published.write_text(text)

    trouble = credential(published).trouble() or ""

    assert "kubectl get claudecredentials" in trouble
    assert "auth login" not in trouble


def test_a_file_that_appears_or_changes_is_read_by_the_next_request(path: Path) -> None:
    one = credential(path)
    assert one.trouble()

    path.write_text(cli_file("tok-1"))
    assert one.token().value == "tok-1"

    replaced(path, cli_file("tok-2"))
    assert one.token().value == "tok-2"


@pytest.mark.parametrize(
    "bad", ["", '{"claudeAiOauth": {"acc', '{"claudeAiOauth": {}}']
)
def test_the_last_good_token_is_kept_while_the_file_is_unreadable(
    path: Path, bad: str
) -> None:
    path.write_text(cli_file("tok-1"))
    one = credential(path)
    one.token()

    path.write_text(bad)
    assert one.token().value == "tok-1"

    path.unlink()
    assert one.token().value == "tok-1"


def test_an_expired_token_is_told_with_its_time_and_never_sent(path: Path) -> None:
    path.write_text(cli_file(expires_in=-HOUR))

    with pytest.raises(errors.UnavailableError) as caught:
        credential(path).token()

    assert (caught.value.status, caught.value.code) == (503, "credentials_expired")
    assert caught.value.headers == {"retry-after": "8"}
    assert "2026-09-21T13:13:20Z" in caught.value.message


def test_clocks_may_differ_by_a_minute(path: Path) -> None:
    path.write_text(cli_file(expires_in=-30))

    assert credential(path).token().value == "tok-1"


def test_one_refusal_delays_nobody() -> None:
    one = fixed()
    first = one.lease(no_wait)
    first.refused(refusal())

    assert one.lease(no_wait).token.value == "key"
    assert one.trouble() == "no"


def test_after_several_refusals_one_call_at_a_time_asks_and_the_others_are_told() -> (
    None
):
    one = fixed()
    for _ in range(lease.TOLERATED + 1):
        taken = one.lease(no_wait)
        taken.refused(refusal())
        taken.release()

    probe = one.lease(no_wait)
    for _ in range(3):
        with pytest.raises(errors.ProxyError, match="no") as caught:
            one.lease(no_wait)
        assert caught.value.headers["retry-after"] == "8"

    probe.accepted()
    probe.release()
    assert one.lease(no_wait).token.value == "key"
    assert one.lease(no_wait).token.value == "key"
    assert one.trouble() is None


def test_a_call_that_says_nothing_of_the_token_lets_the_next_one_ask() -> None:
    one = fixed()
    for _ in range(lease.TOLERATED + 1):
        taken = one.lease(no_wait)
        taken.refused(refusal())
        taken.release()

    one.lease(no_wait).release()

    assert one.lease(no_wait).token.value == "key"


def test_a_login_that_is_not_allowed_is_tried_again_after_a_minute() -> None:
    clock = [0.0]
    one = fixed(clock)
    for _ in range(lease.TOLERATED + 1):
        taken = one.lease(no_wait)
        taken.refused(refusal("credential_not_allowed"))
        taken.release()
    with pytest.raises(errors.ProxyError, match="no") as caught:
        one.lease(no_wait)
    assert caught.value.headers == {"x-should-retry": "false"}

    clock[0] += patience.ASKED_AGAIN
    probe = one.lease(no_wait)
    with pytest.raises(errors.ProxyError, match="no"):
        one.lease(no_wait)
    probe.accepted()

    assert one.lease(no_wait).token.value == "key"


def test_a_token_that_is_refused_is_no_reason_not_to_use_the_next_one(
    path: Path,
) -> None:
    path.write_text(cli_file("tok-1"))
    one = credential(path)
    for _ in range(lease.TOLERATED + 1):
        one.lease(no_wait).refused(refusal())
    replaced(path, cli_file("tok-2"))

    assert one.lease(no_wait).token.value == "tok-2"
    assert one.trouble() is None


def test_where_another_token_may_come_a_call_waits_for_it_before_it_is_refused(
    path: Path,
) -> None:
    path.write_text(cli_file("tok-1"))
    one = credential(path)
    for _ in range(lease.TOLERATED + 1):
        held = one.lease(no_wait)
        held.refused(refusal())
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            replaced(path, cli_file("tok-2"))

    assert one.lease(wait).token.value == "tok-2"


def test_after_a_401_another_token_is_waited_for(path: Path) -> None:
    path.write_text(cli_file("tok-1"))
    one = credential(path)
    old = one.lease(no_wait)
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            replaced(path, cli_file("tok-2"))

    assert one.renewed(old, wait).token.value == "tok-2"


def test_the_wait_for_another_token_is_two_seconds_at_the_most(path: Path) -> None:
    path.write_text(cli_file("tok-1"))
    one = credential(path)
    waited: list[float] = []

    assert one.renewed(one.lease(no_wait), waited.append) is None
    assert sum(waited) == pytest.approx(lease.REFRESH_WAIT)


def test_a_source_that_cannot_change_is_not_waited_for() -> None:
    one = fixed()
    waited: list[float] = []

    assert one.renewed(one.lease(no_wait), waited.append) is None
    assert waited == []
