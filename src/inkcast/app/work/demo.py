"""The project that a newcomer finds: two drawn characters and a short story."""

from __future__ import annotations

from inkcast.cast.record import CharacterRecord, ReferenceRecord
from inkcast.images import encode_png
from inkcast.story.parser import CastName, parse_story
from inkcast.story.script import dump_script

TITLE = "The lantern (demo)"
CAST = ("Ann Lee", "Rolf")
STORY = """Ann Lee is reading an old book in the library.
She runs in the forest at sunset.
Rolf waves in his cave: "Come in, little one!"
Ann and Rolf shake hands in the castle at night.
"""
_LOOKS = {
    "Ann Lee": ("she", "a girl", {"kind": "girl", "hair": "long", "hair_color": "red"}),
    "Rolf": ("he", "a bear", {"kind": "bear"}),
}


def demo_script() -> str:
    """The demo's script as YAML."""
    names = [CastName(name, pronouns) for name, (pronouns, _, _) in _LOOKS.items()]
    return dump_script(parse_story(STORY, names).script)


def demo_records() -> tuple[CharacterRecord, ...]:
    """Its characters, drawn on the spot."""
    from PIL import Image

    from inkcast.toon.design import design
    from inkcast.toon.renderer import reference_sheet

    return tuple(
        CharacterRecord(
            name,
            pronouns=pronouns,
            description=noun,
            references=(
                ReferenceRecord(
                    encode_png(Image.fromarray(reference_sheet(design(name, looks), 256).image)),
                    source="drawn by Inkcast",
                    consent="a drawn character, nobody real",
                ),
            ),
        )
        for name, (pronouns, noun, looks) in _LOOKS.items()
    )
