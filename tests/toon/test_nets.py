"""The seeing nets: shapes, the margin of ArcFace against its definition, weights written and read back."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from inkcast.errors import WeightsError
from inkcast.toon.labels import (
    ABSENT,
    LOOK_HEADS,
    SCENE_HEADS,
    actor_labels,
    scene_labels,
    subject_labels,
)
from inkcast.toon.nets import (
    CaptionEncoder,
    Detector,
    FaceEncoder,
    FaceJudge,
    Judge,
    LookOracle,
    Oracle,
    SceneOracle,
    arc_face,
    load_net,
    save_net,
)
from inkcast.toon.world import Actor, Look, Scene, Thing

GIRL = Look("girl", "tan", "long", "bun", "red", "green", "blue", "dotted", "skirt", "white", "cap")
CAT = Look("cat", "gray", "round", "tufted", "black", "amber", "red", "plain", "shorts", "black", "none")
LANTERN = Thing("lantern", "red", "black")


def test_every_question_gets_as_many_logits_as_it_has_answers() -> None:
    scene = SceneOracle().eval()(torch.rand(2, 3, 128, 128))
    assert {name: x.shape[1] for name, x in scene.items()} == {name: len(words) for name, words in SCENE_HEADS.items()}
    look = LookOracle().eval()(torch.rand(2, 4, 80, 80))
    assert {name: x.shape[1] for name, x in look.items()} == {name: len(words) for name, words in LOOK_HEADS.items()}


def test_the_detectors_maps_are_at_their_strides() -> None:
    maps = Detector().eval()(torch.rand(2, 3, 128, 128))
    assert maps.heat.shape == (2, 3, 32, 32)
    assert maps.points.shape == (2, 10, 32, 32)
    assert maps.mask.shape == (2, 1, 64, 64)
    assert maps.heat.sigmoid().mean() < 0.1, "an untrained detector must expect background"


@pytest.mark.parametrize(("net", "side", "dim"), [(FaceEncoder(), 48, 128), (Judge(), 64, 96), (FaceJudge(), 48, 96)])
def test_encoders_give_unit_vectors(net: nn.Module, side: int, dim: int) -> None:
    vectors = net.eval()(torch.rand(3, 3, side, side))
    assert vectors.shape == (3, dim)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))


def test_all_nets_together_stay_small() -> None:
    counts = [sum(p.numel() for p in net().parameters()) for net in (Oracle, Detector, FaceEncoder, Judge, FaceJudge)]
    assert sum(counts) < 3.6e6


def test_captions_ignore_padding_but_not_order() -> None:
    torch.manual_seed(0)
    net = CaptionEncoder(9).eval()
    short, padded, turned = (net(torch.tensor([words])) for words in ([3, 4], [3, 4, 0, 0], [4, 3]))
    torch.testing.assert_close(short, padded)
    assert not torch.allclose(short, turned, atol=1e-3)


def test_arc_face_is_equation_3() -> None:
    cosine = torch.tensor([[0.9, 0.1, -0.3], [0.2, -0.5, 0.7]])
    identity = torch.tensor([0, 1])
    margin, scale = 0.4, 10.0
    expected = 0.0
    for row, own in zip(cosine.tolist(), identity.tolist(), strict=True):
        top = math.exp(scale * math.cos(math.acos(row[own]) + margin))
        rest = sum(math.exp(scale * c) for k, c in enumerate(row) if k != own)
        expected -= math.log(top / (top + rest)) / 2
    assert arc_face(cosine, identity, margin, scale).item() == pytest.approx(expected, rel=1e-4)
    assert arc_face(cosine, identity, 0.0, 1.0).item() == pytest.approx(F.cross_entropy(cosine, identity).item())


def test_saved_weights_read_back_in_half_precision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = FaceEncoder()
    net(torch.rand(8, 3, 48, 48))
    save_net(net.eval(), tmp_path, accuracy=0.5)
    loaded = load_net(tmp_path)
    faces = torch.rand(2, 3, 48, 48)
    torch.testing.assert_close(loaded(faces), net(faces), atol=5e-3, rtol=0)
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    assert (tmp_path / "model.safetensors").stat().st_size < 2.2 * sum(p.numel() for p in net.parameters())


def test_weights_of_another_net_are_refused(tmp_path: Path) -> None:
    save_net(Judge(), tmp_path)
    (tmp_path / "config.json").write_text('{"net": "FaceEncoder"}')
    with pytest.raises(WeightsError, match="do not fit FaceEncoder"):
        load_net(tmp_path)
    with pytest.raises(WeightsError, match="no weights of a seeing net"):
        load_net(tmp_path / "nowhere")


def test_labels_are_places_in_the_vocabularies() -> None:
    read = dict(zip(LOOK_HEADS, actor_labels(Actor(GIRL, "waving", view="side")), strict=True))
    for name in ("kind", "body", "hair", "eyes", "bottom_color", "accessory"):
        assert LOOK_HEADS[name][read[name]] == getattr(GIRL, name)
    assert LOOK_HEADS["action"][read["action"]] == "waving"
    assert LOOK_HEADS["view"][read["view"]] == "side"
    assert read["color"] == ABSENT
    thing = dict(zip(LOOK_HEADS, actor_labels(Actor(LANTERN)), strict=True))
    assert LOOK_HEADS["kind"][thing["kind"]] == "lantern"
    assert LOOK_HEADS["trim"][thing["trim"]] == "black"
    assert thing["hair"] == thing["action"] == thing["view"] == ABSENT
    assert len(subject_labels(CAT)) == len(LOOK_HEADS) - 2


def test_only_visible_characters_count_in_a_scene() -> None:
    scene = Scene((Actor(GIRL, "waving"), Actor(CAT, "sitting"), Actor(LANTERN)), place="cave", time="night")
    read = dict(zip(SCENE_HEADS, scene_labels(scene, [True, False, True]), strict=True))
    assert SCENE_HEADS["place"][read["place"]] == "cave"
    assert SCENE_HEADS["time"][read["time"]] == "night"
    assert SCENE_HEADS["count"][read["count"]] == "1"
