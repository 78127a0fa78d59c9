"""The oracle beside a person's labels."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkcast.errors import UsageError
from inkcast.evaluation.batches import Batching, draw_all
from inkcast.evaluation.by_eye import LABELS, Eye, agreement, draw_unseen, read_labels, write_sheets
from inkcast.evaluation.oracle import LookReading, SceneReading
from inkcast.evaluation.toon_words import plain, unseen_prompts
from inkcast.sdxl.backbone import Backbone
from inkcast.toon.labels import LOOK_HEADS


def figure(kind: str, action: str) -> LookReading:
    said = {"kind": kind, "action": action}
    return LookReading(
        {name: np.array([float(word == said.get(name)) for word in words]) for name, words in LOOK_HEADS.items()}
    )


def test_agreement_counts_only_what_the_person_could_tell() -> None:
    scenes = [SceneReading({"place": "cave", "count": "2"}), SceneReading({"place": "beach", "count": "1"})]
    people = [[figure("cat", "waving"), figure("cat", "running")], [figure("girl", "sitting")]]
    labels = {1: Eye("cave", "1", ("cat", "bear"), ("waving",)), 2: Eye("", "1", ("girl",), ())}
    found = agreement(labels, scenes, people)
    assert {name: (one.mean, one.count) for name, one in found.items()} == {
        "place": (1.0, 1),
        "count": (0.5, 2),
        "kinds": (0.75, 2),
        "actions": (1.0, 1),
    }


def test_labels_are_read_and_bad_ones_named(tmp_path: Path) -> None:
    path = tmp_path / LABELS
    head = "number,place,count,kinds,actions\n"
    path.write_text(head + "1,cave,2,cat+cat,waving+passing a ball\n2,,,,\n")
    assert read_labels(path) == {1: Eye("cave", "2", ("cat", "cat"), ("waving", "passing a ball")), 2: Eye()}
    for rows, message in (
        ("1,cave,2,cta,\n", "line 2: kinds 'cta' is none of girl"),
        ("one,cave,2,,\n", "line 2: 'one' is no number"),
    ):
        path.write_text(head + rows)
        with pytest.raises(UsageError, match=message):
            read_labels(path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="first line"):
        read_labels(path)


def test_sheets_hold_every_picture_and_a_table_to_fill_in(tmp_path: Path) -> None:
    pictures = np.stack([np.full((16, 16, 3), 9 * k, np.uint8) for k in range(23)])
    write_sheets(pictures, tmp_path / "out")
    with Image.open(tmp_path / "out" / "sheet-02.png") as sheet:
        assert sheet.size == (160, 32)
        assert sheet.getpixel((64 + 28, 28)) == (9 * 22,) * 3
    with (tmp_path / "out" / LABELS).open() as table:
        assert [row["number"] for row in csv.DictReader(table)] == [str(n) for n in range(1, 24)]


def test_labels_filled_in_where_the_sheets_lie_survive_them(tmp_path: Path) -> None:
    out, pictures = tmp_path / "out", np.zeros((2, 16, 16, 3), np.uint8)
    write_sheets(pictures, out)
    filled = "number,place,count,kinds,actions\n1,cave,2,,\n2,,,,\n"
    (out / LABELS).write_text(filled)
    write_sheets(pictures, out, overwrite=True, labels=out / LABELS)
    assert (out / LABELS).read_text() == filled


def test_the_pictures_are_those_of_the_prompts(backbone: Backbone) -> None:
    drawn = draw_unseen(backbone, 2, 5, Batching(steps=1))
    second = unseen_prompts(2, 5)[1]
    (alone,) = draw_all(backbone, [plain(backbone, second.text)], [second.seed], Batching(steps=1))
    assert np.abs(drawn[1].astype(int) - alone).max() <= 1
    assert np.abs(drawn[0].astype(int) - alone).max() > 1
