"""What the kernel says is mounted where."""

from pathlib import Path
from typing import NamedTuple


class Mount(NamedTuple):
    """One line of `/proc/self/mountinfo`."""

    path: str
    kind: str
    """The file system, such as `ext4` or `overlay`."""


def all_mounts() -> list[Mount]:
    """Return the mounts in the order they were made; none where there is no Linux."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return []
    return [_mount(line) for line in lines]


def _mount(line: str) -> Mount:
    # proc(5): the fifth field is the path; the type follows a dash, after any number of
    # optional fields.
    fields, _, described = line.partition(" - ")
    return Mount(_unescaped(fields.split(" ")[4]), described.split(" ")[0])


def _unescaped(field: str) -> str:
    # proc(5): space, tab, newline and backslash are written as octal.
    for code, char in (("040", " "), ("011", "\t"), ("012", "\n"), ("134", "\\")):
        field = field.replace(f"\\{code}", char)
    return field


def kind_of(path: Path) -> str:
    """Return the file system that a path is on; empty where it is not known."""
    whole = path.resolve()
    over = [mount for mount in all_mounts() if whole.is_relative_to(mount.path)]
    # of several at one place, the last one is seen
    return max(reversed(over), key=lambda mount: len(mount.path)).kind if over else ""
