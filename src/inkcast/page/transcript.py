"""A page in words, for readers who listen and for search."""

from __future__ import annotations

from inkcast.page.breaking import clean
from inkcast.page.layout import PageLayout
from inkcast.page.options import PageOptions
from inkcast.page.translation import caption_text, effect_texts, line_text
from inkcast.story.script import Script


def transcript(script: Script, page: PageLayout, options: PageOptions) -> str:
    """Every panel of a page: what it shows, then what is written in it."""
    parts: list[str] = []
    for frame in page.frames:
        panel = script.panels[frame.panel]
        parts.append(_sentence(panel.description))
        caption = clean(caption_text(panel, options)[0])
        if caption and caption != clean(panel.description):
            parts.append(_sentence(caption))
        for line in panel.dialogue:
            words = clean(line_text(line, options)[0])
            parts.append(f"{clean(line.speaker)}: “{words}”" if line.speaker else f"“{words}”")
        parts += [_sentence(effect) for effect, _ in effect_texts(panel, options)]
    return " ".join(part for part in parts if part)


def _sentence(text: str) -> str:
    words = clean(text)
    return words if not words or words[-1] in ".!?…。！？" else words + "."
