"""The masks that a script names: pictures whose bright or opaque parts are where somebody may stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from PIL import Image

from inkcast.drawing.planning import PlannedPanel
from inkcast.engines.engine import Member
from inkcast.engines.regions import region
from inkcast.errors import PictureError
from inkcast.files import shown
from inkcast.images import open_picture
from inkcast.story.script import Presence, Script

Masks = Mapping[tuple[int, int], Image.Image]
"""By the numbers, from 0, of a panel and of a character in it."""

BLACK = 16  # of 255; what is darker is black, as JPEG files are hardly ever quite
LONGEST_SIDE = 512


def read_masks(script: Script) -> Masks:
    """Every mask of a script.

    Raises:
        PictureError: one cannot be read, or lets somebody stand nowhere; names panel, character and file.
    """
    return {
        (number, place): _read(presence, f"panel {number + 1}, mask of {shown(presence.name)}")
        for number, panel in enumerate(script.panels)
        for place, presence in enumerate(panel.characters)
        if presence.mask
    }


def masked(plan: Sequence[PlannedPanel], masks: Masks) -> tuple[PlannedPanel, ...]:
    """The plan with the masks of its script."""
    return tuple(replace(panel, prompt=replace(panel.prompt, members=_members(panel, masks))) for panel in plan)


def _members(panel: PlannedPanel, masks: Masks) -> tuple[Member, ...]:
    members = enumerate(panel.prompt.members)
    return tuple(replace(member, mask=masks.get((panel.index, place))) for place, member in members)


def _read(presence: Presence, what: str) -> Image.Image:
    try:
        mask = _bright(open_picture(presence.mask))
    except PictureError as error:
        raise PictureError(f"{what}: {error}") from error
    if not region(None, mask).any():
        raise PictureError(f"{what}: {shown(presence.mask)} is black; make bright where they may stand")
    if not region(presence.box, mask).any():
        raise PictureError(
            f"{what}: {shown(presence.mask)} has nothing bright within the box; move that, or leave out one of them"
        )
    return mask


def _bright(picture: Image.Image) -> Image.Image:
    """Opacity where some of the picture is transparent, else brightness."""
    grey = picture.getchannel("A") if picture.mode == "RGBA" else picture.convert("L")
    grey = grey.point(lambda value: value if value >= BLACK else 0)
    return grey.reduce(max(1, max(grey.size) // LONGEST_SIDE))
