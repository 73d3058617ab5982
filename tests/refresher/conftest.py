"""What the refresher's tests share."""

import hypothesis
import pytest

# A busy machine is no failure: nothing here asserts a time.
hypothesis.settings.register_profile(
    "refresher",
    hypothesis.settings(
        deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    ),
)
hypothesis.settings.load_profile("refresher")


@pytest.fixture
def volume(tmp_path):
    directory = tmp_path / "claude"
    directory.mkdir(mode=0o700)
    return directory
