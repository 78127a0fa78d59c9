"""Folders of data as they are distributed, made of drawn characters: read, drawn by a tiny base and scored, by command.

A tiny base draws noise. So the pictures that a run left are then replaced by renders whose contents are known, and the
command is given again: it draws nothing, and its numbers must say who is in the renders. The embedded eyes judge.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from inkcast.assets import toon_weights
from inkcast.cli.evaluate import app
from inkcast.engines.ip_adapter.weights import fresh_adapter, save_adapter
from inkcast.evaluation.suites import PLAIN
from inkcast.images import load_reference
from inkcast.sdxl.backbone import load_backbone
from inkcast.sdxl.resampler import ResamplerSize
from inkcast.toon.dataset import sample_look, sample_scene
from inkcast.toon.renderer import reference_sheet, render
from inkcast.toon.world import Look
from inkcast.vision.clip import ToonJudge
from inkcast.vision.crops import to_tensor

ENGINE = "ip-adapter"
LOOKS = {
    name: sample_look(np.random.default_rng([3, number]), "test", kind)
    for number, (name, kind) in enumerate({"ann": "girl", "bo": "boy", "cleo": "cat"}.items())
}
NOUNS = {"ann": "a girl", "bo": "a boy", "cleo": "a cat"}


@pytest.fixture(scope="module")
def base(tiny_base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base with an untrained IP-Adapter."""
    folder = tmp_path_factory.mktemp("with-engine") / "base"
    shutil.copytree(tiny_base_folder, folder)
    torch.manual_seed(0)
    adapter = fresh_adapter(load_backbone(folder, device="cpu"), ResamplerSize(32, 64, 64, 1, 2, 32, 4, 2))
    save_adapter(adapter, folder / "engines" / ENGINE / "adapter.safetensors")
    return folder


def portray(look: Look, path: Path, side: int = 96) -> None:
    """A character as a picture with a transparent background."""
    sheet = reference_sheet(look, side)
    path.parent.mkdir(parents=True, exist_ok=True)
    opaque = ((sheet.instances > 0) * 255).astype(np.uint8)
    Image.fromarray(np.dstack([sheet.image, opaque])).save(path)


def scene_of(names: Sequence[str], seed: int) -> Image.Image:
    """Everybody side by side, from the front by day; nobody: a plain field."""
    if not names:
        return Image.new("RGB", (128, 128), (120, 190, 120))
    looks = [LOOKS[name] for name in names]
    for attempt in range(100):
        rng = np.random.default_rng([seed, attempt])
        scene = sample_scene(rng, actors=looks, style="flat", place="park", shot="wide", action="standing")
        if scene.time == "day" and all(actor.view == "front" for actor in scene.actors):
            return Image.fromarray(render(scene, 128).image)
    raise AssertionError("no scene by day")


def evaluate(suite: str, data: Path, base: Path, out: Path, *more: str) -> dict[str, Any]:
    where = ["--base", str(base), "--eyes", str(toon_weights()), "--engine", ENGINE, "--out", str(out)]
    result = CliRunner().invoke(app, [suite, str(data), *where, "--images", "1", "--steps", "1", *more])
    assert result.exit_code == 0, result.output + repr(result.exception)
    found: dict[str, Any] = json.loads((out / "evaluation.json").read_text())
    return found


def rows_in(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open()))


def replaced(out: Path, painter: str, shown: dict[str, Sequence[str]]) -> None:
    """Puts renders of these people where the painter's pictures of these commissions lie."""
    for number, row in enumerate(rows_in(out / "evaluation.csv")):
        if row["painter"] == painter and row["key"] in shown:
            scene_of(shown[row["key"]], number).save(out / row["picture"])


LIST = """Classes

subject_name,class
ann,girl
bo,boy

Prompts

Object Prompts

prompt_list = [
'a {0} {1} in the park'.format(unique_token, class_token),
'a {0} {1} on the beach'.format(unique_token, class_token),
]

Live Subject Prompts

prompt_list = [
'a {0} {1} in the park'.format(unique_token, class_token),
]
"""


