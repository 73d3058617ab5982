"""`import` puts a whole login in place, or says why it changed nothing."""

import fcntl
import json
import os
import threading
import time
from datetime import timedelta

import pytest

from logins import NOW, login, make_settings
from refresher import credentials, files, install, lock
from refresher.outcome import Kind

GOOD = login(expires_at=NOW + timedelta(hours=8))


def install_in(volume, data=GOOD, *, stop=None):
    return install.install(
        data, make_settings(volume), stop=stop or threading.Event(), now=NOW
    )


def test_the_bytes_are_installed_as_they_are_and_for_the_owner_only(volume):
    data = json.dumps(json.loads(GOOD) | {"mcpOAuth": {"kept": 1}}).encode()

    found = install_in(volume, data)

    path = volume / credentials.FILE_NAME
    assert found == files.read_credentials(volume)
    assert path.read_bytes() == data
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(volume)) == [  # noqa: PTH208
        credentials.FILE_NAME,
        lock.FILE_NAME,
    ]


def test_a_directory_that_is_not_there_is_made(tmp_path):
    install_in(tmp_path / "a" / "b")

    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_an_expired_access_token_is_no_obstacle(volume):
    found = install_in(volume, login(expires_at=NOW - timedelta(days=1)))

    assert isinstance(found, credentials.Credential)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", Kind.INVALID),
        (b"sk-ant-oat01-secret", Kind.INVALID),
        (b"{}", Kind.INVALID),
        (GOOD[:-9], Kind.INVALID),
        (
            b'{"claudeAiOauth": {"accessToken": "sk-ant-oat01-secret"}}',
            Kind.LOGIN_REQUIRED,
        ),
        (login(expires_at=NOW, access="", refresh=""), Kind.LOGIN_REQUIRED),
        (
            login(expires_at=NOW + timedelta(hours=1), login_ends_at=NOW),
            Kind.LOGIN_REQUIRED,
        ),
    ],
)
def test_what_is_no_living_login_changes_nothing(volume, data, kind):
    install_in(volume)

    refused = install_in(volume, data)

    assert refused.kind is kind
    assert "secret" not in refused.reason
    assert (volume / credentials.FILE_NAME).read_bytes() == GOOD


def test_a_volume_that_would_not_keep_it_is_refused(volume):
    (volume / credentials.FILE_NAME).symlink_to("elsewhere")

    assert install_in(volume).kind is Kind.BLOCKED


def test_a_file_in_the_way_of_the_directory_is_reported(tmp_path):
    (tmp_path / "file").touch()

    assert install_in(tmp_path / "file").kind is Kind.BLOCKED


def test_a_run_of_the_refresher_is_waited_for(volume):
    stop = threading.Event()
    stop.set()
    with (volume / lock.FILE_NAME).open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        refused = install_in(volume, stop=stop)

    assert refused.kind is Kind.BUSY
    assert not (volume / credentials.FILE_NAME).exists()


@pytest.mark.parametrize("name", [lock.REFRESHING, lock.SAVING])
def test_a_cli_that_refreshes_or_saves_is_waited_for(volume, name):
    stop = threading.Event()
    stop.set()
    (volume / name).mkdir()

    refused = install_in(volume, stop=stop)

    assert refused.kind is Kind.BUSY
    assert (volume / name).exists()


@pytest.mark.parametrize("name", [lock.REFRESHING, lock.SAVING])
def test_a_lock_that_a_killed_cli_left_is_no_obstacle(volume, name):
    (volume / name).mkdir()
    long_ago = time.time() - 3600
    os.utime(volume / name, (long_ago, long_ago))

    assert isinstance(install_in(volume), credentials.Credential)
    assert (volume / name).exists()


DAY = timedelta(days=1)


def refused_or_not(volume, data, *, force=False):
    return install.install(
        data, make_settings(volume), stop=threading.Event(), now=NOW, force=force
    )


@pytest.mark.parametrize(
    ("there", "new", "words"),
    [
        # (expiry in hours, end of the login in days) of each
        ((8, None), (7, None), "older copy"),
        ((8, 20), (7, 20), "older copy"),
        ((8, 20), (7, None), "older copy"),
        ((8, 20), (9, 19), "before the one in the volume"),
        ((8, None), (8, None), None),
        ((8, None), (9, None), None),
        ((8, 20), (1, 21), None),
        ((8, 20), (-1, 21), None),
    ],
)
def test_a_login_does_not_replace_a_newer_one_unless_forced(volume, there, new, words):
    def data(times, access):
        hours, days = times
        return login(
            expires_at=NOW + timedelta(hours=hours),
            access=access,
            login_ends_at=NOW + days * DAY if days else None,
        )

    path = volume / credentials.FILE_NAME
    old = data(there, "old")
    path.write_bytes(old)

    outcome = refused_or_not(volume, data(new, "new"))
    after = path.read_bytes()
    refused_or_not(volume, data(new, "new"), force=True)

    assert path.read_bytes() == data(new, "new")
    if words is None:
        assert after == data(new, "new")
    else:
        assert after == old
        assert outcome.kind is Kind.INVALID
        assert words in outcome.reason
        assert "--force" in outcome.reason


@pytest.mark.parametrize("there", [b"", b"{}", login(expires_at=NOW, access="")])
def test_any_login_replaces_what_is_none(volume, there):
    (volume / credentials.FILE_NAME).write_bytes(there)

    assert isinstance(install_in(volume), credentials.Credential)


def test_the_same_file_may_be_imported_twice(volume):
    install_in(volume)

    assert isinstance(install_in(volume), credentials.Credential)
