"""Every engine, at toon size and untrained, through the command line on the example story."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from inkcast.assets import toon_weights
from inkcast.cli import app
from inkcast.engines.any_story.router import RouterSize
from inkcast.engines.any_story.weights import fresh_parts, save_encoders, save_router
from inkcast.engines.ip_adapter.weights import fresh_adapter as fresh_ip_adapter
from inkcast.engines.ip_adapter.weights import save_adapter as save_ip_adapter
from inkcast.engines.stable_identity.weights import gallery_folder
from inkcast.engines.story_maker.encoder import PerceiverSize
from inkcast.engines.story_maker.engine import find_faces
from inkcast.engines.story_maker.weights import FILE, Facts, fresh_adapter, save_adapter
from inkcast.sdxl.backbone import load_backbone
from inkcast.sdxl.image_encoder import load_image_encoder
from inkcast.sdxl.resampler import ResamplerSize

EXAMPLE = Path(__file__).parents[2] / "examples" / "moon"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toon base with its seeing nets, and fresh parts of every engine."""
    folder = tmp_path_factory.mktemp("toon") / "base"
    shutil.copytree(toon_weights() / "base", folder)
    for part in ("image_encoder", "detector", "face"):
        (folder / part).symlink_to(toon_weights() / part)
    loaded = load_backbone(folder, device="cpu", dtype=torch.float32)
    inner = ResamplerSize(
        feature_channels=load_image_encoder(folder / "image_encoder").channels,
        out_channels=loaded.unet.config.cross_attention_dim,
        channels=32,
        depth=1,
        heads=2,
        head_dim=16,
        queries=4,
        widening=2,
    )
    torch.manual_seed(0)
    router = RouterSize(replace(inner, queries=1, out_channels=32), heads=2, head_dim=16)
    parts = fresh_parts(loaded, inner, router)
    assert parts.router is not None
    engines = folder / "engines"
    save_encoders(parts, engines / "any-story")
    save_router(parts.router, engines / "any-story")
    save_ip_adapter(fresh_ip_adapter(loaded, inner), engines / "ip-adapter" / "adapter.safetensors")
    size = PerceiverSize(character=inner, id_channels=find_faces(loaded).dim, face_depth=1, face_head_dim=64)
    save_adapter(
        fresh_adapter(loaded.unet, size, 4), Facts(head_dim=16, face_head_dim=64), engines / "story-maker" / FILE
    )
    return folder


def make(base: Path, engine: str, out: Path, *more: str) -> dict[str, object]:
    """The comic's record."""
    story = out.parent / "story.txt"
    story.write_text("\n".join((EXAMPLE / "story.txt").read_text().splitlines()[:2]))
    arguments = ["make", str(story), "--engine", engine, "--base", str(base), "--steps", "2", "--device", "cpu"]
    done = CliRunner().invoke(app, [*arguments, "--dtype", "float32", "--dpi", "40", "--out", str(out), *more])
    assert done.exit_code == 0, done.stderr
    record: dict[str, object] = json.loads((out / "comic.json").read_text())
    return record


@pytest.mark.parametrize("engine", ["any-story", "story-maker", "ip-adapter"])
def test_an_engine_draws_the_example(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    monkeypatch.setenv("INKCAST_HOME", str(tmp_path / "home"))
    cast = [f"--cast={name}={EXAMPLE / picture}" for name, picture in (("Zip (it)", "zip.png"), ("Mona", "mona.png"))]
    record = make(base, engine, tmp_path / "out", *cast)
    drawing = record["drawing"]
    assert isinstance(drawing, dict)
    assert (drawing["engine"], drawing["scheduler"], drawing["guidance"]) == (engine, "euler", 7.0)
    panels = record["panels"]
    assert isinstance(panels, list)
    assert [panel["characters"] for panel in panels] == [["Zip"], ["Mona"]]


def test_stable_identity_draws_one_of_its_gallery(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INKCAST_HOME", str(tmp_path / "home"))
    learn = ["identity", "learn-gallery", "--base", str(base), "--count", "1", "--steps", "1", "--device", "cpu"]
    assert CliRunner().invoke(app, [*learn, "--dtype", "float32"]).exit_code == 0
    picture = gallery_folder(base) / "lena-moss.png"
    record = make(base, "stable-identity", tmp_path / "out", f"--cast=Mona={picture}")
    assert not list((tmp_path / "home").glob("faces/*"))  # found in the gallery, not learned again
    drawing = record["drawing"]
    assert isinstance(drawing, dict)
    assert drawing["engine"] == "stable-identity"
