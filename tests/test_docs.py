"""The documents hold together: every link leads somewhere."""

import re
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
