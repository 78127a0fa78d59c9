"""One figure per subject: humps by hand, a routed drawing step by step, and what the engine holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise, permutations

import numpy as np
import pytest
import torch
from PIL import Image
from tests.engines.any_story.parts import ANN, BEN, PEOPLE, character, engine, panel

from inkcast.engines.any_story.figures import OneFigure, figure_spans, one_figure_each
from inkcast.engines.any_story.router import CastRouter
from inkcast.engines.engine import Style
from inkcast.sampling.sampler import DrawSettings, Step, draw
from inkcast.sdxl.attention import AttentionMemory, Layer, Router, SteppedRouter
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.fitting import fit

SIZE = (4, 8)  # latents, height and width
PROFILES: Mapping[str, tuple[list[float], list[tuple[int, int]]]] = {
    "two figures": ([0, 6, 8, 6, 1, 5, 7, 0], [(0, 4), (4, 8)]),
    "arms between them": ([0, 6, 8, 6, 5, 6, 7, 0], [(0, 8)]),
    "a valley of just half": ([0, 4, 2, 4, 0, 0, 0, 0], [(0, 2), (2, 8)]),
    "just more than half": ([0, 4, 2.1, 4, 0, 0, 0, 0], [(0, 8)]),
    "too low to be one": ([0, 9, 9, 0, 0, 1, 1, 0], [(0, 8)]),
    "low, but one": ([0, 9, 9, 0, 0, 1.5, 1.5, 0], [(0, 3), (3, 8)]),
    "three": ([8, 1, 0, 6, 0, 1, 5, 2], [(0, 2), (2, 4), (4, 8)]),
    "a dent, then a valley": ([7, 6, 8, 1, 0, 1, 8, 7], [(0, 4), (4, 8)]),
    "the lower of two joined is forgotten": ([3, 2, 8, 1, 3, 2, 2, 2], [(0, 3), (3, 8)]),
    "at the edges": ([5, 0, 0, 0, 0, 0, 0, 5], [(0, 1), (1, 8)]),
    "flat": ([2, 2, 2, 2, 2, 2, 2, 2], [(0, 8)]),
    "nowhere": ([0] * 8, [(0, 8)]),
}


@pytest.mark.parametrize(("columns", "spans"), PROFILES.values(), ids=list(PROFILES))
def test_figures_are_humps_parted_by_valleys(columns: list[float], spans: list[tuple[int, int]]) -> None:
    assert figure_spans(np.array(columns, np.float32)) == spans
    assert figure_spans(np.array(columns, np.float32) * 1e-3) == spans  # shares, not amounts


def test_any_profile_is_parted_without_gap_or_overlap() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        columns = rng.random(int(rng.integers(1, 40))).astype(np.float32)
        ends = [0, *(end for _, end in figure_spans(columns))]
        assert [start for start, _ in figure_spans(columns)] == ends[:-1]
        assert ends[-1] == len(columns)
        assert all(before < after for before, after in pairwise(ends))


def test_the_figure_that_acts_most_stays_whatever_the_router_now_says() -> None:
    routed = np.array([[0, 5, 5, 0, 0, 9, 9, 0]], np.float32)
    acting = np.array([[0, 5, 5, 0, 0, 4, 4, 0]], np.float32)
    assert one_figure_each(routed, acting).tolist() == [[1, 1, 1, 0, 0, 0, 0, 0]]
    assert one_figure_each(routed, routed).tolist() == [[0, 0, 0, 1, 1, 1, 1, 1]]


def test_figures_are_given_out_so_that_most_stays_as_by_trying_all() -> None:
    """Both like the left figure better, but Ben can go right for less: tried against every way to give them out."""
    ann, ben = [0, 5, 5, 0, 0, 1, 1, 0], [0, 6, 6, 0, 0, 5, 5, 0]
    both = np.array([ann, ben], np.float32)
    assert one_figure_each(both, both)[:, [1, 5]].tolist() == [[1, 0], [0, 1]]
    rng = np.random.default_rng(1)
    tried = 0
    for _ in range(300):
        subjects = int(rng.integers(1, 4))
        routed, acting = rng.random((2, subjects, 12)).astype(np.float32) ** 4
        spans = figure_spans(routed.sum(axis=0))
        allowed = one_figure_each(routed, acting)
        if len(spans) < max(2, subjects):
            continue
        tried += 1
        ways = permutations(range(len(spans)), subjects)
        best = max(sum(acting[i, slice(*spans[f])].sum() for i, f in enumerate(way)) for way in ways)
        assert (acting * allowed).sum() == pytest.approx(best, rel=1e-5)
        for row in allowed:
            assert (int(np.flatnonzero(row)[0]), int(np.flatnonzero(row)[-1]) + 1) in spans
    assert tried > 100


def test_whom_no_figure_is_left_for_goes_where_the_router_says() -> None:
    maps = np.array([[9, 0, 0, 1], [1, 0, 0, 9], [2, 0, 0, 2]], np.float32)
    assert one_figure_each(maps, maps).tolist() == [[1, 0, 0, 0], [0, 1, 1, 1], [1, 1, 1, 1]]
    nobody = np.zeros((2, 4), np.float32)
    assert one_figure_each(nobody, nobody).tolist() == np.ones((2, 4)).tolist()


@dataclass
class Told:
    """A router that says what it is told: per step, the columns of each subject; the background has the rest."""

    steps: list[list[list[float]]]
    layers: tuple[Layer, ...] = ("fine", "coarse")
    calls: int = field(default=0)

    def __call__(self, layer: Layer, latents: torch.Tensor) -> torch.Tensor:
        columns = torch.tensor(self.steps[self.calls // len(self.layers)])
        self.calls += 1
        if layer == "coarse":
            columns = columns.unflatten(-1, (-1, 2)).mean(-1)
        height = SIZE[0] // (1 if layer == "fine" else 2)
        subjects = columns[:, None].expand(-1, height, -1).flatten(1)
        routing = torch.cat([subjects, 1 - subjects.sum(0, keepdim=True)])
        return routing.expand(latents.shape[0], -1, -1)


PIXELS = {"fine": 32, "coarse": 8}


def run(router: Router, steps: int, batches: Callable[[int], int] = lambda step: 1) -> list[list[np.ndarray]]:
    """The first row's maps [subjects and background, height, width] of the fine layer and the coarse one, by step."""
    made = []
    for step in range(steps):
        maps = [router(layer, torch.zeros(batches(step), PIXELS[layer], 3)) for layer in ("fine", "coarse")]
        for layer in maps:
            torch.testing.assert_close(layer.sum(1), torch.ones_like(layer.sum(1)))
        made.append([maps[0][0].unflatten(-1, (4, 8)).numpy(), maps[1][0].unflatten(-1, (2, 4)).numpy()])
    return made


