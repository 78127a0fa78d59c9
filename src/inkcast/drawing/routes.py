"""Where each character acted: the routing maps of all layers and steps, added up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from PIL import Image

from inkcast.page.panel import DrawnPanel, Figure, PixelBox

if TYPE_CHECKING:
    from torch import Tensor

    from inkcast.engines.engine import Member


@dataclass(frozen=True)
class Painted:
    """A drawn panel, and a map per character of where it acted, the background last, where the engine routes; `chart`
    is the engine's own picture of that, layer by layer."""

    panel: DrawnPanel
    routes: Float[np.ndarray, "subjects height width"] | None = None
    chart: Image.Image | None = None


_TRIM = 0.02  # share of a character's pixels left out of its box at each side


class RouteMaps:
    """Collects routing maps `[rows, subjects + 1, pixels]` of any layer sizes on the grid of the latents."""

    def __init__(self) -> None:
        self._total: Tensor | None = None
        self._count = 0

    def collect(self, routing: Mapping[str, Tensor], grid: Sequence[int]) -> None:
        """Adds one step's maps; `grid` is the latents' height and width. The last row is the positive prompt's."""
        from inkcast.sdxl.fitting import resolutions

        height, width = grid
        sizes = resolutions((height, width))
        for maps in routing.values():
            shaped = maps[-1:].detach().float().unflatten(-1, sizes[maps.shape[-1]])
            grown = grow(shaped, (height, width))[0].cpu()
            self._total = grown if self._total is None else self._total + grown
            self._count += 1

    @property
    def mean(self) -> Float[np.ndarray, "subjects height width"] | None:
        """The mean map, the background last; None where no layer routed."""
        return None if self._total is None else (self._total / self._count).numpy()

    def covers(self, members: Sequence[Member]) -> bool:
        """Whether the maps say of every member where they acted."""
        return self._total is not None and len(self._total) == len(members) + 1

    def figures(self, members: Sequence[Member], size: tuple[int, int]) -> tuple[Figure, ...]:
        """Where the members stand in a picture of `size` (width, height): by the maps, else by the author's boxes and
        masks."""
        maps = self.mean
        if maps is None or not self.covers(members):
            found = [(member.name, asked_place(member, size)) for member in members]
        else:
            winner = maps.argmax(0)
            found = [(member.name, bounds(winner == index, size)) for index, member in enumerate(members)]
        return tuple(Figure(name, box) for name, box in found if box is not None)


def grow(maps: Float[Tensor, "1 subjects h w"], grid: tuple[int, int]) -> Float[Tensor, "1 subjects height width"]:
    """The maps at a finer size: smooth, but nobody gets a share of a pixel of which their own map gives them none."""
    from torch.nn.functional import interpolate

    there = interpolate(maps, size=grid, mode="nearest-exact") > 0
    smooth = interpolate(maps, size=grid, mode="bilinear") * there
    return smooth / smooth.sum(dim=1, keepdim=True)


def asked_place(member: Member, size: tuple[int, int]) -> PixelBox | None:
    """The place that the author asks for: the box, or what is brightest of the mask within it."""
    from inkcast.engines.regions import region

    if member.mask is None:
        return None if member.box is None else fraction(member.box, size)
    allowed = region(member.box, member.mask).numpy()
    return bounds(allowed >= allowed.max() / 2, size)


def bounds(mask: np.ndarray, size: tuple[int, int]) -> PixelBox | None:
    """The box around nearly all of a mask, in pixels of a picture of `size`; None for an empty mask."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    width, height = size
    x0, x1 = np.quantile(columns, [_TRIM, 1 - _TRIM], method="nearest")
    y0, y1 = np.quantile(rows, [_TRIM, 1 - _TRIM], method="nearest")
    across, down = width / mask.shape[1], height / mask.shape[0]
    return round(x0 * across), round(y0 * down), round((x1 + 1) * across), round((y1 + 1) * down)


def fraction(box: tuple[float, float, float, float], size: tuple[int, int]) -> PixelBox:
    width, height = size
    x0, y0, x1, y1 = box
    return round(x0 * width), round(y0 * height), round(x1 * width), round(y1 * height)


def routes_picture(picture: Image.Image, routes: Float[np.ndarray, "subjects height width"]) -> Image.Image:
    """The picture, then one copy per map in which only what the map holds is bright."""
    strip = Image.new("RGB", (picture.width * (len(routes) + 1), picture.height))
    strip.paste(picture, (0, 0))
    for number, route in enumerate(routes, 1):
        light = Image.fromarray((route.clip(0, 1) * 255).astype(np.uint8)).resize(
            picture.size, Image.Resampling.BILINEAR
        )
        dark = Image.eval(picture, lambda value: value // 5)
        strip.paste(Image.composite(picture, dark, light), (picture.width * number, 0))
    return strip
