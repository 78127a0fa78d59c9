"""A panel as the words a picture model reads."""

from __future__ import annotations

import re
from dataclasses import dataclass

from inkcast.story.lexicon import detect_language, fold, load_lexicon
from inkcast.story.scenes import find_time
from inkcast.story.script import Panel
from inkcast.story.styles import Style


@dataclass(frozen=True)
class Prompt:
    positive: str
    negative: str = ""


def panel_prompt(panel: Panel, style: Style | None = None) -> Prompt:
    """One caption-like sentence: description, then place and time where it does not name them, shot, view, style.

    Place and time are added only once, so a description that already says "in the park at night" stays as it is.
    """
    description = re.sub(r"[\s.!?。!?]+$", "", panel.description.strip())
    setting = [_setting(panel.place, description), _setting(_untold(panel.time, description), description)]
    positive = " ".join([description, *(part for part in setting if part)])
    extras = [panel.shot, panel.view, style.prompt if style else ""]
    return Prompt(
        ", ".join(part.strip() for part in [positive, *extras] if part.strip()), style.negative if style else ""
    )


def _untold(time: str, description: str) -> str:
    """The parts of a panel's time that its description does not tell in words of its own ("it rained")."""
    told = find_time(description, load_lexicon(detect_language(description)))
    return ", ".join(part for part in (part.strip() for part in time.split(",")) if part not in told)


def _setting(words: str, description: str) -> str:
    """`words` (a place or time) ready to follow the description; empty if it is named there already."""
    words = words.strip()
    if not words or fold(words) in fold(description):
        return ""
    if detect_language(description) != "en":
        return words
    return ", ".join(_with_preposition(part.strip()) for part in words.split(","))


def _with_preposition(words: str) -> str:
    lexicon = load_lexicon("en")
    first = fold(words).split()[0]
    if first in {*lexicon.place.at, *lexicon.place.into, *lexicon.place.adverbs}:
        return "at home" if words == "home" else words
    if words in lexicon.time:
        return {"night": "at night", "noon": "at noon", "dawn": "at dawn", "sunset": "at sunset", "day": "by day"}.get(
            words, f"in the {words}"
        )
    if words in lexicon.weather:
        return "on a sunny day" if words == "sunny" else f"in the {words}"
    article = "" if re.match(r"(?:the|a|an|his|her|their)\b", fold(words)) or words[:1].isupper() else "the "
    return f"{_PREPOSITIONS.get(fold(words).split()[-1], 'in')} {article}{words}"


_PREPOSITIONS = {
    word: preposition
    for preposition, words in {
        "on": "beach road bridge stage roof rooftop deck island boat ship raft train bus moon mars hill hilltop "
        "balcony terrace stairs staircase pier coast shore cliff farm planet summit peak path trail bench playground",
        "at": "school harbor harbour station stop airport door gate gates corner fountain counter lake river "
        "seaside pool market fair crossroads bank lighthouse",
    }.items()
    for word in words.split()
}
