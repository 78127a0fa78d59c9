"""Plain text: a title on a line of its own, then the story."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from inkcast.story.names import CastName
from inkcast.story.parser import ParsedStory, clean_story, parse_story

LONGEST_TITLE = 12  # words, or signs where words are not spaced
_SENTENCE_END = r"[.!?…。！？]"
_NO_TITLE = re.compile(rf"[\"“”„«»「」『』:：;,，、]|{_SENTENCE_END}\s*$|\s[-–—]\s*$|^[-–—#*]")


def import_plain(text: str, cast: Sequence[CastName], *, language: str | None = None) -> ParsedStory:
    """Like `parse_story`; a title above the story is the script's title and no panel."""
    text = clean_story(text)
    title, start = split_title(text)
    if not title:
        return parse_story(text, cast, language=language)
    parsed = parse_story(text[start:], cast, language=language)
    sources = tuple((start + a, start + b) for a, b in parsed.sources)
    return replace(parsed, script=parsed.script.model_copy(update={"title": title}), sources=sources, text=text)


def split_title(text: str) -> tuple[str, int]:
    """The title and where the story begins; ("", 0) without one.

    A title is a short first line that ends as no sentence does, with an empty line below it and sentences that do end
    after that.
    """
    title, _, below = text.lstrip().partition("\n")
    empty, _, rest = below.partition("\n")
    story, title = rest.lstrip(), title.rstrip()
    if empty.strip() or not story or not re.search(r"\w", title) or _NO_TITLE.search(title):
        return "", 0
    words = re.findall(r"[぀-ヿ㐀-鿿]|\w+", title)
    paragraph = re.split(r"\n\s*\n", story, maxsplit=1)[0].rstrip()
    if len(words) > LONGEST_TITLE or not re.search(rf"{_SENTENCE_END}\s?[\"'”’»«“」』)\]]*$", paragraph):
        return "", 0
    return title, len(text) - len(story)
