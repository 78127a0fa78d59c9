"""`script.yaml` on disk: parsing with line numbers, migration, writing, and editing that keeps a person's comments."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarstring import LiteralScalarString

from inkcast.errors import StoryError
from inkcast.story.migrations import migrate
from inkcast.story.script import Panel, Script

LONGEST_FILE = 8_000_000  # bytes
_WIDTH = 100


def read_script(path: Path) -> Script:
    """The script, the paths of its poses and masks from where the program runs.

    Raises:
        StoryError: a missing, huge, binary or malformed file, naming path, line and value.
    """
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= LONGEST_FILE else b""
    except OSError as error:
        raise StoryError(f"cannot read the script {path}: {error.strerror}") from error
    if size > LONGEST_FILE:
        raise StoryError(f"the script {path} has {size} bytes, more than {LONGEST_FILE}: split it into chapters")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StoryError(
            f"{path} is not a text file (byte {error.start} is no UTF-8): save the script as UTF-8"
        ) from error
    script = parse_script(text, str(path))
    return script.model_copy(update={"panels": tuple(_from(path.parent, panel) for panel in script.panels)})


def _from(folder: Path, panel: Panel) -> Panel:
    """The panel, the paths in it from `folder` on."""
    pose = str(folder / panel.pose) if panel.pose else ""
    characters = tuple(
        one.model_copy(update={"mask": str(folder / one.mask)}) if one.mask else one for one in panel.characters
    )
    return panel.model_copy(update={"pose": pose, "characters": characters})


def script_line(path: Path, where: tuple[str | int, ...]) -> int:
    """`line_in` the text of a script's file."""
    return line_in(path.read_text("utf-8-sig"), where)


def line_in(text: str, where: tuple[str | int, ...]) -> int:
    """The line (from 1) of a script's YAML that holds what the keys `where` lead to, or of what is nearest to it."""
    return _line_of(_parse_yaml(text, "script"), where)


def parse_script(text: str, source: str = "script") -> Script:
    """The script `text` says in YAML; `source` names it in messages."""
    document = _parse_yaml(text, source)
    if not isinstance(document, CommentedMap):
        raise StoryError(
            f"{source}: a script is a mapping with 'panels', this is {_kind(document)}; see `inkcast script`"
        )
    migrated = migrate(_plain(document), source)
    try:
        return Script.model_validate(migrated)
    except ValidationError as error:
        raise StoryError(_explain(error, document, source)) from error


def _parse_yaml(text: str, source: str) -> Any:
    try:
        return _round_trip().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" line {mark.line + 1}" if mark else ""
        raise StoryError(f"{source}{line}: not valid YAML: {error.problem or error.context}") from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise StoryError(f"{source}: not valid YAML: {' '.join(str(error).split())[:160]}") from error


def _round_trip() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _kind(document: Any) -> str:
    if document is None:
        return "empty"
    return "a list" if isinstance(document, list) else f"{str(document)[:40]!r}"


def _plain(value: Any) -> Any:
    """ruamel's containers and scalars as plain Python ones."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _explain(error: ValidationError, document: CommentedMap, source: str) -> str:
    """The first complaint in one line: file, line, where in the script, what is wrong, the value."""
    first = error.errors()[0]
    where = tuple(part for part in first["loc"] if not (isinstance(part, str) and part.endswith("]")))
    line = _line_of(document, where)
    name = ".".join(str(part + 1) if isinstance(part, int) else str(part) for part in where)
    value = str(first["input"])
    shown = value if len(value) <= 60 else value[:57] + "…"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{source} line {line}: unknown field '{name}' with value {shown!r}: remove it or correct its name{more}"
    what = first["msg"].removeprefix("Value error, ")
    return f"{source} line {line}: {name}: {what[:1].lower()}{what[1:]}, not {shown!r}{more}"


def _line_of(document: Any, where: tuple[Any, ...]) -> int:
    """The line (from 1) of the deepest part of `where` that the document has."""
    line, node = document.lc.line, document
    for part in where:
        try:
            line = node.lc.key(part)[0] if isinstance(node, CommentedMap) else node.lc.item(part)[0]
            node = node[part]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line + 1


def write_script(script: Script) -> str:
    return _dump(_document(script))


def merge_script(text: str, script: Script) -> str:
    """Raises StoryError where `text` is not YAML."""
    document = _parse_yaml(text, "script")
    wanted = _document(script)
    if not isinstance(document, CommentedMap):
        return _dump(wanted)
    _merge(document, wanted)
    return _dump(document)


def _dump(document: CommentedMap) -> str:
    stream = io.StringIO()
    _round_trip().dump(document, stream)
    return stream.getvalue()


def _document(script: Script) -> CommentedMap:
    data = script.model_dump(mode="json", exclude_defaults=True)
    panels = data.pop("panels", [])
    document = CommentedMap({"version": script.version, **data})
    document["panels"] = _node([_tidy(panel) for panel in panels])
    return document


def _tidy(panel: dict[str, Any]) -> dict[str, Any]:
    if "characters" in panel:
        panel["characters"] = [who["name"] if set(who) == {"name"} else who for who in panel["characters"]]
    return panel


def _node(value: Any) -> Any:
    if isinstance(value, dict):
        return CommentedMap({key: _node(item) for key, item in value.items()})
    if isinstance(value, list):
        node = CommentedSeq([_node(item) for item in value])
        if all(not isinstance(item, dict | list) for item in value):
            node.fa.set_flow_style()
        return node
    return LiteralScalarString(value) if isinstance(value, str) and "\n" in value else value


def _merge(node: Any, wanted: Any) -> None:
    """Changes the mapping `node` into `wanted` in place, so that comments stay where nothing changed."""
    for key in [key for key in node if key not in wanted]:
        del node[key]
    for key, value in wanted.items():
        if key not in node or not _merge_value(node[key], value):
            node[key] = value


def _merge_value(old: Any, new: Any) -> bool:
    """Whether `old` now says `new` without having been replaced."""
    if isinstance(old, CommentedMap) and isinstance(new, CommentedMap):
        _merge(old, new)
        return True
    if isinstance(old, CommentedSeq) and isinstance(new, CommentedSeq):
        for index, value in enumerate(new):
            if index >= len(old):
                old.append(value)
            elif not _merge_value(old[index], value):
                old[index] = value
        del old[len(new) :]
        return True
    if isinstance(old, CommentedMap) and isinstance(new, str):
        return list(old) == ["name"] and old["name"] == new
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)
