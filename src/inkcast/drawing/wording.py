"""A panel's words with the cast marked in them, for engines to say in their own way."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from unicodedata import name as unicode_name
from unicodedata import normalize

from inkcast.cast.character import Character, CharacterId
from inkcast.cast.names import name_key
from inkcast.drawing.panel_settings import people_of, resolved
from inkcast.drawing.retelling import framing, is_caption, retelling_for
from inkcast.engines.engine import Member, PanelPrompt, Style
from inkcast.story.prompts import panel_prompt
from inkcast.story.script import Panel, Presence
from inkcast.story.styles import get_style

# What a prompt calls somebody of whom only the pronouns are known; the toon base has drawn no grown-ups.
NOUNS = {"she": "a woman", "he": "a man", "it": "a creature", "they": "a person", "": "a person"}
TOON_NOUNS = {"she": "a girl", "he": "a boy", "it": "a robot", "they": "a girl", "": "a girl"}


def prompt_of(panel: Panel, cast: Sequence[Character], nouns: Mapping[str, str] = NOUNS) -> PanelPrompt:
    """The panel's words as parts; cast members it lists but does not mention are added at the end."""
    by_name = {name_key(name): one for one in cast for name in (one.name, *one.aliases)}
    present = [(by_name[name_key(presence.name)], presence) for presence in panel.characters]
    members = tuple(
        Member(one.id, one.name, noun_of(one, presence, nouns), presence.box, presence.state)
        for one, presence in present
    )
    parts = marked(panel_prompt(panel).positive, [one for one, _ in present])
    for one, presence in present:
        if one.id not in parts:
            parts += [" and " if parts else "", one.id]
        if presence.action and presence.action.lower() not in panel.description.lower():
            parts += [", ", one.id, f" {presence.action}"]
    return PanelPrompt(tuple(parts), members, resolved(panel.engine, people_of(cast)))


def toon_prompt_of(panel: Panel, cast: Sequence[Character], language: str = "en") -> PanelPrompt:
    """`prompt_of` for a base of the drawn world: who is there, what they do, and where, in the words of its captions.

    A description in those words stays as it is; any other, in any `language`, would be noise to it.
    """
    told = prompt_of(panel, cast, TOON_NOUNS)
    ids = [member.id for member in told.members]
    words = " ".join(part for part in told.parts if part not in ids)
    if is_caption(words):
        return told
    world = retelling_for(language)
    deeds = [world.deed(presence.action or words, len(ids)) for presence in panel.characters]
    parts: list[str | CharacterId] = []
    for number, one in enumerate(ids):
        alike = number + 1 < len(ids) and deeds[number + 1] == deeds[number]
        parts += [one, " and " if alike else f" {deeds[number]} and "]
    parts[-1:] = [f" {deeds[-1]}"] if parts else [f"{who} {world.deed(words, 1)}"] if (who := world.who(words)) else []
    if held := world.holding(words):
        parts.append(f" with {held}" if parts else held)
    parts += [f" {where}"] if (where := world.setting(words, panel.place, panel.time)) else []
    parts += [f", {shot}"] if (shot := framing(f"{panel.shot} {panel.view}")) else []
    return replace(told, parts=tuple(parts) or told.parts)


def marked(text: str, cast: Sequence[Character]) -> list[str | CharacterId]:
    """`text` cut at the names of the cast, each replaced by the id: whole words, the longest name first; any space is a
    space, and an apostrophe may be straight or curly.

    Chinese, Japanese and Korean write on after a name: there one of two signs or more is found anywhere.
    """
    spelled = {normalize("NFC", name): one.id for one in cast for name in (one.name, *one.aliases)}
    if not spelled:
        return [text]
    names, ids = sorted(spelled, key=len, reverse=True), {name_key(name): who for name, who in spelled.items()}
    # A group for each name: the expression holds letters to be equal, such as ı and I, that `name_key` tells apart.
    pattern = re.compile("|".join(f"({_whole_word(name)})" for name in names), re.IGNORECASE)
    text, done, parts = normalize("NFC", text), 0, list[str | CharacterId]()
    for found in pattern.finditer(text):
        assert found.lastindex is not None
        who = ids.get(name_key(found[0]), spelled[names[found.lastindex - 1]])
        parts += [text[done : found.start()], who] if done < found.start() else [who]
        done = found.end()
    return [*parts, text[done:]] if done < len(text) else parts


def _whole_word(name: str) -> str:
    before, after = (
        "" if is_unspaced(edge) and len(name) > 1 else guard
        for edge, guard in ((name[0], r"(?<!\w)"), (name[-1], r"(?!\w)"))
    )
    letters = ("['’]" if letter in "'’" else r"\s+" if letter.isspace() else re.escape(letter) for letter in name)
    return f"{before}{''.join(letters)}{after}"


def is_unspaced(letter: str) -> bool:
    return unicode_name(letter, "").startswith(("CJK", "HIRAGANA", "KATAKANA", "HANGUL"))


def noun_of(character: Character, presence: Presence, nouns: Mapping[str, str]) -> str:
    """The character's description, else a noun for the pronouns; with the words of the state the panel asks for."""
    noun = character.description.strip() or nouns[character.pronouns]
    states = {state.name.casefold(): state.description or state.name for state in character.states}
    state = states.get(presence.state.casefold(), presence.state)
    return f"{noun} {state}".strip()


def style_of(panel: Panel, style: str, negative: str) -> Style:
    """The panel's own style, else the comic's; `negative` is added to what the style keeps out."""
    name = panel.style or style
    chosen = get_style(name) if name else None
    kept_out = ", ".join(words for words in (chosen.negative if chosen else "", negative) if words)
    return Style(name, chosen.prompt if chosen else "", kept_out)
