"""inkcast engines, doctor and bench: what they say, as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.easel_fake import FakeEasel, FakeEasels
from typer.testing import CliRunner

from inkcast.benchmarking.comic import measure
from inkcast.cli import app, checks
from inkcast.drawing.choices import Drawing
from inkcast.drawing.planning import PlannedPanel
from inkcast.drawing.routes import Painted
from inkcast.engines.engine import Conditioning
from inkcast.engines.registry import ENGINES
from inkcast.engines.survey import survey


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    return result.exit_code, result.stdout


def test_engines_tells_which_parts_a_base_lacks(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}')
    (tmp_path / "image_encoder").mkdir()
    (tmp_path / "image_encoder" / "config.json").touch()
    (tmp_path / "engines" / "ip-adapter").mkdir(parents=True)
    (tmp_path / "engines" / "ip-adapter" / "adapter.safetensors").touch()
    found = {engine.name: engine for engine in survey(str(tmp_path))}
    assert found["ip-adapter"].ready
    assert found["any-story"].missing == ("engines/any-story",)
    assert found["any-story"].present == ("image_encoder",)
    assert found["story-maker"].needs == ("image_encoder", "engines/story-maker", "faces or detector and face")
    assert any("insightface" in weights for weights in found["story-maker"].non_commercial)
    assert found["any-story"].non_commercial == ()
    code, text = run("engines", "--base", str(tmp_path))
    assert code == 0
    assert all(info.name in text for info in ENGINES)
    code, text = run("engines", "--base", str(tmp_path), "--json")
    told = json.loads(text)
    assert [engine["name"] for engine in told["engines"]] == [info.name for info in ENGINES]
    assert all(engine["licence"] and engine["weights"] for engine in told["engines"])
    assert told["engines"][-1]["missing_to_learn"] == ["engines/stable-identity/face", "engines/stable-identity/parser"]
    assert any("insightface" in part["name"] and not part["commercial"] for part in told["vision"])
    counts = told["parameters"]
    assert counts["any-story.reference_net"] == 2_021_626_884 + 2_880
    assert counts["story-maker.image_proj_model"] / 1e6 == pytest.approx(304.45, abs=0.005)
    assert counts["story-maker.ip_adapter"] / 1e6 == pytest.approx(526.58, abs=0.005)
    published = sum(count for name, count in counts.items() if name.startswith("ip-adapter."))
    assert 2 * published == pytest.approx(847_517_512, rel=1e-4)  # bytes of the public file in float16
    assert counts["stable-identity.words"] == 2 * (768 + 1280)
    assert {name.partition(".")[0] for name in counts} == {info.name for info in ENGINES}
    assert run("engines", "--base", "nowhere")[0] == 2


def test_a_base_of_another_family_is_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    found = {engine.name: engine for engine in survey(str(tmp_path))}
    assert found["any-story"].missing == found["story-maker"].missing == ("a base of family sdxl",)
    assert found["stable-identity"].ready


def test_doctor_answers_every_question() -> None:
    code, text = run("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(text)}
    assert {"Python", "processor", "cast library", "this folder", "extra faces"} <= set(findings)
    assert code == int(any(finding["state"] == "missing" for finding in findings.values()))
    assert "Python" in run("doctor")[1]


def test_doctor_says_what_is_missing_and_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        checks, "requires", lambda name: ["no-such-package>=2", "rich>=999", 'pillow; extra == "faces"']
    )
    found = {finding.name: finding for finding in checks.packages()}
    assert found["packages"].state == "missing"
    assert "no-such-package is not installed" in found["packages"].found
    assert "not >=999" in found["packages"].found
    assert {finding.name: finding.state for finding in checks.extras()}["extra faces"] == "ok"
    monkeypatch.setenv("INKCAST_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(checks.os, "access", lambda path, mode: False)
    assert next(checks.places()).state == "missing"
    assert run("doctor")[0] == 1


def test_a_check_that_breaks_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INKCAST_PICTURE_MEGABYTES", "many")
    (finding,) = checks.guarded(checks.places)
    assert finding.state == "missing"
    assert "INKCAST_PICTURE_MEGABYTES" in finding.found


def test_bench_times_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = set()
    draw = FakeEasel.draw

    def noting(
        easel: FakeEasel, conditioning: Conditioning, panel: PlannedPanel, step: Callable[[int], None]
    ) -> Painted:
        sizes.add(panel.size)
        return draw(easel, conditioning, panel, step)

    monkeypatch.setattr(FakeEasel, "draw", noting)
    seconds = measure(Drawing(steps=4), rounds=2, easel=FakeEasels())
    assert sizes == {(64, 64)}
    counted = {f"{part} {people}" for part in ("condition", "draw", "step") for people in range(4)}
    assert set(seconds) == {"load", "encode", "page", *counted}
    assert all(value >= 0 for value in seconds.values())
    assert seconds["page"] > seconds["step 0"]
