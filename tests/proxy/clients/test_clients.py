"""Clients that people use, each with a suite of its own, against the real server.

A suite runs in an environment of its own (`environments.py`) and reports in JUnit's
form. Every test of it must pass, except those of `EXPECTED`, which must not.
"""

import shutil
import subprocess
from xml.etree import ElementTree as ET

import pytest

from clients import environments

TIMEOUT = 1200  # seconds for one suite

LANGCHAINS = {
    "test_audio_inputs": ("skipped", "Claude hears nothing"),
    "test_stream_time": ("skipped", "needs a recording of its own"),
    "test_anthropic_inputs": ("skipped", "not of OpenAI's; else, invents a signature"),
}
UNFORCED = {"TestNewest.test_tool_choice": ("skipped", "this model cannot be forced")}
JSON_MODE = {"test_json_mode": ("skipped", "Anthropic's API has no such mode")}
EXPECTED = {
    "langchain_anthropic": LANGCHAINS | JSON_MODE,
    "langchain_chat": LANGCHAINS | UNFORCED,
    "langchain_responses": LANGCHAINS | UNFORCED,
}
"""What a test does instead of passing, and why; by its name, with its class or not."""


@pytest.fixture
def run(proxy, ledger, environ, tmp_path):
    """Run a suite's command in a directory of its own; give its JUnit report."""

    def ran(command, directory=tmp_path):
        ended = subprocess.run(
            command,
            cwd=directory,
            env=environ | {"PROXY_URL": proxy.url, "RECEIVED_URL": ledger.url},
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


OUTCOMES = {"failure": "failed", "error": "failed", "skipped": "skipped"}


def why(case):
    """What a test's failure says, if it failed."""
    return "".join(f"\n{x.text}" for x in case if x.tag in OUTCOMES)


def check(name, report, output):
    """Hold a report to the table: what passed, and what else was to be expected."""
    expected, seen, wrong = EXPECTED.get(name, {}), set(), []
    cases = list(report.iter("testcase"))
    for case in cases:
        found = (OUTCOMES[tag] for tag in OUTCOMES if case.find(tag) is not None)
        outcome = next(found, "passed")
        test = case.get("name").partition("[")[0]
        full = f"{case.get('classname').rpartition('.')[2]}.{test}"
        key = full if full in expected else test
        seen.add(key)
        if outcome != expected.get(key, ("passed",))[0]:
            wrong.append(f"{full} {outcome}{why(case)}")
    assert not wrong, "\n".join([*wrong, output])
    assert seen >= set(expected), "the table names tests that are not there"
    return len(cases)


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


SUITES = {
    # suite: (its environment, how many tests it has at least, the rules that it breaks)
    "langchain_chat": ("langchain", 90, set()),
    "langchain_responses": ("langchain", 90, set()),
    "langchain_anthropic": ("langchain", 45, set()),
    "pydantic_ai": ("pydantic_ai", 20, {"model.unknown"}),
    "pydantic_ai_responses": ("pydantic_ai", 20, {"model.unknown"}),
    "openai_agents": ("openai_agents", 10, set()),
    "agent_framework": ("agent_framework", 8, set()),
}
NODE_SUITES = {
    "openai": (20, {"model.unknown"}),
    "openai-responses": (20, set()),
    "vercel": (30, {"model.unknown"}),
    "vercel-responses": (28, {"model.unknown"}),
    "agents": (10, set()),
    "anthropic": (12, {"model.unknown"}),
}


@pytest.mark.parametrize("suite", SUITES)
def test_a_client_in_python(find_environment, run, ledger, tmp_path, suite):
    name, least, broken = SUITES[suite]
    where = find_environment(name)
    options = ONE_LOOP if name == "langchain" else ()
    report = run_pytest(run, where, f"{suite}_suite.py", tmp_path, *options)
    assert check(suite, *report) >= least
    assert set(ledger.rules) == broken


@pytest.mark.parametrize("suite", NODE_SUITES)
def test_a_client_in_node(find_environment, run, ledger, tmp_path, suite):
    least, broken = NODE_SUITES[suite]
    modules = find_environment("node") / "node_modules"
    directory = tmp_path / "suite"
    shutil.copytree(environments.HERE / "node", directory)
    (directory / "node_modules").symlink_to(modules)
    report = run(
        [
            *(modules / ".bin" / "node", "--test", "--test-reporter=junit"),
            *("--test-reporter-destination=report.xml", f"{suite}.test.mjs"),
        ],
        directory,
    )
    assert check(suite, *report) >= least
    assert set(ledger.rules) == broken
