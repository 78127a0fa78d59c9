"""What a language model is asked for, and the checks its script must pass before anybody draws from it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from inkcast.story.lexicon import Lexicon, alternation, fold
from inkcast.story.names import CastName
from inkcast.story.quotes import find_quotes
from inkcast.story.script import Panel, Script
from inkcast.story.sentences import find_units, speech_words

_KEPT = 0.5  # share of a sentence's words that captions, balloons and descriptions must hold between them

INSTRUCTIONS = """\
You turn a story into the script of a comic. Answer with the script only.
- One panel per sentence, in the story's order; a long sentence may become several panels, one action each.
  Leave nothing out, add nothing.
- description: one short, simple sentence that says what the picture shows, in the story's language and close
  to its words. Write the full name of every cast member it shows ("Taylor Swift", never "Taylor").
  Never write a pronoun such as he, she, him, her, his, they, it.
- characters: the cast members visible in the picture, by their full names. Nobody who is not in the cast.
- caption: the story's own words for the panel, without its quotations. Empty if nothing is left.
- dialogue: every quotation, word for word, with its speaker's full name (null if the speaker is not in the
  cast) and kind.
- place and time: short, carried over from panel to panel until they change.
"""


def request(text: str, cast: Sequence[CastName]) -> str:
    """The message with the cast and the story."""
    lines = [f"- {member.name}{_asides(member)}" for member in cast]
    return "The cast:\n" + "\n".join(lines) + "\n\nThe story:\n" + text


def _asides(member: CastName) -> str:
    asides = [member.pronouns] if member.pronouns else []
    asides += [f"also called {', '.join(member.aliases)}"] if member.aliases else []
    return f" ({'; '.join(asides)})" if asides else ""


def complaints(script: Script, text: str, cast: Sequence[CastName], lexicon: Lexicon) -> list[str]:
    """What is wrong with a model's script, each as an instruction to do better; empty if nothing is."""
    if not script.panels:
        return ["The script has no panels. Write one panel per sentence."]
    found = [
        *_strangers(script, cast),
        *_pronouns(script, lexicon),
        *_disorder(script, text),
        *_lost(script, text, lexicon),
    ]
    if any(panel.pose for panel in script.panels):
        found.append("A panel has a pose. Leave pose empty: only people name files.")
    if any(presence.mask for panel in script.panels for presence in panel.characters):
        found.append("A character has a mask. Leave mask empty: only people name files.")
    if cast and not any(panel.characters for panel in script.panels):
        found.append("No panel has characters. List the cast members each picture shows.")
    return found


def _strangers(script: Script, cast: Sequence[CastName]) -> list[str]:
    names = {member.name for member in cast}
    used = {presence.name for panel in script.panels for presence in panel.characters}
    used |= {line.speaker for panel in script.panels for line in panel.dialogue if line.speaker}
    return [f"{name!r} is not in the cast. Use only: {', '.join(sorted(names))}." for name in sorted(used - names)]


def _pronouns(script: Script, lexicon: Lexicon) -> list[str]:
    forms = {form for gender in ("he", "she", "they") if gender in lexicon.pronouns for form in _every(lexicon, gender)}
    if not forms:
        return []
    pattern = alternation(tuple(sorted(forms)), spaced=lexicon.spaced)
    return [
        f"Panel {number}: the description says {match.group()!r}. Write the full name instead."
        for number, panel in enumerate(script.panels, 1)
        if (match := pattern.search(fold(panel.description)))
    ]


def _every(lexicon: Lexicon, gender: str) -> tuple[str, ...]:
    forms = lexicon.pronouns[gender]  # type: ignore[index]
    possessive = () if gender != "he" and lexicon.language in ("fr", "es") else forms.possessive
    return (*forms.subject, *forms.object, *possessive)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", fold(text)))


def _disorder(script: Script, text: str) -> list[str]:
    """Panels whose words come earlier in the story than those of the panel before."""
    story, reached = _plain(text), 0
    for number, panel in enumerate(script.panels, 1):
        places = [story.find(_plain(words)) for words in _own_words(panel) if _plain(words)]
        known = [place for place in places if place >= 0]
        if known and max(story.rfind(_plain(words)) for words in _own_words(panel)) < reached:
            return [f"Panel {number} is out of order. Keep the panels in the story's order."]
        reached = max([reached, *known[:1]])
    return []


def _own_words(panel: Panel) -> list[str]:
    return [words for words in (panel.caption, *(line.text for line in panel.dialogue)) if words]


def _lost(script: Script, text: str, lexicon: Lexicon) -> list[str]:
    """The first sentence of the story that hardly any panel holds words of."""
    held: set[str] = set()
    for panel in script.panels:
        held.update(_words(" ".join([panel.description, *_own_words(panel)]), lexicon))
    quotes, _ = find_quotes(text, speech_words(lexicon))
    for unit in find_units(text, quotes, lexicon):
        words = _words(text[unit.start : unit.end], lexicon)
        if words and sum(word in held for word in words) < _KEPT * len(words):
            return [f"The script leaves out: {text[unit.start : unit.end][:120]!r}. Leave nothing out."]
    return []


def _words(text: str, lexicon: Lexicon) -> list[str]:
    return re.findall(r"\w+", fold(text)) if lexicon.spaced else re.findall(r"\w", text)
