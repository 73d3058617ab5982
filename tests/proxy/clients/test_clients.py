"""Clients that people use, each with a suite of its own, against the real server.

A suite runs in an environment of its own (`environments.py`) and reports in JUnit's
form. Every test of it must pass, except those of `EXPECTED`, which must not.
"""

import os
import shutil
import subprocess
from collections import Counter
from xml.etree import ElementTree as ET

import pytest

import proxy_command
from clients import environments
from standin import server

TIMEOUT = 240  # seconds for one suite

EXPECTED = {
    "langchain": {
        "test_audio_inputs": ("skipped", "Claude hears nothing"),
        "test_anthropic_inputs": ("skipped", "ChatOpenAI has no Anthropic blocks"),
        "test_stream_time": ("skipped", "needs a recording of its own"),
        "TestNewest.test_tool_choice": ("skipped", "this model cannot be forced"),
    },
    "langchain_anthropic": {
        "test_audio_inputs": ("skipped", "Claude hears nothing"),
        "test_anthropic_inputs": ("skipped", "its thinking is signed by another one"),
        "test_stream_time": ("skipped", "needs a recording of its own"),
        "test_json_mode": ("skipped", "Anthropic has none"),
    },
    "node": {},
    "pydantic_ai": {},
}
"""What a test does instead of passing, and why; by its name, with its class or not."""


@pytest.fixture(scope="module")
def _standin():
    with server.serve() as running:
        yield running


@pytest.fixture(scope="module")
def _proxy(_standin, tmp_path_factory):
    with proxy_command.running(
        tmp_path_factory.mktemp("claude-proxy"),
        ANTHROPIC_API_KEY="sk-ant-canary-of-the-clients",
        ANTHROPIC_API_BASE=_standin.base_url,
    ) as running:
        yield running


@pytest.fixture
def standin(_standin):
    _standin.requests.clear()
    return _standin


@pytest.fixture
def run(_proxy, tmp_path):
    """Run a suite's command in a directory of its own; give its JUnit report."""

    def ran(command, directory=tmp_path):
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "NO_PROXY": "*",
            "PROXY_URL": _proxy.url,
        }
        ended = subprocess.run(
            command,
            cwd=directory,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        report = directory / "report.xml"
        assert report.exists(), ended.stdout + ended.stderr
        return ET.parse(report), ended.stdout

    return ran


def environment(name):
    """The directory of an environment, or a skip that says how to get it."""
    if not environments.is_made(name):
        reason = f"no environment for {name}: run .ci/clients"
        if os.environ.get("CLIENTS_REQUIRED"):
            pytest.fail(reason)
        pytest.skip(reason)
    return environments.directory(name)


OUTCOMES = {"failure": "failed", "error": "failed", "skipped": "skipped"}


def check(name, report, output):
    """Hold a report to the table: what passed, and what else was to be expected."""
    expected, seen, wrong = EXPECTED[name], set(), []
    cases = list(report.iter("testcase"))
    for case in cases:
        found = (OUTCOMES[tag] for tag in OUTCOMES if case.find(tag) is not None)
        outcome = next(found, "passed")
        test = case.get("name").partition("[")[0]
        full = f"{case.get('classname').rpartition('.')[2]}.{test}"
        key = full if full in expected else test
        seen.add(key)
        if outcome != expected.get(key, ("passed",))[0]:
            wrong.append(f"{full} {outcome}")
    assert not wrong, f"{wrong}\n{output}"
    assert seen >= set(expected), "the table names tests that are not there"
    return len(cases)


def refused(standin):
    """The rules that the clients' requests broke at the stand-in, and how often."""
    return Counter(one.rule for one in standin.requests if one.rule)


def run_pytest(run, where, suite, tmp_path, *options):
    config = tmp_path / "pytest.ini"  # so that this project's settings do not count
    config.write_text("[pytest]\n")
    return run(
        [
            *(where / "bin" / "python", "-m", "pytest", "-q", "--tb=short", *options),
            *("-c", config, "--rootdir", tmp_path, "--noconftest"),
            *("-p", "no:cacheprovider", "--junit-xml", "report.xml"),
            environments.HERE / suite,
        ]
    )


ONE_LOOP = (
    *("-o", "asyncio_mode=auto", "-o", "asyncio_default_test_loop_scope=session"),
    *("-o", "asyncio_default_fixture_loop_scope=session"),
)
"""LangChain keeps its connections from one test to the next, so their loop must live."""


def test_langchains_standard_suite_for_chat_models(run, standin, tmp_path):
    where = environment("langchain")
    report = run_pytest(run, where, "langchain_suite.py", tmp_path, *ONE_LOOP)
    assert check("langchain", *report) >= 90
    assert not refused(standin)


def test_langchains_standard_suite_for_anthropics_own_api(run, standin, tmp_path):
    where = environment("langchain")
    suite = "langchain_anthropic_suite.py"
    report = run_pytest(run, where, suite, tmp_path, *ONE_LOOP)
    assert check("langchain_anthropic", *report) >= 45
    assert not refused(standin)
    assert "/v1/messages/count_tokens" in {one.path for one in standin.requests}


def test_pydantic_ai(run, standin, tmp_path):
    where = environment("pydantic_ai")
    report = run_pytest(run, where, "pydantic_ai_suite.py", tmp_path)
    assert check("pydantic_ai", *report) >= 20
    assert set(refused(standin)) == {"model.unknown"}


def test_openais_and_vercels_clients_in_node(run, standin, tmp_path):
    where = environment("node")
    suite = tmp_path / "suite"
    shutil.copytree(environments.HERE / "node", suite)
    (suite / "node_modules").symlink_to(where / "node_modules")
    tests = sorted(path.name for path in suite.glob("*.test.mjs"))
    report = run(
        [
            *("node", "--test", "--test-reporter=junit"),
            *("--test-reporter-destination=report.xml", *tests),
        ],
        suite,
    )
    assert check("node", *report) >= 50
    assert set(refused(standin)) <= {"model.unknown"}