HERO_FIRST = [0.0, 0.8, 0.8, 0.0, 0.0, 0.4, 0.4, 0.0]
BOTH = [0.0, 0.7, 0.7, 0.0, 0.0, 0.9, 0.9, 0.0]


def test_a_stranger_who_comes_to_look_like_the_hero_stays_background() -> None:
    told = Told([[HERO_FIRST], [BOTH], [BOTH], [BOTH]])
    first, *later = run(OneFigure(told, (True,)).begin(SIZE), 4)
    np.testing.assert_allclose(first[0][0], np.tile(HERO_FIRST, (4, 1)), rtol=1e-6)
    for fine, coarse in later:
        np.testing.assert_allclose(fine[0], np.tile([0, 0.7, 0.7, 0, 0, 0, 0, 0], (4, 1)), rtol=1e-6)
        np.testing.assert_allclose(fine[1], 1 - fine[0], rtol=1e-6)
        np.testing.assert_allclose(coarse[0], np.tile([0.35, 0.35, 0, 0], (2, 1)), rtol=1e-6)


def test_an_edge_within_a_coarse_pixel_counts_in_part() -> None:
    """The left figure ends after column 2; of columns 2 and 3, one coarse pixel, half is allowed."""
    columns = [0.8, 0.8, 0.8, 0.0, 0.6, 0.6, 0.6, 0.0]
    _, (fine, coarse) = run(OneFigure(Told([[columns]] * 2), (True,)).begin(SIZE), 2)
    np.testing.assert_allclose(fine[0][0], [0.8, 0.8, 0.8, 0, 0, 0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(coarse[0][0], [0.8, 0.4 * 0.5 / (0.4 * 0.5 + 0.6), 0, 0], rtol=1e-6)


def test_what_one_subject_may_not_have_goes_to_the_other_and_the_background_by_their_shares() -> None:
    ann, ben = [0.8, 0.8, 0.0, 0.0, 0.0, 0.6, 0.6, 0.0], [0.1, 0.1, 0.0, 0.0, 0.0, 0.3, 0.3, 0.0]
    first, second = run(OneFigure(Told([[ann, ben]] * 2), (True, True)).begin(SIZE), 2)
    assert (first[0].argmax(0)[:, 5:7] == 0).all()
    np.testing.assert_allclose(second[0][:, 0, 5], [0, 0.75, 0.25], rtol=1e-6)
    np.testing.assert_allclose(second[0][:, 0, 0], [0.8 / 0.9, 0, 0.1 / 0.9], rtol=1e-6)


def test_whose_place_is_given_stays_there_and_counts_only_there() -> None:
    """Ann has a box on the right, whatever the router sees of her on the left: so Ben is the left one."""
    ann, ben = [0.0, 0.5, 0.5, 0.0, 0.0, 0.4, 0.4, 0.0], [0.0, 0.3, 0.3, 0.0, 0.0, 0.35, 0.35, 0.0]
    right = torch.zeros(1, 2, 6, 10)
    right[:, 0, 2:, 5:], right[:, 1] = 1, 1
    _, second = run(OneFigure(Told([[ann, ben]] * 2), (False, True), right).begin(SIZE), 2)
    assert second[0][1, 0].argmax() == 1
    assert second[0][1, 0, 5] == 0
    assert (second[0][0, 0, [1, 5]] > 0.3).all()  # the box itself is held to elsewhere
    told = Told([[ann, ben]])
    assert OneFigure(told, (False, False), right).begin(SIZE) is told


def test_numbers_that_overflowed_stop_nothing_here() -> None:
    drawing = OneFigure(lambda layer, latents: torch.full((1, 3, 32), torch.nan), (True, True)).begin(SIZE)
    for _ in range(3):
        assert drawing("fine", torch.zeros(1, 32, 3)).isnan().all()


def test_earlier_steps_count() -> None:
    """One step in which the stranger is stronger does not turn what three have seen: 0.6 of it is kept each time."""
    stranger = [0.0, 0.3, 0.3, 0.0, 0.0, 0.9, 0.9, 0.0]
    maps = run(OneFigure(Told([[HERO_FIRST], [BOTH], [stranger], [BOTH], [BOTH]]), (True,)).begin(SIZE), 5)
    assert all(step[0][0, 0, 1] > 0 and step[0][0, 0, 5] == 0 for step in maps[1:])


def test_a_hump_that_goes_away_and_comes_back_is_let_in_only_while_it_is_the_same_figure() -> None:
    alone = [0.0, 0.8, 0.8, 0.0, 0.0, 0.0, 0.0, 0.0]
    maps = run(OneFigure(Told([[HERO_FIRST], *[[alone]] * 8, [HERO_FIRST]]), (True,)).begin(SIZE), 10)
    assert maps[1][0][0, 0, 5] == 0
    assert maps[9][0][0, 0, 5] > 0  # forgotten by now: nothing tells it from an arm


def test_rows_are_apart_and_the_positive_ones_go_on_when_guidance_ends() -> None:
    left, right = torch.tensor(HERO_FIRST), torch.tensor(HERO_FIRST).flip(0)

    def router(layer: Layer, latents: torch.Tensor) -> torch.Tensor:
        columns = torch.stack([left, right])[-latents.shape[0] :]
        columns = columns if layer == "fine" else columns.unflatten(-1, (-1, 2)).mean(-1)
        subject = columns[:, None].expand(-1, SIZE[0] // (1 if layer == "fine" else 2), -1).flatten(1)
        return torch.stack([subject, 1 - subject], dim=1)

    drawing = OneFigure(router, (True,)).begin(SIZE)
    for batch in (2, 2, 1, 1):
        fine, _ = (drawing(layer, torch.zeros(batch, PIXELS[layer], 3)) for layer in ("fine", "coarse"))
    shown = fine[0, 0].unflatten(-1, SIZE)[0]
    torch.testing.assert_close(shown, torch.where(torch.arange(8) > 3, right, torch.zeros(8)))


def test_a_drawing_begins_anew_each_time() -> None:
    memory = AttentionMemory(router=OneFigure(Told([[HERO_FIRST], [BOTH], [BOTH]]), (True,)))
    assert isinstance(memory.router, SteppedRouter)
    one, two = fit(memory, SIZE).router, fit(memory, SIZE).router
    assert one is not None
    assert two is not None
    run(one, 2)
    assert run(two, 1)[0][0][0, 0, 5] > 0
    plain = fit(replace(memory, router=Told([[BOTH]])), SIZE).router
    assert isinstance(plain, Told)


@torch.no_grad()
def test_the_engine_holds_whoever_has_no_place_of_their_own(backbone: Backbone) -> None:
    story = engine(backbone)
    cast = {who: story.encode(character(who)) for who in (ANN, BEN)}

    def router(members: tuple[object, ...] = (), **settings: bool) -> Router | None:
        asked = panel(ANN, BEN, members=members or None, **settings)  # type: ignore[arg-type]
        return story.condition(asked, cast, Style()).positive.router

    usual = router()
    assert isinstance(usual, OneFigure)
    assert usual.held == (True, True)
    assert usual.regions is None
    boxed = replace(PEOPLE[ANN], box=(0.0, 0.0, 0.5, 1.0))
    masked = replace(PEOPLE[BEN], mask=Image.new("L", (8, 8), 255))
    for members, held in (((boxed, PEOPLE[BEN]), (False, True)), ((PEOPLE[ANN], masked), (True, False))):
        found = router(members)
        assert isinstance(found, OneFigure)
        assert found.held == held
        assert found.regions is not None
    assert isinstance(router(one_figure=False), CastRouter)


@torch.no_grad()
def test_two_pictures_at_once_are_the_two_alone_and_each_drawing_is_the_same(backbone: Backbone) -> None:
    story = engine(backbone)
    made = story.condition(panel(ANN, BEN), {who: story.encode(character(who)) for who in (ANN, BEN)}, Style())
    settings = DrawSettings((64, 64), steps=3, seed=5)
    seen: list[torch.Tensor] = []

    def note(step: Step) -> None:
        seen.append(step.latents.clone())

    draw(backbone, made, replace(settings, pictures=2), on_step=note)
    both, seen = seen[-1], []
    for seed in (5, 6, 5):
        draw(backbone, made, replace(settings, seed=seed), on_step=note)
    alone = seen[2::3]
    torch.testing.assert_close(both, torch.cat(alone[:2]), atol=1e-4, rtol=1e-4)
    assert torch.equal(alone[0], alone[2])
