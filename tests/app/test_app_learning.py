"""Jobs that learn faces: stopped and killed, they go on with the face; and each user's are their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from tests.app.jobs_kit import Desk
from tests.app.learning_kit import STEPS, LearningEasels, face, learning_worker, prepare, taken, work

from inkcast.app.context import LOCAL_ID
from inkcast.app.jobs import DrawComic, Job, LearnIdentity
from inkcast.app.work.watch import TOLD_EVERY
from inkcast.engines.identity import load_identity
from inkcast.sdxl.backbone import Backbone, load_backbone

ANOTHER = "e" * 32
PATIENCE = 240.0  # seconds


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("INKCAST_HOME", str(tmp_path / "of-the-command-line"))
    desk = Desk(tmp_path)
    yield desk
    desk.close()


@pytest.fixture
def meddle(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> dict[int, Callable[[], object]]:
    """What happens, once, as a step of learning begins, by its number."""
    acts: dict[int, Callable[[], object]] = {}
    prepare(monkeypatch, desk.home, lambda step: acts.pop(step, lambda: None)())
    return acts


def words(home: Path) -> dict[str, torch.Tensor]:
    (kept,) = (home / "faces").glob("*.safetensors")
    return dict(load_identity(kept).tensors)


def unfinished(home: Path) -> int:
    folder = home / "learning"
    return len(list(folder.iterdir())) if folder.exists() else 0


def folder(desk: Desk) -> Path:
    return desk.home if desk.owner == LOCAL_ID else desk.home / "users" / desk.owner


def test_a_cancelled_drawing_goes_on_with_the_face(
    desk: Desk, backbone: Backbone, meddle: dict[int, Callable[[], object]]
) -> None:
    """By a retry, and by another job that shows the same pictures."""
    easels, project = LearningEasels(backbone), face(desk)
    job = desk.jobs.submit(DrawComic(), project)
    meddle[2] = lambda: desk.jobs.cancel(job.id)
    meddle[4] = lambda: desk.jobs.pause(job.id)
    work(desk, easels)
    assert (desk.jobs.get(job.id).state, taken(desk.home), unfinished(desk.home)) == ("cancelled", [0, 1, 2], 1)
    desk.jobs.retry(job.id)
    work(desk, easels)
    assert (desk.jobs.get(job.id).state, taken(desk.home), unfinished(desk.home)) == ("paused", [0, 1, 2, 3, 4], 1)
    other = desk.jobs.submit(DrawComic(), project)
    work(desk, easels)
    assert (desk.jobs.get(other.id).state, taken(desk.home)) == ("done", list(range(STEPS)))
    assert unfinished(desk.home) == 0
    assert same_as_undisturbed(desk, other, backbone)


def same_as_undisturbed(desk: Desk, job: Job, base: Backbone) -> bool:
    """Whether picture and words are, to the bit, those of a job that nothing stopped."""
    alone = Desk(desk.home / "alone")
    whole = alone.jobs.submit(DrawComic(), face(alone))
    work(alone, LearningEasels(base))
    pictures = [one.jobs.file(of.id, "panel-01.png") for one, of in ((desk, job), (alone, whole))]
    found, wanted = words(folder(desk)), words(alone.home)
    alone.close()
    return pictures[0] == pictures[1] and all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_what_is_told_goes_on_too(desk: Desk, backbone: Backbone, meddle: dict[int, Callable[[], object]]) -> None:
    job, told = desk.jobs.submit(DrawComic(), face(desk)), []

    def look() -> None:
        now = desk.jobs.get(job.id)
        told.append((now.state, now.stage, now.step, now.steps))

    meddle[3] = lambda: desk.jobs.cancel(job.id)
    work(desk, LearningEasels(backbone))
    desk.jobs.retry(job.id)
    meddle[4], meddle[5] = lambda: time.sleep(2 * TOLD_EVERY), look
    work(desk, LearningEasels(backbone))
    assert told == [("running", "cast", 5, STEPS)]
    assert taken(desk.home) == list(range(STEPS))


@pytest.mark.slow
def test_a_killed_worker_s_face_is_gone_on_with_by_the_next(
    tmp_path: Path, tiny_base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is another process, as after a restart of the studio; the owner is one of several."""
    monkeypatch.setenv("INKCAST_HOME", str(tmp_path / "of-the-command-line"))
    desk = Desk(tmp_path, owner=ANOTHER)
    job = desk.jobs.submit(DrawComic(), face(desk))
    process = learning_worker(tmp_path, tiny_base_folder, pace=0.5)
    deadline = time.monotonic() + PATIENCE
    while len(taken(tmp_path)) < 4:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait(PATIENCE)
    before = taken(tmp_path)
    assert desk.jobs.get(job.id).state == "running"
    assert (unfinished(folder(desk)), unfinished(tmp_path)) == (1, 0)
    assert learning_worker(tmp_path, tiny_base_folder, pace=0.0).wait(PATIENCE) == 0
    after = taken(tmp_path)[len(before) :]
    assert after == list(range(after[0], STEPS))
    assert 2 <= after[0] <= len(before)
    assert desk.jobs.get(job.id).state == "done"
    assert (unfinished(folder(desk)), unfinished(tmp_path)) == (0, 0)
    base = load_backbone(tiny_base_folder, device="cpu", dtype=torch.float32)
    assert same_as_undisturbed(desk, job, base)
    desk.close()


