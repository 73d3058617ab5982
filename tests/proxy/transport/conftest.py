"""What the tests of the transport share."""

import pytest

from proxy.cancellation import Deadlines
from proxy.watchdog import Watchdog


@pytest.fixture
def watchdog():
    watching = Watchdog(Deadlines())
    watching.start()
    yield watching
    assert len(watching) == 0
    watching.stop()
