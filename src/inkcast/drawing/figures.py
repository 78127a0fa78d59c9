"""Who stands where in a drawn panel: figures that were seen, named by how alike they are to the cast's references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.optimize import linear_sum_assignment

from inkcast.cast.character import Character, Reference
from inkcast.drawing.planning import PlannedPanel
from inkcast.drawing.routes import RouteMaps
from inkcast.page.panel import Figure, PixelBox
from inkcast.vision.clip import ClipVision, PictureEncoder
from inkcast.vision.crops import on_white, to_tensor
from inkcast.vision.detector import Found, ToonDetector, iou
from inkcast.vision.face import FaceReader, InsightFaces
from inkcast.vision.segment import cut_out

if TYPE_CHECKING:
    from PIL import Image

    from inkcast.sdxl.backbone import Backbone

TOON_FLOOR = 0.4
"""Least cosine of a drawn figure to a reference; docs/decisions/house-figures.md has the measurement."""
FACE_FLOOR = 0.3
"""Least cosine of two ArcFace vectors of one person; of different people it is about 0."""
SIDE = 64  # of the squares that the toon tower compares
_BODY = (1.5, 0.4, 3.0)  # around a face: to each side of its middle in widths, above and below it in heights


@dataclass(frozen=True)
class Sighting:
    """One figure in a picture, of unknown name. `look` is a unit vector to compare with those of references."""

    box: PixelBox
    face: PixelBox | None
    look: Float[np.ndarray, " d"]


class Sights(Protocol):
    """What sees figures. `floor` is the least cosine at which a figure passes for a member of the cast."""

    @property
    def floor(self) -> float: ...

    def see(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[Sighting, ...]: ...

    def know(self, references: Sequence[Reference]) -> Float[np.ndarray, "n d"]:
        """A look per reference that shows one; there may be none."""
        ...


class OnePass(Protocol):
    """A detector that tells figures and foreground (which pixels belong to a subject) at one look."""

    def see(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[tuple[Found, ...], Bool[np.ndarray, "h w"]]: ...


@dataclass(frozen=True)
class ToonSights:
    """Drawn figures and things; they are compared as the tower learned to: cut out, on white."""

    detector: OnePass
    encoder: PictureEncoder
    floor: float = TOON_FLOOR

    def see(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[Sighting, ...]:
        found, foreground = self.detector.see(picture)
        size = picture.shape[1], picture.shape[0]
        placed = [(within(one.box, size), within(one.face.box, size) if one.face else None) for one in found]
        whole = [(box, face) for box, face in placed if box is not None]
        looks = self._looks([on_white(picture, inside(box, foreground), SIDE) for box, _ in whole])
        return tuple(Sighting(box, face, look) for (box, face), look in zip(whole, looks, strict=True))

    def know(self, references: Sequence[Reference]) -> Float[np.ndarray, "n d"]:
        pictures = [np.asarray(reference.image.convert("RGB")) for reference in references]
        masks = [cut_out(reference, self).mask for reference in references]
        return self._looks([on_white(picture, mask, SIDE) for picture, mask in zip(pictures, masks, strict=True)])

    def segment(self, picture: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
        return self.detector.see(picture)[1]

    def _looks(self, squares: Sequence[UInt8[np.ndarray, "s s 3"]]) -> Float[np.ndarray, "n d"]:
        return self.encoder.embed(to_tensor(np.stack(squares))).numpy() if squares else np.zeros((0, 1))


@dataclass(frozen=True)
class FaceSights:
    """People by their faces; the box around a face is head and shoulders, as wide and high as most people's."""

    faces: FaceReader
    floor: float = FACE_FLOOR

    def see(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[Sighting, ...]:
        size = picture.shape[1], picture.shape[0]
        seen = []
        for face in self.faces.read(picture):
            x0, y0, x1, y1 = face.box
            (aside, above, below), middle = _BODY, (x0 + x1) / 2
            across, down = x1 - x0, y1 - y0
            body = middle - aside * across, y0 - above * down, middle + aside * across, y1 + below * down
            box = within(body, size)
            if box is not None:
                seen.append(Sighting(box, within(face.box, size), face.embedding))
        return tuple(seen)

    def know(self, references: Sequence[Reference]) -> Float[np.ndarray, "n d"]:
        faces = [self.faces.read(np.asarray(reference.image.convert("RGB")))[:1] for reference in references]
        return np.array([face.embedding for found in faces for face in found]).reshape(-1, self.faces.dim)


def find_sights(base: Backbone) -> Sights | None:
    """What the base's folder brings: the toon detector/ and image_encoder/, else an insightface pack in faces/."""
    if base.folder is None:
        return None
    detector, encoder, pack = (base.folder / part for part in ("detector", "image_encoder", "faces"))
    if detector.is_dir() and encoder.is_dir():
        return ToonSights(ToonDetector(detector), ClipVision(encoder))
    if any(pack.glob("*.onnx")) and find_spec("insightface") is not None:
        return FaceSights(InsightFaces(pack))
    return None


class Finder:
    """Finds a cast in a comic's pictures; each character's references are read once."""

    def __init__(self, sights: Sights) -> None:
        self.sights = sights
        self._known: dict[str, Float[np.ndarray, "n d"]] = {}

    def locate(self, picture: Image.Image, panel: PlannedPanel, routes: RouteMaps) -> tuple[Figure, ...]:
        """By the routing maps alone, else by the author's boxes; then whoever has no box is looked for."""
        members = panel.prompt.members
        placed = routes.figures(members, picture.size)
        boxed = [figure.name for figure in placed]
        sought = () if routes.covers(members) else tuple(one for one in panel.cast if one.name not in boxed)
        return self.find(picture, placed, sought)

    def find(
        self, picture: Image.Image, placed: Sequence[Figure], sought: Sequence[Character] = ()
    ) -> tuple[Figure, ...]:
        """The placed figures, with the faces seen there, and those of `sought` who were seen elsewhere."""
        seen = self.sights.see(np.asarray(picture.convert("RGB")))
        figures, rest = with_faces(placed, seen)
        for member, place in assign(self._likeness(sought, rest), self.sights.floor):
            figures.append(Figure(sought[member].name, rest[place].box, rest[place].face))
        return tuple(figures)

    def _likeness(self, cast: Sequence[Character], seen: Sequence[Sighting]) -> Float[np.ndarray, "cast seen"]:
        """Cosines to the most alike of each member's references; -1 for a member whom none shows."""
        table = np.full((len(cast), len(seen)), -1.0)
        for row, member in enumerate(cast if seen else ()):
            if member.id not in self._known:
                self._known[member.id] = self.sights.know(member.references)
            known = self._known[member.id]
            if len(known):
                table[row] = (known @ np.stack([one.look for one in seen]).T).max(0)
        return table


def with_faces(placed: Sequence[Figure], seen: Sequence[Sighting]) -> tuple[list[Figure], list[Sighting]]:
    """The figures, each with the face of who was seen in its place, and whoever was seen in nobody's place.

    Somebody is in a figure's place if the middle of their face, or else of their box, is in the figure's box; of
    several the boxes' overlap decides (Hungarian). The figure's box then grows to hold the face.
    """
    overlap = iou(boxes(placed), boxes(seen))
    overlap *= np.array([[holds(figure.box, one.face or one.box) for one in seen] for figure in placed]).reshape(
        overlap.shape
    )
    taken = dict(assign(overlap, np.finfo(float).tiny))
    figures = [faced(figure, seen[taken[row]].face) if row in taken else figure for row, figure in enumerate(placed)]
    return figures, [one for column, one in enumerate(seen) if column not in taken.values()]


def assign(gain: Float[np.ndarray, "rows columns"], floor: float) -> list[tuple[int, int]]:
    """Pairs (row, column) of the greatest total gain, each row and column once; pairs below `floor` do not count."""
    counted = np.where(gain >= floor, gain, 0.0)
    pairs = zip(*linear_sum_assignment(-counted), strict=True)
    return [(int(row), int(column)) for row, column in pairs if gain[row, column] >= floor]


def boxes(items: Sequence[Figure] | Sequence[Sighting]) -> Float[np.ndarray, "n 4"]:
    return np.array([item.box for item in items], dtype=float).reshape(-1, 4)


def holds(box: PixelBox, other: PixelBox) -> bool:
    """Whether the middle of `other` is in `box`."""
    x, y = (other[0] + other[2]) / 2, (other[1] + other[3]) / 2
    return box[0] <= x < box[2] and box[1] <= y < box[3]


def faced(figure: Figure, face: PixelBox | None) -> Figure:
    if face is None:
        return figure
    low, high = np.minimum(figure.box, face)[:2], np.maximum(figure.box, face)[2:]
    return replace(figure, box=(int(low[0]), int(low[1]), int(high[0]), int(high[1])), face=face)


def within(box: tuple[float, float, float, float], size: tuple[int, int]) -> PixelBox | None:
    """The whole pixels of a box in a picture of `size` (width, height); None where nothing is left."""
    x0, y0, x1, y1 = (round(min(max(value, 0), limit)) for value, limit in zip(box, (*size, *size), strict=True))
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def inside(box: PixelBox, foreground: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The foreground in a box; the whole box where the foreground leaves it empty."""
    x0, y0, x1, y1 = box
    mask = np.zeros_like(foreground)
    mask[y0:y1, x0:x1] = True
    return mask & foreground if (mask & foreground).any() else mask
