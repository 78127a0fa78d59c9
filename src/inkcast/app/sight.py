"""What the toon base's eyes see in a reference: its subject's mask and its faces."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from inkcast import assets
from inkcast.errors import BaseModelError
from inkcast.images import Reference

if TYPE_CHECKING:
    from inkcast.vision.detector import Face, ToonDetector
    from inkcast.vision.segment import Cutout


@dataclass(frozen=True)
class Look:
    """A reference as an engine will take it: the subject's pixels, and the faces found, best first."""

    cutout: Cutout
    faces: tuple[Face, ...]


def look(reference: Reference) -> Look:
    """Finds mask and faces; without the embedded weights, the mask by what the picture itself says, and no faces."""
    import numpy as np

    from inkcast.vision.segment import ToonSegmenter, cut_out

    eyes = detector()
    if eyes is None:
        return Look(cut_out(reference), ())
    found = eyes.find(np.asarray(reference.image.convert("RGB"))[None])[0]
    return Look(cut_out(reference, ToonSegmenter(eyes)), tuple(item.face for item in found if item.face is not None))


@lru_cache(maxsize=1)
def detector() -> ToonDetector | None:
    """The embedded detector, loaded once."""
    from inkcast.vision.detector import ToonDetector

    try:
        folder = assets.toon_weights() / "detector"
    except BaseModelError:
        return None
    return ToonDetector(folder) if folder.is_dir() else None
