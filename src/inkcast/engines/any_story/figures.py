"""One figure per subject, which the paper leaves to the router: where a subject's map shows two, the stronger stays.

A passer-by of the hero's kind is as good a match for the first noisy maps as the hero is. What is then drawn there
looks like the hero, and the next maps find it all the better: who comes second must be told apart early and for good.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from inkcast.sdxl.attention import Layer, Router, Size
from inkcast.sdxl.fitting import resolutions
from inkcast.sdxl.processors import held_to

_VALLEY = 0.5  # of the lower of two humps: a deeper one parts two figures
_HUMP = 0.15  # of the highest: a lower one is no figure of its own
_KEPT = 0.6  # of what earlier steps saw

Span = tuple[int, int]
Profile = Float[np.ndarray, " columns"]
Columns = Float[np.ndarray, "rows subjects columns"]


@dataclass(frozen=True)
class OneFigure:
    """A cast's router that holds every subject to one figure; in a drawing's first step it is `router` itself.

    `held` says of which subjects: one whose place the author gives stays where it is put, and counts only there, as
    `regions` say.
    """

    router: Router
    held: tuple[bool, ...]
    regions: Float[Tensor, "1 subjects height width"] | None = None

    def begin(self, latent_size: Size) -> Router:
        if not any(self.held):
            return self.router
        places = np.ones((len(self.held), latent_size[1]), np.float32)
        if self.regions is not None:
            columns = F.interpolate(self.regions.float().amax(dim=-2), size=latent_size[1], mode="area")
            places = columns[0].cpu().numpy()
        return _Drawing(self.router, np.array(self.held), places, latent_size)

    def __call__(
        self, layer: Layer, latents: Float[Tensor, "rows pixels channels"]
    ) -> Float[Tensor, "rows subjects_and_background pixels"]:
        return self.router(layer, latents)


@dataclass
class _Drawing:
    """`OneFigure` while one picture, or one batch, is drawn: a step begins where the first layer comes again.

    `_seen` are this step's maps as the router made them. `_routed` and `_acting` are how much of each of the latents'
    columns earlier steps saw to be each subject's: by the router, and what of it was allowed.
    """

    router: Router
    held: Bool[np.ndarray, " subjects"]
    places: Float[np.ndarray, "subjects columns"]
    latent_size: Size
    _first: Layer | None = None
    _seen: dict[Size, list[Tensor]] = field(default_factory=dict)
    _routed: Columns | None = None
    _acting: Columns | None = None
    _allowed: Columns | None = None
    _maps: dict[Size, Float[Tensor, "rows subjects_and_background pixels"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._grid = resolutions(self.latent_size)

    def __call__(
        self, layer: Layer, latents: Float[Tensor, "rows pixels channels"]
    ) -> Float[Tensor, "rows subjects_and_background pixels"]:
        if self._first is None:
            self._first = layer
        elif layer == self._first:
            self._look_back()
        routing = self.router(layer, latents)
        size = self._grid[routing.shape[-1]]
        self._seen.setdefault(size, []).append(routing.detach())
        return routing if self._allowed is None else held_to(routing, self._map(size, routing))

    def _look_back(self) -> None:
        """What the last step saw, into what the next one allows."""
        # Numbers that overflowed are told of at the drawing's end.
        routed = np.nan_to_num(self._columns().cpu().numpy())
        acting = routed if self._allowed is None else routed * self._allowed[-len(routed) :]
        self._routed, self._acting = _blended(routed, self._routed), _blended(acting, self._acting)
        given = zip(self._routed, self._acting * self.places, strict=True)
        allowed = np.stack([one_figure_each(*row) for row in given])
        allowed[:, ~self.held] = 1.0
        self._allowed = None if (allowed == 1).all() else allowed
        self._seen, self._maps = {}, {}

    def _columns(self) -> Float[Tensor, "rows subjects columns"]:
        """The mean over this step's layers of each subject's share of each column."""
        sums = []
        for size, maps in self._seen.items():
            columns = torch.stack(maps).sum(dim=0)[:, :-1].float().unflatten(-1, size).mean(dim=-2)
            sums.append(F.interpolate(columns, self.latent_size[1], mode="linear"))
        return torch.stack(sums).sum(dim=0) / sum(map(len, self._seen.values()))

    def _map(self, size: Size, like: Tensor) -> Float[Tensor, "rows subjects_and_background pixels"]:
        """What is allowed at one resolution, worked out once per step."""
        if size not in self._maps:
            allowed = F.interpolate(torch.from_numpy(self._allowed), size[1], mode="area").to(like)
            subjects = allowed.unsqueeze(-2).expand(-1, -1, size[0], -1).flatten(2)
            self._maps[size] = torch.cat([subjects, torch.ones_like(subjects[:, :1])], dim=1)
        return self._maps[size][-len(like) :]


def _blended(now: Columns, before: Columns | None) -> Columns:
    """Once guidance has ended only the positive rows go on: the last ones."""
    return now if before is None else (1 - _KEPT) * now + _KEPT * before[-len(now) :]


def one_figure_each(
    routed: Float[np.ndarray, "subjects columns"], acting: Float[np.ndarray, "subjects columns"]
) -> Float[np.ndarray, "subjects columns"]:
    """1 in the columns of each subject's figure, 0 in those of others. Figures are parted where all subjects' maps
    together are, and given out, one each, so that most of the acting maps stays. 1 everywhere for whom none is left.
    """
    spans = figure_spans(routed.sum(axis=0))
    allowed = np.ones_like(routed)
    if len(spans) > 1:
        mass = np.stack([acting[:, start:end].sum(axis=1) for start, end in spans], axis=1)
        for subject, figure in zip(*linear_sum_assignment(mass, maximize=True), strict=True):
            start, end = spans[figure]
            allowed[subject, :start] = allowed[subject, end:] = 0.0
    return allowed


def figure_spans(columns: Profile) -> list[Span]:
    """The columns parted into figures, from left to right: humps with a valley between them. What is above one another
    is one figure."""
    tops = _tops(columns)
    while len(tops) > 1:
        valleys = [_valley(columns, left, right) for left, right in pairwise(tops)]
        joined = [
            _joined(columns, left, right, valley) for (left, right), valley in zip(pairwise(tops), valleys, strict=True)
        ]
        if max(joined) <= _VALLEY:
            ends = [0, *valleys, len(columns)]
            return list(pairwise(ends))
        place = int(np.argmax(joined))
        tops.pop(place if columns[tops[place]] < columns[tops[place + 1]] else place + 1)
    return [(0, len(columns))]


def _tops(columns: Profile) -> list[int]:
    padded = np.pad(columns, 1, constant_values=-np.inf)
    return np.flatnonzero((padded[1:-1] >= padded[:-2]) & (padded[1:-1] > padded[2:])).tolist()


def _valley(columns: Profile, left: int, right: int) -> int:
    return left + int(np.argmin(columns[left : right + 1]))


def _joined(columns: Profile, left: int, right: int, valley: int) -> float:
    """How much two neighbouring humps are one, 0 to 1; above that if one is too low to be a figure."""
    lower = min(columns[left], columns[right])
    return 2.0 if lower < _HUMP * columns.max() else float(columns[valley] / lower)
