"""What the seeing nets are trained on and by: rendered sets, degradations, targets, losses, objectives end to end."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.fft import dctn
from torch.utils.data import default_collate
from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

from inkcast.errors import TrainingError
from inkcast.toon.labels import ABSENT, LOOK_HEADS, SCENE_HEADS
from inkcast.toon.nets import load_net
from inkcast.toon.world import split_of
from inkcast.training import (
    perception_detector,
    perception_face,
    perception_face_judge,
    perception_judge,
    perception_oracle,
    perception_vision,
)
from inkcast.training.perception_augment import compress, cosine_basis, degrade
from inkcast.training.perception_data import RenderedSet, SetSpec, dressed, face_look, rendered_set, sample_picture
from inkcast.training.perception_detector import focal_loss, put_peak
from inkcast.training.perception_face import aligned
from inkcast.training.perception_face_judge import contrast
from inkcast.training.perception_oracle import choice_loss
from inkcast.training.perception_views import agreement, vocabulary, words_of
from inkcast.training.recipe import Recipe
from inkcast.training.toon_unet import load_vae

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sets")


@pytest.fixture(scope="module")
def scenes(cache: Path) -> RenderedSet:
    return rendered_set(cache, SetSpec(12, seed=4, sheets=0.3, views=True), workers=1)


def test_a_set_holds_what_was_drawn(scenes: RenderedSet) -> None:
    for index in range(12):
        rendering, _, sheet = sample_picture(SetSpec(12, seed=4, sheets=0.3, views=True), index)
        np.testing.assert_array_equal(scenes.pictures[index], rendering.image)
        np.testing.assert_array_equal(scenes.instances[index], rendering.instances)
        assert (scenes.scenes[index][0] == ABSENT) == sheet
        rows = scenes.rows[scenes.rows_by_picture[index]]
        visible = [k for k, pose in enumerate(rendering.actors) if pose.box is not None]
        assert [int(row["instance"]) - 1 for row in rows] == visible
        for row in rows:
            np.testing.assert_array_equal(row["box"], rendering.actors[row["instance"] - 1].box)
            assert row["pixels"] == (rendering.instances == row["instance"]).sum()
    assert len(scenes.captions) == len(scenes.rows) == len(scenes.views)
    assert any(label[0] == ABSENT for label in scenes.scenes)
    assert any(label[0] != ABSENT for label in scenes.scenes)


def test_a_set_is_drawn_once_and_does_not_depend_on_the_processes(
    cache: Path, tmp_path: Path, scenes: RenderedSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = SetSpec(12, seed=4, sheets=0.3, views=True)
    again = rendered_set(tmp_path, spec, workers=2)
    for name in ("pictures", "instances", "scenes", "views"):
        np.testing.assert_array_equal(getattr(again, name), getattr(scenes, name))
    assert again.captions == scenes.captions
    monkeypatch.setattr("inkcast.training.perception_data.draw_set", lambda *_: pytest.fail("drawn again"))
    assert rendered_set(cache, spec).folder == scenes.folder
    with pytest.raises(pytest.fail.Exception):
        rendered_set(cache, replace(spec, seed=5))


def test_an_identity_keeps_its_face_in_other_clothes() -> None:
    spec = SetSpec(0, seed=1, split="test", identities=5)
    look = face_look(spec, 3)
    assert look == face_look(spec, 3)
    other = dressed(look, np.random.default_rng(0), "test")
    assert split_of(other) == split_of(look) == "test"
    assert other != look
    clothes = {name: getattr(look, name) for name in ("top", "pattern", "bottom", "bottom_color")}
    assert replace(other, **clothes) == look


def test_compression_quantises_the_cosine_transform() -> None:
    block = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    out = compress(block, 0.05)
    frequency = np.arange(8)
    quantum = 0.05 * (1 + frequency[:, None] + frequency[None])
    expected = np.round(dctn(block[0, 0].numpy(), norm="ortho") / quantum)
    np.testing.assert_allclose(dctn(out[0, 0].numpy(), norm="ortho") / quantum, expected, atol=1e-4)
    torch.testing.assert_close(cosine_basis() @ cosine_basis().T, torch.eye(8), atol=1e-6, rtol=0)


def test_degraded_pictures_stay_near_in_order_and_in_range() -> None:
    torch.manual_seed(0)
    levels = torch.linspace(0.1, 0.9, 20).view(20, 1, 1, 1).expand(20, 3, 40, 40)
    out = degrade(levels, share=1.0)
    assert out.shape == levels.shape
    assert out.min() >= 0
    assert out.max() <= 1
    assert (out.mean((1, 2, 3)) - levels.mean((1, 2, 3))).abs().max() < 0.1
    torch.manual_seed(0)
    sharp = (torch.rand(40, 3, 32, 32) > 0.5).float()
    change = (degrade(sharp, share=0.5) - sharp).abs().mean((1, 2, 3))
    assert 10 <= int((change > 0.09).sum()) <= 20


def test_unknown_labels_cost_and_count_nothing() -> None:
    heads = {"a": ("x", "y"), "b": ("x", "y", "z")}
    logits = {"a": torch.tensor([[2.0, 0.0], [0.0, 1.0]]), "b": torch.tensor([[0.0, 0.0, 5.0], [1.0, 0.0, 0.0]])}
    loss, right = choice_loss(logits, torch.tensor([[0, ABSENT], [0, 2]]), heads)
    expected = F.cross_entropy(logits["a"], torch.tensor([0, 0])) + F.cross_entropy(logits["b"][1:], torch.tensor([2]))
    torch.testing.assert_close(loss, expected)
    assert right.item() == pytest.approx(1 / 3)
    heavier, _ = choice_loss(logits, torch.tensor([[0, ABSENT], [0, 2]]), heads, {"b": 3.0})
    torch.testing.assert_close(heavier - loss, 2 * F.cross_entropy(logits["b"][1:], torch.tensor([2])))
    loss, right = choice_loss(logits, torch.full((2, 2), ABSENT), heads)
    assert loss.item() == right.item() == 0


def test_a_peak_is_one_at_its_cell_and_falls_off_by_the_boxs_sides() -> None:
    heat = np.zeros((9, 9), np.float32)
    put_peak(heat, 4, 3, 27.0, 9.0)
    assert heat[3, 4] == 1
    assert heat[3, 7] == pytest.approx(math.exp(-0.5))
    assert heat[4, 4] == pytest.approx(math.exp(-0.5))
    before = heat.copy()
    put_peak(heat, 0, 8, 1.0, 1.0)
    assert (heat >= before).all()
    assert heat[8, 0] == 1


def test_the_focal_loss_is_equation_1() -> None:
    logits, heat = torch.tensor([[[[0.3, -2.0]]]]), torch.tensor([[[[1.0, 0.5]]]])
    p, q = logits.sigmoid().flatten().tolist()
    expected = -((1 - p) ** 2 * math.log(p) + 0.5**4 * q**2 * math.log(1 - q))
    assert focal_loss(logits, heat).item() == pytest.approx(expected, rel=1e-5)


def test_views_that_agree_cost_least() -> None:
    vectors = F.normalize(torch.randn(6, 16, generator=torch.Generator().manual_seed(0)), dim=1)
    loss, found = agreement(vectors, vectors, 0.07)
    wrong, missed = agreement(vectors, vectors.roll(1, 0), 0.07)
    assert found == 1
    assert missed == 0
    assert loss < 0.1 < wrong


def test_the_contrast_is_equation_2() -> None:
    """By loops; a face's own vector is neither right nor wrong, and faces of the batch's other pairs count as right."""
    vectors = F.normalize(torch.randn(6, 5, generator=torch.Generator().manual_seed(1)), dim=1).requires_grad_()
    identity, temperature = torch.tensor([4, 7, 4, 4, 7, 4]), 0.3
    expected, nearest = 0.0, []
    for i in range(6):
        others = [a for a in range(6) if a != i]
        every = sum(math.exp((vectors[i] @ vectors[a]).item() / temperature) for a in others)
        own = [p for p in others if identity[p] == identity[i]]
        told = [math.log(math.exp((vectors[i] @ vectors[p]).item() / temperature) / every) for p in own]
        expected -= sum(told) / len(own) / 6
        nearest.append(max(others, key=lambda a: (vectors[i] @ vectors[a]).item()) in own)
    loss, right = contrast(vectors, identity, temperature)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert right.item() == pytest.approx(sum(nearest) / 6)
    loss.backward()
    assert vectors.grad is not None
    assert vectors.grad.isfinite().all()


def test_pairs_are_two_pictures_of_one_face(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = rendered_set(cache, SetSpec(12, seed=4, identities=6), workers=1)
    source = perception_face_judge.PairSource(data, 12.0, seed=0)
    shown: list[np.void] = []

    def watched(data: RenderedSet, row: np.void, jitter: np.ndarray) -> np.ndarray:
        shown.append(row)
        return aligned(data, row, jitter)

    monkeypatch.setattr(perception_face_judge, "aligned", watched)
    for index in range(20):
        shown.clear()
        sample = source[index]
        first, second = shown
        assert first["picture"] != second["picture"], "a face beside itself teaches nothing"
        assert first["identity"] == second["identity"] == sample["identity"].item()
        assert sample["faces"].shape == (2, 48, 48, 3)
    alone = RenderedSet(data.folder)
    vars(alone)["rows"] = data.rows[:1]
    with pytest.raises(TrainingError, match="no face is in two"):
        perception_face_judge.PairSource(alone, 0.0, seed=0)


def test_words_are_numbered_from_one() -> None:
    assert words_of("A girl, with tan skin") == ["a", "girl", "with", "tan", "skin"]
    assert vocabulary(["b a", "A c"]) == {"a": 1, "b": 2, "c": 3}


MODULES = {
    "oracle": (perception_oracle, "toon-oracle"),
    "detector": (perception_detector, "toon-detector"),
    "face": (perception_face, "toon-face"),
    "face judge": (perception_face_judge, "toon-face-judge"),
    "judge": (perception_judge, "toon-judge"),
    "vision": (perception_vision, "toon-vision"),
}


@pytest.mark.parametrize("name", MODULES)
def test_an_objective_learns_a_batch_and_exports_what_it_learned(name: str, cache: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, objective_name = MODULES[name]
    settings = {"pictures": 12, "data_seed": 4, "cache": cache, "workers": 1}
    settings |= {"identities": 6} if name.startswith("face") else {}
    settings |= {"hidden": 32, "layers": 2, "projection": 32} if name == "vision" else {}
    recipe = Recipe(name="test", objective=objective_name)
    objective = module.build(module.Parameters(**settings), recipe, CPU)
    first, again = objective.source[3], objective.source[3]
    assert all(torch.equal(first[key], again[key]) for key in first), "a sample must depend on its index alone"
    batch = default_collate([objective.source[index] for index in range(8)])
    optimizer = torch.optim.AdamW(objective.module.parameters(), 2e-3)
    losses = []
    for _ in range(7):
        out = objective.module(batch)
        out["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(out["loss"].item())
    assert min(losses[-2:]) < 0.9 * losses[0]
    assert all(math.isfinite(value.item()) for value in out.values())
    objective.export(tmp_path / "out")
    if name == "vision":
        tower = CLIPVisionModelWithProjection.from_pretrained(tmp_path / "out")
        processor = CLIPImageProcessorPil.from_pretrained(tmp_path / "out")
        assert tower.config.image_size == 64
        assert list(processor.image_mean) == [0.5, 0.5, 0.5]
    else:
        assert type(load_net(tmp_path / "out")) is type(objective.module.net)


def test_the_oracles_sample_fits_its_questions(scenes: RenderedSet) -> None:
    source = perception_oracle.OracleSource(scenes, fewest=60, seed=0)
    sample = source[0]
    assert sample["scene"].shape == (len(SCENE_HEADS),)
    assert sample["looks"].shape == (2, len(LOOK_HEADS))
    picture = next(k for k, p in enumerate(scenes.pictures) if np.array_equal(p, sample["picture"].numpy()))
    boxes = scenes.rows[scenes.rows_by_picture[picture]]["box"]
    for box in sample["boxes"].numpy():
        assert np.abs(boxes - box).max(1).min() < 0.11 * 128


def test_some_of_the_oracles_pictures_come_from_behind_the_autoencoder(
    scenes: RenderedSet, toon_vae_folder: Path
) -> None:
    vae = load_vae(toon_vae_folder, CPU)
    file = perception_oracle.decoded_pictures(scenes, vae, 5)
    decoded = np.load(file)
    with torch.no_grad():
        x = torch.from_numpy(scenes.pictures[4].copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        expected = (vae.decode(vae.encode(x).latent_dist.mode()).sample[0].permute(1, 2, 0) + 1) * 127.5
    assert np.abs(decoded[4] - expected.clamp(0, 255).numpy()).mean() < 2  # bfloat16
    source = perception_oracle.OracleSource(scenes, fewest=60, seed=0, decoded=file)
    seen = [source[index]["picture"].numpy() for index in range(60)]
    redrawn = [any(np.array_equal(picture, one) for one in decoded) for picture in seen]
    assert 5 < sum(redrawn) < 30
    assert all(
        behind or any(np.array_equal(picture, one) for one in scenes.pictures)
        for picture, behind in zip(seen, redrawn, strict=True)
    )
    before = file.stat().st_mtime_ns
    assert perception_oracle.decoded_pictures(scenes, vae, 5) == file
    assert file.stat().st_mtime_ns == before
