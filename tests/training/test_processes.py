"""What only other processes can show: two of them are one, and a run killed at any moment goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests import tiny

from inkcast.errors import TrainingError
from inkcast.sdxl.backbone import load_backbone
from inkcast.toon.nets import Detector, FaceEncoder, save_net
from inkcast.training import checkpoints
from inkcast.training.data.building import build
from inkcast.training.data.toon import toon_items
from inkcast.training.recipe import Recipe, load_recipe
from inkcast.training.trainer import train

Start = Callable[..., "subprocess.Popen[str]"]


def finished(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors[-2000:]


@pytest.mark.slow
def test_two_processes_are_one(toy_process: Start, tmp_path: Path) -> None:
    """Equal weights, through gradient averaging, accumulation and a resume on both; on the device found by itself."""
    usual = (
        f"device={'cpu' if torch.accelerator.is_available() else 'auto'}",
        "accumulate=2",
        "ema=0.9",
        "checkpoints.every=4",
        "optimizer.learning_rate=0.01",
        "schedule.decay=constant",
    )
    two, one = tmp_path / "two", tmp_path / "one"
    finished(toy_process(*usual, f"out={two}", "steps=6", processes=2))
    finished(toy_process(*usual, f"out={two}", "steps=9", processes=2, resume=True))
    train(load_recipe(tmp_path / "toy.toml", [*usual, f"out={one}", "steps=9"]))
    ends = [load_file(out / "export" / "toy.safetensors") for out in (one, two)]
    for name, value in ends[0].items():
        assert torch.allclose(value, ends[1][name], atol=1e-6), name


@pytest.mark.slow
def test_two_processes_follow_one_clock(toy_process: Start, tmp_path: Path) -> None:
    """Rates that the clock sets are the same on both, to the bit; otherwise their weights drift apart."""
    out, seen = tmp_path / "two", tmp_path / "seen"
    seen.mkdir()
    usual = ("schedule.decay=linear", "optimizer.learning_rate=0.05", "checkpoints.minutes=0.002")
    finished(toy_process(*usual, f"out={out}", "max_minutes=0.02", f"parameters.seen={seen}", processes=2))
    first, second = (load_file(seen / f"{rank}.safetensors") for rank in (0, 1))
    assert first["count"] > 8
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def settings(table: dict[str, Any], prefix: str = "") -> list[str]:
    """A recipe's values as `key.path=value` overrides."""
    pairs: list[str] = []
    for key, value in table.items():
        if isinstance(value, dict):
            pairs += settings(value, f"{prefix}{key}.")
        elif value is not None:
            pairs.append(f"{prefix}{key}={json.dumps(value)}")
    return pairs


