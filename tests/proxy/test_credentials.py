"""Where a token comes from, what is kept, and what is said when there is none."""

import json
from datetime import UTC, datetime
from pathlib import Path

import anthropic
import pytest

from proxy import credentials, errors, settings

NOW = 1_790_000_000.0
HOUR = 3600.0


def cli_file(token: str = "tok-1", expires_in: float = HOUR) -> str:
    oauth = {
        "accessToken": token,
        "refreshToken": "never-read",
        "expiresAt": int((NOW + expires_in) * 1000),
        "scopes": ["user:inference"],
    }
    return json.dumps({"claudeAiOauth": oauth, "mcpOAuth": {}})


def credential(path: Path) -> credentials.Credential:
    return credentials.Credential(credentials.File(str(path)), now=lambda: NOW)


def replaced(path: Path, text: str) -> None:
    """Write as the CLI does: another file, renamed into place."""
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".credentials.json"


@pytest.fixture(autouse=True)
def no_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    for name in (
        "PROFILE",
        "CONFIG_DIR",
        "FEDERATION_RULE_ID",
        "AUTH_TOKEN",
        "API_KEY",
    ):
        monkeypatch.delenv(f"ANTHROPIC_{name}", raising=False)


@pytest.mark.parametrize(
    ("text", "token", "expires_at"),
    [
        (cli_file(), "tok-1", NOW + HOUR),
        ('{"claudeAiOauth": {"accessToken": "t"}}', "t", None),
        ('{"access_token": "t"}', "t", None),
        ('{"token": "t"}', "t", None),
        ("bare-token\n", "bare-token", None),
        ('{"claudeAiOauth": {"accessToken": "", "expiresAt": 0}}', None, None),
        ('{"claudeAiOauth": {"accessTok', None, None),
        ("{}", None, None),
        ("", None, None),
        ("two words", None, None),
        ('{"access_token": 7}', None, None),
        ("\ufeff" + '{"token": "t"}', "t", None),
        ('"quoted"', None, None),
        ('{"claudeAiOauth": {"accessToken": "t", "expiresAt": -1e300}}', None, None),
        ('{"access_token": "a\\r\\nx-evil: 1"}', None, None),
    ],
)
def test_a_files_text_is_read_in_every_shape_it_may_have(
    text: str, token: str | None, expires_at: float | None
) -> None:
    got = credentials.parse(text)

    assert (got.value if got else None) == token
    assert (got.expires_at if got else None) == expires_at


def test_a_bare_token_has_its_expiry_beside_it(tmp_path: Path) -> None:
    (tmp_path / "access-token").write_text("tok")
    (tmp_path / "expires-at").write_text("2026-11-25T12:00:00Z\n")

    token = credentials.File(str(tmp_path / "access-token")).token()

    assert token.expires_at == datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()


def test_a_missing_file_is_not_ready_and_says_what_to_do(path: Path) -> None:
    one = credential(path)

    with pytest.raises(errors.UnavailableError) as caught:
        one.token()

    assert (caught.value.status, caught.value.code) == (503, "no_credentials")
    assert caught.value.headers == {"x-should-retry": "false"}
    assert "claude auth login" in caught.value.message
    assert one.trouble() == caught.value.message


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
    assert "2026-09-21T13:13:20Z" in caught.value.message


def test_clocks_may_differ_by_a_minute(path: Path) -> None:
    path.write_text(cli_file(expires_in=-30))

    assert credential(path).token().value == "tok-1"


def test_a_refused_token_is_not_tried_again_for_some_seconds(path: Path) -> None:
    path.write_text(cli_file("tok-1"))
    clock = [NOW]
    one = credentials.Credential(credentials.File(str(path)), now=lambda: clock[0])
    refusal = errors.UpstreamError("no", status=401, type="x", code="invalid_api_key")
    one.refuse(one.token(), refusal)

    with pytest.raises(errors.ProxyError, match="no"):
        one.token()
    clock[0] += credentials.REMEMBERED
    assert one.token().value == "tok-1"


def test_a_token_that_is_not_allowed_is_refused_until_it_changes(path: Path) -> None:
    path.write_text(cli_file("tok-1"))
    one = credential(path)
    refusal = errors.UpstreamError(
        "not here", status=403, type="x", code="credential_not_allowed"
    )
    one.refuse(one.token(), refusal, final=True)

    assert one.trouble() == "not here"

    replaced(path, cli_file("tok-2"))
    assert one.trouble() is None


def test_after_a_401_another_token_is_waited_for(path: Path) -> None:
    path.write_text(cli_file("tok-1"))
    one = credential(path)
    old = one.token()
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            replaced(path, cli_file("tok-2"))

    assert one.refreshed(old, wait).value == "tok-2"


def test_the_wait_for_another_token_is_two_seconds_at_the_most(path: Path) -> None:
    path.write_text(cli_file("tok-1"))
    one = credential(path)
    waited: list[float] = []

    assert one.refreshed(one.token(), waited.append) is None
    assert sum(waited) == pytest.approx(credentials.REFRESH_WAIT)


def test_a_source_that_cannot_change_is_not_waited_for() -> None:
    token = credentials.Token("k", oauth=False)
    one = credentials.Credential(credentials.Fixed(token, "X"))
    waited: list[float] = []

    assert one.refreshed(token, waited.append) is None
    assert waited == []


def test_the_first_source_that_is_named_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def source(**given: str) -> credentials.CredentialSource:
        return credentials.source_for(
            settings.Settings(claude_credentials_path="/f", **given)
        )

    identity = tmp_path / "token"
    identity.write_text("jwt")

    assert source().description == "the file /f"
    monkeypatch.setenv("ANTHROPIC_FEDERATION_RULE_ID", "fdrl_1")
    monkeypatch.setenv("ANTHROPIC_ORGANIZATION_ID", "org")
    monkeypatch.setenv("ANTHROPIC_IDENTITY_TOKEN_FILE", str(identity))
    assert isinstance(source(), credentials.Federation)
    assert source(claude_access_token="t").description == "CLAUDE_ACCESS_TOKEN"
    both = source(claude_access_token="t", anthropic_api_key="k")
    assert both.description == "ANTHROPIC_API_KEY"
    assert not both.token().oauth


@pytest.mark.parametrize("key", ["two words", "a\nb", "schlüssel"])
def test_a_key_that_is_none_stops_the_start_unrepeated(key: str) -> None:
    with pytest.raises(settings.SettingsError, match="ANTHROPIC_API_KEY") as caught:
        credentials.source_for(settings.Settings(anthropic_api_key=key))

    assert key not in str(caught.value)


def test_a_profile_that_is_broken_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_PROFILE", "not-there")

    with pytest.raises(settings.SettingsError, match="profile"):
        credentials.source_for(settings.Settings())


def test_federation_that_gives_no_token_is_not_ready() -> None:
    def mint(*, force_refresh: bool = False) -> anthropic.AccessToken:
        raise anthropic.CredentialsError("secret words")

    result = credentials.sdk.CredentialResult(provider=mint)
    one = credentials.Credential(credentials.Federation(result))

    trouble = one.trouble()

    assert "workload identity" in trouble
    assert "secret words" not in trouble


def test_nothing_secret_has_a_readable_repr(path: Path) -> None:
    path.write_text(cli_file("tok-secret"))
    config = settings.Settings(anthropic_api_key="key-secret")

    shown = f"{credential(path).token()!r} {config!r} {config}"

    assert "secret" not in shown
