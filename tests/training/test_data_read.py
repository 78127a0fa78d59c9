"""Reading training data: sources into items, shards into samples, epochs shared by workers and processes."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.training.data_pictures import BlockTools, mask_of, painted, save, subject_tree

from inkcast.errors import TrainingError
from inkcast.images import encode_png
from inkcast.training.data import augment
from inkcast.training.data.augment import Augmentation, Cut
from inkcast.training.data.building import build
from inkcast.training.data.items import PeopleItem, SubjectItem, UnreadItem
from inkcast.training.data.reading import Reading, ShardSource, in_square, open_shards, padded, posed, square_around
from inkcast.training.data.schema import Face, PeopleSample, SubjectSample
from inkcast.training.data.shards import Shards
from inkcast.training.data.sources import read_source
from inkcast.training.data.storing import Encoding
from inkcast.training.loading import batches
from inkcast.training.objective import generator
from inkcast.training.recipe import Loader, Recipe

PLAIN = Augmentation(share=0.0)
READING = Reading(32, (4, 8, 8), drop_text=0.0, augmentation=PLAIN, seed=3)


class Letters:
    """A tokenizer whose token is the caption's last letter; importable, for worker processes."""

    model_max_length = 4

    def __call__(self, text: str, **options: Any) -> Any:
        ids = [ord(text[-1]) if text else 0] * self.model_max_length
        return type("Encoded", (), {"input_ids": ids})


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("subjects")
    items = read_source(subject_tree(folder / "in", subjects=6, views=2), "subjects")
    build(items, "subjects", folder / "out", encoding=Encoding(format="png"), per_shard=4)
    return folder / "out"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    save(folder / "in" / "a.png", painted(1, [(2, 2, 12, 20), (30, 2, 40, 20), (60, 2, 72, 30)], (80, 32)))
    (folder / "in" / "a.txt").write_text("three")
    encoding = Encoding(format="png")
    build(read_source(folder / "in", "people"), "people", folder / "out", toolbox=BlockTools(), encoding=encoding)
    return folder / "out"


def recipe(workers: int) -> Recipe:
    return Recipe(name="read", objective="none", batch=2, loader=Loader(workers=workers, prefetch=1))


def test_a_pair_is_drawn_from_another_picture_of_the_subject(subjects: Path) -> None:
    source = open_shards(subjects, [Letters()], READING)
    shards = Shards(subjects)
    stored = {stored.meta.key: stored for stored in (shards[n] for n in range(6))}
    for index in range(12):
        sample = source.sample(index)
        view = int(chr(int(sample.tokens[0][0])))  # captions end in the view's number
        x0 = 4 + 3 * view
        top, left = int(sample.time_ids[2]), int(sample.time_ids[3])
        assert top == 0
        assert left == min(max(x0 + 8 - 16, 0), 8)
        whole = mask_of((x0, 5, x0 + 16, 28))[:, left : left + 32] > 0
        assert np.array_equal(sample.masks[0].numpy() > 0, whole)
        assert sample.present.tolist() == [True, False]
        target = (sample.picture.permute(1, 2, 0) * 255).round().byte().numpy()
        match = [
            key
            for key, one in stored.items()
            if np.array_equal(one.picture(f"{view}.png")[:, left : left + 32], target)
        ]
        assert len(match) == 1  # the very picture, of one subject
        reference = sample.references[0].permute(1, 2, 0).numpy()
        inside = sample.reference_masks[0].numpy() > 0
        assert np.allclose(reference[~inside], 1.0, atol=0.5)
        assert np.allclose(np.median(reference[inside], axis=0) * 255, (200, 40, 30), atol=1)
        assert inside.mean() == pytest.approx(16 / 23, abs=0.08)  # the tight box, as large as the square allows


def test_an_epoch_holds_each_sample_once_shared_by_processes_and_workers(subjects: Path) -> None:
    source = open_shards(subjects, [Letters()], READING)
    one = [source[index] for index in range(12)]
    for workers in (0, 2):
        shares = [batches(source, recipe(workers), process, 2, 0) for process in range(2)]
        seen = [[next(share) for _ in range(6)] for share in shares]
        for number in range(6):
            for process in range(2):
                batch, alone = seen[process][number], one[2 * number + process]
                assert all(torch.equal(batch[name][0], alone[name]) for name in alone)
    pictures = [sample["picture"].numpy().tobytes()[:4000] for sample in one]
    keys = {stored: number for number, stored in enumerate(dict.fromkeys(pictures))}
    first, second = ([keys[picture] for picture in half] for half in (pictures[:6], pictures[6:]))
    assert len(set(first)) == len(set(second)) == 6
    assert first != second


