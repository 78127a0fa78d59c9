"""AnyStory's storyboard JSON (its comic demo): a role table and shots, each with a narration and an English prompt."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from inkcast.errors import StoryError
from inkcast.story.names import CastName, check_cast
from inkcast.story.parser import ParsedStory, Warning
from inkcast.story.script import Panel, Presence, Script

TITLE, ROLES, SHOTS = "故事梗概", "角色表", "分镜头"
NAME, ALIAS, ROLE_PROMPT = "角色名", "alias", "simple_prompt"
NUMBER, CAST, NARRATION, SCENE, PROMPT = "序号", "出场角色", "旁白", "场景描述", "prompt"


def import_storyboard(text: str, cast: Sequence[CastName] = (), *, language: str | None = None) -> ParsedStory:
    """One panel per shot: the prompt with its ROLE-X replaced by names, the narration as the caption.

    With a `cast`, warns of roles that are not in it. `language` is not needed: the prompts are English.

    Raises:
        StoryError: no JSON, or a key is missing or of the wrong kind (named, with the shot's number).
    """
    check_cast(cast)
    board = _load(text)
    roles = _roles(board)
    shots = _list(board, SHOTS, "the storyboard")
    ordered = sorted(enumerate(shots, 1), key=lambda pair: _number(pair[1], pair[0]))
    panels = tuple(_panel(shot, index, roles) for index, shot in ordered)
    if not panels:
        raise StoryError(f"the storyboard has no shots: '{SHOTS}' is empty")
    known = {name.casefold() for member in cast for name in (member.name, *member.aliases)}
    missing = [name for name in roles.values() if cast and name.casefold() not in known]
    warnings = tuple(Warning("", f"the role '{name}' of the storyboard is not in the cast") for name in missing)
    return ParsedStory(Script(title=str(board.get(TITLE, "")), panels=panels), warnings)


def storyboard_roles(text: str) -> tuple[tuple[str, str], ...]:
    """(name, what they look like) of every role of a storyboard, in order."""
    roles = _list(_load(text), ROLES, "the storyboard")
    return tuple((str(role[NAME]), str(role.get(ROLE_PROMPT, ""))) for role in roles)


def _load(text: str) -> dict[str, Any]:
    try:
        board = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = f" line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise StoryError(f"the storyboard is not valid JSON{line}: {str(error)[:120]}") from error
    if not isinstance(board, dict):
        raise StoryError(f"the storyboard is not a JSON object with '{ROLES}' and '{SHOTS}'")
    return board


def _list(holder: Mapping[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    entries = holder.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise StoryError(f"{where} has no list of objects '{key}': is this an AnyStory storyboard?")
    return entries


def _roles(board: Mapping[str, Any]) -> dict[str, str]:
    """Alias ("ROLE-A") to name."""
    roles = {}
    for number, role in enumerate(_list(board, ROLES, "the storyboard"), 1):
        for key in (NAME, ALIAS):
            if not isinstance(role.get(key), str) or not role[key].strip():
                raise StoryError(f"role {number} of the storyboard has no '{key}'")
        roles[role[ALIAS].strip()] = role[NAME].strip()
    return roles


def _number(shot: Mapping[str, Any], index: int) -> int:
    number = shot.get(NUMBER, index)
    if isinstance(number, bool) or not isinstance(number, int):
        raise StoryError(f"shot {index} of the storyboard: '{NUMBER}' is {number!r}, not a whole number")
    return number


def _panel(shot: Mapping[str, Any], index: int, roles: Mapping[str, str]) -> Panel:
    prompt = str(shot.get(PROMPT) or shot.get(SCENE) or "").strip()
    if not prompt:
        raise StoryError(f"shot {index} of the storyboard has neither '{PROMPT}' nor '{SCENE}'")
    present = shot.get(CAST) or [roles.get(alias, alias) for alias in shot.get("act_roles", ())]
    if not isinstance(present, list) or not all(isinstance(name, str) for name in present):
        raise StoryError(f"shot {index} of the storyboard: '{CAST}' is not a list of names")
    unknown = [name for name in present if name not in roles.values()]
    if unknown:
        raise StoryError(f"shot {index} of the storyboard shows '{unknown[0]}', who is not in '{ROLES}'")
    aliases = "|".join(re.escape(alias) for alias in sorted(roles, key=len, reverse=True)) or r"(?!)"
    described = re.sub(rf"(?<![\w-])(?:{aliases})(?!\w)", lambda match: roles[match.group()], prompt)
    characters = tuple(Presence(name=name) for name in dict.fromkeys(present))
    return Panel(description=described, characters=characters, caption=str(shot.get(NARRATION, "")).strip())
