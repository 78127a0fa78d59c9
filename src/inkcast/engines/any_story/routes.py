"""The picture of AnyStory's Fig. 5: where each subject acted, in every cross-attention, at several steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from inkcast.sdxl.attention import AttentionTrace, Layer, Size
from inkcast.sdxl.fitting import resolutions

LayerMaps = tuple[Float[np.ndarray, "subjects height width"], ...]

_CELL = 20  # pixels of one map's longer side
_GAP, _WIDE_GAP = 1, 8
_GROUND = 255
# Dark violet over teal to yellow: yellow is where a subject acts.
_STOPS = np.array([[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]], dtype=np.float64)


def layer_maps(trace: AttentionTrace, order: Sequence[Layer], latent_size: Size, row: int = -1) -> LayerMaps:
    """Every layer's M of one row of the UNet's batch, in execution order; call it before the trace is reset.

    `row` -1 is the positive row of the last picture.
    """
    grid = resolutions(latent_size)
    routing = [trace.routing[layer] for layer in order if layer in trace.routing]
    return tuple(x[row].detach().float().cpu().unflatten(-1, grid[x.shape[-1]]).numpy() for x in routing)


def chosen_steps(steps: int, count: int = 5) -> tuple[int, ...]:
    """At most `count` of `steps` step numbers, evenly from the first to the last."""
    return tuple(sorted({round(x) for x in np.linspace(0, steps - 1, min(count, steps))}))


def routes_picture(steps: Sequence[LayerMaps]) -> Image.Image:
    """One block per subject (downwards) and step (to the right); in a block the layers in reading order.

    The background, which is what the subjects leave, is not shown.
    """
    subjects = len(steps[0][0]) - 1
    rows = [
        _joined([_block([layer[i] for layer in maps]) for maps in steps], axis=1, gap=_WIDE_GAP)
        for i in range(subjects)
    ]
    return Image.fromarray(_joined(rows, axis=0, gap=_WIDE_GAP))


class RoutesChart:
    """Fig. 5 of one panel, gathered while it is drawn: at the steps `wanted`, from 1, else at `chosen_steps`."""

    def __init__(self, wanted: Sequence[int] = ()) -> None:
        self._wanted = {step - 1 for step in wanted}
        self._steps: list[LayerMaps] = []

    def see(self, step: int, steps: int, trace: AttentionTrace, latent_size: Size) -> None:
        if trace.routing and step in (self._wanted or chosen_steps(steps)):
            # The trace is emptied after every step, so its layers stand in the order in which they ran.
            self._steps.append(layer_maps(trace, tuple(trace.routing), latent_size))

    def picture(self) -> Image.Image | None:
        return routes_picture(self._steps) if self._steps else None


def _block(maps: Sequence[Float[np.ndarray, "h w"]]) -> UInt8[np.ndarray, "h w 3"]:
    """All layers of one subject at one step: 7 columns for SDXL's 70 layers, as in the paper."""
    columns = max(1, round(math.sqrt(len(maps) * 0.7)))
    finest = max((layer.shape for layer in maps), key=math.prod)
    cells = [_cell(layer, finest) for layer in maps]
    blank = np.full_like(cells[0], _GROUND)
    cells += [blank] * (-len(cells) % columns)
    lines = [_joined(cells[n : n + columns], axis=1, gap=_GAP) for n in range(0, len(cells), columns)]
    return _joined(lines, axis=0, gap=_GAP)


def _cell(layer: Float[np.ndarray, "h w"], shape: tuple[int, ...]) -> UInt8[np.ndarray, "h w 3"]:
    scale = _CELL / max(shape)
    size = (max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale)))
    return np.asarray(Image.fromarray(colours(layer)).resize(size, Image.Resampling.NEAREST))


def colours(layer: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """0 to 1 as dark violet to yellow."""
    places = np.linspace(0, 1, len(_STOPS))
    channels = [np.interp(layer, places, _STOPS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def _joined(parts: Sequence[UInt8[np.ndarray, "h w 3"]], axis: int, gap: int) -> UInt8[np.ndarray, "h w 3"]:
    between = list(parts[0].shape)
    between[axis] = gap
    space = np.full(between, _GROUND, dtype=np.uint8)
    pieces = [piece for part in parts for piece in (space, part)][1:]
    return np.concatenate(pieces, axis=axis)
