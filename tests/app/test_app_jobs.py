"""Jobs: asked for, queued, done, stopped and taken up again; nothing finished is done twice."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.jobs_kit import Desk, JournalEasels, drawn_seeds
from tests.app.studio_kit import portrait
from tests.easel_fake import FakeEasel

from inkcast.app.jobs import DrawComic, Export, Jobs, LearnIdentity, RedrawPanels
from inkcast.app.jobs_rows import LEASE, MOST_DEATHS, claim, worker_name
from inkcast.app.projects import Projects
from inkcast.app.tables import JobRow
from inkcast.app.worker import Worker, judged
from inkcast.cast.record import CharacterRecord, ReferenceRecord, Words
from inkcast.comic import draw_comic
from inkcast.drawing.choices import Drawing
from inkcast.errors import (
    ConflictError,
    DatabaseError,
    EngineError,
    InkcastError,
    LimitError,
    NotFoundError,
    OutputError,
    PolicyError,
    StoryError,
    StudioError,
)
from inkcast.page.layout import PageOptions
from inkcast.story.script import Panel, Presence, Script


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def test_a_comic_is_the_one_that_make_draws(desk: Desk, tmp_path: Path) -> None:
    project = desk.project()
    job = desk.jobs.submit(DrawComic(), project)
    easels = desk.work()
    job = desk.jobs.get(job.id)
    assert (job.state, job.panels_done, job.fraction, job.error) == ("done", 5, 1.0, "")
    assert easels.opened == ["toon"]
    made = desk.projects.get(project)
    draw_comic(
        made.script,
        [desk.library.character(name) for name in made.cast],
        Drawing(steps=4),
        tmp_path / "made",
        page=PageOptions(dpi=40),
        easel=lambda drawing, report: FakeEasel(drawing),
    )
    for file in desk.jobs.files(job.id):
        if file.name not in ("run.json", "script.yaml"):
            assert desk.jobs.file(job.id, file.name) == (tmp_path / "made" / file.name).read_bytes(), file.name
    assert [panel.chosen.seed for panel in made.panels if panel.chosen] == drawn_seeds(tmp_path)


def test_a_running_job_stops_within_a_step_and_goes_on_where_it_was(desk: Desk, tmp_path: Path) -> None:
    project = desk.project()
    job = desk.jobs.submit(DrawComic(), project)
    steps: list[int] = []

    def pause(number: int) -> None:
        steps.append(number)
        if len(steps) == 10:  # the second step of the third panel
            running = desk.jobs.get(job.id)
            assert (running.state, running.panel, running.stage, running.panels_done) == ("running", 3, "panels", 2)
            assert running.eta is not None
            assert desk.jobs.preview(job.id)
            desk.jobs.pause(job.id)

    desk.work(pause)
    assert len(steps) == 10
    assert desk.jobs.get(job.id).state == "paused"
    assert len(drawn_seeds(tmp_path)) == 3
    before = drawn_seeds(tmp_path)
    desk.jobs.resume(job.id)
    desk.work()
    assert desk.jobs.get(job.id).state == "done"
    after = drawn_seeds(tmp_path)[3:]
    assert len(after) == 3
    assert after[0] == before[2]
    assert not set(after) & set(before[:2])
    with pytest.raises(ConflictError):
        desk.jobs.resume(job.id)


def test_a_worker_that_is_stopped_gives_its_job_back(desk: Desk, tmp_path: Path) -> None:
    job = desk.jobs.submit(DrawComic(), desk.project())
    easels = JournalEasels(tmp_path / "journal", lambda number: worker.stop())
    worker = Worker("", tmp_path, easels=easels, report=lambda line: None)
    worker.run()
    assert (desk.jobs.get(job.id).state, desk.jobs.get(job.id).attempt) == ("queued", 0)
    desk.work()
    assert (desk.jobs.get(job.id).state, len(drawn_seeds(tmp_path))) == ("done", 6)


def test_a_worker_that_lost_its_job_leaves_it_alone(desk: Desk, tmp_path: Path) -> None:
    job = desk.jobs.submit(DrawComic(), desk.project())

    def taken(number: int) -> None:
        with desk.store.writing() as session:
            row = session.get_one(JobRow, job.id)
            row.worker, row.lease = "elsewhere:1:a", time.time() + LEASE
            session.add(row)

    desk.work(taken)
    assert (desk.jobs.get(job.id).state, len(drawn_seeds(tmp_path))) == ("running", 1)
    with desk.store.reading() as session:
        assert session.get_one(JobRow, job.id).worker == "elsewhere:1:a"


def test_a_cancelled_job_can_be_retried(desk: Desk, tmp_path: Path) -> None:
    project = desk.project()
    job = desk.jobs.submit(DrawComic(), project)
    assert desk.jobs.cancel(job.id).state == "cancelled"
    desk.work()
    assert drawn_seeds(tmp_path) == []
    with pytest.raises(ConflictError):
        desk.jobs.cancel(job.id)
    assert desk.jobs.retry(job.id).state == "queued"
    desk.work(lambda number: desk.jobs.cancel(job.id) if len(drawn_seeds(tmp_path)) == 2 and number == 1 else None)
    assert (desk.jobs.get(job.id).state, desk.jobs.get(job.id).panels_done) == ("cancelled", 1)
    assert len(desk.projects.get(project).panels[0].candidates) == 1  # what was finished stays


def test_an_error_that_may_pass_is_tried_again_and_one_that_will_not_is_told(desk: Desk, tmp_path: Path) -> None:
    job = desk.jobs.submit(DrawComic(), desk.project())

    def full(number: int) -> None:
        if len(drawn_seeds(tmp_path)) == 2:
            raise OutputError("cannot write: the disk is full")

    desk.work(full)
    job = desk.jobs.get(job.id)
    assert (job.state, job.error, job.attempt) == ("queued", "cannot write: the disk is full", 1)
    with desk.store.writing() as session:
        row = session.get_one(JobRow, job.id)
        assert row.not_before > time.time()
        row.not_before = 0.0
        session.add(row)
    desk.work()
    assert (desk.jobs.get(job.id).state, len(drawn_seeds(tmp_path))) == ("done", 6)

    other = desk.jobs.submit(DrawComic(), desk.projects.list()[0].id)

    def refused(number: int) -> None:
        raise EngineError("this base cannot")

    desk.work(refused)
    assert (desk.jobs.get(other.id).state, desk.jobs.get(other.id).error) == ("failed", "this base cannot")


@pytest.mark.parametrize(
    ("error", "attempt", "state"),
    [
        (OutputError("full"), 1, "queued"),
        (OutputError("full"), 4, "failed"),
        (StudioError("database gone"), 2, "queued"),
        (DatabaseError("the cast library failed: disk I/O error"), 1, "queued"),
        (StoryError("no"), 1, "failed"),
        (RuntimeError("CUDA out of memory"), 1, "queued"),
        (ZeroDivisionError("x"), 4, "failed"),
    ],
)
def test_each_further_attempt_waits_longer(error: Exception, attempt: int, state: str) -> None:
    found, line, delay = judged(error, attempt)
    assert found == state
    assert "\n" not in line
    assert (delay > 0) == (state == "queued")
    if state == "queued":
        assert judged(error, attempt + 1)[2] > delay or judged(error, attempt + 1)[0] == "failed"


def test_memory_that_runs_out_frees_the_gpu_then_fails_clearly(desk: Desk, tmp_path: Path) -> None:
    job = desk.jobs.submit(DrawComic(), desk.project())
    calls: list[int] = []

    def hungry(number: int) -> None:
        calls.append(number)
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    desk.work(hungry)
    job = desk.jobs.get(job.id)
    assert job.state == "failed"
    assert "does not fit into this machine's memory" in job.error  # a CPU has nothing to move parts off to
    assert calls == [1]


def test_candidates_lie_side_by_side_and_one_alone_is_shown(desk: Desk) -> None:
    project = desk.project()
    desk.jobs.submit(DrawComic(), project)
    desk.work()
    made = desk.projects.get(project)
    first, second = made.panels[0], made.panels[1]
    desk.jobs.submit(RedrawPanels((first.id,), candidates=3, seed=7), project)
    desk.jobs.submit(RedrawPanels((second.id,)), project)
    desk.work()
    after = desk.projects.get(project)
    assert [one.seed for one in after.panels[0].candidates][1:] == [7, 8, 9]
    assert after.panels[0].chosen == first.chosen
    assert after.panels[1].chosen is not None
    assert after.panels[1].chosen.seed not in {one.seed for one in second.candidates}
    undone = desk.projects.undo(project)
    assert undone.panels[1].chosen == second.chosen


def test_an_edited_panel_is_drawn_with_its_new_words_and_boxes(desk: Desk) -> None:
    project = desk.project()
    desk.jobs.submit(DrawComic(), project)
    desk.work()
    made = desk.projects.get(project)
    panel = made.panels[2]
    desk.projects.set_panel(project, panel.id, panel.script.model_copy(update={"description": "Ann and Rolf dance."}))
    desk.projects.set_region(project, panel.id, "Rolf", (0.5, 0.0, 1.0, 1.0))
    job = desk.jobs.submit(RedrawPanels((panel.id,)), project)
    with desk.store.reading() as session:
        order = json.loads(session.get_one(JobRow, job.id).order)
    assert "box: [0.5, 0.0, 1.0, 1.0]" in json.loads(order["document"])["script"]
    desk.work()
    chosen = desk.projects.get(project).panels[2].chosen
    assert chosen is not None
    assert "dance" in chosen.prompt


def test_a_locked_panel_keeps_its_picture(desk: Desk) -> None:
    project = desk.project()
    desk.jobs.submit(DrawComic(), project)
    desk.work()
    made = desk.projects.get(project)
    desk.projects.lock(project, made.panels[0].id)
    with pytest.raises(StudioError, match="panel 1 is locked"):
        desk.jobs.submit(RedrawPanels((made.panels[0].id,)), project)
    desk.projects.set_drawing(project, seed=5)
    job = desk.jobs.submit(DrawComic(), project)
    assert job.panels == 4
    desk.work()
    after = desk.projects.get(project)
    assert after.panels[0].chosen == made.panels[0].chosen
    assert all(new.chosen != old.chosen for new, old in zip(after.panels[1:], made.panels[1:], strict=True))
    record = json.loads(desk.jobs.file(job.id, "comic.json"))
    assert [panel["seed"] for panel in record["panels"]] == [one.chosen.seed for one in after.panels if one.chosen]
    with pytest.raises(StudioError, match="nothing to draw"):
        desk.jobs.submit(DrawComic(missing_only=True), project)


def test_a_job_draws_what_was_there_when_it_was_asked_for(desk: Desk) -> None:
    project = desk.project("Ann waves.")
    job = desk.jobs.submit(DrawComic(), project)
    desk.library.remove("Ann")
    desk.projects.set_story(project, "Rolf sits.")
    desk.work()
    assert desk.jobs.get(job.id).state == "done"
    record = json.loads(desk.jobs.file(job.id, "comic.json"))
    assert [panel["characters"] for panel in record["panels"]] == [["Ann"]]


def test_what_was_made_of_a_character_is_kept_in_the_library_for_the_next_job(desk: Desk) -> None:
    """Until its pictures change; and never for another's project."""
    project = desk.project("Ann waves at Rolf.")
    encoded = []
    for change in (None, None, "green"):
        if change:
            desk.library.add(extending=[CharacterRecord("Ann", references=(ReferenceRecord(portrait(change)),))])
        desk.jobs.submit(DrawComic(), project)
        easels = desk.work()
        encoded.append(sorted(name for name in easels.encoded if name))
    assert encoded == [["Ann", "Rolf"], [], ["Ann"]]
    assert [len(desk.library.entry(name).identities) for name in ("Ann", "Rolf")] == [1, 1]
    first, second, _ = (one.picture for one in desk.projects.get(project).panels[0].candidates)
    assert first == second


