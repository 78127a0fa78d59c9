"""Recipes: what a run is told is checked before anything is built, and the shipped ones fit their objectives."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from inkcast.errors import TrainingError, UsageError
from inkcast.training.checkpoints import Progress
from inkcast.training.objective import OBJECTIVES, build_objective, generator
from inkcast.training.recipe import Recipe, Schedule, load_recipe
from inkcast.training.schedule import done, rate

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "some.toml"
    path.write_text('name = "some"\nobjective = "toy"\nsteps = 10\n[optimizer]\nlearning_rate = 1e-3\n')
    return path


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_fit_their_objectives(recipe: Path) -> None:
    read = load_recipe(recipe)
    assert read.steps or read.max_minutes
    import_module(OBJECTIVES[read.objective].module).Parameters.model_validate(read.parameters)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_the_documented_dry_run_delivers_nothing(recipe: Path) -> None:
    documented = re.search(r"`([^`]+)` is a dry run", (ROOT / "docs" / "training.md").read_text(encoding="utf-8"))
    assert documented is not None
    read = load_recipe(recipe, documented[1].removeprefix("--set ").split(" --set "))
    assert read.steps == 2
    assert read.export is None


def test_overrides(path: Path) -> None:
    given = ["optimizer.learning_rate=0.5", "parameters.vae=a/b.c", "batch = 3", "optimizer.betas=[0.5, 0.6]", "seed=7"]
    recipe = load_recipe(path, given)
    assert (recipe.optimizer.learning_rate, recipe.optimizer.betas) == (0.5, (0.5, 0.6))
    assert (recipe.batch, recipe.seed, recipe.parameters) == (3, 7, {"vae": "a/b.c"})
    assert recipe.folder == Path("runs/some")
    assert load_recipe(path, ["out=elsewhere"]).folder == Path("elsewhere")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.rate=1", r"optimizer\.rate = 1: extra inputs"),
        ("batch=0", r"batch = 0: input should be greater"),
        ("batch", "write key=value"),
        (".a=1", "write key=value"),
        ("name.first=x", "'name' is a value, not a table"),
        ("name=../up", "name = '../up'"),
        ("precision=int4", "precision = 'int4'"),
        ("device=cuda:1", "device = 'cuda:1'"),
    ],
)
def test_wrong_settings_are_one_line(path: Path, override: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        load_recipe(path, [override])
    assert "\n" not in str(raised.value)


def test_unreadable_recipes(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"absent\.toml: No such file"):
        load_recipe(tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_text("name = ")
    with pytest.raises(TrainingError, match="is not TOML"):
        load_recipe(tmp_path / "bad.toml")


def test_unknown_objectives_and_parameters(path: Path) -> None:
    import torch

    with pytest.raises(TrainingError, match=r"unknown objective 'nothing'; known: .*toon-vae"):
        build_objective(load_recipe(path, ["objective=nothing"]), torch.device("cpu"))
    with pytest.raises(UsageError, match=r"parameters: dropping = 1"):
        build_objective(load_recipe(path, ["parameters.dropping=1"]), torch.device("cpu"))


def test_a_recipe_is_frozen(path: Path) -> None:
    recipe = load_recipe(path)
    with pytest.raises(Exception, match="frozen"):
        recipe.batch = 4


@pytest.mark.parametrize(
    ("updates", "seconds", "expected"), [(5, 0, 0.5), (0, 30, 0.25), (5, 90, 0.75), (9, 1, 0.9), (99, 0, 1.0)]
)
def test_the_nearer_end_drives_the_schedule(updates: int, seconds: float, expected: float) -> None:
    recipe = Recipe(name="r", objective="toy", steps=10, max_minutes=2)
    assert done(recipe, Progress(updates, seconds)) == expected


def test_rates() -> None:
    linear = Schedule(warmup=3, decay="linear", floor=0.1)
    assert [rate(linear, n, 0.0) for n in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rate(linear, 9, 0.5) == pytest.approx(0.55)
    assert rate(linear, 9, 1.0) == pytest.approx(0.1)
    cosine = Schedule(decay="cosine")
    assert [round(rate(cosine, 9, f), 6) for f in (0, 1 / 3, 0.5, 1)] == [1.0, 0.75, 0.5, 0.0]
    assert rate(Schedule(decay="constant"), 9, 0.9) == 1.0


def test_chance_depends_on_every_word() -> None:
    draws = [generator(*words).random() for words in ((1, "a", 2), (1, "a", 3), (1, "b", 2), (2, "a", 2), (1, "a", 2))]
    assert draws[0] == draws[4]
    assert len(set(draws)) == 4


def test_a_value_that_is_left_empty_is_taken_out(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('name = "a"\nobjective = "b"\nseed = 4\n[parameters]\ninit = "x"\nkept = 1\n')
    found = load_recipe(tmp_path / "r.toml", ["seed=", "parameters.init=", "parameters.absent="])
    assert (found.seed, found.parameters) == (0, {"kept": 1})