def test_a_resumed_run_sees_what_an_uninterrupted_one_sees(subjects: Path) -> None:
    source = open_shards(subjects, [Letters()], replace(READING, augmentation=Augmentation(share=1.0)))
    whole = batches(source, recipe(0), 0, 1, 0)
    uninterrupted = [next(whole) for _ in range(5)]
    again: ShardSource = pickle.loads(pickle.dumps(source))
    resumed = batches(again, recipe(0), 0, 1, 3)
    for expected in uninterrupted[3:]:
        found = next(resumed)
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_people_come_with_masks_references_faces_and_poses(people: Path) -> None:
    source = open_shards(people, [Letters(), Letters()], replace(READING, most=3, face_dim=8, face_side=16))
    sample = source.sample(0)
    tensors = sample.tensors()
    assert tensors["tokens"].tolist() == tensors["tokens_2"].tolist()
    assert tensors["time_ids"].tolist() == [32, 80, 0, 48, 32, 32]  # no two fit: the square is around the largest
    assert sample.present.tolist() == [True, False, False]  # who is outside of it is not there
    assert np.array_equal(sample.masks[0].numpy() > 0, mask_of((60, 2, 72, 30), (80, 32))[:, 48:80] > 0)
    assert tensors["face_embeds"][0].tolist() == [0, 0, 1, 0, 0, 0, 0, 0]
    assert tensors["face_present"].tolist() == [True, False, False]
    assert tensors["faces"].shape == (3, 3, 16, 16)
    meta = source.shards[0].meta
    assert isinstance(meta, PeopleSample)
    (right,) = (person.face for person in meta.people if person.face and person.face.points[0][0] in range(60, 72))
    assert tensors["shown_present"].tolist() == [True, False, False]
    assert tensors["shown_embeds"][0].tolist() == tensors["face_embeds"][0].tolist()
    assert tensors["shown_points"][0].tolist() == [[x - 48, y] for x, y in right.points]
    x, y, seen = tensors["skeletons"][0, 0].tolist()
    assert (x, y, seen) == (pytest.approx((66 - 48) / 32), pytest.approx(2 / 32), 1)
    assert tensors["pose"].amax() > 0.5
    with pytest.raises(TrainingError, match="8 values but this objective reads 512"):
        open_shards(people, [Letters()], replace(READING, face_dim=512)).sample(0)


def test_a_face_in_the_picture_is_the_drawn_view_s_and_whole(subjects: Path) -> None:
    """Not the reference's; and none where the square cuts a point off."""
    source = open_shards(subjects, [Letters()], replace(READING, face_dim=8, face_side=16))
    stored = source.shards[0]
    assert isinstance(stored.meta, SubjectSample)
    whole = {"points": [[10, 10], [14, 10], [12, 12], [10, 14], [14, 14]]}
    cut = {"points": [[-9, 10], *whole["points"][1:]]}
    for points, shown in ((whole, True), (cut, False)):
        views = tuple(
            view.model_copy(update={"face": Face(**points, embedding=f"{n}.npy")})
            for n, view in enumerate(stored.meta.views)
        )
        files = dict(stored.files)
        for n in range(len(views)):
            stream = io.BytesIO()
            np.save(stream, np.eye(8, dtype=np.float32)[n])
            files[f"{n}.npy"] = stream.getvalue()
        faced = replace(stored, meta=stored.meta.model_copy(update={"views": views}), files=files)
        rng = generator(0, "pair", 1)
        drawn, drawn_from = (int(n) for n in generator(0, "pair", 1).permutation(len(views))[:2])
        picture, _, given = source._pair(faced, faced.meta, rng)
        square = square_around(picture.shape[:2], [one.instance for one in given], source.reading.side)
        extra = padded(given, square, source.reading)["extra"]
        assert extra["face_embeds"][0].tolist() == np.eye(8)[drawn_from].tolist()
        assert bool(extra["shown_present"][0]) is shown
        assert extra["shown_embeds"][0].tolist() == (np.eye(8)[drawn] * shown).tolist()


