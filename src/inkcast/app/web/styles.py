"""Styles as cards: small pictures that hint at each, drawn from the toon world."""

from __future__ import annotations

from functools import cache

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from inkcast.app.web.cards import Card
from inkcast.app.web.pictures import data_uri
from inkcast.story.styles import load_styles
from inkcast.toon.design import design
from inkcast.toon.renderer import render
from inkcast.toon.world import Actor, Scene

SIDE = 96
DRAWN = {  # the drawn world's own style that comes nearest
    "line-art": "line art",
    "pastel": "pastel",
    "noir": "noir",
    "pixel": "pixel",
    "watercolor": "watercolor",
    "manga": "line art",
    "noir-comic": "noir",
    "pixel-game": "pixel",
    "pencil": "line art",
    "charcoal": "noir",
    "woodcut": "noir",
    "ink-wash": "noir",
    "gouache": "pastel",
    "storybook": "watercolor",
    "chalk-pastel": "pastel",
    "aquarelle": "watercolor",
    "impressionist": "watercolor",
    "crayon": "pastel",
    "silent-film": "noir",
    "newspaper-strip": "line art",
}
TINTS = {  # shadows and lights of what is printed in one or two inks
    "blueprint": ("#12408c", "#e8f1ff"),
    "woodcut": ("#2a1710", "#f0dcb4"),
    "silent-film": ("#20180f", "#efe4cd"),
    "newspaper-strip": ("#2b2722", "#f1e6c8"),
    "charcoal": ("#1b1b1d", "#e9e6e0"),
    "pencil": ("#44464a", "#f7f6f2"),
}
FLAT = ("2d-minimalist", "paper-cut", "stained-glass", "low-poly", "comic", "cartoon", "superhero", "felt", "clay")


@cache
def style_cards() -> tuple[Card, ...]:
    """A card for every style, the plain one first; each picture is drawn once."""
    plain = Card("", "as the base draws", data_uri(thumbnail("flat")), "no style of its own")
    named = (
        Card(style.name, style.name.replace("-", " "), data_uri(thumbnail(style.name)), style.prompt, style.group)
        for style in load_styles().values()
    )
    return (plain, *named)


def thumbnail(name: str) -> Image.Image:
    """A hint at a style: the same girl in the same park, in the style nearest to it."""
    scene = Scene((Actor(design("Mira", {"kind": "girl"}), "waving", 0.5),), "park", shot="medium", seed=7)
    style = DRAWN.get(name, "flat")
    picture = Image.fromarray(render(Scene(**{**vars(scene), "style": style}), SIDE).image)
    if name in TINTS:
        return ImageOps.colorize(ImageOps.autocontrast(picture.convert("L")), *TINTS[name])
    if name in FLAT:
        return ImageEnhance.Color(ImageOps.posterize(picture, 3)).enhance(1.4)
    if name in ("painting", "oil-painting", "impressionist", "gouache"):
        return ImageEnhance.Contrast(picture.filter(ImageFilter.ModeFilter(5))).enhance(1.15)
    if name in ("golden-hour", "cinematic", "chiaroscuro", "photograph", "8k", "anime", "webtoon", "animated-film"):
        warm = Image.new("RGB", picture.size, {"golden-hour": "#ff9a3c", "chiaroscuro": "#120a04"}.get(name, "#3c6f9a"))
        soft = Image.blend(picture.filter(ImageFilter.SMOOTH_MORE), warm, 0.32 if name != "8k" else 0.06)
        return ImageEnhance.Contrast(soft).enhance(1.25)
    return picture
