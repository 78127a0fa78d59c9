"""ViStoryBench as a suite, read from its folder as it is distributed.

That is `STORY/story.json` and `STORY/image/CHARACTER/*.jpg`, stories named by number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inkcast.cast.character import Character, CharacterId
from inkcast.drawing.wording import marked
from inkcast.engines.engine import Member, PanelPrompt
from inkcast.errors import UsageError
from inkcast.evaluation.protocols import character_from, pictures_in, seed_of
from inkcast.evaluation.suites import Commission, Suite
from inkcast.files import shown


class _Words(BaseModel):
    model_config = ConfigDict(extra="ignore")

    en: str = ""


class _Names(BaseModel):
    model_config = ConfigDict(extra="ignore")

    en: tuple[str, ...] = ()


class _Shot(BaseModel):
    model_config = ConfigDict(extra="ignore")

    index: int
    setting: _Words = Field(default_factory=_Words, alias="Setting Description")
    plot: _Words = Field(default_factory=_Words, alias="Plot Correspondence")
    appearing: _Names = Field(default_factory=_Names, alias="Characters Appearing")
    static: _Words = Field(default_factory=_Words, alias="Static Shot Description")
    camera: _Words = Field(default_factory=_Words, alias="Shot Perspective Design")


class _Character(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name_en: str = ""
    prompt_en: str = ""
    tag: str = ""


class _Story(BaseModel):
    model_config = ConfigDict(extra="ignore")

    shots: tuple[_Shot, ...] = Field(alias="Shots")
    characters: dict[str, _Character] = Field(alias="Characters")


def vistory_suite(folder: Path, seed: int, images: int = 1, limit: int | None = None) -> Suite:
    """Every shot of every story, in English, drawn `images` times; a section per number of characters on stage.

    Names in a shot's words are told to the engine as characters; those that the words leave out are added. All of a
    character's pictures are its references.

    Raises `UsageError` naming the file that does not fit or the character without pictures.
    """
    stories = [path for path in numbered(folder) if (path / "story.json").is_file()][:limit]
    if not stories:
        raise UsageError(f"{shown(folder)} holds no numbered folder with a story.json: give ViStoryBench's data folder")
    commissions = [one for path in stories for one in story_commissions(path, seed, images)]
    about = f"ViStoryBench (arXiv 2505.24862): {len(stories)} stories, {len(commissions)} pictures, in English."
    return Suite("vistory", tuple(commissions), about)


def numbered(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UsageError(f"{shown(folder)} is not a folder: give ViStoryBench's data folder")
    return sorted((path for path in folder.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))


def story_commissions(path: Path, seed: int, images: int) -> list[Commission]:
    story = _read_story(path / "story.json")
    cast: dict[str, Character] = {}
    commissions = []
    for shot in story.shots:
        names = [name.strip() for name in shot.appearing.en if name.strip() in story.characters]
        for name in names:
            if name not in cast:
                cast[name] = _character(path, name, story.characters[name])
        people = tuple(cast[name] for name in dict.fromkeys(names))
        nouns = {cast[name].id: story.characters[name].prompt_en for name in names}
        section = {0: "nobody", 1: "one character", 2: "two characters"}.get(len(people), "three characters or more")
        panel = shot_prompt(shot, people, nouns)
        commissions += [
            Commission(key, people, panel, seed_of(seed, key), section, path.name)
            for key in (f"{path.name}/{shot.index}/{image}" for image in range(images))
        ]
    return commissions


def shot_prompt(shot: _Shot, people: Sequence[Character], nouns: Mapping[CharacterId, str]) -> PanelPrompt:
    """Static description, setting and camera in one sentence; the first clause of a character's prompt is its noun."""
    words = ", ".join(
        piece for piece in (text.en.strip(" .;") for text in (shot.static, shot.setting, shot.camera)) if piece
    )
    parts = marked(words, people)
    for one in people:
        if one.id not in parts:
            parts += [", ", one.id]
    members = tuple(
        Member(one.id, one.name, re.split(r"[,.;]", nouns[one.id])[0].strip() or one.name) for one in people
    )
    return PanelPrompt(tuple(parts), members)


def _character(path: Path, name: str, entry: _Character) -> Character:
    images = path / "image"
    # Looked up in the listing: a name in a file never becomes a path.
    places = {place.name: place for place in images.iterdir() if place.is_dir()} if images.is_dir() else {}
    pictures = pictures_in(places[name]) if name in places else []
    if not pictures:
        raise UsageError(f"{shown(images)} has no pictures of {name!r}, who appears in {shown(path / 'story.json')}")
    known = character_from(f"{path.name}-{name}", pictures)
    return Character(known.id, entry.name_en or name, known.references, aliases=(name,))


def _read_story(path: Path) -> _Story:
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        return _Story.model_validate(data)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{shown(path)} is not JSON: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{shown(path)}: {where or 'the whole'}: {first['msg']}") from error
