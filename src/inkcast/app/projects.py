"""The projects of one user: made, edited, undone, copied; every edit is saved at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, delete, select

from inkcast.app.project import (
    Document,
    Project,
    ProjectEntry,
    Revision,
    checked_choices,
    checked_page,
    new_id,
    panel_index,
    script_of,
    with_script,
)
from inkcast.app.projects_rows import (
    candidate_rows,
    clean_title,
    current_document,
    find_project,
    list_entry,
    panel_change,
    read_project,
    save_document,
    with_panel,
    written,
)
from inkcast.app.store import AppStore, get_file, put_file
from inkcast.app.tables import CandidateRow, FileRow, FirstVisitRow, JobRow, ProjectRow, RevisionRow
from inkcast.cast.names import name_key
from inkcast.errors import ConflictError, NotFoundError, StoryError
from inkcast.images import encode_png, open_picture
from inkcast.page.panel import DrawnPanel
from inkcast.story.script import Box, Panel, Script, dump_script

if TYPE_CHECKING:
    from inkcast.cast.store import CastLibrary


class Projects:
    """Of one owner. What is not the owner's raises NotFoundError, just as what does not exist.

    Edits raise what is wrong with them: StoryError for scripts, PageError for pages, PictureError for pictures,
    StudioError for the rest; nothing is changed then.
    """

    def __init__(self, store: AppStore, owner: str) -> None:
        self._store = store
        self._owner = owner

    def create(
        self,
        title: str = "",
        story: str = "",
        *,
        script: Script | str = "",
        cast: Sequence[str] = (),
        drawing: Mapping[str, Any] | None = None,
        page: Mapping[str, Any] | None = None,
    ) -> Project:
        document = Document(
            title=clean_title(title),
            story=story,
            cast=tuple(cast),
            drawing=checked_choices(drawing or {}),
            page=checked_page(page or {}),
        )
        if script:
            document = with_script(document, script if isinstance(script, str) else dump_script(script))
        now = time.time()
        row = ProjectRow(id=new_id(), owner=self._owner, title=document.title, revision=1, created=now, changed=now)
        with self._store.writing() as session:
            session.add(row)
            session.flush()
            session.add(RevisionRow(project_id=row.id, number=1, what="created", document=document.dump(), made=now))
            session.flush()
            return read_project(session, row)

    def list(self) -> tuple[ProjectEntry, ...]:
        """The newest change first."""
        with self._store.reading() as session:
            rows = session.exec(
                select(ProjectRow, RevisionRow)
                .join(RevisionRow)
                .where(ProjectRow.owner == self._owner, RevisionRow.number == ProjectRow.revision)
                .order_by(col(ProjectRow.changed).desc(), col(ProjectRow.id))
            ).all()
            pictures = session.exec(
                select(CandidateRow.project_id, CandidateRow.panel, CandidateRow.id, CandidateRow.picture)
                .join(ProjectRow)
                .where(ProjectRow.owner == self._owner)
                .order_by(col(CandidateRow.drawn))
            ).all()
        newest: dict[tuple[str, str], str] = {}
        by_id: dict[str, str] = {}
        for project_id, panel, candidate_id, picture in pictures:
            newest[project_id, panel] = by_id[candidate_id] = picture
        return tuple(list_entry(row, Document.load(revision.document), newest, by_id) for row, revision in rows)

    def get(self, project_id: str) -> Project:
        with self._store.reading() as session:
            return read_project(session, self._find(session, project_id))

    def duplicate(self, project_id: str) -> Project:
        """A copy with pictures, without history."""
        now = time.time()
        with self._store.writing() as session:
            row = self._find(session, project_id)
            document = current_document(session, row)
            copied = {candidate.id: new_id() for candidate in candidate_rows(session, row.id)}
            panels = tuple(
                replace(panel, chosen=copied.get(panel.chosen) if panel.chosen else None) for panel in document.panels
            )
            document = replace(document, title=clean_title(f"{document.title} (copy)".strip()), panels=panels)
            made = ProjectRow(
                id=new_id(), owner=self._owner, title=document.title, revision=1, created=now, changed=now
            )
            session.add(made)
            session.flush()
            session.add(RevisionRow(project_id=made.id, number=1, what="copied", document=document.dump(), made=now))
            for file in session.exec(select(FileRow).where(FileRow.holder == row.id)).all():
                session.add(FileRow(holder=made.id, digest=file.digest, data=file.data))
            for candidate in candidate_rows(session, row.id):
                facts = candidate.model_dump() | {"id": copied[candidate.id], "project_id": made.id}
                session.add(CandidateRow(**(facts | {"job_id": copied[candidate.id]})))
            session.flush()
            return read_project(session, made)

    def delete(self, project_id: str) -> None:
        """With its pictures and finished jobs. Raises ConflictError while a job of it waits or runs."""
        with self._store.writing() as session:
            row = self._find(session, project_id)
            jobs = session.exec(select(JobRow).where(JobRow.project_id == row.id)).all()
            if any(job.state in ("queued", "running") for job in jobs):
                raise ConflictError("the project is being drawn: cancel its jobs first, then delete it")
            holders = [row.id, *(job.id for job in jobs)]
            session.exec(delete(FileRow).where(col(FileRow.holder).in_(holders)))
            for each in (*jobs, row):
                session.delete(each)

    def rename(self, project_id: str, title: str) -> Project:
        return self._edit(project_id, "renamed", lambda document: replace(document, title=clean_title(title)))

    def set_story(self, project_id: str, story: str) -> Project:
        return self._edit(project_id, "story", lambda document: replace(document, story=story))

    def set_script(self, project_id: str, script: Script | str) -> Project:
        """A script as YAML takes the old one's place; a `Script` is written into it, so that its comments stay."""

        def change(document: Document) -> Document:
            text = script if isinstance(script, str) else written(document, script)
            return with_script(document, text)

        return self._edit(project_id, "script", change)

    def set_cast(self, project_id: str, names: Sequence[str]) -> Project:
        """Who may be in it, by name in the owner's cast library."""
        return self._edit(project_id, "cast", lambda document: replace(document, cast=tuple(names)))

    def set_drawing(self, project_id: str, **changes: Any) -> Project:
        found = checked_choices(changes)
        return self._edit(
            project_id, "drawing", lambda document: replace(document, drawing={**document.drawing, **found})
        )

    def set_page(self, project_id: str, **changes: Any) -> Project:
        def change(document: Document) -> Document:
            return replace(document, page=checked_page({**document.page, **changes}))

        return self._edit(project_id, "page", change)

    def set_panel(self, project_id: str, panel_id: str, panel: Panel) -> Project:
        """The panel's words; its pictures stay."""
        return self._edit(project_id, "panel", lambda document: with_panel(document, panel_id, panel))

    def set_region(self, project_id: str, panel_id: str, name: str, box: Box | None) -> Project:
        """Where a character shall stand, as fractions of the panel; this steers the routing when it is drawn again.

        Raises:
            StoryError: the panel does not show that character, or the box is none.
        """

        def change(document: Document) -> Document:
            panel = script_of(document).panels[panel_index(document, panel_id)]
            if name_key(name) not in [name_key(one.name) for one in panel.characters]:
                raise StoryError(f"the panel does not show {name!r}: add them to its characters first")
            if box is not None and not (0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
                raise StoryError(f"{box} is no box: give x0, y0, x1, y1 as fractions with x0 < x1 and y0 < y1")
            moved = tuple(
                one.model_copy(update={"box": box}) if name_key(one.name) == name_key(name) else one
                for one in panel.characters
            )
            return with_panel(document, panel_id, panel.model_copy(update={"characters": moved}))

        return self._edit(project_id, "place", change)

    def choose(self, project_id: str, panel_id: str, candidate_id: str) -> Project:
        """Which picture the comic shows."""
        self._candidate(project_id, panel_id, candidate_id)
        return self._edit(project_id, "choice", panel_change(panel_id, chosen=candidate_id))

    def lock(self, project_id: str, panel_id: str, locked: bool = True) -> Project:
        """A locked panel keeps its picture when the comic is drawn again."""
        return self._edit(project_id, "lock" if locked else "unlock", panel_change(panel_id, locked=locked))

    def set_pose(self, project_id: str, panel_id: str, picture: bytes | None) -> Project:
        """A picture whose pose the panel takes when it is drawn again."""
        data = None if picture is None else encode_png(open_picture(picture, name="the pose"))

        def change(session: Session, document: Document) -> Document:
            pose = None if data is None else put_file(session, project_id, data)
            return panel_change(panel_id, pose=pose)(document)

        return self._edit_with(project_id, "pose", change)

    def remove_candidate(self, project_id: str, panel_id: str, candidate_id: str) -> Project:
        """Raises ConflictError for the chosen one."""
        self._candidate(project_id, panel_id, candidate_id)
        with self._store.writing() as session:
            row = self._find(session, project_id)
            shown = next(panel for panel in read_project(session, row).panels if panel.id == panel_id).chosen
            if shown is not None and shown.id == candidate_id:
                raise ConflictError("that picture is the chosen one: choose another first")
            session.delete(session.get_one(CandidateRow, candidate_id))
            session.flush()
            return read_project(session, row)

    def undo(self, project_id: str) -> Project:
        """Raises ConflictError where there is nothing to undo."""
        return self._move(project_id, -1, "undo")

    def redo(self, project_id: str) -> Project:
        return self._move(project_id, 1, "redo")

    def history(self, project_id: str) -> tuple[Revision, ...]:
        """Every edit that is kept, the newest first."""
        with self._store.reading() as session:
            row = self._find(session, project_id)
            rows = session.exec(
                select(RevisionRow.number, RevisionRow.what, RevisionRow.made)
                .where(RevisionRow.project_id == row.id)
                .order_by(col(RevisionRow.number).desc())
            ).all()
        return tuple(Revision(number, what, made, number == row.revision) for number, what, made in rows)

    def picture(self, project_id: str, digest: str) -> bytes:
        """A PNG file of the project: a candidate's picture or routing maps, or a pose."""
        with self._store.reading() as session:
            return get_file(session, self._find(session, project_id).id, digest)

    def drawn(self, project_id: str) -> tuple[DrawnPanel | None, ...]:
        """The chosen pictures in the script's order, for pages."""
        project = self.get(project_id)
        return tuple(
            None
            if panel.chosen is None
            else DrawnPanel(open_picture(self.picture(project_id, panel.chosen.picture)), panel.chosen.figures)
            for panel in project.panels
        )

    def demo(self, library: CastLibrary) -> Project | None:
        """The demo project with its cast, once: None for an owner who had it, or has projects already."""
        from inkcast.app.work.demo import CAST, STORY, TITLE, demo_records, demo_script

        with self._store.writing(turns=True) as session:
            known = session.get(FirstVisitRow, self._owner)
            others = session.exec(select(ProjectRow.id).where(ProjectRow.owner == self._owner)).first()
            if known is None:
                session.add(FirstVisitRow(owner=self._owner))
            if known is not None or others is not None:
                return None
        library.add(extending=demo_records())
        return self.create(TITLE, STORY, script=demo_script(), cast=CAST)

    def _find(self, session: Session, project_id: str) -> ProjectRow:
        return find_project(session, self._owner, project_id)

    def _candidate(self, project_id: str, panel_id: str, candidate_id: str) -> CandidateRow:
        with self._store.reading() as session:
            self._find(session, project_id)
            row = session.get(CandidateRow, candidate_id)
        if row is None or (row.project_id, row.panel) != (project_id, panel_id):
            raise NotFoundError("the panel has no such picture")
        return row

    def _edit(self, project_id: str, what: str, change: Callable[[Document], Document]) -> Project:
        return self._edit_with(project_id, what, lambda _, document: change(document))

    def _edit_with(self, project_id: str, what: str, change: Callable[[Session, Document], Document]) -> Project:
        with self._store.writing(turns=True) as session:
            row = self._find(session, project_id)
            save_document(session, row, what, change(session, current_document(session, row)))
            return read_project(session, row)

    def _move(self, project_id: str, by: int, verb: str) -> Project:
        with self._store.writing(turns=True) as session:
            row = self._find(session, project_id)
            target = session.get(RevisionRow, (row.id, row.revision + by))
            if target is None:
                raise ConflictError(f"there is nothing to {verb}")
            row.revision, row.title, row.changed = target.number, Document.load(target.document).title, time.time()
            session.add(row)
            session.flush()
            return read_project(session, row)
