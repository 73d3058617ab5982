"""Every shape of the credentials file, and that none of it leaks."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logins import NOW, login
from refresher import credentials

SECRET = "sk-ant-oat01-secret"


def file_of(**oauth):
    whole = {
        "accessToken": SECRET,
        "refreshToken": SECRET + "-refresh",
        "expiresAt": 1764086400000,
    }
    return json.dumps({"claudeAiOauth": whole | oauth}).encode()


def test_a_login_is_read_with_its_times():
    ends = NOW + timedelta(days=20)

    found = credentials.parse(login(expires_at=NOW, login_ends_at=ends))

    assert found.expires_at == NOW
    assert found.login_ends_at == ends
    assert found.subscription == "max"


def test_older_logins_have_no_known_end():
    assert credentials.parse(login(expires_at=NOW)).login_ends_at is None


def test_unknown_keys_and_other_logins_are_passed_over():
    data = json.loads(file_of(somethingNew=[1])) | {"mcpOAuth": {"a": 1}}

    found = credentials.parse(json.dumps(data).encode())

    assert found.expires_at == datetime.fromtimestamp(1764086400, tz=UTC)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_named_since_an_editor_does_not_show_it(encoding):
    found = credentials.parse(file_of().decode().encode(encoding))

    assert isinstance(found, credentials.Malformed)
    assert "byte order mark" in found.reason


def test_a_token_that_can_never_be_refreshed_is_sent_where_it_belongs():
    found = credentials.parse(file_of(refreshToken=None))

    assert isinstance(found, credentials.Blanked)
    assert "no refresh token" in found.reason
    assert "CLAUDE_ACCESS_TOKEN" in found.reason


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", credentials.Malformed),
        (b"  \n", credentials.Malformed),
        (b'{"claudeAiOauth": {"accessTok', credentials.Malformed),
        (b"\xff\xfe{", credentials.Malformed),
        (b'["a"]', credentials.Malformed),
        (b"null", credentials.Malformed),
        (b'{"claudeAiOauth": 7}', credentials.Malformed),
        (b'{"claudeAiOauth": ' + b"[" * 100_000, credentials.Malformed),
        (file_of(accessToken=7), credentials.Malformed),
        (b"{}", credentials.Missing),
        (b'{"mcpOAuth": {}}', credentials.Missing),
        (b'{"claudeAiOauth": null}', credentials.Missing),
        (file_of(accessToken="", refreshToken="", expiresAt=0), credentials.Blanked),
        (file_of(accessToken=""), credentials.Blanked),
        (file_of(refreshToken=""), credentials.Blanked),
        (file_of(refreshToken=None), credentials.Blanked),
    ],
)
def test_a_file_without_a_usable_login_says_what_it_is(data, kind):
    found = credentials.parse(data)

    assert isinstance(found, kind)
    assert SECRET not in repr(found)


TIME = 1764086400000
ODD_EXPIRIES = [  # (expiresAt, the time it is, whether the CLI refreshes by itself)
    (TIME, TIME, True),
    (TIME + 0.5, TIME + 0.5, True),
    (str(TIME), TIME, True),
    (f" {TIME}.0 ", TIME, True),
    (0, 0, True),
    (-5, 0, True),
    ("", 0, True),
    (True, 0, True),
    ([], 0, True),
    (None, 0, False),
    ("soon", 0, False),
    ("2030-01-01T00:00:00Z", 0, False),
    ({}, 0, False),
    (10**20, 0, False),
]


@pytest.mark.parametrize(("expiry", "milliseconds", "cli_refreshes"), ODD_EXPIRIES)
def test_an_odd_expiry_is_read_as_the_cli_reads_it_or_is_due(
    expiry, milliseconds, cli_refreshes
):
    found = credentials.parse(file_of(expiresAt=expiry))

    assert found.expires_at == datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
    assert found.cli_refreshes is cli_refreshes
    assert found.expiry_known is (milliseconds > 0)


def test_a_login_without_an_expiry_is_due():
    data = json.dumps({"claudeAiOauth": {"accessToken": "a", "refreshToken": "b"}})

    assert credentials.parse(data.encode()).expires_at == credentials.LONG_AGO


@pytest.mark.parametrize("odd", [5, "soon", {}, [], -1, True, None, 10**30])
def test_odd_cosmetic_fields_are_unknown(odd):
    found = credentials.parse(
        file_of(
            refreshTokenExpiresAt=odd,
            subscriptionType=odd,
            scopes=odd,
            rateLimitTier=odd,
        )
    )

    assert found.expires_at == datetime.fromtimestamp(TIME / 1000, tz=UTC)
    assert found.subscription in {None, "soon"}
    assert found.login_ends_at is None or odd == 5


@pytest.mark.parametrize("expiry", [odd for odd, *_ in ODD_EXPIRIES])
@pytest.mark.parametrize("indent", [None, 2])
def test_the_expiry_can_be_changed_and_put_back_byte_for_byte(expiry, indent):
    whole = {"mcpOAuth": {"expiresAt": expiry}} | json.loads(file_of(expiresAt=expiry))
    data = json.dumps(whole, indent=indent).encode()
    text = credentials.expiry_text(data)

    edited = credentials.with_expiry_text(data, "1234567890123")

    assert credentials.expiry_text(edited) == "1234567890123"
    assert json.loads(edited)["mcpOAuth"] == whole["mcpOAuth"]
    assert credentials.with_expiry_text(edited, text) == data


def test_an_expiry_that_is_not_there_can_be_added_and_removed_again():
    data = b'{"claudeAiOauth": {"accessToken": "a", "refreshToken": "b"}}'

    edited = credentials.with_expiry_text(data, "1234567890123")

    assert credentials.expiry_text(data) == ""
    assert credentials.expiry_text(edited) == "1234567890123"
    assert credentials.with_expiry_text(edited, "") == data


@pytest.mark.parametrize(
    "data",
    [
        b'{"claudeAiOauth": {"accessToken": "a", "expiresAt": 1, "expiresAt": 1}}',
        b'{"claudeAiOauth": {"accessToken": "a", "expiresAt": 1, "b": {"expiresAt": 1}}}',
        b'{"copy": {"expiresAt": 1}, "claudeAiOauth": {"expiresAt": 1}}',
    ],
)
def test_an_expiry_whose_place_is_not_certain_is_left_alone(data):
    assert credentials.with_expiry_text(data, "2") is None


@pytest.mark.parametrize("text", ["{", "soon", "1}"])
def test_what_is_no_json_is_never_written_as_an_expiry(text):
    assert credentials.with_expiry_text(file_of(), text) is None
    assert not credentials.parse_expiry(text).cli_refreshes


def test_a_login_shows_no_token():
    found = credentials.parse(file_of())

    assert SECRET not in repr(found)
    assert SECRET not in str(found)
    assert found.revision in repr(found)


def test_a_revision_is_twelve_digits_and_follows_the_access_token():
    one, same = credentials.parse(file_of()), credentials.parse(file_of(expiresAt=9))
    other = credentials.parse(file_of(accessToken="another"))

    assert len(one.revision) == 12
    assert one.revision == same.revision != other.revision


json_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(
    st.binary(max_size=200)
    | st.dictionaries(
        st.sampled_from(
            ["accessToken", "refreshToken", "expiresAt", "refreshTokenExpiresAt"]
        ),
        json_values | st.just(SECRET),
    ).map(lambda oauth: json.dumps({"claudeAiOauth": oauth}).encode())
)
def test_no_bytes_make_parsing_raise_or_show_a_token(data):
    assert SECRET not in repr(credentials.parse(data))


@pytest.mark.parametrize(
    ("oauth", "scopes"),
    [
        (
            '{"scopes": ["user:inference", "user:profile"]}',
            ("user:inference", "user:profile"),
        ),
        ('{"scopes": ["user:inference", 1]}', ("user:inference",)),
        ('{"scopes": "user:inference"}', ()),
        ("{}", ()),
        ("null", ()),
        ("{", ()),
    ],
)
def test_what_a_login_is_for_is_what_the_file_names(oauth, scopes):
    data = f'{{"claudeAiOauth": {oauth}}}'.encode()

    assert credentials.scopes(data) == scopes
