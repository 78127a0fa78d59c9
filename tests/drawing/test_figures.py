"""Figures seen in a panel get the right names, or none; places that are known already get faces."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.easel_fake import character
from tests.engines.test_ip_adapter import SIZE
from transformers import CLIPImageProcessorPil

from inkcast.cast.character import Character, CharacterId, Reference
from inkcast.comic import draw_comic
from inkcast.drawing.choices import Drawing
from inkcast.drawing.figures import FaceSights, Finder, ToonSights, assign, find_sights
from inkcast.drawing.planning import PlannedPanel
from inkcast.drawing.record import FigureRecord, read_record
from inkcast.drawing.routes import RouteMaps
from inkcast.engines.engine import Member, PanelPrompt, Style
from inkcast.engines.ip_adapter.weights import fresh_adapter, save_adapter
from inkcast.events import Event, Note
from inkcast.page.layout import PageOptions
from inkcast.page.panel import Figure
from inkcast.redrawing import redraw_panel
from inkcast.sdxl.backbone import load_backbone
from inkcast.story.script import Box
from inkcast.toon.nets import Detector, save_net
from inkcast.toon.renderer import Rendering, reference_sheet, render
from inkcast.toon.world import Actor, Look, Scene
from inkcast.vision.detector import Face, Found, as_box
from inkcast.vision.face import SeenFace

RED, BLUE, GREEN = (
    Look("girl", skin, "round", hair, hair_color, "blue", top, "plain", "trousers", top, "none")
    for skin, hair, hair_color, top in (
        ("fair", "long", "red", "red"),
        ("brown", "short", "blue", "blue"),
        ("tan", "bob", "green", "green"),
    )
)
NAMES = {"Ann": RED, "Rolf": BLUE}


class TrueDetector:
    """Sees exactly what was drawn, the last actor first."""

    def __init__(self, *renderings: Rendering) -> None:
        self.renderings = {rendering.image.tobytes(): rendering for rendering in renderings}

    def see(self, picture: np.ndarray) -> tuple[tuple[Found, ...], np.ndarray]:
        rendering = self.renderings[picture.tobytes()]
        found = []
        for pose in reversed(rendering.actors):
            assert pose.box is not None
            face = Face(as_box(np.array(pose.face)), np.zeros((5, 2)), 1.0) if pose.face is not None else None
            found.append(Found("character", as_box(np.array(pose.box)), 1.0, face))
        return tuple(found), rendering.instances > 0


class Colours:
    """A picture as the shares of its colours, white left out; counts what it is asked."""

    def __init__(self) -> None:
        self.seen = 0

    def embed(self, pictures: torch.Tensor) -> torch.Tensor:
        self.seen += len(pictures)
        bins = (pictures * 3.999).long()
        places = (bins[:, 0] * 16 + bins[:, 1] * 4 + bins[:, 2]).flatten(1)
        counts = torch.stack([torch.bincount(row, minlength=64) for row in places]).float()
        counts[:, 63] = 0
        return torch.nn.functional.normalize(counts, dim=-1)


def person(name: str, look: Look) -> Character:
    sheet = Image.fromarray(reference_sheet(look, 64).image)
    return Character(CharacterId(f"id-{name}"), name, (Reference(sheet, name),))


ANN, ROLF = person("Ann", RED), person("Rolf", BLUE)


def scene(*looks: Look) -> Rendering:
    """The looks from left to right."""
    places = np.linspace(0, 1, len(looks) + 2)[1:-1]
    actors = tuple(Actor(look, x=float(x)) for look, x in zip(looks, places, strict=True))
    return render(Scene(actors, "park", seed=3), 96, 2)


def find(
    rendering: Rendering, sought: Sequence[Character] = (), placed: Sequence[Figure] = ()
) -> dict[str, tuple[object, object]]:
    finder = Finder(ToonSights(TrueDetector(rendering), Colours()))
    found = finder.find(Image.fromarray(rendering.image), placed, sought)
    assert len({figure.name for figure in found}) == len(found)
    return {figure.name: (figure.box, figure.face) for figure in found}


def truth(rendering: Rendering, look: Look) -> tuple[object, object]:
    (pose,) = (
        pose for pose, actor in zip(rendering.actors, rendering.scene.actors, strict=True) if actor.subject == look
    )
    return pose.box, pose.face


@pytest.mark.parametrize("looks", list(permutations((RED, BLUE))))
@pytest.mark.parametrize("cast", list(permutations((ANN, ROLF))))
def test_names_follow_looks_not_places(looks: tuple[Look, ...], cast: tuple[Character, ...]) -> None:
    rendering = scene(*looks)
    assert find(rendering, cast) == {name: truth(rendering, look) for name, look in NAMES.items()}


@pytest.mark.parametrize("looks", list(permutations((RED, BLUE, GREEN))))
def test_a_passer_by_gets_no_name(looks: tuple[Look, ...]) -> None:
    rendering = scene(*looks)
    assert find(rendering, (ANN, ROLF)) == {name: truth(rendering, look) for name, look in NAMES.items()}


def test_whoever_is_missing_has_no_figure() -> None:
    rendering = scene(GREEN, BLUE)
    assert find(rendering, (ANN, ROLF)) == {"Rolf": truth(rendering, BLUE)}
    assert find(scene(GREEN), (ANN, ROLF)) == {}


def test_the_most_alike_reference_counts() -> None:
    twice = replace(ANN, references=(person("Ann", GREEN).references[0], *ANN.references))
    rendering = scene(BLUE, RED)
    assert find(rendering, (twice, ROLF)) == {name: truth(rendering, look) for name, look in NAMES.items()}


def test_known_places_keep_their_names_and_get_their_faces() -> None:
    """Loose and overlapping boxes, such as routing gives, named against all looks."""
    rendering = scene(RED, BLUE)
    (left, left_face), (right, right_face) = truth(rendering, RED), truth(rendering, BLUE)
    low = min(left_face[1], right_face[1]) + 2  # type: ignore[index]
    placed = (Figure("Rolf", (left[0] - 6, low, left[2] + 20, 96)), Figure("Ann", (right[0] - 20, low, 96, 96)))  # type: ignore[index]
    found = find(rendering, (), placed)
    assert {name: face for name, (_, face) in found.items()} == {"Rolf": left_face, "Ann": right_face}
    for box, face in found.values():
        assert box[1] == min(low, face[1])  # type: ignore[index]
        assert box[3] == 96  # type: ignore[index]


def test_whoever_stands_in_a_box_is_nobody_else() -> None:
    rendering = scene(RED, BLUE)
    box, face = truth(rendering, BLUE)
    assert find(rendering, (ROLF,), (Figure("Ann", box),)) == {"Ann": (box, face)}  # type: ignore[arg-type]
    assert find(rendering, (ANN,), (Figure("Rolf", box),)) == {"Rolf": (box, face), "Ann": truth(rendering, RED)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("boxes", "ann_from", "asked"),
    [
        ((None, None), None, {"Ann": RED, "Rolf": BLUE}),
        ((None, (0.0, 0.0, 0.5, 1.0)), None, {"Rolf": RED}),  # Ann's look, but the author says Rolf
        ((None, (0.5, 0.0, 1.0, 1.0)), None, {"Ann": RED, "Rolf": BLUE}),
        ((None, None), 8, {"Rolf": RED}),  # routed: Rolf left, Ann nowhere
        (((0.0, 0.0, 0.5, 1.0), None), 4, {"Ann": BLUE, "Rolf": RED}),
    ],
)
def test_maps_come_before_boxes_and_boxes_before_looks(
    boxes: tuple[Box | None, Box | None], ann_from: int | None, asked: dict[str, Look]
) -> None:
    """RED stands left. Maps give Rolf the left half, and Ann the columns from `ann_from` on, of 8."""
    rendering, routes = scene(RED, BLUE), RouteMaps()
    if ann_from is not None:
        maps = torch.zeros(1, 3, 8, 8)
        maps[:, 1, :, :4] = maps[:, 2, :, 4:] = 0.5
        maps[:, 0, :, ann_from:] = 1.0
        routes.collect({"layer": maps.flatten(2)}, (8, 8))
    people = zip((ANN, ROLF), boxes, strict=True)
    prompt = PanelPrompt((), tuple(Member(one.id, one.name, "a girl", box) for one, box in people))
    panel = PlannedPanel(0, prompt, Style(), (96, 96), 0, (ANN, ROLF))
    finder = Finder(ToonSights(TrueDetector(rendering), Colours()))
    found = finder.locate(Image.fromarray(rendering.image), panel, routes)
    assert {figure.name: figure.face for figure in found} == {
        name: truth(rendering, look)[1] for name, look in asked.items()
    }


def test_a_place_where_nobody_was_seen_stays_as_it_is() -> None:
    assert find(scene(RED), (), (Figure("Rolf", (0, 0, 8, 8)),)) == {"Rolf": ((0, 0, 8, 8), None)}


def test_references_are_read_once_for_all_panels() -> None:
    first, second = scene(RED, BLUE), scene(BLUE, RED, GREEN)
    eyes = Colours()
    finder = Finder(ToonSights(TrueDetector(first, second), eyes))
    for rendering in (first, second, second):
        finder.find(Image.fromarray(rendering.image), (), (ANN, ROLF))
    assert eyes.seen == 2 + 2 + 3 + 3


@pytest.mark.parametrize(
    ("gain", "pairs"),
    [
        ([[0.9, 0.8], [0.8, 0.1]], [(0, 1), (1, 0)]),  # not the best pair first: the best total
        ([[0.9, 0.39], [0.89, 0.0]], [(0, 0)]),
        ([[0.2, 0.3]], []),
        ([], []),
    ],
)
def test_pairs_below_the_floor_do_not_count(gain: list[list[float]], pairs: list[tuple[int, int]]) -> None:
    assert assign(np.array(gain).reshape(len(gain), 2), 0.4) == pairs


class Faces:
    """Reads a picture's faces off a table; the key is the picture's first pixel."""

    dim = 2

    def __init__(self, table: dict[int, tuple[SeenFace, ...]]) -> None:
        self.table = table

    def read(self, picture: np.ndarray) -> tuple[SeenFace, ...]:
        return self.table[int(picture[0, 0, 0])]


def seen(x: float, vector: tuple[float, float]) -> SeenFace:
    return SeenFace((x, 20.0, x + 10, 32.0), np.zeros((5, 2)), 1.0, np.array(vector))


def test_people_in_photographs_are_known_by_their_faces() -> None:
    faces = {
        1: (seen(0, (1.0, 0.0)),),
        2: (seen(0, (0.0, 1.0)),),
        3: (),
        9: (seen(4, (0.1, 0.99)), seen(60, (0.99, 0.1))),
    }
    cast = [
        replace(
            ANN, id=CharacterId(name), name=name, references=(Reference(Image.new("RGB", (64, 64), (n, 0, 0)), ""),)
        )
        for n, name in ((1, "Ann"), (2, "Rolf"), (3, "Faceless"))
    ]
    finder = Finder(FaceSights(Faces(faces)))
    picture = Image.new("RGB", (100, 60), (9, 0, 0))
    found = {figure.name: figure for figure in finder.find(picture, (), cast)}
    assert found == {
        "Ann": Figure("Ann", (50, 15, 80, 60), (60, 20, 70, 32)),
        "Rolf": Figure("Rolf", (0, 15, 24, 60), (4, 20, 14, 32)),
    }


@pytest.fixture(scope="module")
def base(tiny_base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base with ip-adapter weights and no detector."""
    folder = tmp_path_factory.mktemp("base") / "tiny"
    shutil.copytree(tiny_base_folder, folder)
    adapter = fresh_adapter(load_backbone(folder, device="cpu"), SIZE)
    save_adapter(adapter, folder / "engines" / "ip-adapter" / "adapter.safetensors")
    return folder


