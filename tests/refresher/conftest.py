"""What the refresher's tests share."""

import tempfile
import time
from datetime import timedelta
from pathlib import Path

import pytest

from fake_claude import FakeClaude
from logins import LONG, login
from refresher import credentials, refresh


@pytest.fixture
def volume(tmp_path):
    directory = tmp_path / "claude"
    directory.mkdir(mode=0o700)
    return directory


@pytest.fixture
def fake(tmp_path):
    """Make a fake `claude` with the given modes, one for each run."""
    return lambda *modes, **more: FakeClaude(tmp_path / "bin", *modes, **more)


@pytest.fixture
def open_directory():
    """Give a directory that other users can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="refresher-test-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


@pytest.fixture
def eventually():
    """Wait for a condition, with a deadline instead of a guess."""

    def wait(condition, seconds=LONG):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it never came true"
            time.sleep(0.02)

    return wait


@pytest.fixture
def expired_login(volume):
    """Put a login whose access token has ended in the volume; the file's bytes."""
    data = login(expires_at=refresh.utc_now() - timedelta(minutes=1))
    (volume / credentials.FILE_NAME).write_bytes(data)
    return data
