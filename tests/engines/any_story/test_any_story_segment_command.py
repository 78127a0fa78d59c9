"""`inkcast segment`, over a tiny base on disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.engines.any_story.parts import COLOURS, random_parts, reference
from typer.testing import CliRunner

from inkcast.cli import app
from inkcast.engines.any_story.weights import save_encoders, save_router
from inkcast.sdxl.backbone import Backbone


@pytest.fixture
def place(backbone: Backbone, tiny_base_folder: Path, tmp_path: Path) -> Path:
    """A base with any-story's weights, a picture and two references."""
    shutil.copytree(tiny_base_folder, tmp_path / "base")
    weights = tmp_path / "base" / "engines" / "any-story"
    weights.mkdir(parents=True)
    parts = random_parts(backbone)
    save_encoders(parts, weights)
    assert parts.router is not None
    save_router(parts.router, weights)
    noise = np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "picture.png")
    for name, colour in zip(("ann", "ben"), COLOURS.values(), strict=False):
        reference(colour).image.save(tmp_path / f"{name}.png")
    return tmp_path


def run(place: Path, *more: str) -> tuple[int, str]:
    arguments = ["segment", str(place / "picture.png"), "--base", str(place / "base"), "--out", str(place / "mask.png")]
    result = CliRunner().invoke(app, [*arguments, "--reference", str(place / "ann.png"), "--dtype", "float32", *more])
    return result.exit_code, result.output


def test_a_mask_of_the_pictures_size(place: Path) -> None:
    assert run(place, "--noise", "0.2", "--device", "cpu")[0] == 0
    mask = Image.open(place / "mask.png")
    assert (mask.size, mask.mode) == ((90, 60), "L")
    assert set(np.unique(np.asarray(mask))) <= {0, 255}
    first = (place / "mask.png").read_bytes()
    code, said = run(place)
    assert code == 1
    assert "is there already: give --overwrite" in said
    assert run(place, "--noise", "0.2", "--device", "cpu", "--overwrite")[0] == 0
    assert (place / "mask.png").read_bytes() == first
    assert run(place, "--device", "cpu", "--overwrite", "--other", str(place / "ben.png"))[0] == 0


def test_wrong_wishes_are_one_line(place: Path) -> None:
    code, said = run(place, "--out", str(place / "mask.jpg"))
    assert (code, len(said.splitlines())) == (2, 1)
    assert "is not a PNG" in said
    (place / "base" / "engines" / "any-story" / "router.safetensors").unlink()
    code, said = run(place, "--device", "cpu")
    assert code == 1
    assert "have no router: train stage 2" in said.splitlines()[-1]
    assert not (place / "mask.png").exists()