def test_a_pose_map_that_came_with_the_picture_is_taken_else_everybody_s_skeleton(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", painted(1, [(5, 2, 11, 20), (16, 2, 22, 20), (26, 2, 32, 30)]))
    build(read_source(tmp_path / "in", "people"), "people", tmp_path / "out", toolbox=BlockTools())
    source = open_shards(tmp_path / "out", [Letters()], replace(READING, most=1))
    stored = source.shards[0]
    square = square_around((32, 40), [np.ones((32, 40), bool)], 32)
    drawn = posed(stored, square, required=True)
    assert isinstance(stored.meta, PeopleSample)
    ways = []
    for person in stored.meta.people:
        alone = replace(stored, meta=stored.meta.model_copy(update={"people": (person,)}))
        ways.append(posed(alone, square, required=True))
    assert np.array_equal(drawn > 0, np.any([way > 0 for way in ways], axis=0))
    assert sum(way.any() for way in ways) == 3 > source.reading.most

    given = painted(8, [(0, 0, 40, 16)])
    kept = replace(
        stored,
        meta=stored.meta.model_copy(update={"pose": "pose.png"}),
        files={**stored.files, "pose.png": encode_png(Image.fromarray(given))},
    )
    assert np.array_equal(posed(kept, square, required=True), given[:, square.left : square.left + 32])

    nobody = [person.model_copy(update={"skeleton": None}) for person in stored.meta.people]
    bare = replace(stored, meta=stored.meta.model_copy(update={"people": tuple(nobody)}))
    assert not posed(bare, square, required=False).any()
    with pytest.raises(TrainingError, match="has no pose: build the data with"):
        posed(bare, square, required=True)


def test_an_objective_reads_what_a_source_gives(people: Path) -> None:
    from inkcast.training.engine_loss import KNOWN, training_batch

    source = open_shards(people, [Letters(), Letters()], replace(READING, face_dim=8))
    batch = next(batches(source, recipe(0), 0, 1, 0))
    assert KNOWN - {"latents"} <= set(batch)
    given = training_batch({**batch, "latents": batch["noise"]}, torch.zeros(2, 4, 8))
    assert given.references.shape == (2, 2, 3, 16, 16)
    assert set(given.extra) == {
        "skeletons", "pose", "faces", "face_embeds", "face_present", "shown_points", "shown_embeds", "shown_present",
    }  # fmt: skip


@pytest.mark.parametrize("part", ["turned", "cropped", "padded"])
def test_each_augmentation_moves_picture_and_mask_alike(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.zeros((30, 20), bool)
    mask[3:27, 4:15] = True
    cut = Cut(np.where(mask[..., None], np.uint8(30), np.uint8(255)).repeat(3, -1), mask)
    for seed in range(8):
        found = getattr(Augmentation(share=1.0), f"_{part}")(cut, np.random.default_rng(seed))
        assert found.picture.shape[:2] == found.mask.shape
        dark = found.picture[..., 0] < 143
        assert (dark == found.mask).mean() > 0.97
        assert found.mask.sum() >= 0.5 * mask.sum() - 1
        if part == "padded":
            assert found.mask.sum() == mask.sum()
            assert min(found.mask.shape) >= 20
        if part == "turned":
            assert found.mask.sum() == pytest.approx(mask.sum(), rel=0.05)
    square = augment.squared(cut, 16)
    assert square.mask.shape == (16, 16)
    assert not square.mask[:, :2].any()


def test_the_square_follows_the_subjects() -> None:
    away = np.zeros((20, 100), bool)
    away[5:15, 80:100] = True
    square = square_around((20, 100), [away], 40)
    assert (square.top, square.left, square.scaled) == (0, 160, (40, 200))
    points = np.array([[90.0, 10, 1], [10, 10, 1], [85, 5, 0]])
    moved = in_square(np.concatenate([points, np.zeros((15, 3))]), square)
    assert moved[0].tolist() == [0.5, 0.5, 1]
    assert not moved[1:].any()


@pytest.mark.parametrize(
    ("columns", "left"),
    [
        ([(2, 10), (80, 92)], 60),  # the larger
        ([(8, 24), (86, 98)], 0),
        ([(0, 12), (30, 42), (44, 56)], 23),  # two fit together; the square does not lean towards the third
        ([(0, 60), (70, 80)], 55),  # one fits
        ([(0, 100)], 30),  # nobody fits
        ([(0, 4), (30, 34), (96, 100)], 0),
    ],
)
@pytest.mark.parametrize("upright", [False, True])
def test_the_square_is_around_as_many_as_fit(columns: list[tuple[int, int]], left: int, upright: bool) -> None:
    masks = [mask_of((x0, 5, x1, 30), (100, 40)) > 0 for x0, x1 in columns]
    if upright:
        masks = [mask.T for mask in masks]
    square = square_around(masks[0].shape, masks, 40)
    assert (square.left, square.top)[:: -1 if upright else 1] == (left, 0)
    assert any(square.seen(Image.fromarray(mask.astype(np.uint8) * 255)) is not None for mask in masks)


def test_a_subject_in_two_parts_is_not_missed_between_them() -> None:
    parts = mask_of((0, 5, 4, 30), (100, 40)) | mask_of((90, 5, 100, 30), (100, 40)) > 0
    square = square_around(parts.shape, [parts], 80)
    assert (square.top, square.left) == (0, 120)
    assert square_around(parts.shape, [np.zeros_like(parts)], 40).left == 30


def test_people_at_the_ends_of_a_wide_picture_leave_somebody_in_the_square(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", painted(1, [(0, 2, 8, 30), (52, 2, 64, 30)], (64, 32)))
    build(read_source(tmp_path / "in", "people"), "people", tmp_path / "out", toolbox=BlockTools())
    source = open_shards(tmp_path / "out", [Letters()], READING)
    for index in range(4):
        sample = source.sample(index)
        assert sample.present.tolist() == [True, False]
        assert sample.masks.sum(dim=(1, 2)).tolist() == [12 * 28, 0]


def test_a_manifest_s_lines_become_items(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(
        '{"subject": "cup", "origin": "3d", "label": "cup", "rights": "CC0", "views": ['
        '{"picture": "a.png", "azimuth": 0, "caption": "one"}, {"picture": "b.png", "azimuth": 60}]}\n\n'
        '{"subject": "cup", "views": [{"picture": "../../secret.png"}, {"picture": "b.png"}]}\n'
        '{"subject": "cup", "sights": []}\n{"subj\n'
    )
    cup, *bad = read_source(path, "subjects")
    assert isinstance(cup, SubjectItem)
    assert (cup.origin, cup.rights, cup.views[1].azimuth, cup.views[0].picture) == (
        "3d",
        "CC0",
        60,
        (tmp_path / "a.png").resolve(),
    )
    reasons = [item.reason for item in bad if isinstance(item, UnreadItem)]
    assert [item.source.rsplit(" ", 1)[1] for item in bad] == ["3", "4", "5"]
    assert "lies outside" in reasons[0]
    assert "views" in reasons[1]
    assert len(reasons) == 3
    assert [item.key for item in (cup, *bad)] == [f"{n:09d}" for n in range(4)]


def test_lines_of_a_manifest_end_where_lines_of_json_do(tmp_path: Path) -> None:
    """Not at the other marks that end lines of text."""
    path = tmp_path / "data.jsonl"
    lines = [f'{{"picture": "{name}.png", "caption": "one\u2028two\u0085three"}}' for name in "ab"]
    path.write_bytes("\r\n".join([*lines, "", "{"]).encode())
    *read, bad = read_source(path, "people")
    assert [item.caption for item in read if isinstance(item, PeopleItem)] == ["one\u2028two\u0085three"] * 2
    assert isinstance(bad, UnreadItem)
    assert bad.source.endswith("line 4")


@pytest.mark.parametrize("value", ["[" * 100_000, "1" * 5000], ids=["deep", "long"])
def test_json_that_cannot_be_held_is_set_aside(value: str, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(f'{{"picture": {value}}}\n{{"picture": "a.png"}}\n')
    bad, good = read_source(path, "people")
    assert isinstance(bad, UnreadItem)
    assert bad.source.endswith("line 1")
    assert bad.reason
    assert isinstance(good, PeopleItem)
    (tmp_path / "data.json").write_text(f'{{"1": {value}}}')
    with pytest.raises(TrainingError, match="is not JSON"):
        read_source(tmp_path / "data.json", "people")


def test_a_table_whose_quotes_do_not_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text('picture,caption\na.png,"two\n' + "b.png,three\n" * 20_000)
    with pytest.raises(
        TrainingError, match=r"p.csv' is no table: field larger than .*; see the quotes before line \d+$"
    ):
        read_source(tmp_path / "p.csv", "people")


def test_tables_are_read(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(
        "subject,label,origin,picture,frame,caption\nann,girl,video,1.png,0.5,walks\nann,,,2.png,1.5,\nbob,boy,,3.png,,\n"
    )
    ann, bob = read_source(tmp_path / "s.csv", "subjects")
    assert isinstance(ann, SubjectItem)
    assert isinstance(bob, SubjectItem)
    assert ([view.frame for view in ann.views], ann.origin, bob.origin) == ([0.5, 1.5], "video", "image")
    (tmp_path / "p.csv").write_text("picture,caption,masks\na.png,two,m1.png; m2.png\nb.png,,\n")
    two, none = read_source(tmp_path / "p.csv", "people")
    assert isinstance(two, PeopleItem)
    assert isinstance(none, PeopleItem)
    assert ([person.mask.name for person in two.people if person.mask], none.people) == (["m1.png", "m2.png"], ())


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda p: p / "absent.jsonl", "people", "cannot read"),
        (lambda p: p, "people", "holds no pictures"),
        (lambda p: save(p / "a.png", painted(0, [])), "subjects", "UTF-8|no source"),
    ],
)
def test_what_is_no_source_is_one_line(make: Callable[[Path], Path], kind: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=message):
        read_source(make(tmp_path), kind)
