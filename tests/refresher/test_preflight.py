"""A run that would lose the login does not start: on real users, modes and mounts."""

import json
import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

import refresher_process
from fake_claude import FakeClaude
from logins import login
from refresher import credentials, files, lock, preflight, refresh

other_user = pytest.mark.skipif(
    bool(refresher_process.why_no_other_user()),
    reason=str(refresher_process.why_no_other_user()),
)
mounts = pytest.mark.skipif(
    bool(refresher_process.why_no_mounts()),
    reason=str(refresher_process.why_no_mounts()),
)


@pytest.fixture
def place(open_directory):
    """A volume with an expired login, and a CLI that would refresh it, open to all users."""
    volume = open_directory / "claude"
    volume.mkdir()
    path = volume / credentials.FILE_NAME
    path.write_bytes(login(expires_at=refresh.utc_now() - timedelta(minutes=1)))
    path.chmod(0o600)
    binaries = open_directory / "bin"
    fake = FakeClaude(binaries, "ok")
    binaries.chmod(0o777)
    return volume, path, fake


def give(*paths):
    for path in paths:
        os.chown(path, refresher_process.OTHER_USER, refresher_process.OTHER_USER)


def assert_blocked(done, fake, words):
    output = done.stdout.decode()
    assert output.startswith("Blocked: "), done
    assert words in output
    assert done.returncode == 78
    assert fake.calls == []


def assert_refreshed(done, fake):
    assert done.stdout.decode().startswith("Refreshed: "), done
    assert done.returncode == 0
    assert len(fake.calls) == 1


def on_tmpfs(volume, path, options, then="true"):
    """Words to run a command with the volume on a small disk of its own."""
    return refresher_process.among_mounts(
        f"""mount -t tmpfs -o {options},mode=700 none {volume}
cat > {path} <<'END'
{path.read_text()}
END
{then}"""
    )


def as_other_user(volume, fake, word="once"):
    return refresher_process.refresher(
        volume, fake.path, word, before=refresher_process.AS_OTHER_USER
    )


@other_user
def test_a_login_of_another_user_cannot_be_read(place):
    volume, _, fake = place
    give(volume)

    assert_blocked(as_other_user(volume, fake), fake, "cannot be read")


@other_user
def test_a_directory_that_cannot_be_written_is_refused(place):
    volume, path, fake = place
    give(path)

    assert_blocked(as_other_user(volume, fake), fake, "is not writable")


@other_user
def test_one_that_has_no_login_yet_is_reported_before_anyone_logs_in(place):
    volume, path, fake = place
    path.unlink()

    assert_blocked(as_other_user(volume, fake), fake, "is not writable")


@other_user
def test_a_directory_that_cannot_be_entered_is_refused(place):
    volume, path, fake = place
    give(path)
    volume.chmod(0o700)

    assert_blocked(as_other_user(volume, fake), fake, "cannot be read")


@other_user
def test_a_lock_of_another_user_is_named(place):
    volume, path, fake = place
    (volume / lock.FILE_NAME).touch(0o600)
    give(volume, path)

    assert_blocked(as_other_user(volume, fake), fake, lock.FILE_NAME)


@other_user
def test_a_file_of_another_user_in_a_sticky_directory_is_refused(place):
    volume, path, fake = place
    path.chmod(0o644)
    volume.chmod(0o1777)

    assert_blocked(as_other_user(volume, fake), fake, "sticky")


@other_user
@pytest.mark.parametrize("mode", [0o444, 0o600, 0o640])
def test_any_mode_of_an_own_file_will_do(place, mode):
    volume, path, fake = place
    path.chmod(mode)
    give(volume, path)

    assert_refreshed(as_other_user(volume, fake), fake)
    assert path.stat().st_mode & 0o777 == 0o600


@other_user
def test_a_readable_file_of_another_user_in_an_own_directory_will_do(place):
    volume, path, fake = place
    path.chmod(0o644)
    give(volume)

    assert_refreshed(as_other_user(volume, fake), fake)
    assert path.stat().st_uid == refresher_process.OTHER_USER


@other_user
def test_status_warns_of_what_would_block_before_it_is_due(place):
    volume, path, fake = place
    path.write_bytes(login(expires_at=refresh.utc_now() + timedelta(hours=8)))
    give(path)

    done = as_other_user(volume, fake, "status")

    assert "is not writable" in done.stdout.decode()
    assert done.returncode == 78


@mounts
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("mount --bind {path} {path}", "is a mount point"),
        (
            "mount --bind {path} {path}; mount -o remount,ro,bind {path}",
            "is a mount point",
        ),
        (
            "mount --bind {volume} {volume}; mount -o remount,ro,bind {volume}",
            "is not writable",
        ),
    ],
)
def test_mounts_that_would_keep_the_old_token_are_refused(place, script, words):
    volume, path, fake = place
    before = refresher_process.among_mounts(script.format(volume=volume, path=path))

    done = refresher_process.refresher(volume, fake.path, "once", before=before)

    assert_blocked(done, fake, words)


