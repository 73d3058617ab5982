"""The documents hold together: links lead somewhere, the README's commands are run."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("tests/*/README.md")),
]

FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")


def prose(document: Path) -> str:
    """A document without its code blocks."""
    return FENCE.sub("", document.read_text(encoding="utf-8"))


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(document), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def links() -> list[tuple[str, str, str]]:
    return [
        (str(document.relative_to(ROOT)), path, anchor)
        for document in DOCUMENTS
        for path, anchor in LINK.findall(prose(document))
    ]


@pytest.mark.parametrize(("document", "path", "anchor"), links())
def test_every_relative_link_leads_somewhere(
    document: str, path: str, anchor: str
) -> None:
    here = ROOT / document
    there = here.parent / path if path else here

    assert there.exists()
    assert not anchor or anchor in anchors(there)


def test_every_document_is_linked_from_the_readme() -> None:
    linked = {path for document, path, _ in links() if document == "README.md"}

    assert {f"docs/{path.name}" for path in ROOT.glob("docs/*.md")} <= linked


COMMANDS = {
    r"claude-proxy demo$": ".ci/newcomer",
    r"^curl ": ".ci/newcomer",
    r"bin/pytest": ".ci/newcomer",
    r"bin/claude-proxy$": "tests/proxy/e2e/test_readme.py",
    r"^kubectl create ": "tests/manifests/test_docs.py",
    r"^kubectl apply ": "tests/manifests/test_docs.py",
}
"""How the README's commands are found, and the file that finds and runs them so."""


def commands() -> list[str]:
    """The commands of the README's ``sh`` blocks; a continued one is one command."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return "".join(blocks).replace("\\\n", "").splitlines()


@pytest.mark.parametrize("command", commands())
def test_every_command_of_the_readme_is_run_by_a_test(command: str) -> None:
    runs = [pattern for pattern in COMMANDS if re.search(pattern, command)]

    assert len(runs) == 1


@pytest.mark.parametrize("pattern", COMMANDS)
def test_who_runs_a_command_of_the_readme_looks_for_it(pattern: str) -> None:
    runner = (ROOT / COMMANDS[pattern]).read_text(encoding="utf-8")

    assert pattern in runner
    assert any(re.search(pattern, command) for command in commands())


def test_every_lane_is_described() -> None:
    text = (ROOT / "docs/development.md").read_text(encoding="utf-8")

    assert [
        path.name for path in ROOT.glob(".ci/*") if f"`.ci/{path.name}`" not in text
    ] == []


def test_every_folder_is_on_the_map() -> None:
    text = (ROOT / "docs/development.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([\w.]+)/` \|", text, re.MULTILINE))

    assert all((ROOT / name).is_dir() for name in listed)
    assert {"proxy", "refresher", "manifests", "kustomize", "tests", "docs"} <= listed


def scenarios(words: str) -> set[str]:
    """The scenarios that a command of the benchmark names."""
    _, _, rest = words.partition(" -s ")
    return set(rest.partition(" ")[0].split(","))


def test_every_measurement_can_be_repeated() -> None:
    text = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    commands = re.findall(
        r"^\.venv/bin/python (tests/bench/\S+) (.*)$", text, re.MULTILINE
    )
    measured = re.findall(r"\(`([\w-]+)`\) \|", text)
    known = tomllib.loads((ROOT / "tests/bench/contestants.toml").read_text("utf-8"))

    assert commands
    for script, words in commands:
        assert (ROOT / script).is_file()
        assert scenarios(words) <= set(measured)
        assert set(words.partition(" -")[0].split()) <= known.keys()
    assert scenarios(commands[0][1]) == set(measured)
    script = (ROOT / commands[0][0]).read_text("utf-8")
    assert all(f'"{scenario}": Scenario(' in script for scenario in measured)
