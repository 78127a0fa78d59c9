"""The last step of a job: the comic's files, and which pictures the project shows."""

from __future__ import annotations

import json
import mimetypes
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sqlmodel import select

from inkcast.app.jobs_rows import JobFile, change
from inkcast.app.project import Document, script_of
from inkcast.app.projects_rows import current_document, read_candidate, save_document
from inkcast.app.store import AppStore, get_file, put_file
from inkcast.app.tables import CandidateRow, JobRow, ProjectRow
from inkcast.app.work.order import Order
from inkcast.cast.character import Character
from inkcast.drawing.folder import write_pages, write_panels, write_records
from inkcast.drawing.record import (
    ComicRecord,
    DrawingRecord,
    FigureRecord,
    OriginRecord,
    PanelRecord,
    library_versions,
    member_record,
    page_record,
)
from inkcast.images import open_picture
from inkcast.page.export import write_comic
from inkcast.page.layout import PageOptions, arrange
from inkcast.page.panel import DrawnPanel


def compose_folder(
    store: AppStore, job: JobRow, document: Document, cast: Sequence[Character], shown: Sequence[str]
) -> list[JobFile]:
    """All files of the comic's folder, kept with the job; byte for byte those of an uninterrupted drawing."""
    script, page = script_of(document), PageOptions(**document.page)
    rows, panels = _pictures(store, shown)
    record = _record(document, cast, rows, page)
    with tempfile.TemporaryDirectory(prefix="inkcast-") as made:
        folder = Path(made)
        (folder / "cast").mkdir()
        write_pages(folder, script, panels, arrange(script, page), page)
        write_panels(folder, panels, cast, record)
        write_records(folder, record, {"panels": round(job.measured, 3)})
        return _kept(store, job, folder)


def compose_file(store: AppStore, job: JobRow, document: Document, form: str, shown: Sequence[str]) -> list[JobFile]:
    """The lettered comic in one format, one file or one a page."""
    script, page = script_of(document), PageOptions(**document.page)
    _, panels = _pictures(store, shown)
    with tempfile.TemporaryDirectory(prefix="inkcast-") as made:
        write_comic(script, panels, arrange(script, page), Path(made) / f"comic.{form}", page)
        return _kept(store, job, Path(made))


def finish(store: AppStore, job: JobRow, order: Order) -> None:
    """The project shows what was drawn; of several candidates for a panel the author is left to choose."""
    turns: dict[str, int] = {}
    with store.writing(turns=True) as session:
        rows = session.exec(select(CandidateRow).where(CandidateRow.job_id == job.id)).all()
        for row in rows:
            turns[row.panel] = turns.get(row.panel, 0) + 1
        project = session.get_one(ProjectRow, job.project_id)
        document = current_document(session, project)
        drawn = {row.panel: row.id for row in rows if turns[row.panel] == 1}
        panels = tuple(replace(panel, chosen=drawn.get(panel.id, panel.chosen)) for panel in document.panels)
        save_document(
            session, project, "drawn" if job.kind == "draw" else "drawn again", replace(document, panels=panels)
        )


def _pictures(store: AppStore, shown: Sequence[str]) -> tuple[list[CandidateRow], list[DrawnPanel]]:
    with store.reading() as session:
        rows = [session.get_one(CandidateRow, candidate) for candidate in shown]
        pictures = [open_picture(get_file(session, row.project_id, row.picture)) for row in rows]
    found = [read_candidate(row) for row in rows]
    return rows, [DrawnPanel(picture, one.figures) for picture, one in zip(pictures, found, strict=True)]


def _record(
    document: Document, cast: Sequence[Character], rows: Sequence[CandidateRow], page: PageOptions
) -> ComicRecord:
    """As `inkcast make` has it; the choices are those that the newest of the pictures was drawn with."""
    newest = json.loads(max(rows, key=lambda row: row.drawn).facts)
    return ComicRecord(
        title=script_of(document).title,
        drawing=DrawingRecord(**newest["drawing"]),
        weights=OriginRecord(**newest["origin"]),
        page=page_record(page),
        cast=tuple(member_record(character, number) for number, character in enumerate(cast, 1)),
        panels=tuple(_panel_record(index, row) for index, row in enumerate(rows)),
        libraries=library_versions(),
    )


def _panel_record(index: int, row: CandidateRow) -> PanelRecord:
    facts = json.loads(row.facts)
    return PanelRecord(
        picture=f"panel-{index + 1:02}.png",
        prompt=facts["prompt"],
        negative=facts["negative"],
        size=tuple(facts["size"]),
        seed=row.seed,
        characters=tuple(facts["characters"]),
        figures=tuple(FigureRecord(**figure) for figure in facts["figures"]),
    )


def _kept(store: AppStore, job: JobRow, folder: Path) -> list[JobFile]:
    """Every file below `folder`, kept with the job and listed in its row."""
    files = []
    with store.writing() as session:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            data, name = path.read_bytes(), path.relative_to(folder).as_posix()
            media = mimetypes.guess_type(name)[0] or "application/octet-stream"
            files.append(JobFile(name, put_file(session, job.id, data), len(data), media))
        row = session.get_one(JobRow, job.id)
        change(row, files=json.dumps([list(vars(one).values()) for one in files]), lease=max(row.lease, time.time()))
        session.add(row)
    return files
