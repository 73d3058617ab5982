"""Parts of messages and outputs as content blocks, without blank text (rows r2)."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from proxy.schema import common, messages_request
from proxy.schema import responses_items as wire
from proxy.translate import ask, cache, content, media, warn

_THINK, _END = "<think>", "</think>"
"""How some clients return reasoning to a model whose name they do not know."""


_MEDIA = (wire.InputImage, wire.InputFile, wire.InputAudio, wire.InputVideo)


def user_blocks(
    given: str | Sequence[wire.Part] | None, *, at: str
) -> list[ask.UserBlock]:
    """A user's or a tool's content, in order, without blank text.

    ``at`` is the JSON path of the content. Raises ``InvalidRequestError`` for parts
    that Claude cannot take.
    """
    blocks: list[ask.UserBlock] = []
    if given is None or isinstance(given, str):
        content.add_text(blocks, given or "")
        return blocks
    for i, part in enumerate(given):
        match part:
            case wire.InputText(text=text):  # nearly all are
                content.add_text(blocks, text, cache.control_of(part))
            case wire.InputImage():
                blocks.append(_image(part, f"{at}[{i}]"))
            case wire.InputFile():
                blocks.append(_file(part, f"{at}[{i}]"))
            case wire.InputAudio() | wire.InputVideo():
                raise media.rejected(f"{at}[{i}]", "Claude takes no audio and no video")
            case _:
                content.add_text(blocks, text_of(part), control_of(part))
    return blocks


def system_blocks(
    given: str | Sequence[wire.Part] | None, *, at: str
) -> list[messages_request.Text]:
    """The system's or the developer's text, one block per part, without blank ones.

    Raises ``InvalidRequestError`` for anything but text.
    """
    blocks: list[messages_request.Text] = []
    if given is None or isinstance(given, str):
        content.add_text(blocks, given or "")
        return blocks
    for i, part in enumerate(given):
        content.add_text(blocks, _only_text(part, at, i), control_of(part))
    return blocks


def add_assistant(
    blocks: list[ask.AssistantBlock],
    given: str | Sequence[wire.Part] | None,
    warnings: warn.Warnings,
    *,
    at: str,
) -> None:
    """Add the assistant's text to its turn, one block per part, without blank ones.

    Citations of Claude's own search go back with it. Raises ``InvalidRequestError`` for
    anything but text.
    """
    if given is None or isinstance(given, str):
        if _is_thinking(given or "", at, warnings):
            return
        content.add_text(blocks, given or "")
        return
    for i, part in enumerate(given):
        text = _only_text(part, at, i)
        if "<think>" in text and _is_thinking(text, f"{at}[{i}]", warnings):
            continue
        cited = _citations(part)
        if cited and not content.is_blank(text):
            control = control_of(part)
            blocks.append(
                messages_request.Text(text=text, citations=cited, cache_control=control)
            )
        else:
            content.add_text(blocks, text, control_of(part))


def control_of_dropped(given: str | Sequence[wire.Part] | None) -> ask.Control:
    """The last cache mark that stands before the first part that is not dropped."""
    if not isinstance(given, list):
        return None
    control = None
    for part in given:
        if not content.is_blank(text_of(part)):
            break
        control = control_of(part) or control
    return control


def control_of(part: wire.Part) -> ask.Control:
    """The part's cache mark, if parts of its type can have one."""
    return cache.control_of(part) if isinstance(part, common.Cacheable) else None


def text_of(part: wire.Part) -> str:
    """Text of whatever type: the role decides who said it. Media have a dot for it."""
    match part:
        case wire.InputText(text=text) | wire.PlainText(text=text):
            return text
        case wire.OutputText(text=text) | wire.RefusalPart(refusal=text):
            return text
        case _:
            return "."


def _only_text(part: wire.Part, at: str, i: int) -> str:
    if isinstance(part, _MEDIA):
        raise media.rejected(f"{at}[{i}]", "must be text in a message of this role")
    return text_of(part)


def _is_thinking(text: str, at: str, warnings: warn.Warnings) -> bool:
    """Whether a text is one ``<think>`` element and nothing else."""
    text = text.strip()
    if not (text.startswith(_THINK) and text.endswith(_END)):
        return False
    if text.count(_THINK) > 1 or text.count(_END) > 1:
        return False
    warnings.add("think_text_dropped", param=at)
    return True


# ------------------------------------------------------------------ images and files


def _image(
    part: wire.InputImage, at: str
) -> messages_request.Image | messages_request.Document:
    control = cache.control_of(part)
    if part.image_url:
        return media.image(part.image_url, control, at=f"{at}.image_url")
    if part.file_id and part.file_id.startswith("file_"):  # Anthropic's Files API
        source = messages_request.FileSource(file_id=part.file_id)
        return messages_request.Image(source=source, cache_control=control)
    raise media.rejected(
        at, "must have image_url, or a file_id of Anthropic's Files API"
    )


def _file(
    part: wire.InputFile, at: str
) -> messages_request.Image | messages_request.Document:
    control = cache.control_of(part)
    if part.file_url and not part.file_data:
        if part.file_url[:8].lower() != "https://" or not part.file_url[8:].strip():
            raise media.rejected(
                f"{at}.file_url", "must be an https URL", "invalid_value"
            )
        return messages_request.Document(
            source=messages_request.URLSource(url="https://" + part.file_url[8:]),
            title=part.filename or None,
            cache_control=control,
        )
    given = media.File(part.file_data, part.file_id, part.filename)
    return media.file(given, control, at=at, data="file_data, file_url")


# ------------------------------------------------------------------ citations


def _citations(part: wire.Part) -> list[messages_request.SearchCitation] | None:
    """The annotations of ours that still hold what Anthropic wants back."""
    if not isinstance(part, wire.OutputText):
        return None
    found = [
        messages_request.SearchCitation(
            url=one.url,
            title=one.title,
            encrypted_index=one.encrypted_index,
            cited_text=one.cited_text,
        )
        for one in map(_citation, part.annotations or ())
        if one is not None
    ]
    return found or None


def _citation(annotation: Raw) -> wire.URLCitation | None:
    try:
        return wire.CITATION.decode(annotation)
    except msgspec.ValidationError:
        return None
