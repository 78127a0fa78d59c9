"""What the story tab says of a story and of the engines: read by rules or a model, with the parser's warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

from inkcast.app.context import Studio, User
from inkcast.app.project import Project
from inkcast.app.web.script_rows import standing_notes
from inkcast.cast.names import name_key
from inkcast.engines.registry import DEFAULT
from inkcast.engines.survey import Surveyed, survey
from inkcast.errors import InkcastError, UsageError
from inkcast.story.parser import ParsedStory

Notes = tuple[dict[int, str], tuple[str, ...]]

if TYPE_CHECKING:
    from inkcast.story.names import CastName


def read_story(studio: Studio, user: User, text: str, names: list[str], model: str = "") -> ParsedStory:
    """The story by rules, or by a language model that this studio allows."""
    from inkcast.app.allowed import check_llm
    from inkcast.app.safety import check_words
    from inkcast.story.names import CastName

    if not names:
        raise UsageError("nobody is chosen for this story: tick who is in it, or add characters in the tab Cast")
    check_words(text, "the story")
    library = studio.library(user)
    entries = [library.entry(name) for name in names]
    cast = [CastName(entry.name, entry.pronouns, entry.aliases) for entry in entries]
    if not model.strip():
        return read_plain(text, tuple(cast))
    from inkcast.story.llm import parse_story_with

    check_llm(model.strip(), studio)
    return parse_story_with(model.strip(), text, cast)


@lru_cache(maxsize=16)
def read_plain(text: str, cast: tuple[CastName, ...]) -> ParsedStory:
    """By rules; kept, since a tab that shows warnings reads the same story after each edit."""
    from inkcast.story.importers import import_plain

    return import_plain(text, cast)


def read_again(studio: Studio, user: User, project: Project) -> ParsedStory | None:
    """What the parser says of a project's story, with those of its cast who are still in the library; None where it
    cannot be read."""
    try:
        known = {name_key(name) for entry in studio.library(user).entries() for name in (entry.name, *entry.aliases)}
        return read_story(studio, user, project.story, [name for name in project.cast if name_key(name) in known])
    except InkcastError:
        return None


def notes_on(studio: Studio, user: User, project: Project, found: ParsedStory | None) -> Notes:
    """What the parser had to choose, where it still holds, names that nobody of the cast has, and settings that will
    not do; by panel from 0, and about the whole story."""
    from inkcast.cast.character import Character, CharacterId
    from inkcast.drawing.panel_settings import faults, people_of
    from inkcast.drawing.reading import strangers

    by_panel, whole = standing_notes(found, project.script)
    known: dict[str, Character] = {}
    cast = []
    chosen = {name_key(name) for name in project.cast}
    for entry in studio.library(user).entries():
        keys = {name_key(name) for name in (entry.name, *entry.aliases)}
        if keys & chosen:
            cast.append(entry)
            known |= dict.fromkeys(keys, Character(CharacterId(entry.id), entry.name, ()))
    for stranger in strangers(project.script, known):
        if stranger.drawn:
            usual = "tick them under Who is in it, or take them out"
            advice = f"did you mean {stranger.close}?" if stranger.close else usual
            told = f"{stranger.name} is not in this story: {advice}"
            by_panel[stranger.panel] = "; ".join(filter(None, (by_panel.get(stranger.panel, ""), told)))
    for fault in faults(project.script, people_of(cast), project.choices.engine):
        by_panel[fault.panel] = "; ".join(filter(None, (by_panel.get(fault.panel, ""), fault.told)))
    return by_panel, whole


def warnings_of(notes: Notes, project: Project) -> str:
    """The notes as a list, those about a panel with its number."""
    if not project.script.panels:
        return (
            '<div class="ink-empty"><strong>No script yet</strong><p>Write or paste a story above, tick who is in it, '
            "and press Write the script.</p></div>"
        )
    by_panel, whole = notes
    if not by_panel and not whole:
        return ""
    items = [f"<li><b>Panel {index + 1}</b>{escape(text)}</li>" for index, text in sorted(by_panel.items())]
    items += [f"<li><b>Story</b>{escape(text)}</li>" for text in whole]
    return f'<ul class="ink-warnings" aria-label="What the parser had to choose">{"".join(items)}</ul>'


def engine_choices(base: str) -> list[tuple[str, str]]:
    """Engines for a list; those whose weights this base lacks say so."""
    offered = [("the usual one", "")]
    for found in surveyed(base):
        offered.append((found.name if found.ready else f"{found.name} (no weights here)", found.name))
    return offered


def licence_of(base: str, name: str) -> str:
    """The licence of the weights in use, and where a method comes from."""
    offered = surveyed(base)
    found = next((each for each in offered if each.name == name), None) or usual_of(offered)
    if found is None:
        return '<p class="ink-licence">This base has no weights for any engine.</p>'
    missing = "" if found.ready else f" Missing on this base: {escape(', '.join(found.missing))}."
    return (
        f'<p class="ink-licence">{escape(found.title)}. Code: {escape(found.licence)}. Weights: '
        f"{escape(found.weights)}.{missing}</p>"
    )


def surveyed(base: str) -> tuple[Surveyed, ...]:
    """Every engine; of a base that is not on this machine (another worker's folder) nothing is said to be missing."""
    try:
        return survey(base)
    except UsageError:
        return tuple(replace(each, missing=(), ready=True) for each in survey())


def usual_of(offered: Sequence[Surveyed]) -> Surveyed | None:
    """What draws where no engine is chosen: the default, else the first that has its weights."""
    ready = [each for each in offered if each.ready]
    return next((each for each in ready if each.name == DEFAULT), ready[0] if ready else None)
