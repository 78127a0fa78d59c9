"""Which words a page carries: the script's own, or its translations."""

from __future__ import annotations

from collections.abc import Mapping

from inkcast.page.breaking import clean
from inkcast.page.options import PageOptions
from inkcast.story.script import Line, Panel, Script


def title_text(script: Script, options: PageOptions) -> tuple[str, str]:
    """The comic's title and the language it is in."""
    return _choose(script.title, script.translations, options)


def line_text(line: Line, options: PageOptions) -> tuple[str, str]:
    """A line's text and the language it is in."""
    return _choose(line.text, line.translations, options)


def caption_text(panel: Panel, options: PageOptions) -> tuple[str, str]:
    """A panel's caption and the language it is in."""
    return _choose(panel.caption, panel.translations, options)


def effect_texts(panel: Panel, options: PageOptions) -> list[tuple[str, str]]:
    """A panel's sound effects, each with the language it is in."""
    by_effect = [
        {tag: texts[index] for tag, texts in panel.effect_translations.items()} for index in range(len(panel.effects))
    ]
    return [_choose(own, translations, options) for own, translations in zip(panel.effects, by_effect, strict=True)]


def _choose(own: str, translations: Mapping[str, str], options: PageOptions) -> tuple[str, str]:
    """The translation into the wished language, or into another of its variants;
    the script's own text where there is none.
    """
    if options.language:
        wished = options.language.lower()
        written = {tag: text for tag, text in translations.items() if clean(text)}
        for tag, text in written.items():
            if tag.lower() == wished:
                return text, tag
        for tag, text in written.items():
            if tag.lower().split("-")[0] == wished.split("-")[0]:
                return text, tag
    return own, options.source_language
