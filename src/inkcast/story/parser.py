"""The offline story parser: no model, no network.

A story becomes a `Script` by rules over the cast list. Each step is a module of its own: `quotes` (what is said),
`sentences` (units), `mentions` and `pronouns` (who is spoken of), `discourse` and `resolving` (who "she" is), `speech`
and `dialogue` (who says it), `scenes` (where and when), `clauses` (single actions), `presence` (who is in the picture),
`describe` (pictures in words that stand alone); `panels` calls them in order. The words they know are data:
`languages/*.toml`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from inkcast.errors import StoryError
from inkcast.story.lexicon import Lexicon, detect_language, fold, load_lexicon
from inkcast.story.mentions import NameFinder
from inkcast.story.names import CastName, check_cast
from inkcast.story.panels import PanelMaker, Warning
from inkcast.story.quotes import Quote, find_quotes
from inkcast.story.script import Script
from inkcast.story.sentences import find_units, speech_verbs, speech_words

__all__ = ["CastName", "ParsedStory", "Warning", "clean_story", "parse_story"]

LONGEST_STORY = 1_000_000  # characters, about two long novels
_SHOWN = 60


@dataclass(frozen=True)
class ParsedStory:
    """A script and what was unclear on the way to it.

    From the offline parser, panel i was made from `text[slice(*sources[i])]`, and the sources are the whole text
    but for blanks between them; other parsers leave `sources` empty.
    """

    script: Script
    warnings: tuple[Warning, ...] = ()
    sources: tuple[tuple[int, int], ...] = ()
    text: str = ""


def clean_story(text: str) -> str:
    """`text` in composed characters and plain line ends. Raises StoryError where it is empty, too long or no text."""
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    if "\0" in text:
        raise StoryError("the story is not text: it contains a null character; save it as plain text in UTF-8")
    if not re.search(r"\w", text):
        raise StoryError("the story is empty: write at least one sentence")
    if len(text) > LONGEST_STORY:
        raise StoryError(f"the story has {len(text)} characters, more than {LONGEST_STORY}: split it into chapters")
    return text


def parse_story(text: str, cast: Sequence[CastName], *, language: str | None = None) -> ParsedStory:
    """Turns `text` into a script in which only members of `cast` are characters.

    One sentence makes one panel; long sentences are split into single actions; a panel's caption is the story's own
    text without its quotations, which become balloons. `language` (one of `LANGUAGES`) is guessed when absent.

    Raises:
        StoryError: the story is empty, too long, or names nobody of the cast.
        CastError: a cast name is empty, too long or there twice.
    """
    check_cast(cast)
    text = clean_story(text)
    lexicon = load_lexicon(language or detect_language(text))
    quotes, unclosed = find_quotes(text, speech_words(lexicon))
    finder, verbs = NameFinder(cast, lexicon, text), speech_verbs(lexicon)
    quotes = tuple(quote for quote in quotes if not _only_names(text, quote, finder, verbs))
    maker = PanelMaker(text, finder, lexicon, find_units(text, quotes, lexicon, _last_words(cast, lexicon)))
    maker.make()
    if cast and not maker.named:
        names = ", ".join(
            member.name if len(member.name) <= _SHOWN else member.name[:_SHOWN] + "…" for member in cast[:6]
        )
        raise StoryError(f"the story names nobody of the cast ({names}): use their names in it, or another cast")
    unread = "a quotation is opened but not closed; read to the end of its paragraph"
    notes = [Warning(text[position : position + _SHOWN], unread) for position in unclosed]
    absent = [member.name for index, member in enumerate(cast) if index not in maker.met]
    notes += [Warning("", f"{name} does not appear in the story") for name in absent]
    return ParsedStory(Script(panels=tuple(maker.panels)), (*maker.warnings, *notes), tuple(maker.sources), text)


def _last_words(cast: Sequence[CastName], lexicon: Lexicon) -> frozenset[str]:
    """The words names end in, but for titles ("Dr.") and initials."""
    titles = lexicon.titles
    words = {fold(word) for member in cast for name in (member.name, *member.aliases) for word in name.split()}
    never = {*titles.he, *titles.she, *titles.any, *titles.abbreviations}
    return frozenset(word for word in words if word not in never and len(word) > 1 and word.isalpha())


def _only_names(text: str, quote: Quote, finder: NameFinder, verbs: re.Pattern[str]) -> bool:
    """Whether the marks hold a name in the middle of a sentence, not speech: 'Margaret "Maggie" Smith'."""
    before = re.search(r"(\w+|&)\s+$", text[max(quote.start - _SHOWN, 0) : quote.start])
    after = re.compile(r"\s+\w").match(text, quote.end)
    if not before or not after or verbs.fullmatch(fold(before[1])):
        return False
    whole = any((m.start, m.end) == (quote.inner, quote.outer) for m in finder.find(text, quote.inner, quote.outer))
    between = before[1][0].isupper() and after[0][-1].isupper() and re.fullmatch(r"\w+", quote.said(text))
    return whole or bool(between)
