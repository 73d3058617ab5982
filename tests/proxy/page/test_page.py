"""The status page in a real Chromium: `.ci/page` has one, and axe.

The picture in docs/ is made here: `pytest tests/proxy/page --update-golden`.
"""

import os
import shutil
from pathlib import Path

import pytest

import proxy_command
from openai_client import ask, connect, user
from page import browser, made_up_day
from proxy import overview, prices
from proxy.server import health_listener, status_page
from standin import server
from waiting import until

PICTURE = Path(__file__).parents[3] / "docs/status-page.png"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = os.environ.get("AXE", "")
CANARY = "canary-of-a-prompt"

PATIENT = (
    "from proxy.server import health_listener\n"
    f"health_listener.PATIENCE = {browser.SECONDS}\n"
)
"""A browser on a busy machine may take more than a second for what a probe does at once."""

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and AXE), reason="needs what .ci/page installs"
)


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    opened = browser.Browser(CHROMIUM, tmp_path / "profile")
    yield opened
    opened.close()
    assert opened.complaints == [], (
        "nothing is refused by the policy, nothing is thrown"
    )


@pytest.fixture(scope="module")
def full_day():
    """The address of a page that shows a whole day."""
    past, now = made_up_day.make()
    sock = health_listener.bind(0)
    pages = status_page.pages(
        lambda: overview.overview(now, past, prices.BUILT_IN), is_open=False
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(health_listener, "PATIENCE", browser.SECONDS)
        health_listener.Listener(sock, pages).start()
        yield f"http://127.0.0.1:{sock.getsockname()[1]}/"


def violations(page):
    """What axe finds wrong."""
    page.run(Path(AXE).read_text(encoding="utf-8") + "; 0")
    return page.run(
        "axe.run().then(found => found.violations.map("
        "one => one.id + ': ' + one.nodes.map(node => node.html).join(' ')))"
    )


def test_a_day_is_drawn(page, full_day):
    page.open(full_day)
    shown = page.text()
    for words in ("Everything works.", "Five hours", "71 % used", "in 11 days",
                  "claude-sonnet-5-5", "A rate limit of Anthropic's was used up"):  # fmt: skip
        assert words in shown
    for chart in ("requests", "cost", "trouble"):
        assert page.run(f"document.querySelectorAll('#{chart} rect').length") > 10
    assert page.run("document.querySelectorAll('#first path').length") == 2
    assert {url.removeprefix(full_day) for url in page.requested} == {"", "stats.json"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1180, 390])
def test_it_is_accessible_and_fits_light_and_dark_wide_and_narrow(
    page, full_day, scheme, width
):
    page.open(full_day, width=width, scheme=scheme)
    assert violations(page) == []
    assert page.run("document.documentElement.scrollWidth") <= width
    ground = page.run("getComputedStyle(document.body).backgroundColor")
    lightness = sum(map(int, ground[4:-1].split(","))) / 3
    assert (lightness > 128) == (scheme == "light")


def test_its_picture_is_in_the_documents(page, full_day, request):
    page.open(full_day)
    page.run("document.activeElement?.blur()")
    taken = page.picture()
    if request.config.getoption("--update-golden"):
        PICTURE.write_bytes(taken)
    assert taken.startswith(b"\x89PNG")
    size = slice(16, 24)  # width and height stand in the first chunk
    assert PICTURE.read_bytes()[size] == taken[size], "run it with --update-golden"
    assert len(PICTURE.read_bytes()) < 300_000


def test_a_real_proxys_page_shows_what_happens_and_nothing_private(page, tmp_path):
    key = "sk-ant-api03-canary"
    given = {"ANTHROPIC_API_KEY": key, "PROXY_API_KEY": "canary-inbound"}
    with (
        server.serve() as standin,
        proxy_command.running(
            tmp_path,
            ANTHROPIC_API_BASE=standin.base_url,
            before=PATIENT,
            **given,
        ) as running,
    ):
        page.open(f"{running.health_url}/")
        assert "Ready. No request has come yet." in page.text()
        assert violations(page) == []
        with connect(running, api_key="canary-inbound") as client:
            ask(client, messages=[user(CANARY)], user=CANARY)
            standin.fail_next(
                status=400, type="invalid_request_error", message=f"Bad {CANARY}"
            )
            with pytest.raises(Exception, match="400"):
                ask(client, messages=[user(CANARY)])
        until(lambda: len(running.completions) == 2)
        page.wait_for("document.body.innerText.includes('Last errors\\n')")
        page.wait_for(
            "document.querySelector('#errors small')?.textContent.includes('400')"
        )
        shown = page.run("document.documentElement.outerHTML")
    assert "claude-" in page.text()
    assert "canary" not in shown