def test_dreambench_is_read_drawn_and_scored(base: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    for name in ("ann", "bo"):
        for number, side in enumerate((96, 64)):
            portray(LOOKS[name], data / name / f"{number:02d}.png", side)
    (data / "prompts_and_classes.txt").write_text(LIST)

    found = evaluate("dreambench", data, base, out)
    assert (found["finished"], found["pictures"], list(found["painters"])) == (True, 4, [PLAIN, ENGINE])
    rows = rows_in(out / "evaluation.csv")
    assert [row["words"] for row in rows[:4]] == [
        f"a {noun} {where}" for noun in ("girl", "boy") for where in ("in the park", "on the beach")
    ]
    pictures = {
        painter: [(out / r["picture"]).read_bytes() for r in rows if r["painter"] == painter]
        for painter in found["painters"]
    }
    assert all(len(set(own)) == 4 for own in pictures.values())
    assert not set(pictures[PLAIN]) & set(pictures[ENGINE]), "the engine draws otherwise than words alone"

    replaced(out, ENGINE, {row["key"]: [row["cluster"]] for row in rows})
    replaced(out, PLAIN, {row["key"]: ["cleo"] for row in rows})
    before = [(out / row["picture"]).read_bytes() for row in rows]
    again = evaluate("dreambench", data, base, out)
    assert [(out / row["picture"]).read_bytes() for row in rows_in(out / "evaluation.csv")] == before
    own, stranger = again["tables"][""][ENGINE], again["tables"][""][PLAIN]
    assert {name: row["count"] for name, row in own.items()}["dino"] == 4
    assert own["face_found"]["mean"] == own["occm"]["mean"] / 100 == 1
    for metric in ("face_sim", "likeness"):
        assert own[metric]["mean"] > stranger[metric]["mean"], metric
        assert again["gains over words alone"][""][ENGINE][metric]["low"] > 0, metric
    assert own["likeness"]["mean"] > 0.8
    first = next(row for row in rows_in(out / "evaluation.csv") if row["painter"] == ENGINE)
    judge = ToonJudge(toon_weights() / "judge")
    references = [load_reference(data / "ann" / name).image.convert("RGB") for name in ("00.png", "01.png")]
    drawn, *known = (
        judge.embed(to_tensor(np.asarray(picture)[None]))[0]
        for picture in (Image.open(out / first["picture"]).convert("RGB"), *references)
    )
    assert float(first["dino"]) == pytest.approx(float(np.mean([drawn @ one for one in known])), abs=1e-5)
    assert "a girl on the beach" in (out / "report.html").read_text()


def shot(index: int, static: str, *names: str) -> dict[str, object]:
    return {
        "index": index,
        "Setting Description": {"en": "the park", "ch": "…"},
        "Characters Appearing": {"en": list(names)},
        "Static Shot Description": {"en": static},
        "Shot Perspective Design": {"en": "wide"},
    }


def test_vistorybench_is_read_drawn_and_scored(base: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    story = {
        "Characters": {
            name: {"name_en": name.title(), "prompt_en": f"{NOUNS[name]}, drawn", "tag": "unrealistic_human"}
            for name in LOOKS
        },
        "Shots": [
            shot(1, "Ann waves", "ann"),
            shot(2, "Ann hugs Bo", "ann", "bo"),
            shot(3, "Bo runs", "bo"),
            shot(4, "a street at night"),
        ],
    }
    for number in ("01", "02"):
        for name, look in LOOKS.items():
            portray(look, data / number / "image" / name / "00.png")
        (data / number / "story.json").write_text(json.dumps(story), encoding="utf-8-sig")

    found = evaluate("vistory", data, base, out)
    assert found["pictures"] == 8
    assert set(found["tables"]) == {"one character", "two characters", "nobody", "all"}
    rows = rows_in(out / "evaluation.csv")
    assert rows[1]["words"] == "a girl hugs a boy, the park, wide"
    members = rows_in(out / "members.csv")
    assert [row["name"] for row in members[:4]] == ["Ann", "Ann", "Bo", "Bo"]

    cast = {"1": ["ann"], "2": ["ann", "bo"], "3": ["bo"], "4": []}
    shown = {row["key"]: cast[row["key"].split("/")[1]] for row in rows}
    replaced(out, ENGINE, shown)
    replaced(out, PLAIN, {key: [*names, "cleo"] for key, names in shown.items()})
    again = evaluate("vistory", data, base, out)
    true, crowded = (
        {section: rows[painter] for section, rows in again["tables"].items()} for painter in (ENGINE, PLAIN)
    )
    assert true["all"]["occm"]["mean"] == pytest.approx(100)
    assert true["nobody"]["occm"]["count"] == 2
    assert crowded["one character"]["occm"]["mean"] == pytest.approx(100 * np.exp(-1), rel=1e-4), "one too many"
    assert crowded["nobody"]["occm"]["mean"] < 1
    assert true["all"]["cids_cross"]["count"] == true["all"]["cids_self"]["count"] == 4, "two characters, two stories"
    assert true["all"]["cids_cross"]["mean"] > 0.8
    assert true["two characters"]["swap_score"]["mean"] > 0
    assert true["two characters"]["face_sim"]["count"] == 2
    assert "dino" not in true["nobody"]


def test_fastcomposer_s_pairs_are_read_drawn_and_scored(base: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    for name in ("ann", "bo"):
        portray(LOOKS[name], data / name / "0.png")
        (data / name / "noun.txt").write_text(NOUNS[name])
    (data / "pair-prompts.txt").write_text("".join(f"{{}} and {{}} in park {number}\n" for number in range(21)))

    found = evaluate("fastcomposer-pairs", data, base, out, "--limit", "2", "--batch", "21")
    assert found["pictures"] == 21
    rows = rows_in(out / "evaluation.csv")
    assert rows[3]["words"] == "a girl and a boy in park 3"

    shown: dict[str, Sequence[str]] = {row["key"]: ["ann", "bo"] for row in rows}
    shown |= {"ann+bo/0/0": ["ann"], "ann+bo/1/0": ["ann", "ann"], "ann+bo/2/0": []}
    replaced(out, ENGINE, shown)
    again = evaluate("fastcomposer-pairs", data, base, out, "--limit", "2", "--batch", "21")
    scored = {row["key"]: float(row["face_sim"]) for row in rows_in(out / "evaluation.csv") if row["painter"] == ENGINE}
    each: dict[str, list[float]] = {}
    for row in rows_in(out / "members.csv"):
        if row["painter"] == ENGINE:
            each.setdefault(row["key"], []).append(float(row["face_sim"]))
    assert all(len(own) == 2 and scored[key] == min(own) for key, own in each.items()), "the less alike of the two"
    assert scored["ann+bo/0/0"] == scored["ann+bo/2/0"] == 0, "somebody is missing"
    assert each["ann+bo/0/0"][0] > 0.5, "though the other is there"
    both = [value for key, value in scored.items() if shown[key] == ["ann", "bo"]]
    assert np.mean(both) > max(0.4, scored["ann+bo/1/0"]), "two of Ann are no Bo"
    table = again["tables"][""][ENGINE]
    assert table["face_sim"]["mean"] == pytest.approx(np.mean(list(scored.values())), abs=1e-5)
    assert table["face_found"]["mean"] < 1
