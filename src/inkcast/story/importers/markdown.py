"""Markdown stories: the first heading is the title, others caption the panel after them; `**Ann:** text` is speech."""

from __future__ import annotations

import re
from collections.abc import Sequence

from inkcast.errors import StoryError
from inkcast.story.lexicon import Lexicon, detect_language, load_lexicon
from inkcast.story.mentions import NameFinder
from inkcast.story.names import CastName
from inkcast.story.parser import ParsedStory, clean_story, parse_story
from inkcast.story.script import Script

_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n(?:---|\.\.\.)\n", re.DOTALL)
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_UNDERLINE = re.compile(r"^(=+|-{2,})\s*$")
_RULE = re.compile(r"^\s*(?:[-*_]\s*){3,}$")
_LABEL = re.compile(r"^(?:\*\*|__)?(?P<name>[^:*_]{1,60}?)(?::(?:\*\*|__)|(?:\*\*|__)?:)\s+(?P<said>\S.*)$", re.DOTALL)
_INLINE = (
    (re.compile(r"<!--.*?-->", re.DOTALL), ""),
    (re.compile(r"!\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"`+([^`]*)`+"), r"\1"),
    (re.compile(r"(?<![\\\w])(\*{1,3}|_{1,3})(?=\S)(.+?)(?<=\S)\1(?!\w)", re.DOTALL), r"\2"),
    (re.compile(r"</?[a-zA-Z][^>]*>"), ""),
    (re.compile(r"\\([\\`*_{}\[\]()#+.!>~-])"), r"\1"),
)


def import_markdown(text: str, cast: Sequence[CastName], *, language: str | None = None) -> ParsedStory:
    """Like `parse_story`, for Markdown. Headings are no sentences: they caption the panel that follows them."""
    text = clean_story(text)
    title, text = _front_matter(text)
    lexicon = load_lexicon(language or detect_language(text))
    finder = NameFinder(cast, lexicon)
    paragraphs: list[str] = []
    headings: dict[int, list[str]] = {}
    for block in _blocks(text):
        heading = _HEADING.match(block)
        if heading and not title and not paragraphs and len(heading.group(1)) == 1:
            title = plain(heading.group(2))
        elif heading:
            headings.setdefault(len(paragraphs), []).append(plain(heading.group(2)))
        else:
            paragraphs.append(_prose(block, finder, lexicon))
    if not paragraphs:
        raise StoryError("the story has headings only: write at least one sentence")
    parsed = parse_story("\n\n".join(paragraphs), cast, language=lexicon.language)
    return _with_headings(parsed, title, headings, paragraphs)


def _front_matter(text: str) -> tuple[str, str]:
    match = _FRONT_MATTER.match(text)
    if not match:
        return "", text
    title = re.search(r"^title:\s*[\"']?(.*?)[\"']?\s*$", match.group(1), re.MULTILINE)
    return (title.group(1) if title else ""), text[match.end() :]


def _blocks(text: str) -> list[str]:
    """Paragraphs, list items and headings; rules are dropped, a heading is always `# …`."""
    blocks: list[str] = []
    current: list[str] = []

    def close() -> None:
        if current:
            blocks.append(" ".join(current))
            current.clear()

    for line in text.split("\n"):
        bare = re.sub(r"^\s{0,3}(?:>\s?)+", "", line).strip()
        if current and len(current) == 1 and _UNDERLINE.match(bare):
            level = 1 if bare.startswith("=") else 2
            current[0] = "#" * level + " " + current[0]
            close()
        elif not bare or _RULE.match(bare) or bare.startswith(("```", "~~~")):
            close()
        elif _HEADING.match(bare):
            close()
            blocks.append(bare)
        else:
            item = re.match(r"^(?:[-*+]|\d+[.)])\s+(?:\[[ xX]\]\s+)?", bare)
            if item or _LABEL.match(bare):
                close()
            current.append(bare[item.end() :] if item else bare)
    close()
    return blocks


def _prose(block: str, finder: NameFinder, lexicon: Lexicon) -> str:
    label = _LABEL.match(block)
    if label:
        name = plain(label["name"]).strip()
        found = list(finder.find(name, 0, len(name)))
        if len(found) == 1 and found[0].end - found[0].start == len(name):
            said = re.sub(r'["“”„«»「」]', "'", plain(label["said"]))
            return lexicon.speech.tagged.format(text=said, name=finder.cast[found[0].members[0]].name)
    return plain(block)


def plain(text: str) -> str:
    """`text` without Markdown's inline marks."""
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return text.strip()


def _with_headings(
    parsed: ParsedStory, title: str, headings: dict[int, list[str]], paragraphs: Sequence[str]
) -> ParsedStory:
    starts, position = [], 0
    for paragraph in paragraphs:
        starts.append(position)
        position += len(paragraph) + 2
    panels = list(parsed.script.panels)
    for index, words in headings.items():
        first = next(
            (i for i, span in enumerate(parsed.sources) if index < len(starts) and span[0] >= starts[index]),
            len(panels) - 1,
        )
        caption = "\n".join([*words, panels[first].caption] if panels[first].caption else words)
        panels[first] = panels[first].model_copy(update={"caption": caption})
    return ParsedStory(Script(title=title, panels=tuple(panels)), parsed.warnings, parsed.sources, parsed.text)
