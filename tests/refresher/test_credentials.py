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


def test_older_logins_do_not_tell_their_end():
    assert credentials.parse(login(expires_at=NOW)).login_ends_at is None


def test_unknown_keys_and_other_logins_are_passed_over():
    data = json.loads(file_of(somethingNew=[1])) | {"mcpOAuth": {"a": 1}}

    found = credentials.parse(json.dumps(data).encode())

    assert found.expires_at == datetime.fromtimestamp(1764086400, tz=UTC)


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
        (file_of(expiresAt="soon"), credentials.Malformed),
        (file_of(expiresAt=None), credentials.Malformed),
        (file_of(expiresAt=10**18), credentials.Malformed),
        (file_of(expiresAt=-5), credentials.Malformed),
        (file_of(accessToken=7), credentials.Malformed),
        (b"{}", credentials.Missing),
        (b'{"mcpOAuth": {}}', credentials.Missing),
        (b'{"claudeAiOauth": null}', credentials.Missing),
        (file_of(accessToken="", refreshToken="", expiresAt=0), credentials.Blanked),
        (file_of(accessToken=""), credentials.Blanked),
        (file_of(refreshToken=""), credentials.Blanked),
        (file_of(refreshToken=None), credentials.Blanked),
        (file_of(expiresAt=0), credentials.Blanked),
    ],
)
def test_a_file_without_a_usable_login_says_what_it_is(data, kind):
    found = credentials.parse(data)

    assert isinstance(found, kind)
    assert SECRET not in repr(found)


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
def test_no_bytes_make_parsing_raise_or_tell_a_token(data):
    assert SECRET not in repr(credentials.parse(data))
