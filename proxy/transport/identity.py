"""How the SDK names itself in every request, computed without importing it.

Importing `anthropic` takes 1 s of CPU and 50 MiB, most of it for types that are not used
here. A test compares these headers with the SDK's own.
"""

import importlib.util
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

BASE_URL = "https://api.anthropic.com"

API_VERSION = "2026-10-21"
"""The version of the API that requests and events are written for, as the SDK's."""


def headers(environ: Mapping[str, str]) -> dict[str, str]:
    """The headers that the SDK sends with every request, but for the credential.

    Names are in lower case. `ANTHROPIC_CUSTOM_HEADERS` may add some, one a line.
    """
    version = _sdk_version()
    return {
        "accept": "application/json",
        "content-type": "application/json",
        "user-agent": f"Anthropic/Python {version}",
        "x-stainless-lang": "python",
        "x-stainless-package-version": version,
        "x-stainless-os": _system(),
        "x-stainless-arch": _architecture(),
        "x-stainless-runtime": platform.python_implementation(),
        "x-stainless-runtime-version": platform.python_version(),
        "x-stainless-async": "false",
        "anthropic-version": API_VERSION,
        **_custom(environ.get("ANTHROPIC_CUSTOM_HEADERS", "")),
    }


def _custom(lines: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines.split("\n"))
    found = {name.strip().lower(): value.strip() for name, sep, value in pairs if sep}
    return {name: value for name, value in found.items() if name != "authorization"}


def _sdk_version() -> str:
    """The version of the installed SDK: a file of its own, run without the rest."""
    package = importlib.util.find_spec("anthropic")
    if package is None or package.origin is None:
        raise ModuleNotFoundError(name="anthropic")
    path = Path(package.origin).with_name("_version.py")
    names: dict[str, str] = {}
    exec(path.read_text(encoding="utf-8"), names)  # noqa: S102 - the SDK's own code
    return names["__version__"]


def _system() -> str:
    system = platform.system()
    return {"Darwin": "MacOS"}.get(system, system)


def _architecture() -> str:
    machine = platform.machine().lower()
    if machine in {"arm64", "aarch64"}:
        return "arm64"
    if machine == "x86_64":
        return "x64"
    if machine == "arm":
        return "arm"
    return "x32" if sys.maxsize <= 1 << 32 else f"other:{machine}"
