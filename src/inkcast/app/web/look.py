"""How the studio looks: theme, style sheet, and what the page's head holds. All of it comes from this machine."""

from __future__ import annotations

import base64
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import gradio as gr

WORDMARK = "Inkcast"


@cache
def web_look() -> dict[str, Any]:
    """Arguments of `mount_gradio_app`."""
    return {"theme": theme(), "css": stylesheet(), "head": head()}


def head() -> str:
    """What a page's head holds beside Gradio's own: `requests.js` must run before the first event."""
    script = resources.files("inkcast.app.web").joinpath("requests.js").read_text(encoding="utf-8")
    return (
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="description" content="Inkcast: the same cast in every panel">'
        f"<script>\n{script}</script>"
    )


def theme() -> Any:
    """Warm paper, black ink, one red."""
    ink = gr.themes.Color(
        "#fbf8f1", "#f5f0e5", "#e8e1d2", "#d3cab8", "#958b79", "#7d7466", "#5c5449", "#443e36", "#2b2722", "#1d1a16",
        "#131110",
    )  # fmt: skip
    red = gr.themes.Color(
        "#fdf1ee", "#fbdfd9", "#f6bfb4", "#ef988a", "#e56b57", "#c43a23", "#a93019", "#97291a", "#78241a", "#5f1f18",
        "#35100b",
    )  # fmt: skip
    font = (gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "ui-sans-serif", "system-ui", "sans-serif")
    mono = (gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace")
    made = gr.themes.Base(
        primary_hue=red,
        secondary_hue=red,
        neutral_hue=ink,
        font=font,
        font_mono=mono,
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_md,
        text_size=gr.themes.sizes.text_md,
    )
    return made.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        background_fill_primary="white",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_width="1px",
        block_border_color="*neutral_200",
        block_shadow="none",
        block_label_text_color="*neutral_600",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_title_text_weight="600",
        block_label_background_fill="white",
        input_background_fill="*neutral_50",
        input_background_fill_dark="*neutral_950",
        input_border_width="1px",
        input_border_color="*neutral_400",
        input_border_color_dark="*neutral_500",
        input_border_color_focus="*primary_500",
        input_placeholder_color="#6a6155",
        input_placeholder_color_dark="*neutral_400",
        button_primary_background_fill="*primary_500",
        button_primary_background_fill_hover="*primary_600",
        button_primary_background_fill_dark="*primary_600",
        button_primary_text_color="white",
        button_secondary_background_fill="white",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_border_color="*neutral_300",
        button_border_width="1px",
    )


def stylesheet() -> str:
    """The package's style sheet, the wordmark's letters inside it."""
    text = resources.files("inkcast.app.web").joinpath("studio.css").read_text(encoding="utf-8")
    return wordmark_font() + text


def wordmark_font() -> str:
    """The few letters of the wordmark, as a @font-face that holds them."""
    import io

    from fontTools import subset
    from fontTools.ttLib import TTFont

    from inkcast.page.typeset import FONTS

    with TTFont(Path(FONTS) / "Bangers-Regular.ttf", recalcTimestamp=False) as font:
        cutter = subset.Subsetter(subset.Options(hinting=False))
        cutter.populate(text=WORDMARK)
        cutter.subset(font)
        font.flavor = "woff"
        stream = io.BytesIO()
        font.save(stream, reorderTables=False)
    data = base64.b64encode(stream.getvalue()).decode()
    return f"@font-face {{ font-family: 'Inkcast Wordmark'; src: url(data:font/woff;base64,{data}) format('woff'); }}\n"