def test_exports_of_a_drawn_comic(desk: Desk) -> None:
    project = desk.project("Ann waves. Rolf sits.")
    with pytest.raises(StudioError, match="panels without a picture"):
        desk.jobs.submit(Export("pdf"), project)
    desk.jobs.submit(DrawComic(), project)
    desk.work()
    pdf, cbz, whole = (desk.jobs.submit(Export(form), project) for form in ("pdf", "cbz", "comic"))
    desk.work()
    assert desk.jobs.file(pdf.id, "comic.pdf").startswith(b"%PDF")
    assert desk.jobs.file(cbz.id, "comic.cbz").startswith(b"PK")
    assert [(one.name, one.media_type) for one in desk.jobs.files(pdf.id)] == [("comic.pdf", "application/pdf")]
    names = {one.name for one in desk.jobs.files(whole.id)}
    assert {"comic.json", "comic.pdf", "page-01.png", "panel-02.png", "script.yaml", "cast/01-01.png"} <= names
    with pytest.raises(NotFoundError):
        desk.jobs.file(pdf.id, "../comic.pdf")


def test_the_same_key_makes_one_job(desk: Desk) -> None:
    project = desk.project()
    first = desk.jobs.submit(DrawComic(), project, "key")
    assert desk.jobs.submit(DrawComic(), project, "key").id == first.id
    with pytest.raises(ConflictError):
        desk.jobs.submit(DrawComic(missing_only=True), project, "key")
    assert desk.jobs.submit(DrawComic(), project).id != first.id
    other = Jobs(desk.store, "e" * 32, desk.library)
    their = Projects(desk.store, "e" * 32).create(story="Ann waves.", cast=["Ann"])
    assert other.submit(DrawComic(), their.id, "key").id != first.id


