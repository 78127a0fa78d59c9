"""`scripts/train-toon`: the commands that it gives are recipes with values that exist."""

from __future__ import annotations

import os
import shlex
import subprocess
from importlib import import_module
from pathlib import Path
from shutil import copytree

import pytest

from inkcast.training.objective import OBJECTIVES
from inkcast.training.recipe import Recipe, check, load_recipe

ROOT = Path(__file__).parents[2]
BASE = ["latents", "vae", "unet", "unet-sd", "vision", "oracle", "detector", "face", "face-judge", "judge"]
STAGES = [*BASE, "ip-adapter", "any-story-stage1", "any-story-stage2", "pose-controlnet", "story-maker"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The script and its recipes where no run lies."""
    copytree(ROOT / "scripts", tmp_path / "scripts")
    copytree(ROOT / "recipes", tmp_path / "recipes")
    return tmp_path


def told(checkout: Path, stages: list[str], **given: str) -> list[tuple[Recipe, list[str]]]:
    done = subprocess.run(
        [checkout / "scripts" / "train-toon", *stages],
        env={"PATH": os.environ["PATH"], "DRY": "1", **given},
        capture_output=True,
        text=True,
        check=True,
    )
    found = []
    for line in done.stdout.splitlines():
        recipe, *options = shlex.split(line.removeprefix("train-toon: "))
        changes = [option for option in options if not option.startswith("--")]
        made = load_recipe(checkout / recipe, changes)
        check(import_module(OBJECTIVES[made.objective].module).Parameters, made.parameters, line)
        found.append((made, changes))
    return found


@pytest.mark.parametrize("given", [{}, {"GPU": "1", "MINUTES": "9"}, {"FROM_SHIPPED": "1"}])
def test_every_stage_is_a_recipe_with_values_that_exist(checkout: Path, given: dict[str, str]) -> None:
    recipes = [recipe for recipe, _ in told(checkout, STAGES, **given)]
    assert len({recipe.folder for recipe in recipes}) == len(STAGES)
    if "GPU" in given:
        assert all(recipe.device == "cuda" and recipe.max_minutes == 9 for recipe in recipes)
    if "FROM_SHIPPED" in given:
        starts = {recipe.init for recipe in recipes if recipe.init is not None}
        assert all((ROOT / start).exists() for start in starts)


def test_engines_take_the_base_that_is_there(checkout: Path) -> None:
    shipped = "src/inkcast/toon/weights/base"
    (alone, _), (maker, _) = told(checkout, ["any-story-stage1:2.5", "story-maker"])
    assert (alone.parameters["base"], alone.max_minutes, maker.parameters["base"]) == (shipped, 2.5, shipped)
    (checkout / "runs" / "toon-unet" / "export").mkdir(parents=True)
    (alone, _), (maker, _) = told(checkout, ["any-story-stage1", "story-maker"])
    assert alone.parameters["base"] == maker.parameters["base"] == "runs/toon-unet/export"


def test_what_was_stopped_goes_on(checkout: Path) -> None:
    (checkout / "runs" / "toon-vae" / "checkpoints" / "step-00000010").mkdir(parents=True)
    done = subprocess.run(
        [checkout / "scripts" / "train-toon", "vae"],
        env={"PATH": os.environ["PATH"], "DRY": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.rstrip().endswith("--resume")
