from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from inkcast.engines.registry import DEFAULT, ENGINES, VISION, engine_info, load_engine
from inkcast.engines.survey import companions, survey
from inkcast.errors import EngineError
from inkcast.sdxl.backbone import Backbone


def test_unknown_engines_are_answered_with_the_known_ones() -> None:
    with pytest.raises(EngineError, match="unknown engine 'dreambooth': use one of any-story, story-maker, "):
        engine_info("dreambooth")


def test_the_default_is_known_and_names_are_unique() -> None:
    assert engine_info(DEFAULT).name == "any-story"
    assert len({info.name for info in ENGINES}) == len(ENGINES)


def test_listing_engines_imports_no_torch() -> None:
    code = "import sys, inkcast.engines.registry; assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_missing_is_listed(tmp_path: Path) -> None:
    info = engine_info("ip-adapter")
    assert info.missing(None) == info.parts
    made(tmp_path, "image_encoder")
    assert info.missing(tmp_path) == ("engines/ip-adapter/adapter.safetensors",)


def test_an_empty_folder_is_no_part(tmp_path: Path) -> None:
    info = engine_info("any-story")
    made(tmp_path, "image_encoder")
    (tmp_path / "engines" / "any-story").mkdir(parents=True)
    assert info.missing(tmp_path) == ("engines/any-story",)
    assert info.present(tmp_path) == ("image_encoder",)


def test_missing_weights_and_wrong_family_are_one_clear_line(backbone: Backbone) -> None:
    with pytest.raises(
        EngineError, match=r"has no engines/ip-adapter/adapter\.safetensors in .*, which ip-adapter needs"
    ):
        load_engine("ip-adapter", backbone)
    with pytest.raises(EngineError, match=r"ip-adapter runs on sdxl bases, but .* is of family sd"):
        load_engine("ip-adapter", replace(backbone, family="sd"))


def test_engines_load_from_companion_parts(backbone: Backbone, tmp_path: Path) -> None:
    from tests.engines.test_ip_adapter import SIZE

    from inkcast.engines.ip_adapter.weights import fresh_adapter, save_adapter

    assert backbone.folder is not None
    (tmp_path / "image_encoder").symlink_to(backbone.folder / "image_encoder")
    path = tmp_path / "engines" / "ip-adapter" / "adapter.safetensors"
    save_adapter(fresh_adapter(backbone, SIZE), path)
    assert load_engine("ip-adapter", replace(backbone, folder=tmp_path)).name == "ip-adapter"


def made(base: Path, part: str) -> Path:
    """A part's folder with something in it."""
    (base / part).mkdir(parents=True)
    (base / part / "config.json").touch()
    return base / part


def test_one_whole_set_of_eyes_will_do(tmp_path: Path) -> None:
    info = engine_info("story-maker")
    assert info.missing(None)[-1] == info.missing(tmp_path)[-1] == "faces"
    made(tmp_path, "detector")
    assert "face" not in info.missing(tmp_path)[:-1]
    face = made(tmp_path, "face")
    assert info.missing(tmp_path) == ("image_encoder", "engines/story-maker")
    shutil.rmtree(face)
    made(tmp_path, "faces")
    assert info.missing(tmp_path) == ("image_encoder", "engines/story-maker")


def test_learning_a_face_has_needs_of_its_own(tmp_path: Path) -> None:
    info = engine_info("stable-identity")
    vit, toon = ("engines/stable-identity/face", "engines/stable-identity/parser"), ("detector", "face")
    assert info.learns_with == (" and ".join(vit) + " or " + " and ".join(toon),)
    assert info.missing(None) == info.needs == ()
    assert info.missing_to_learn(None) == info.missing_to_learn(tmp_path) == vit
    made(tmp_path, "detector")
    assert info.missing_to_learn(tmp_path) == ("face",)
    made(tmp_path, "face")
    assert info.missing_to_learn(tmp_path) == ()
    assert info.present(tmp_path) == toon


def test_research_only_weights_are_told_apart() -> None:
    research = {weights.name for weights in VISION if not weights.commercial}
    assert any("insightface" in name for name in research)
    assert any("SegFormer" in name for name in research)
    assert all(weights.licence and weights.at for weights in VISION)
    for info in ENGINES:  # an engine that draws with such weights says so itself
        assert bool(info.non_commercial) == (info.name in ("story-maker", "stable-identity"))


def test_engines_of_a_hub_s_base_have_their_own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    any_story = engine_info("any-story")
    monkeypatch.setenv("INKCAST_HOME", str(tmp_path / "home"))
    own = tmp_path / "home" / "bases" / "someone--sdxl"
    assert companions("someone/sdxl") == own
    assert not any(one.ready for one in survey("someone/sdxl") if one.needs)
    for part in any_story.parts:
        made(own, part)
    assert [one.name for one in survey("someone/sdxl") if one.ready and one.needs] == ["any-story"]
