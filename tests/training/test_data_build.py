"""Building training data: what samples hold, what is set aside, resuming, other processes, Ray."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.training.data_pictures import POINTS, BlockTools, mask_of, painted, save, subject_tree

from inkcast.errors import MissingExtraError, OutputError, TrainingError
from inkcast.training.data.building import Job, build, do, here
from inkcast.training.data.crews import HERE, Processes, RayCrew
from inkcast.training.data.inspecting import contact_sheet, inspect, read_broken
from inkcast.training.data.items import files_of
from inkcast.training.data.schema import Part, PeopleSample, SubjectSample, named_files, read_sample
from inkcast.training.data.shards import INDEX, Shards
from inkcast.training.data.sources import read_source
from inkcast.training.data.storing import Encoding
from inkcast.training.data.toon import toon_items

PNG = Encoding(format="png")
ROOT = Path(__file__).parents[2]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return subject_tree(tmp_path / "tree")


def test_a_folder_tree_becomes_shards_that_webdataset_reads(tree: Path, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    index = build(read_source(tree, "subjects"), "subjects", tmp_path / "out", encoding=PNG, per_shard=3)
    assert (index.samples, index.broken, [line.samples for line in index.shards]) == (4, 0, [3, 1])
    read = []
    for line in index.shards:
        read += list(webdataset.WebDataset(str(tmp_path / "out" / line.file), shardshuffle=False))
    assert [sample["__key__"] for sample in read] == [f"{n:09d}" for n in range(4)]
    shards = Shards(tmp_path / "out")
    for number, sample in enumerate(read):
        stored = shards[number]
        assert read_sample(sample["json"]) == stored.meta
        assert {name: sample[name] for name in stored.files} == stored.files
        assert set(stored.files) == named_files(stored.meta)


def test_what_is_stored_is_what_was_given(tree: Path, tmp_path: Path) -> None:
    build(read_source(tree, "subjects"), "subjects", tmp_path / "out", encoding=PNG)
    stored = Shards(tmp_path / "out")[2]
    meta = stored.meta
    assert isinstance(meta, SubjectSample)
    assert (meta.subject, meta.label, len(meta.views)) == ("subject-2", "block", 3)
    for number, view in enumerate(meta.views):
        box = (4 + 3 * number, 5, 20 + 3 * number, 28)
        assert (view.picture.caption, view.cut) == (f"subject 2, view {number}", "mask")
        assert np.array_equal(stored.picture(view.picture.file), painted(20 + number, [box]))
        assert np.array_equal(stored.mask(view.mask), mask_of(box) > 0)
    assert read_sample(meta.model_dump_json()) == meta
    with pytest.raises(ValueError, match="version"):
        read_sample(json.dumps(meta.model_dump(mode="json") | {"version": 2}))


def test_tools_fill_in_what_the_source_does_not_say(tmp_path: Path) -> None:
    boxes = [(2, 6, 12, 30), (20, 4, 34, 28)]
    save(tmp_path / "in" / "a.png", painted(1, boxes))
    build(read_source(tmp_path / "in", "people"), "people", tmp_path / "out", toolbox=BlockTools(), encoding=PNG)
    stored = Shards(tmp_path / "out")[0]
    meta = stored.meta
    assert isinstance(meta, PeopleSample)
    assert meta.picture.caption == "a block of 40 x 32"
    assert [person.box for person in meta.people] == boxes
    for number, person in enumerate(meta.people):
        assert np.array_equal(stored.mask(person.mask), mask_of(boxes[number]) > 0)
        assert person.face is not None
        assert person.face.points[0] == (boxes[number][0] + 1, boxes[number][1] + 1)
        assert np.array_equal(stored.vector(str(person.face.embedding)), np.eye(8)[number])
        assert person.skeleton is not None
        assert person.skeleton[0] == (sum(boxes[number][::2]) / 2, boxes[number][1], 1)
        assert person.skeleton[17][2] == 0


def test_large_pictures_shrink_with_everything_on_them(tmp_path: Path) -> None:
    boxes = [(20, 20, 60, 60)]
    save(tmp_path / "in" / "a.png", painted(1, boxes, (80, 64)))
    save(tmp_path / "in" / "a.mask-1.png", mask_of(boxes[0], (80, 64)))
    encoding = Encoding(format="webp", max_side=40)
    build(read_source(tmp_path / "in", "people"), "people", tmp_path / "out", encoding=encoding)
    stored = Shards(tmp_path / "out")[0]
    assert isinstance(stored.meta, PeopleSample)
    assert (stored.meta.picture.width, stored.meta.picture.height) == (40, 32)
    assert stored.meta.people[0].box == (10, 10, 30, 30)
    with Image.open(io.BytesIO(stored.files["0.webp"])) as image:
        assert (image.format, image.size) == ("WEBP", (40, 32))


def test_what_is_broken_is_set_aside_with_its_reason(tree: Path, tmp_path: Path) -> None:
    (tree / "subject-0" / "1.png").write_bytes(b"no picture")  # one of three: the subject stays
    (tree / "subject-1" / "1.png").write_bytes((tree / "subject-1" / "0.png").read_bytes())
    save(tree / "subject-1" / "2.mask.png", mask_of((0, 0, 4, 4), (20, 20)))  # so one is left: the subject goes
    index = build(read_source(tree, "subjects"), "subjects", tmp_path / "out", encoding=PNG)
    assert index.samples == 3
    told = {Path(entry.source).name: (entry.key, entry.reason) for entry in read_broken(tmp_path / "out")}
    assert told["1.png"][1].endswith("0.png'")
    found = [entry.reason for entry in read_broken(tmp_path / "out")]
    assert len(found) == index.broken == 4
    assert "not a picture of a known format" in found[0]
    assert "same picture as" in found[1]
    assert "20 x 20" in found[2]
    assert found[3] == "1 usable of 3 pictures; a subject needs two"
    assert len(Shards(tmp_path / "out")[0].meta.views) == 2  # type: ignore[union-attr]


def test_a_subject_that_nothing_tells_from_its_background_is_no_subject(tmp_path: Path) -> None:
    for name in "ab":
        save(tmp_path / "in" / "one" / f"{name}.png", painted(ord(name), []))
    index = build(read_source(tmp_path / "in", "subjects"), "subjects", tmp_path / "out")
    assert (index.samples, index.shards) == (0, ())
    assert "--segmenter" in read_broken(tmp_path / "out")[0].reason


def dying(jobs: Iterable[Job]) -> Iterator[Part]:
    """Dies in the third part, its shard written but not its record."""
    for number, job in enumerate(jobs):
        part = do(job)
        if number == 2:
            (job.out / part.shard.replace(".tar", ".json")).unlink()
            raise KeyboardInterrupt
        yield part


def test_a_killed_build_goes_on_and_ends_the_same(tree: Path, tmp_path: Path) -> None:
    items = read_source(tree, "subjects")
    whole = build(items, "subjects", tmp_path / "whole", per_shard=1)
    with pytest.raises(KeyboardInterrupt):
        build(items, "subjects", tmp_path / "killed", per_shard=1, crew=dying)
    assert not (tmp_path / "killed" / INDEX).exists()
    with pytest.raises(TrainingError, match="not finished"):
        Shards(tmp_path / "killed").index  # noqa: B018
    done: list[int] = []

    def noting(jobs: Iterable[Job]) -> Iterator[Part]:
        for part in here(jobs):
            done.append(part.number)
            yield part

    assert build(items, "subjects", tmp_path / "killed", per_shard=1, crew=noting) == whole
    assert done == [2, 3]
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_building_again_mends_what_is_missing_or_cut(tree: Path, tmp_path: Path) -> None:
    items, out, done = read_source(tree, "subjects"), tmp_path / "out", list[int]()

    def noting(jobs: Iterable[Job]) -> Iterator[Part]:
        for part in here(jobs):
            done.append(part.number)
            yield part

    items += read_source(save(tmp_path / "bare" / "one" / "a.png", painted(0, [])).parents[1], "subjects")
    index = build(items, "subjects", out, per_shard=1)
    assert len(index.shards) == 4  # the last part has no sample, and so no shard
    whole = contents(out)
    (out / "shard-000000.tar").unlink()
    (out / "shard-000001.tar").write_bytes(whole["shard-000001.tar"][:700])
    (out / "shard-000003.json").write_bytes(whole["shard-000003.json"][:20])
    assert build(items, "subjects", out, per_shard=1, crew=noting) == index
    assert done == [0, 1, 3]
    assert contents(out) == whole


def test_building_again_takes_in_what_has_changed(tree: Path, tmp_path: Path) -> None:
    items, out = read_source(tree, "subjects"), tmp_path / "out"
    done: list[int] = []

    def noting(jobs: Iterable[Job]) -> Iterator[Part]:
        for part in here(jobs):
            done.append(part.number)
            yield part

    def built() -> list[int]:
        done.clear()
        build(items, "subjects", out, per_shard=1, crew=noting)
        fresh = tmp_path / f"fresh-{len(list(tmp_path.iterdir()))}"
        build(items, "subjects", fresh, per_shard=1)
        assert contents(out) == contents(fresh)
        return list(done)

    assert built() == list(range(len(items)))
    assert built() == []
    first, second = (list(files_of(item)) for item in items[:2])
    picture = first[0].read_bytes()
    first[0].write_bytes(picture[:100])  # cut: set aside
    assert built() == [0]
    assert Shards(out).index.broken > 0
    first[0].write_bytes(picture)
    assert built() == [0]
    assert Shards(out).index.broken == 0
    for path in second:
        path.unlink()
    assert built() == [1]
    assert not (out / "shard-000001.tar").exists()
    part = json.loads((out / "shard-000000.json").read_text())
    (out / "shard-000000.json").write_text(json.dumps(part | {"sources": ""}))  # as built before sources were noted
    done.clear()
    build(items, "subjects", out, per_shard=1, crew=noting)
    assert done == []


def test_what_a_killed_build_left_half_written_is_swept(tree: Path, tmp_path: Path) -> None:
    items, out, mine = read_source(tree, "subjects"), tmp_path / "out", tmp_path / "mine"
    out.mkdir()
    (out / ".inkcast-0.json").write_text("{")  # killed before it had a plan
    build(items, "subjects", out)
    whole = contents(out)
    assert not any(name.startswith(".") for name in whole)
    (out / ".inkcast-1.tar").write_bytes(b"half")
    build(items, "subjects", out)
    assert contents(out) == whole
    mine.mkdir()
    (mine / ".inkcast-2.tar").write_bytes(b"half")
    (mine / "note.txt").write_text("mine")
    with pytest.raises(OutputError, match="no data set"):
        build(items, "subjects", mine)
    assert (mine / ".inkcast-2.tar").is_file()


def test_another_build_is_not_mixed_in(tree: Path, tmp_path: Path) -> None:
    items, out = read_source(tree, "subjects"), tmp_path / "out"
    build(items, "subjects", out, per_shard=1)
    with pytest.raises(OutputError, match="another build"):
        build(items[:2], "subjects", out, per_shard=1)
    assert build(items[:2], "subjects", out, per_shard=1, overwrite=True).samples == 2
    assert len(list(out.glob("*.tar"))) == 2
    (out / "plan.json").write_text('{"version": 1, "kind": ')
    with pytest.raises(TrainingError, match=r"plan\.json"):
        build(items[:2], "subjects", out, per_shard=1)
    assert len(list(out.glob("*.tar"))) == 2
    assert build(items, "subjects", out, per_shard=1, overwrite=True).samples == len(items)
    assert len(list(out.glob("*.tar"))) == len(items)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("mine")
    with pytest.raises(OutputError, match="no data set"):
        build(items, "subjects", tmp_path / "mine", overwrite=True)


@pytest.mark.slow
def test_processes_build_the_same(tree: Path, tmp_path: Path) -> None:
    items, box = read_source(tree, "subjects"), BlockTools()
    build(items, "subjects", tmp_path / "one", toolbox=box, per_shard=1)
    build(items, "subjects", tmp_path / "two", toolbox=box, per_shard=1, crew=Processes(2))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="the extra `cluster` (ray) is not installed")
def test_ray_builds_the_same(tree: Path, tmp_path: Path) -> None:
    items = read_source(tree, "subjects")
    build(items, "subjects", tmp_path / "one", per_shard=1)
    build(items, "subjects", tmp_path / "two", per_shard=1, crew=RayCrew(HERE, 2))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.skipif(find_spec("ray") is not None, reason="ray is installed: its absence cannot be told")
def test_without_ray_the_extra_is_named(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match=r"inkcast\[cluster\]"):
        build(read_source(tree, "subjects"), "subjects", tmp_path / "out", crew=RayCrew(HERE))


def story_maker(root: Path) -> Path:
    """Two pictures in StoryMaker's layout: one whole, one whose second face is missing."""
    boxes = [(2, 6, 12, 30), (20, 4, 34, 28)]
    colors = np.zeros((32, 40, 3), np.uint8)
    for (x0, y0, x1, y1), color in zip(boxes, [(0, 0, 255), (0, 255, 0)], strict=True):
        colors[y0:y1, x0:x1] = color
    for name in ("a", "b"):
        save(root / f"{name}.png", painted(1, boxes))
        save(root / "masks" / f"{name}.png", colors)
        save(root / "poses" / f"{name}.png", np.zeros((32, 40, 3), np.uint8))
        (root / "faces" / name).mkdir(parents=True)
        for person in range(2 if name == "a" else 1):
            face = {"id": np.full((1, 512), person + 1, np.float32), "kps": POINTS}
            torch.save(face, root / "faces" / name / f"{person}.bin")
    entries = [[f"{n}.png", f"poses/{n}.png", f"masks/{n}.png", f"two, {n}", 2, f"faces/{n}"] for n in "ab"]
    (root / "train.json").write_text(json.dumps({"2": [*entries, entries[0][:3]]}))
    return root / "train.json"


