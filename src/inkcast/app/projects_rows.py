"""Projects as rows: found, read, and given a new revision, in a transaction of whoever asks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlmodel import Session, col, delete, select

from inkcast.app.project import (
    Candidate,
    Document,
    PanelDocument,
    PanelState,
    Project,
    ProjectEntry,
    panel_index,
    refuse_files,
    script_of,
)
from inkcast.app.tables import CandidateRow, ProjectRow, RevisionRow
from inkcast.errors import NotFoundError
from inkcast.page.panel import Figure
from inkcast.story.script import Panel, Script, dump_script, edit_script

KEPT_REVISIONS = 200
LONGEST_TITLE = 300


def find_project(session: Session, owner: str, project_id: str) -> ProjectRow:
    row = session.get(ProjectRow, project_id)
    if row is None or row.owner != owner:
        raise NotFoundError("there is no such project")
    return row


def current_document(session: Session, row: ProjectRow) -> Document:
    return Document.load(session.get_one(RevisionRow, (row.id, row.revision)).document)


def save_document(session: Session, row: ProjectRow, what: str, document: Document) -> None:
    """Makes `document` the newest revision; what was undone before is gone, as is what is too long ago."""
    if document == current_document(session, row):
        return
    session.exec(
        delete(RevisionRow).where(
            col(RevisionRow.project_id) == row.id,
            (col(RevisionRow.number) > row.revision) | (col(RevisionRow.number) <= row.revision - KEPT_REVISIONS),
        )
    )
    now = time.time()
    row.revision, row.title, row.changed = row.revision + 1, document.title, now
    session.add(row)
    session.add(RevisionRow(project_id=row.id, number=row.revision, what=what, document=document.dump(), made=now))
    session.flush()


def read_project(session: Session, row: ProjectRow) -> Project:
    document = current_document(session, row)
    script = script_of(document)
    pictures: dict[str, list[Candidate]] = {}
    for candidate in candidate_rows(session, row.id):
        pictures.setdefault(candidate.panel, []).append(read_candidate(candidate))
    panels = tuple(
        panel_state(known, words, pictures.get(known.id, ()))
        for known, words in zip(document.panels, script.panels, strict=True)
    )
    numbers = session.exec(select(RevisionRow.number).where(RevisionRow.project_id == row.id)).all()
    return Project(
        row.id,
        document,
        panels,
        row.revision,
        row.revision - 1 in numbers,
        row.revision + 1 in numbers,
        row.created,
        row.changed,
    )


def panel_state(known: PanelDocument, words: Panel, pictures: Sequence[Candidate]) -> PanelState:
    """A panel whose author chose no picture shows its newest."""
    newest = pictures[-1] if pictures else None
    chosen = next((one for one in pictures if one.id == known.chosen), newest)
    return PanelState(known.id, words, tuple(pictures), chosen, known.locked, known.pose)


def read_candidate(row: CandidateRow) -> Candidate:
    facts = json.loads(row.facts)
    figures = tuple(
        Figure(one["name"], tuple(one["box"]), tuple(one["face"]) if one["face"] else None) for one in facts["figures"]
    )
    size = (int(facts["size"][0]), int(facts["size"][1]))
    return Candidate(
        row.id,
        row.panel,
        row.seed,
        facts["prompt"],
        facts["negative"],
        row.engine,
        size,
        figures,
        row.picture,
        row.routes,
        row.drawn,
        tuple(facts["characters"]),
    )


def with_panel(document: Document, panel_id: str, panel: Panel) -> Document:
    """The document with other words in one panel; nothing else moves."""
    refuse_files([panel])
    index, script = panel_index(document, panel_id), script_of(document)
    panels = (*script.panels[:index], panel, *script.panels[index + 1 :])
    return replace(document, script=written(document, script.model_copy(update={"panels": panels})))


def written(document: Document, script: Script) -> str:
    return edit_script(document.script, script) if document.script else dump_script(script)


def clean_title(title: str) -> str:
    """One line, not too long."""
    return " ".join(title.split())[:LONGEST_TITLE]


def panel_change(panel_id: str, **changes: Any) -> Callable[[Document], Document]:
    def change(document: Document) -> Document:
        index = panel_index(document, panel_id)
        panels = list(document.panels)
        panels[index] = replace(panels[index], **changes)
        return replace(document, panels=tuple(panels))

    return change


def candidate_rows(session: Session, project_id: str) -> Sequence[CandidateRow]:
    return session.exec(
        select(CandidateRow)
        .where(CandidateRow.project_id == project_id)
        .order_by(col(CandidateRow.drawn), col(CandidateRow.turn))
    ).all()


def list_entry(
    row: ProjectRow, document: Document, newest: Mapping[tuple[str, str], str], by_id: Mapping[str, str]
) -> ProjectEntry:
    shown = [by_id.get(panel.chosen or "", newest.get((row.id, panel.id))) for panel in document.panels]
    drawn = [picture for picture in shown if picture]
    return ProjectEntry(
        row.id, row.title, len(document.panels), len(drawn), drawn[0] if drawn else None, row.created, row.changed
    )