def test_the_queue_keeps_its_order_and_lets_no_user_crowd_out_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = desk.project()
    mine = [desk.jobs.submit(DrawComic(), project) for _ in range(3)]
    assert [desk.jobs.get(one.id).position for one in mine] == [0, 1, 2]
    other = Jobs(desk.store, "e" * 32, desk.library)
    theirs = other.submit(DrawComic(), Projects(desk.store, "e" * 32).create(story="Ann waves.", cast=["Ann"]).id)
    now, taken = time.time(), []
    for number in range(3):
        with desk.store.writing(turns=True) as session:
            row = claim(session, f"elsewhere:1:{number}", 1, now)
            taken.append(row and row.id)
    assert taken == [mine[0].id, theirs.id, None]
    monkeypatch.setenv("INKCAST_STUDIO_WAITING_JOBS", "3")
    with pytest.raises(LimitError):
        desk.jobs.submit(DrawComic(), project)


def test_a_dead_workers_job_goes_to_the_next_and_a_live_ones_does_not(desk: Desk) -> None:
    job = desk.jobs.submit(DrawComic(), desk.project())
    now = time.time()

    def ask(worker: str, when: float) -> str | None:
        with desk.store.writing(turns=True) as session:
            row = claim(session, worker, 1, when)
            return row and row.id

    assert ask("elsewhere:1:a", now) == job.id
    assert ask("nearby:1:b", now + LEASE / 2) is None
    assert ask("nearby:1:b", now + LEASE * 2) == job.id  # its lease had run out
    host, _, tail = worker_name("c").split(":")
    assert ask(f"{host}:4194305:{tail}", now + LEASE * 4) == job.id  # no process has so high a number
    assert ask(f"{host}:{os.getpid()}:d", now + LEASE * 4.1) == job.id
    assert ask(f"{host}:{os.getpid()}:e", now + LEASE * 4.2) == job.id  # the same process number, another process
    while ask("elsewhere:1:e", now := now + LEASE * 9):
        assert desk.jobs.get(job.id).attempt <= MOST_DEATHS
    assert (desk.jobs.get(job.id).state, desk.jobs.get(job.id).attempt) == ("failed", MOST_DEATHS)
    assert "workers died" in desk.jobs.get(job.id).error


