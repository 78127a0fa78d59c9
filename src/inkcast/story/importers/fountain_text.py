"""The Fountain syntax: a screenplay's lines as elements. https://fountain.io/syntax"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

_HEADING = re.compile(r"^(?:(?:INT|EXT|EST|INT\.?/EXT|EXT\.?/INT|I/E)[. ]\s*)(?P<where>.+)$", re.IGNORECASE)
_FORCED_HEADING = re.compile(r"^\.(?P<where>[^.\s].*)$")
_SCENE_NUMBER = re.compile(r"\s*#[\w.-]+#\s*$")
_CUE = re.compile(r"^(?P<name>[^a-z()]*[^\Wa-z_][^a-z()]*?)\s*(?P<extensions>(?:\([^)]*\)\s*)*)(?P<dual>\^?)\s*$")
_FORCED_CUE = re.compile(r"^@(?P<name>[^(^]+?)\s*(?P<extensions>(?:\([^)]*\)\s*)*)(?P<dual>\^?)\s*$")
_TRANSITION = re.compile(r"^(?:>.*[^<]|[^a-z]+TO:)$")
_CENTERED = re.compile(r"^>\s*(.*?)\s*<$")
_TITLE_KEY = re.compile(r"^(?P<key>[A-Za-z][A-Za-z ]*):\s*(?P<value>.*)$")
_NOTE = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
_BONEYARD = re.compile(r"/\*.*?\*/", re.DOTALL)
_EMPHASIS = re.compile(r"(?<!\\)(\*{1,3}|_)(?=\S)(.+?)(?<=\S)(?<!\\)\1")


@dataclass(frozen=True)
class Element:
    """`text` is the place of a heading, else the words; `time` belongs to headings, the rest to speeches."""

    kind: Literal["heading", "action", "speech"]
    text: str
    time: str = ""
    cue: str = ""
    extension: str = ""
    manner: str = ""
    dual: bool = False


@dataclass(frozen=True)
class Screenplay:
    title: str
    elements: tuple[Element, ...]
    notes: tuple[str, ...]


def parse_fountain(text: str) -> Screenplay:
    text = _BONEYARD.sub("", text)
    notes = tuple(" ".join(note.split()) for note in _NOTE.findall(text))
    text = _NOTE.sub("", text)
    title, body = _title_page(text)
    lines = [line.rstrip() for line in body.split("\n")]
    return Screenplay(title, tuple(_elements(lines)), notes)


def _title_page(text: str) -> tuple[str, str]:
    page, _, body = text.lstrip("\n").partition("\n\n")
    first = page.split("\n")[0]
    if not _TITLE_KEY.match(first) or _HEADING.match(first) or _TRANSITION.match(first):
        return "", text
    title: list[str] = []
    key = ""
    for line in page.split("\n"):
        match = _TITLE_KEY.match(line)
        key = match["key"].lower() if match else key
        value = match["value"] if match else line.strip()
        if key == "title" and value:
            title.append(plain(value))
    return " ".join(title), body


def _elements(lines: Sequence[str]) -> Iterator[Element]:
    position = 0
    while position < len(lines):
        line = lines[position].strip()
        blank_before = position == 0 or not lines[position - 1].strip()
        follows = position + 1 < len(lines) and bool(lines[position + 1].strip())
        if not line or line.startswith("=") or (line.startswith("#") and not line.startswith("#.")):
            position += 1
        elif heading := _heading(line):
            yield heading
            position += 1
        elif (cue := _cue(line)) and blank_before and follows:
            speech, position = _speech(lines, position + 1, cue)
            yield from speech
        elif _TRANSITION.match(line) and not _CENTERED.match(line) and not line.startswith("!"):
            position += 1
        else:
            stop = position
            while stop < len(lines) and lines[stop].strip():
                stop += 1
            yield Element("action", plain(" ".join(_action_line(part) for part in lines[position:stop])))
            position = stop


def _action_line(line: str) -> str:
    line = line.strip()
    centered = _CENTERED.match(line)
    return centered.group(1) if centered else line.removeprefix("!").removeprefix("~").strip()


def _heading(line: str) -> Element | None:
    match = _HEADING.match(line) or _FORCED_HEADING.match(line)
    if not match:
        return None
    where = _SCENE_NUMBER.sub("", match["where"])
    place, _, time = where.rpartition(" - ") if " - " in where else (where, "", "")
    return Element("heading", plain(place.replace(" - ", ", ")).strip(), time=plain(time).strip())


def _cue(line: str) -> re.Match[str] | None:
    return _FORCED_CUE.match(line) or (
        None if _TRANSITION.match(line) or line.startswith(("!", ">")) else _CUE.match(line)
    )


def _speech(lines: Sequence[str], position: int, cue: re.Match[str]) -> tuple[list[Element], int]:
    """The speeches under one cue: a parenthetical in between starts another, in its own manner."""
    extension = " ".join(re.findall(r"\(([^)]*)\)", cue["extensions"]))
    name, dual = plain(cue["name"]).strip(), bool(cue["dual"])
    found: list[Element] = []
    said: list[str] = []
    manner = ""

    def close() -> None:
        if said:
            found.append(Element("speech", plain(" ".join(said)), "", name, extension, manner, dual or bool(found)))
            said.clear()

    while position < len(lines) and lines[position] != "":
        line = lines[position].strip()
        if line.startswith("(") and line.endswith(")"):
            close()
            manner = plain(line[1:-1]).strip()
        elif line:
            said.append(line.removeprefix("~").strip())
        position += 1
    close()
    return found, position


def plain(text: str) -> str:
    """`text` without the marks of emphasis."""
    before = None
    while before != text:
        before, text = text, _EMPHASIS.sub(r"\2", text)
    return re.sub(r"\\([*_\\])", r"\1", text)