def draw(base: Path, out: Path) -> tuple[list[str], list[tuple[FigureRecord, ...]]]:
    heard: list[Event] = []
    drawing = Drawing(engine="ip-adapter", base=str(base), steps=1, device="cpu", dtype="float32", seed=5)
    cast = (character("Ann", "red", "she"), character("Ben", "blue", "he"))
    story = "Ann sits in the park. Ann hugs Ben on the beach."
    draw_comic(story, cast, drawing, out, page=PageOptions(layout="classic-4", dpi=40), report=heard.append)
    return [one.text for one in heard if isinstance(one, Note)], [one.figures for one in read_record(out).panels]


def test_without_a_detector_there_are_no_figures_and_one_note(base: Path, tmp_path: Path) -> None:
    notes, figures = draw(base, tmp_path / "out")
    assert len([note for note in notes if "detector/" in note]) == 1
    assert figures == [(), ()]


def test_a_base_with_a_detector_finds_figures_where_nothing_routes(base: Path, tmp_path: Path) -> None:
    """Untrained nets that see somebody in every place, and everybody alike."""
    folder = tmp_path / "seeing"
    shutil.copytree(base, folder)
    torch.manual_seed(0)
    net = Detector()
    with torch.no_grad():
        net.maps.bias[:3].fill_(2.0)  # type: ignore[index]
    save_net(net, folder / "detector")
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32).save_pretrained(folder / "image_encoder")

    notes, figures = draw(folder, tmp_path / "out")
    assert not [note for note in notes if "detector/" in note]
    assert [{one.name for one in panel} for panel in figures] == [{"Ann"}, {"Ann", "Ben"}]
    size = read_record(tmp_path / "out").panels[1].size
    assert all(
        0 <= one.box[0] < one.box[2] <= size[0] and 0 <= one.box[1] < one.box[3] <= size[1] for one in figures[1]
    )
    redraw_panel(tmp_path / "out", 2, seed=read_record(tmp_path / "out").panels[1].seed)
    assert [panel.figures for panel in read_record(tmp_path / "out").panels] == figures


def test_an_insightface_pack_counts_only_if_it_can_be_run(
    backbone: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = replace(backbone, folder=tmp_path)  # type: ignore[type-var]
    assert find_sights(replace(packed, folder=None)) is None
    (tmp_path / "faces").mkdir()
    monkeypatch.setattr("inkcast.drawing.figures.find_spec", lambda name: name == "insightface")
    assert find_sights(packed) is None
    (tmp_path / "faces" / "det_10g.onnx").touch()
    assert isinstance(find_sights(packed), FaceSights)
    monkeypatch.setattr("inkcast.drawing.figures.find_spec", lambda name: None)
    assert find_sights(packed) is None