@mounts
@pytest.mark.skipif(not shutil.which("chattr"), reason="needs chattr")
def test_an_immutable_file_is_refused(place):
    volume, path, fake = place
    before = on_tmpfs(volume, path, "size=8m", f"chattr +i {path}")

    done = refresher_process.refresher(volume, fake.path, "once", before=before)

    assert_blocked(done, fake, "cannot be replaced")


@mounts
@pytest.mark.parametrize(
    "options",
    [
        "size=512k",  # less than a probe
        "size=8m,nr_inodes=10",
    ],
)
def test_a_full_volume_is_refused(place, options):
    volume, path, fake = place
    before = on_tmpfs(volume, path, options)

    done = refresher_process.refresher(volume, fake.path, "once", before=before)

    assert_blocked(done, fake, "cannot hold a new token")


@mounts
def test_a_volume_that_fills_during_the_run_may_have_cost_the_token(place):
    volume, path, _ = place
    fake = FakeClaude(volume.parent / "bin", "fills_disk")
    before = on_tmpfs(volume, path, "size=4m")

    done = refresher_process.refresher(volume, fake.path, "once", before=before)

    assert done.stdout.decode().startswith("PossiblySpent: "), done
    assert done.returncode == 75
    assert "No space left" in done.stdout.decode()


@mounts
def test_a_volume_that_fills_during_an_early_attempt_still_gets_its_expiry_back(place):
    volume, path, _ = place
    data = login(expires_at=refresh.utc_now() + timedelta(hours=5))
    path.write_bytes(data)
    fake = FakeClaude(volume.parent / "bin", "fills_disk")
    after = f"{path.parent.parent}/after"
    keep = on_tmpfs(volume, path, "size=4m")
    keep[4] = keep[4].replace('exec "$@"', f'"$@" || cp {path} {after}')

    done = refresher_process.refresher(
        volume, fake.path, "once", before=keep, REFRESH_BEFORE="25200"
    )

    assert done.stdout.decode().startswith("PossiblySpent: "), done
    assert Path(after).read_bytes().strip() == data
    assert Path(after).stat().st_size == len(data) + 1  # `cat` added a line's end


def test_a_symbolic_link_is_refused(place):
    volume, path, fake = place
    path.rename(volume / "elsewhere")
    path.symlink_to("elsewhere")

    done = refresher_process.refresher(volume, fake.path, "once")

    assert_blocked(done, fake, "symbolic link")
    assert json.loads((volume / "elsewhere").read_text())


def test_a_directory_reached_by_a_symbolic_link_will_do(place):
    volume, _, fake = place
    link = volume.parent / "link"
    link.symlink_to(volume)

    assert_refreshed(refresher_process.refresher(link, fake.path, "once"), fake)


def test_the_probe_leaves_nothing_and_clears_an_older_one(volume):
    (volume / ".refresher-probe").mkdir()
    (volume / ".refresher-probe" / "left").touch()

    assert preflight.probe(volume) is None
    assert list(volume.iterdir()) == []


def test_a_file_that_is_no_file_is_refused(volume):
    (volume / credentials.FILE_NAME).mkdir()

    assert "not a regular file" in preflight.inspect_volume(volume)


def test_a_directory_that_is_none_is_refused(tmp_path):
    (tmp_path / "file").touch()

    assert "not a directory" in preflight.inspect_volume(tmp_path / "file")
    assert "not a directory" in preflight.inspect_volume(tmp_path / "absent")


def test_a_file_in_place_of_the_directory_cannot_be_read(tmp_path):
    (tmp_path / "file").touch()

    found = files.read_credentials(tmp_path / "file")

    assert isinstance(found, credentials.Unreadable)


@pytest.mark.parametrize("name", [".claude.json", ".config.json"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", None),
        (b"{}", None),
        (b"[]", None),
        (b'{"env": {}, "numStartups": 3}', None),
        (b'{"projects": {"/": {"env": {"A": "b"}}}}', None),
        (b'{"env": {"HTTPS_PROXY": "http://elsewhere:1"}}', "has `env`"),
        (b'{"env": ["A=b"]}', "has `env`"),
        (b'{"mcpServers":', "is not JSON"),
        (b'{"userID": "\xff"}', "is not JSON"),
    ],
)
def test_a_configuration_that_would_lead_the_cli_astray_is_refused(
    volume, name, text, words
):
    (volume / name).write_bytes(text)

    found = preflight.inspect_configuration(volume)

    assert (found is None) if words is None else (found and words in found)
    assert found is None or (name in found and "elsewhere:1" not in found)
