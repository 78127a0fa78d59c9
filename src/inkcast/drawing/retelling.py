"""A story's words in those of the drawn world: its captions know thirteen actions, twelve places, the present tense.

What tells of them stands in `toon_words/*.toml`, a file for each language that stories are read in.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from inkcast.story.lexicon import UNSPACED
from inkcast.toon.captions import corpus, with_article
from inkcast.toon.dataset import sample_scene
from inkcast.toon.world import JOINT_ACTIONS, KINDS

CAPTIONS = 800  # enough for every word of their grammar to come up
_FRAMING: Mapping[str, str] = {
    "close-up": "close-up closeup close.up portrait",
    "medium shot": "medium waist half-body",
    "wide shot": "wide. long.shot full.body establishing",
    "seen from behind": "behind. back.view",
    "seen from the side": "side. profile",
}
_SKYLESS = ("on the moon", "in a cave")
_INDOORS = ("in the kitchen", "in the bedroom", "in the library", "in the castle")
_HOURS = ("at night", "at sunset")


def is_caption(words: str) -> bool:
    """Whether the drawn world's captions know every word, so that nothing need be said otherwise."""
    return all(word in known_words() for word in _words(words))


@cache
def known_words() -> frozenset[str]:
    """The words of the drawn world's captions, as many of them say it."""
    rng = np.random.default_rng(0)
    said = corpus(rng, (sample_scene(rng) for _ in range(CAPTIONS)))
    return frozenset(word for text in said for word in _words(text)) | {f"{kind}s" for kind in KINDS}


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.lower())


@dataclass(frozen=True)
class Retelling:
    """The drawn world in the words of one language. Tables of stems: one that ends in "." is a whole word, one with
    "." inside is several words."""

    language: str
    deeds: Mapping[str, str]
    places: Mapping[str, str]
    hours: Mapping[str, str]
    kinds: Mapping[str, str]
    things: Mapping[str, str]

    def deed(self, words: str, people: int) -> str:
        """The action that `words` tell of first, for so many people; "standing" where they tell none."""
        found = [name for name in self._told(words, self.deeds) if people > 1 or name not in JOINT_ACTIONS]
        return found[0] if found else "standing"

    def setting(self, words: str, place: str = "", time: str = "") -> str:
        """Place, time of day and weather: from `place` and `time` where they say it, else from `words`."""
        where = next(iter(self._told(place, self.places) or self._told(words, self.places)), "")
        when = self._told(time, self.hours) or self._told(words, self.hours)
        seen: Sequence[str] = () if where in _SKYLESS else _HOURS if where in _INDOORS else tuple(self.hours)
        return " ".join([where, *(one for one in when if one in seen)]).strip()

    def who(self, words: str) -> str:
        """Who of the drawn world's kinds is spoken of: "a cat and a robot"."""
        return _listed(self._told(words, self.kinds))

    def holding(self, words: str) -> str:
        """What of the drawn world's things is there: "a lantern and a bag"."""
        return _listed(self._told(words, self.things))

    def _told(self, words: str, table: Mapping[str, str]) -> list[str]:
        return _told(words, table, spaced=self.language not in UNSPACED)


@cache
def retelling_for(language: str) -> Retelling:
    """The tables of one of `LANGUAGES`."""
    file = resources.files("inkcast.drawing").joinpath("toon_words", f"{language}.toml")
    return Retelling(language, **tomllib.loads(file.read_text("utf-8")))


def framing(words: str) -> str:
    """Shot and view of the drawn world, with commas."""
    return ", ".join(_told(words, _FRAMING, spaced=True))


def _told(words: str, table: Mapping[str, str], *, spaced: bool) -> list[str]:
    """The table's entries that `words` tell of, the first one told first."""
    folded = words.lower()
    found = [(match.start(), name) for name in table if (match := _pattern(table[name], spaced).search(folded))]
    return [name for _, name in sorted(found)]


@cache
def _pattern(stems: str, spaced: bool) -> re.Pattern[str]:
    if not spaced:
        return re.compile("|".join(map(re.escape, stems.split())))
    ends = (r"\b" if stem.endswith(".") else "" for stem in stems.split())
    parts = (r"\W+".join(map(re.escape, stem.rstrip(".").split("."))) for stem in stems.split())
    return re.compile(rf"\b(?:{'|'.join(part + end for part, end in zip(parts, ends, strict=True))})")


def _listed(nouns: Sequence[str]) -> str:
    return " and ".join(with_article(noun) for noun in nouns)
