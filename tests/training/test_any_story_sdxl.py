"""AnyStory's SDXL recipes, dry, by the command line: at tiny width over a base that predicts noise, on pictures of a
folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests import tiny
from tests.training.command import command_line, flags

from inkcast.engines.any_story.weights import ROUTER_SIZE, SUBJECT_SIZE
from inkcast.errors import TrainingError
from inkcast.sampling.sampler import DrawSettings
from inkcast.sdxl.backbone import load_backbone
from inkcast.training import showing
from inkcast.training.any_story import AnyStoryTraining, Parameters, Varied
from inkcast.training.data.building import build
from inkcast.training.data.reading import ShardSource
from inkcast.training.data.toon import toon_items
from inkcast.training.diffusion import min_snr, min_snr_noise
from inkcast.training.objective import build_objective
from inkcast.training.pairs import Pairs, read_manifest
from inkcast.training.recipe import load_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
SMALL = ["channels=16", "depth=1", "heads=2", "head_dim=8"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of two people each: red on the left, blue on the right."""
    data = tmp_path / "data"
    data.mkdir()
    for name, colour in (("red", (200, 20, 20)), ("blue", (20, 20, 200))):
        picture = Image.new("RGB", (40, 60), (255, 255, 255))
        picture.paste(colour, (10, 10, 30, 55))
        picture.save(data / f"{name}.png")
    lines = []
    for number in range(2):
        noise = np.random.default_rng(number).integers(0, 255, (80, 120, 3), dtype=np.uint8)
        Image.fromarray(noise).save(data / f"{number}.png")
        for side, (x0, x1) in enumerate(((30, 50), (70, 90))):
            mask = Image.new("L", (120, 80))
            mask.paste(255, (x0, 10, x1, 70))
            mask.save(data / f"{number}-{side}.png")
        subjects = [
            {"mask": f"{number}-{side}.png", "references": [{"picture": f"{name}.png"}]}
            for side, name in enumerate(("red", "blue"))
        ]
        lines.append(json.dumps({"picture": f"{number}.png", "caption": "a girl and a boy", "subjects": subjects}))
    (data / "pairs.jsonl").write_text("\n".join(lines) + "\n")
    return data


def tiny_settings(folder: Path, base: Path, out: Path) -> list[str]:
    wanted = {"parameters.base": base, "parameters.data": folder, "parameters.image_encoder": base / "image_encoder"}
    plain = ["device=cpu", "precision=no", "steps=2", "batch=2", "log_every=1", "loader.workers=0"]
    plain += ["gradient_checkpointing=true", "sample_every=2", "parameters.show_steps=2"]
    return [f"out={out}", *plain, *(f"{name}={value}" for name, value in wanted.items())]


def blank(how: DrawSettings) -> Image.Image:
    return Image.new("RGB", how.size)