def test_a_worker_that_is_silent_is_said_to_be(desk: Desk) -> None:
    job = desk.jobs.submit(DrawComic(), desk.project())
    with desk.store.writing(turns=True) as session:
        claim(session, "elsewhere:1:a", 1, time.time() - LEASE / 2)
    assert (desk.jobs.get(job.id).silent, desk.jobs.get(job.id).error) == (False, "")
    with desk.store.writing() as session:
        session.get_one(JobRow, job.id).lease = time.time() - 12
    told = desk.jobs.get(job.id)
    assert (told.state, told.silent, told.eta) == ("running", True, None)
    assert told.error.startswith("its worker has not been heard of for 42 seconds")
    desk.work()
    told = desk.jobs.get(job.id)
    assert (told.state, told.silent, told.error) == ("done", False, "")


def test_a_dead_job_that_was_asked_to_stop_has_stopped(desk: Desk) -> None:
    job = desk.jobs.submit(DrawComic(), desk.project())
    with desk.store.writing(turns=True) as session:
        claim(session, "elsewhere:1:a", 1, time.time())
    desk.jobs.cancel(job.id)
    with desk.store.writing(turns=True) as session:
        assert claim(session, "nearby:1:b", 1, time.time() + 2 * LEASE) is None
    assert desk.jobs.get(job.id).state == "cancelled"


