"""A run goes on with the data it was begun with, wherever they lie, and with no others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.format import open_memmap
from PIL import Image

from inkcast.errors import TrainingError
from inkcast.training import claiming
from inkcast.training.data.building import build
from inkcast.training.data.toon import toon_items
from inkcast.training.fingerprint import fingerprints
from inkcast.training.recipe import Recipe
from inkcast.training.trainer import train

Make = Callable[..., Recipe]


def write_pairs(folder: Path) -> None:
    folder.mkdir()
    for name in ("a", "a-1", "b"):
        Image.new("RGB", (8, 8), "red").save(folder / f"{name}.png")
    subject = {"mask": "a-1.png", "references": [{"picture": "b.png"}]}
    line = {"picture": "a.png", "caption": "a girl", "subjects": [subject]}
    (folder / "pairs.jsonl").write_text(json.dumps(line) + "\n")


def write_shards(folder: Path) -> None:
    build(toon_items("subjects", 2, 64), "subjects", folder)


def another_picture(folder: Path) -> None:
    Image.new("RGB", (9, 9), "blue").save(folder / "b.png")


def another_caption(folder: Path) -> None:
    lines = (folder / "pairs.jsonl").read_text()
    (folder / "pairs.jsonl").write_text(lines.replace("a girl", "a boy!"))


def other_shards(folder: Path) -> None:
    shutil.rmtree(folder)
    build(toon_items("subjects", 2, 64, seed=9), "subjects", folder)


@pytest.mark.parametrize(
    ("write", "change"),
    [(write_pairs, another_picture), (write_pairs, another_caption), (write_shards, other_shards)],
)
def test_data_may_move_but_not_change(
    toy_recipe: Make, tmp_path: Path, write: Callable[[Path], None], change: Callable[[Path], None]
) -> None:
    first, second = tmp_path / "data", tmp_path / "elsewhere"
    write(first)
    train(toy_recipe(steps=3, parameters={"data": first}))
    shutil.move(first, second)
    train(toy_recipe(steps=5, parameters={"data": second}), resume=True)

    change(second)
    run = toy_recipe().folder
    kept = {name: (run / name).read_text() for name in ("recipe.json", "data.json", "log.jsonl")}
    with pytest.raises(
        TrainingError, match=r"parameters.data = .*elsewhere holds other data than .*run was begun with"
    ):
        train(toy_recipe(steps=6, parameters={"data": second}), resume=True)
    with pytest.raises(TrainingError, match=r"parameters.data = None holds other data"):
        train(toy_recipe(steps=6), resume=True)
    assert kept == {name: (run / name).read_text() for name in kept}, "a refused resume leaves the run as it was"


def test_where_a_build_took_its_pictures_from_does_not_matter(tmp_path: Path) -> None:
    write_shards(tmp_path / "data")
    before = fingerprints({"data": tmp_path / "data"})
    index = json.loads((tmp_path / "data" / "index.json").read_text())
    (tmp_path / "data" / "index.json").write_text(json.dumps(index | {"plan": "of another folder"}))
    assert fingerprints({"data": tmp_path / "data"}) == before
    assert fingerprints({"data": None, "cache": tmp_path / "nothing"}) == {}


def test_a_cache_is_known_by_what_it_holds(toon_unet_recipe: Make, tmp_path: Path) -> None:
    cache, moved = tmp_path / "cache", tmp_path / "moved"
    train(toon_unet_recipe(steps=2))
    shutil.move(cache, moved)
    train(toon_unet_recipe(steps=3, parameters={"cache": moved}), resume=True)
    assert not cache.exists()
    for name in ("latents", "tokens", "subjects"):
        before = fingerprints({"cache": moved})
        array = open_memmap(moved / f"{name}.npy", mode="r+")
        array[-1] = np.ones_like(array[-1])
        array.flush()
        assert fingerprints({"cache": moved}) != before, name
    with pytest.raises(TrainingError, match=r"parameters.cache = .*moved holds other data"):
        train(toon_unet_recipe(steps=4, parameters={"cache": moved}), resume=True)


def test_a_run_without_a_record_goes_on_with_a_note(toy_recipe: Make, tmp_path: Path) -> None:
    write_pairs(tmp_path / "data")
    write_pairs(tmp_path / "elsewhere")
    run = train(toy_recipe(steps=3, parameters={"data": tmp_path / "data"}))
    record = run / claiming.DATA
    known = record.read_text()
    record.unlink()
    with pytest.raises(TrainingError, match="was begun with another parameters"):
        train(toy_recipe(steps=5, parameters={"data": tmp_path / "elsewhere"}), resume=True)
    notes: list[str] = []
    same = {"data": tmp_path / "data"}
    train(toy_recipe(steps=5, parameters=same), resume=True, note=notes.append)
    assert len(notes) == 1
    assert "has no record of the data it was begun with" in notes[0]
    assert record.read_text() == known
    train(toy_recipe(steps=6, parameters=same), resume=True, note=notes.append)
    assert len(notes) == 1