def test_a_dry_run_of_both_recipes(folder: Path, tiny_base_folder: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "stage1", tmp_path / "stage2"
    qformer = [f"parameters.qformer.{value}" for value in SMALL]
    settings = tiny_settings(folder, tiny_base_folder, first)
    command_line("train", RECIPES / "any-story-stage1-sdxl.toml", *flags(*settings, *qformer, "parameters.tokens=4"))
    small = [f"parameters.router.qformer.{value}" for value in SMALL] + ["parameters.router.features=16"]
    settings = [*tiny_settings(folder, tiny_base_folder, second), f"parameters.encoders={first / 'export'}"]
    command_line("train", RECIPES / "any-story-stage2-sdxl.toml", *flags(*settings, *small))
    assert {path.name for path in (second / "export").glob("*.safetensors")} == {
        "encoder.safetensors",
        "reference_net.safetensors",
        "router.safetensors",
    }
    for run in (first, second):
        lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
        assert len(lines) == 2
        assert all(np.isfinite(line["loss"]) for line in lines)
    assert "route" in lines[-1]
    side = load_backbone(tiny_base_folder, device="cpu").side
    for run, rows in ((first, 2), (second, 3)):  # what is asked for, what is drawn, and its map
        grid = np.asarray(Image.open(run / "samples" / "step-00000002.png"))
        assert grid.shape == (side // 2 + rows * side, 4 * side, 3)


def test_shards_are_read_as_well(tiny_base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "shards"
    build(toon_items("subjects", 3, 64), "subjects", data)
    settings = tiny_settings(data, tiny_base_folder, tmp_path / "run")
    qformer = [f"parameters.qformer.{value}" for value in SMALL]
    recipe = load_recipe(RECIPES / "any-story-stage1-sdxl.toml", [*settings, *qformer, "parameters.tokens=4"])
    objective: AnyStoryTraining = build_objective(recipe, torch.device("cpu"))  # type: ignore[assignment]
    varied = objective.source
    assert isinstance(varied, Varied)
    assert isinstance(varied.plain, ShardSource)
    assert (varied.augment, varied.plain.reading.augmentation.share) == (0.0, 0.5)  # turned, cropped, padded once
    assert objective.parts.reference_net.unet.is_gradient_checkpointing
    sample = objective.source[0]
    assert sample["picture"].shape[-1] == objective.base.side
    assert sample["present"].sum() == 1
    assert "tokens_2" in sample
    batch = torch.utils.data.default_collate([objective.source[n] for n in range(2)])
    assert torch.isfinite(objective.module(batch)["loss"])

    drawn: list[DrawSettings] = []
    monkeypatch.setattr(showing, "draw", lambda base, given, how, **more: [drawn.append(how), blank(how)][1:])
    assert objective.picture() is not None
    assert {(how.steps, how.guidance, how.scheduler) for how in drawn} == {(2, 7.5, "euler-karras")}


def test_the_recipes_are_at_the_papers_sizes() -> None:
    one, two = (load_recipe(RECIPES / f"any-story-stage{n}-sdxl.toml", ()) for n in (1, 2))
    first, second = (Parameters.model_validate(recipe.parameters) for recipe in (one, two))
    assert first.qformer.resampler(1280, 2048, first.tokens) == SUBJECT_SIZE
    table = second.router
    assert table.qformer.resampler(1280, table.features, 1) == ROUTER_SIZE.qformer
    assert (table.heads, table.head_dim) == (ROUTER_SIZE.heads, ROUTER_SIZE.head_dim)
    assert (one.batch, one.optimizer.learning_rate, first.drop_subjects, second.route_weight) == (64, 1e-4, 0.1, 0.1)


def test_samples_are_the_square_around_their_subjects(folder: Path) -> None:
    words = tiny.tokenizer()
    pairs = Pairs(folder, (words, words), 32, (4, 4, 4), most=2, drop_text=0.0, drop_subjects=0.5, seed=1)
    drops = 0
    for index in range(12):
        sample, again = pairs[index], pairs[index]
        assert all(torch.equal(sample[name], again[name]) for name in sample)
        assert sample["picture"].shape == (3, 32, 32)
        assert sample["time_ids"].tolist() == [80, 120, 0, 8, 32, 32]  # scaled to 32 x 48, cut 8 from the left
        assert sample["references"].shape == (2, 3, 16, 16)
        for place in range(2):
            red = bool(sample["references"][place, 0, 8, 8] > sample["references"][place, 2, 8, 8])
            columns = sample["masks"][place].any(0).nonzero().flatten().tolist()
            assert (columns[0], columns[-1]) == ((4, 11) if red else (20, 27))
            assert 0.2 < float(sample["reference_masks"][place].mean()) < 0.7
        drops += int(sample["drop"])
    assert 0 < drops < 12
    assert (
        pairs[0]["tokens"].tolist()
        != Pairs(folder, (words, words), 32, (4, 4, 4), 2, 1.0, 0.5, 1)[0]["tokens"].tolist()
    )


def test_who_is_outside_of_the_square_is_not_present(folder: Path) -> None:
    for side, (x0, x1) in enumerate(((0, 18), (100, 120))):
        mask = Image.new("L", (120, 80))
        mask.paste(255, (x0, 10, x1, 70))
        for number in range(2):
            mask.save(folder / f"{number}-{side}.png")
    words = tiny.tokenizer()
    pairs = Pairs(folder, (words, words), 32, (4, 4, 4), most=2, drop_text=0.0, drop_subjects=0.5, seed=1)
    for index in range(4):
        sample = pairs[index]
        assert sample["time_ids"].tolist() == [80, 120, 0, 16, 32, 32]  # around the broader one
        assert sample["present"].tolist() == [True, False]
        assert sample["masks"].sum(dim=(1, 2)).tolist() == [8 * 24, 0]
        assert sample["references"][0, 2, 8, 8] > sample["references"][0, 0, 8, 8]  # and the blue one's reference
        assert sample["references"][1].min() == 1
        assert not sample["reference_masks"][1].any()


def test_lines_of_a_manifest_end_where_lines_of_json_do(folder: Path) -> None:
    """Not at the other marks that end lines of text; blank ones are none."""
    path = folder / "pairs.jsonl"
    path.write_bytes(path.read_bytes().replace(b"a girl", "a\u2028gi\u0085rl".encode()).replace(b"\n", b"\r\n\r\n"))
    assert [pair.caption for pair in read_manifest(folder)] == ["a\u2028gi\u0085rl and a boy"] * 2
    path.write_text("\n")
    with pytest.raises(TrainingError, match="is empty"):
        read_manifest(folder)


def test_manifests_that_are_none_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no training pictures in .*: write pairs.jsonl there"):
        read_manifest(tmp_path)
    (folder / "pairs.jsonl").write_text('{"picture": "a.png", "caption": "x", "subjects": [], "more": 1}\n')
    with pytest.raises(TrainingError, match="line 1: Extra inputs are not permitted"):
        read_manifest(folder)
    (folder / "pairs.jsonl").write_text('{"picture": "a.png", "caption": "x", "subjects": []}\n')
    with pytest.raises(TrainingError, match="line 1: name a subject, and a reference for each"):
        read_manifest(folder)


def test_one_supply_of_pictures(folder: Path, tiny_base_folder: Path, tmp_path: Path) -> None:
    settings = [*tiny_settings(folder, tiny_base_folder, tmp_path / "run"), "parameters.cache=somewhere"]
    recipe = load_recipe(
        RECIPES / "any-story-stage1-sdxl.toml", [*settings, *(f"parameters.qformer.{v}" for v in SMALL)]
    )
    with pytest.raises(TrainingError, match=r"give parameters.cache \(drawn pictures\) or parameters.data, not both"):
        build_objective(recipe, torch.device("cpu"))


def test_weights_of_both_predictions_agree() -> None:
    """v - v' = (noise - noise') / sqrt(a): the same error in other units."""
    a = torch.tensor([0.999, 0.9, 0.5, 0.1, 0.001])
    torch.testing.assert_close(min_snr_noise(a, 5.0), min_snr(a, 5.0) / a)
    assert torch.equal(min_snr_noise(a, 0.0), torch.ones(5))