def log(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_two_processes_with_half_the_weights_each_are_one(
    toy_process: Start, toon_unet_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    """Losses, clipped gradients, averages and exported weights of a sharded UNet, blocks gathered one by one."""
    usual = {"ema": 0.9, "checkpoints": {"every": 3, "minutes": 0}, "optimizer": {"learning_rate": 1e-3, "clip": 0.05}}
    train(toon_unet_recipe("cache", steps=1))  # whoever makes the cache of pictures starts from other weights
    one = train(toon_unet_recipe("one", steps=5, schedule={"decay": "constant"}, **usual))
    recipe = toon_unet_recipe("two", steps=3, schedule={"decay": "constant"}, **usual)
    table = json.loads(recipe.model_dump_json()) | {"sharding": {"on": True, "unit": 100}, "sample_every": 2}
    finished(toy_process(*settings(table), processes=2))
    finished(toy_process(*settings(table | {"steps": 5}), processes=2, resume=True))
    two = recipe.folder
    assert (two / "checkpoints" / "step-00000005" / "shards").is_dir()
    assert (two / "samples" / "step-00000002.png").exists()
    for name in ("loss", "gradient_norm"):
        pairs = zip(log(one), log(two), strict=True)
        assert all(a[name] == pytest.approx(b[name], rel=1e-4) for a, b in pairs), name
    for file in sorted((one / "export").glob("*/*.safetensors")):
        other = load_file(two / "export" / file.relative_to(one / "export"))
        for name, value in load_file(file).items():
            assert torch.allclose(value.float(), other[name].float(), atol=2e-3), name
    weights = [load_file(run / "checkpoints" / "step-00000005" / "weights.safetensors") for run in (one, two)]
    for name, value in weights[0].items():
        assert torch.allclose(value, weights[1][name], atol=2e-4), name
    with pytest.raises(TrainingError, match="several processes"):
        train(toon_unet_recipe("two", steps=6, **usual), resume=True)


@pytest.mark.slow
def test_shards_without_an_average_go_on_with_one(toy_process: Start, tmp_path: Path) -> None:
    """The first updates are large and the later ones small: an average of other weights would be far from these."""
    usual = (f"out={tmp_path / 'two'}", "sharding.on=true")
    finished(toy_process(*usual, "steps=3", "optimizer.learning_rate=0.1", processes=2))
    small = ("steps=5", "ema=0.9", "optimizer.learning_rate=1e-6")
    finished(toy_process(*usual, *small, processes=2, resume=True))
    weights, average = (
        load_file(tmp_path / "two" / "checkpoints" / "step-00000005" / f"{name}.safetensors")
        for name in ("weights", "average")
    )
    assert not torch.equal(weights["layers.0.weight"], average["layers.0.weight"])
    for name, value in weights.items():
        assert torch.allclose(value, average[name], atol=1e-5), name


SIZES = {"channels": 16, "depth": 1, "heads": 2, "head_dim": 8}
TINY: dict[str, dict[str, Any]] = {
    "any-story-stage1-sdxl": {"qformer": SIZES, "tokens": 4},
    "story-maker-sdxl": {
        "sizes": SIZES | {"queries": 3, "face_tokens": 2, "face_depth": 1, "face_head_dim": 16, "id_hidden": 8},
        "rank": 2,
    },
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), [("any-story-stage1-sdxl", "subjects"), ("story-maker-sdxl", "people")])
def test_full_size_recipes_over_two_processes_are_those_of_one(
    toy_process: Start, tiny_base_folder: Path, tmp_path: Path, name: str, kind: str
) -> None:
    """At tiny width, in parts over both: losses, clipped gradients and what is exported."""
    build(toon_items(kind, 4, 64), kind, tmp_path / "shards")  # type: ignore[arg-type]
    base = load_backbone(tiny_base_folder, device="cpu", dtype=torch.float32)
    tiny.controlnet(base.unet).save_pretrained(tmp_path / "poses")
    save_net(FaceEncoder(), tmp_path / "face")
    save_net(Detector(), tmp_path / "detector")
    places = {
        "base": tiny_base_folder,
        "data": tmp_path / "shards",
        "image_encoder": tiny_base_folder / "image_encoder",
    }
    if name.startswith("story-maker"):
        places |= {"controlnet": tmp_path / "poses"} | {part: tmp_path / part for part in ("face", "detector")}
    recipe = load_recipe(Path(__file__).parents[2] / "recipes" / f"{name}.toml", ["parameters.init_plus="])
    table = json.loads(recipe.model_dump_json())
    table["parameters"] = {key: value for key, value in table["parameters"].items() if not key.startswith("init_")}
    table["parameters"] |= {key: str(place) for key, place in places.items()}
    for key, value in TINY[name].items():
        old = table["parameters"].get(key)
        table["parameters"][key] = old | value if isinstance(old, dict) else value
    table |= {"steps": 3, "batch": 4, "precision": "no", "device": "cpu", "log_every": 1, "ema": 0.9}
    table["loader"]["workers"] = 0
    one = train(Recipe.model_validate(table | {"out": tmp_path / "one"}))
    sharded = table | {"out": str(tmp_path / "two"), "sharding": {"on": True, "unit": 100}}
    finished(toy_process(*settings(sharded), processes=2))
    two = tmp_path / "two"
    assert len(log(one)) == 3
    for term in ("loss", "gradient_norm"):
        pairs = zip(log(one), log(two), strict=True)
        assert all(a[term] == pytest.approx(b[term], rel=1e-3) for a, b in pairs), term
    files = sorted((one / "export").glob("*.safetensors"))
    assert files
    for file in files:
        other = load_file(two / "export" / file.name)
        for tensor, value in load_file(file).items():
            assert torch.allclose(value.float(), other[tensor].float(), atol=2e-3), tensor


@pytest.mark.slow
def test_killed_anywhere_it_goes_on(toy_process: Start, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    settings = (f"out={out}", "checkpoints.every=1", "log_every=1")
    process = toy_process(*settings, "steps=100000")
    for _ in range(6000):
        if len(checkpoints.existing(out)) == 2:
            break
        time.sleep(0.05)
    time.sleep(0.117)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    found = checkpoints.existing(out)
    assert found
    for folder in found:
        assert load_file(folder / "weights.safetensors")
    last = json.loads((found[-1] / "progress.json").read_text())["updates"]
    finished(toy_process(*settings, f"steps={last + 2}", resume=True))
    assert checkpoints.existing(out)[-1].name == f"step-{last + 2:08d}"
    assert json.loads((out / "export" / "export.json").read_text())["step"] == last + 2
    assert not list((out / "checkpoints").glob(".inkcast-*"))