def test_events_tell_each_change_until_the_end(desk: Desk) -> None:
    job = desk.jobs.submit(DrawComic(), desk.project("Ann waves."))
    stream = desk.jobs.events(job.id, wait=0.0)
    assert next(stream).state == "queued"
    assert next(stream).version == job.version  # nothing new: a sign that somebody is there
    desk.work()
    rest = list(stream)
    assert rest[-1].state == "done"
    assert list(desk.jobs.events(job.id, after=rest[-1].version)) == []


def test_nobody_reaches_anothers_job(desk: Desk) -> None:
    project = desk.project("Ann waves.")
    job = desk.jobs.submit(DrawComic(), project)
    desk.work()
    other = Jobs(desk.store, "f" * 32, desk.library)
    assert other.list() == ()
    for reach in (
        lambda: other.get(job.id),
        lambda: other.cancel(job.id),
        lambda: other.file(job.id, "comic.pdf"),
        lambda: other.preview(job.id),
        lambda: next(other.events(job.id)),
        lambda: other.submit(DrawComic(), project),
        lambda: other.list(project),
    ):
        with pytest.raises(NotFoundError):
            reach()


@pytest.mark.parametrize(
    ("story", "error"),
    [("", StoryError), ("Nobody is here.", StoryError), ("Ann reads something nsfw.", PolicyError)],
    ids=["empty", "nobody", "policy"],
)
def test_what_cannot_be_drawn_is_refused_before_it_waits(desk: Desk, story: str, error: type[InkcastError]) -> None:
    project = desk.project(story)
    with pytest.raises(error):
        desk.jobs.submit(DrawComic(), project)
    with pytest.raises(StudioError):
        desk.jobs.submit(DrawComic())
    with pytest.raises(StudioError):
        desk.jobs.submit(LearnIdentity("Ann"), project)
    assert desk.jobs.list() == ()


def test_a_setting_that_no_engine_knows_is_refused_before_it_waits(desk: Desk) -> None:
    project = desk.project("Ann waves at Rolf.")
    panels = (Panel(description="Ann waves", characters=(Presence(name="Ann"),), engine={"cloths.Ann": "Rolf"}),)
    desk.projects.set_script(project, Script(panels=panels))
    with pytest.raises(StoryError, match=r"panel 1 sets 'cloths\.Ann', which no engine knows: did you mean 'cl"):
        desk.jobs.submit(DrawComic(), project)
    assert desk.jobs.list() == ()


def test_a_setting_that_does_nothing_is_noted_with_its_job(desk: Desk, tmp_path: Path) -> None:
    project = desk.project("Ann waves at Rolf.")
    panels = (Panel(description="Ann waves", characters=(Presence(name="Ann"),), engine={"clothes.rolf": "Ann"}),)
    desk.projects.set_script(project, Script(panels=panels))
    job = desk.jobs.submit(DrawComic(), project)
    desk.work(tmp_path)
    assert "panel 1 sets 'clothes.rolf', but does not show Rolf" in desk.jobs.get(job.id).notes


def test_who_left_the_library_is_named_with_what_to_do(desk: Desk) -> None:
    project = desk.project("Ann waves at Rolf.")
    desk.library.change("Rolf", Words(name="Ralf"))
    with pytest.raises(StoryError, match="Rolf is in this story, but not in the cast library any more: add them"):
        desk.jobs.submit(DrawComic(), project)
    desk.library.change("Ralf", Words(more_aliases=("Rolf",)))
    assert desk.jobs.submit(DrawComic(), project).state == "queued"


def test_a_project_in_work_is_not_deleted(desk: Desk) -> None:
    project = desk.project("Ann waves.")
    job = desk.jobs.submit(DrawComic(), project)
    with pytest.raises(ConflictError):
        desk.projects.delete(project)
    desk.jobs.cancel(job.id)
    desk.projects.delete(project)
    with pytest.raises(NotFoundError):
        desk.jobs.get(job.id)