def test_each_user_s_faces_are_their_own(
    desk: Desk, backbone: Backbone, meddle: dict[int, Callable[[], object]]
) -> None:
    """Also of the same pictures; and none are looked for where the command line keeps its own."""
    easels, other = LearningEasels(backbone), Desk(desk.home, owner=ANOTHER)
    project = face(desk)
    mine = desk.jobs.submit(DrawComic(), project)
    meddle[3] = lambda: desk.jobs.cancel(mine.id)
    work(desk, easels)
    theirs = other.jobs.submit(DrawComic(), face(other))
    work(other, easels)
    assert other.jobs.get(theirs.id).state == "done"
    assert taken(desk.home) == [0, 1, 2, 3, *range(STEPS)]
    assert (unfinished(desk.home), unfinished(folder(other))) == (1, 0)
    desk.jobs.submit(DrawComic(), project)
    work(desk, easels)
    assert taken(desk.home)[4 + STEPS :] == list(range(4, STEPS))
    assert words(desk.home).keys() == words(folder(other)).keys()
    assert not (desk.home / "of-the-command-line").exists()
    other.close()


def test_a_face_that_was_to_be_learned_for_the_library_is_gone_on_with_by_a_drawing(
    desk: Desk, backbone: Backbone, meddle: dict[int, Callable[[], object]]
) -> None:
    easels, project = LearningEasels(backbone), face(desk)
    learn = desk.jobs.submit(LearnIdentity("Ann", steps=STEPS))
    meddle[4] = lambda: desk.jobs.cancel(learn.id)
    work(desk, easels)
    desk.jobs.submit(DrawComic(), project)
    work(desk, easels)
    assert taken(desk.home) == list(range(STEPS))


def test_a_job_that_meets_a_damaged_checkpoint_says_so_and_learns_anew(
    desk: Desk, backbone: Backbone, meddle: dict[int, Callable[[], object]]
) -> None:
    easels, project = LearningEasels(backbone), face(desk)
    for task, target in ((DrawComic(), project), (LearnIdentity("Ann", steps=STEPS), None)):
        job = desk.jobs.submit(task, target)
        meddle[3] = lambda job=job: desk.jobs.cancel(job.id)
        work(desk, easels)
        (left,) = (desk.home / "learning").iterdir()
        left.write_bytes(b"junk")
        desk.jobs.retry(job.id)
        work(desk, easels)
        job = desk.jobs.get(job.id)
        assert (job.state, job.attempt) == ("done", 1)
        assert "what was left of Ann's learning is damaged: learning from the first step" in job.notes
        assert unfinished(desk.home) == 0
    assert taken(desk.home) == [0, 1, 2, 3, *range(STEPS)] * 2