def test_story_maker_s_layout_is_read(tmp_path: Path) -> None:
    index = build(read_source(story_maker(tmp_path / "in"), "people"), "people", tmp_path / "out", encoding=PNG)
    stored = Shards(tmp_path / "out")[0]
    meta = stored.meta
    assert isinstance(meta, PeopleSample)
    assert (meta.picture.caption, meta.pose, index.samples) == ("two, a", "pose.png", 1)
    assert [person.box for person in meta.people] == [(2, 6, 12, 30), (20, 4, 34, 28)]
    second = meta.people[1].face
    assert second is not None
    assert np.allclose(second.points, POINTS + np.array([20, 4]))
    assert np.allclose(stored.vector(str(second.embedding)), 512**-0.5)
    reasons = [entry.reason for entry in read_broken(tmp_path / "out")]
    assert "1.bin" in reasons[0]
    assert reasons[1] == "expected a list of picture, pose, mask, caption, count, faces"


def test_a_face_file_runs_no_code(tmp_path: Path) -> None:
    class Bad:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "made"),)

    path = story_maker(tmp_path / "in")
    torch.save({"id": Bad(), "kps": POINTS}, tmp_path / "in" / "faces" / "a" / "0.bin")
    index = build(read_source(path, "people"), "people", tmp_path / "out")
    assert (index.samples, index.broken) == (0, 3)
    assert not (tmp_path / "made").exists()


