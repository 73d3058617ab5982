"""Where a token comes from, what is kept, and what is said when there is none."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import anthropic
import pytest
from anthropic.lib.credentials import CredentialResult

from proxy import credentials, lease, settings

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


def login(*, expires_at: object) -> str:
    return json.dumps({"claudeAiOauth": {"accessToken": "t", "expiresAt": expires_at}})


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
        ("\ufeff" + '{"token": "t"}', "t", None),
        ('{"token": "t\\n"}', "t", None),
        (login(expires_at=1_790_000_000_000), "t", NOW),
        (login(expires_at="1790000000000"), "t", NOW),
        (login(expires_at=" 1.79e12\n"), "t", NOW),
        # no time, which must not cost the token: Anthropic knows whether it is good
        (login(expires_at=None), "t", None),
        (login(expires_at=0), "t", None),
        (login(expires_at=-1e300), "t", None),
        (login(expires_at=10**400), "t", None),
        (login(expires_at="2026-11-25T12:00:00Z"), "t", None),
        (login(expires_at="nan"), "t", None),
        (login(expires_at=True), "t", None),
        (login(expires_at=["1790000000000"]), "t", None),
    ],
)
def test_a_files_text_is_read_in_every_shape_it_may_have(
    text: str, token: str, expires_at: float | None
) -> None:
    got = credentials.parse(text)

    assert isinstance(got, credentials.Token)
    assert (got.value, got.expires_at) == (token, expires_at)


BARE = "holds neither JSON nor a bare access token: one line, without quotes"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        (" \ufeff\n", "is empty"),
        ('{"claudeAiOauth": {"accessToken": "", "expiresAt": 0}}', credentials.WITHOUT),
        ("{}", credentials.WITHOUT),
        ('{"claudeAiOauth": null}', credentials.WITHOUT),
        ('{"access_token": 7}', credentials.WITHOUT),
        ('{"claudeAiOauth": {"accessTok', "is not JSON: it may be truncated"),
        ('{"token": "t"}}', "is not JSON: it may be truncated"),
        ('{"a":' * 100_000, "is not JSON: it may be truncated"),
        ("two words", BARE),
        ("tok-1\ntok-2", BARE),
        ('"quoted"', BARE),
        ("[]", BARE),
        ("null", BARE),
        ("Bearer tok-1", BARE),
        ("\0\0\0", BARE),
        ('{"access_token": "a\\r\\nx-evil: 1"}', BARE),
        ("CLAUDE_ACCESS_TOKEN=tok-1",
         "holds an assignment: it must hold the bare access token"),
        ("sk-ant-api03-x\n",
         "holds an API key, not an access token: set ANTHROPIC_API_KEY to it"),
        ('{"token": "sk-ant-ort01-x"}',
         "holds a refresh token, not an access token"),
    ],
)  # fmt: skip
def test_what_is_no_access_token_is_never_sent_and_the_file_is_said_to_be_wrong(
    text: str, why: str
) -> None:
    assert credentials.parse(text) == why


def test_a_bare_token_has_its_expiry_beside_it(tmp_path: Path) -> None:
    (tmp_path / "access-token").write_text("tok")
    (tmp_path / "expires-at").write_text("2026-11-25T12:00:00Z\n")

    token = credentials.File(str(tmp_path / "access-token")).token()

    assert token.expires_at == datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()


def test_a_file_that_breaks_keeps_its_last_token_and_the_log_says_so_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    source = credentials.File(str(path))
    for content, words in [
        ("bare-token", ""),
        ("{}", "holds no access token"),
        (None, "does not exist"),
        ("bare-token", "is in order again"),
        ("new-token", ""),
    ]:
        caplog.clear()
        path.unlink() if content is None else path.write_text(content)
        tokens = [source.token().value for _ in range(2)]
        assert tokens == ["new-token" if content == "new-token" else "bare-token"] * 2
        assert [words in line for line in caplog.messages] == [True] * bool(words)


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

    result = CredentialResult(provider=mint)
    one = lease.Credential(credentials.Federation(result))

    trouble = one.trouble()

    assert "workload identity" in trouble
    assert "secret words" not in trouble


def test_nothing_secret_has_a_readable_repr(path: Path) -> None:
    path.write_text(cli_file("tok-secret"))
    config = settings.Settings(anthropic_api_key="key-secret")

    shown = f"{credentials.File(str(path)).token()!r} {config!r} {config}"

    assert "secret" not in shown


@pytest.mark.parametrize(
    ("said", "ends_at", "scopes"),
    [
        ({}, None, ()),
        ({"refreshTokenExpiresAt": 1_800_000_000_000}, 1_800_000_000.0, ()),
        ({"refreshTokenExpiresAt": "soon", "scopes": "all"}, None, ()),
        ({"refreshTokenExpiresAt": True, "scopes": [1, "user:inference", "<b>"]},
         None, ("user:inference",)),
        ({"refreshTokenExpiresAt": 1e300, "scopes": None}, None, ()),
    ],
)  # fmt: skip
def test_what_a_file_says_of_its_login_never_costs_the_token(
    said: dict[str, object], ends_at: float | None, scopes: tuple[str, ...]
) -> None:
    text = json.dumps({"claudeAiOauth": {"accessToken": "token-1", **said}})

    token = credentials.parse(text)

    assert isinstance(token, credentials.Token)
    assert (token.value, token.login_ends_at, token.scopes) == (
        "token-1", ends_at, scopes,
    )  # fmt: skip