def tensor(path: Path) -> None:
    torch.save(torch.ones(512), path)


def zipped(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 and no more")


def headless(path: Path) -> None:
    path.write_bytes(b"\x93NUMPY\x01\x00\x0b\x00{'descr': (\n")


@pytest.mark.parametrize(
    ("name", "make"), [("0.bin", tensor), ("0.bin", zipped), ("0.npy", zipped), ("0.npy", headless)]
)
def test_what_is_no_face_file_is_set_aside(name: str, make: Callable[[Path], None], tmp_path: Path) -> None:
    save(tmp_path / "a.png", painted(1, [(2, 6, 12, 30)]))
    save(tmp_path / "m.png", mask_of((2, 6, 12, 30)))
    make(tmp_path / name)
    person = [{"mask": "m.png", "face": name}]
    lines = [{"picture": "a.png", "people": person}, {"picture": "a.png", "people": [{"mask": "m.png"}]}]
    (tmp_path / "data.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    index = build(read_source(tmp_path / "data.jsonl", "people"), "people", tmp_path / "out")
    assert (index.samples, index.broken) == (1, 1)
    assert "is no face embedding" in read_broken(tmp_path / "out")[0].reason


@pytest.mark.parametrize("kind", ["subjects", "people"])
def test_drawn_samples_have_the_same_schema(kind: str, tmp_path: Path) -> None:
    index = build(toon_items(kind, 3, 48), kind, tmp_path / "out", encoding=PNG, per_shard=2)  # type: ignore[arg-type]
    assert (index.samples, index.broken) == (3, 0)
    shards = Shards(tmp_path / "out")
    for number in range(3):
        stored = shards[number]
        assert set(stored.files) == named_files(stored.meta)
    found = inspect(tmp_path / "out")
    assert (found.samples, found.damaged, found.captioned) == (3, (), found.pictures)
    if kind == "people":
        assert found.skeletons == sum(people * count for people, count in found.subjects.items())
    sheet = contact_sheet(shards, 2)
    assert sheet.size == ((4 if kind == "subjects" else 2) * 160, 160)


def test_inspection_finds_damage(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(read_source(tree, "subjects"), "subjects", out, per_shard=2)
    shard = out / "shard-000001.tar"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    assert inspect(out).damaged == ("shard-000001.tar",)
    shard.write_bytes(data[:700])
    with pytest.raises(TrainingError, match="cut short"):
        Shards(out)[3]


@pytest.mark.slow
def test_killed_by_the_system_nothing_is_lost(tree: Path, tmp_path: Path) -> None:
    """A real process, killed outright after its second shard's record."""
    script = (
        "import os, sys; from pathlib import Path; from inkcast.training.data import building as b;"
        "from inkcast.training.data.sources import read_source\n"
        "def crew(jobs):\n"
        "    for n, job in enumerate(jobs):\n"
        "        yield b.do(job)\n"
        "        if n == 1: os.kill(os.getpid(), 9)\n"
        "b.build(read_source(Path(sys.argv[1]), 'subjects'), 'subjects', Path(sys.argv[2]), per_shard=1, crew=crew)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    killed = subprocess.run([sys.executable, "-c", script, tree, tmp_path / "killed"], env=environment, check=False)
    assert killed.returncode == -9
    items = read_source(tree, "subjects")
    assert len(list((tmp_path / "killed").glob("shard-*.json"))) == 2
    build(items, "subjects", tmp_path / "killed", per_shard=1)
    build(items, "subjects", tmp_path / "whole", per_shard=1)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
