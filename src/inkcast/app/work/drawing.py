"""The steps of a comic: parse, enrol the cast, draw each panel, compose. Each does nothing that was done already."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmodel import select

from inkcast.app.project import Document, PanelDocument, new_id, script_of
from inkcast.app.projects_rows import current_document, save_document
from inkcast.app.safety import check_picture, check_words
from inkcast.app.store import AppStore, get_file, put_file
from inkcast.app.tables import CandidateRow, JobRow, ProjectRow
from inkcast.app.work.easels import Easels
from inkcast.app.work.memory import leaner, sparing
from inkcast.app.work.order import Order, Turn, character_of, panels_by_turn
from inkcast.app.work.watch import LostError, Watch
from inkcast.cast.archive import unpack_character
from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.cast.identities import pack, references_digest, unpack
from inkcast.drawing.choices import Drawing
from inkcast.drawing.enrolling import Shelf, enrol
from inkcast.drawing.panel_settings import idle_settings, people_of
from inkcast.drawing.planning import PlannedPanel, plan_panels
from inkcast.drawing.reading import as_script
from inkcast.drawing.record import drawing_record
from inkcast.drawing.routes import Painted, routes_picture
from inkcast.events import Note
from inkcast.images import encode_png
from inkcast.page.layout import PageOptions, arrange
from inkcast.story.script import dump_script

if TYPE_CHECKING:
    from inkcast.drawing.easel import Easel
    from inkcast.engines.engine import Engine


@dataclass
class DrawingWork:
    """A job that draws, at one worker. What the steps answer with is small JSON, kept by the workflow.

    `shelf` has what engines made of the owner's characters before.
    """

    store: AppStore
    job: JobRow
    easels: Easels
    watch: Watch
    shelf: Shelf
    _open: ExitStack = field(default_factory=ExitStack)
    _drawing: Drawing | None = None  # where memory ran out, the leaner choices
    _device: str = ""  # where the easel draws
    _active: Engine | None = None  # whose parts are in the base

    @cached_property
    def order(self) -> Order:
        return Order.load(self.job.order)

    @cached_property
    def cast(self) -> tuple[Character, ...]:
        """As it was when the job was submitted."""
        with self.store.reading() as session:
            return tuple(character_of(get_file(session, self.job.id, one.digest), one.id) for one in self.order.cast)

    def parse(self) -> str:
        """The document with a script: what the parser made of the story where its author wrote none."""
        assert self.order.document is not None
        document = self.order.document
        if document.script and not self.order.turns:  # an export: there is nothing to draw
            return document.dump()
        story = script_of(document) if document.script else document.story
        script, notes = as_script(story, self.cast, Drawing(**document.drawing).engine)
        for note in notes:
            self.watch.hear(Note(note))
        if document.script:
            return document.dump()
        ids = (
            hashlib.sha256(f"{self.job.id}/{number}".encode()).hexdigest()[:32] for number in range(len(script.panels))
        )
        parsed = replace(document, script=dump_script(script), panels=tuple(map(PanelDocument, ids)))
        with self.store.writing(turns=True) as session:
            row = session.get_one(ProjectRow, self.job.project_id)
            now = current_document(session, row)
            if not now.script:
                save_document(session, row, "parsed", replace(now, script=parsed.script, panels=parsed.panels))
        return parsed.dump()

    def turns(self, document: Document) -> tuple[Turn, ...]:
        return self.order.turns or tuple(Turn(panel.id) for panel in document.panels)

    def enrol(self, document: Document) -> dict[str, str]:
        """Encodes everybody whom a panel to draw shows; answers with the digests of their identities, by id.

        Raises:
            EngineError: memory runs out, with parts moved off the GPU too.
        """
        advice = "choose a smaller base, another engine, or fewer and smaller pictures of each character"
        return sparing(partial(self._enrol, document), partial(self._spare, document, "encoding the cast", advice))

    def _enrol(self, document: Document) -> dict[str, str]:
        self.watch.tell(stage="load", panels=len(self.turns(document)), step=0, steps=0)
        easel = self._easel(document)
        wanted = {turn.panel for turn in self.turns(document)}
        plan = [
            planned
            for planned, panel in zip(self._plan(document, easel), document.panels, strict=True)
            if panel.id in wanted
        ]
        easel.check(plan)
        panels = zip(count(1), script_of(document).panels, document.panels, strict=False)
        chosen = [(number, panel) for number, panel, one in panels if one.id in wanted]
        for note in idle_settings(chosen, people_of(self.cast), easel.drawing.engine):
            self.watch.hear(Note(note))
        self.watch.tell(stage="cast")
        known = self._known(easel)
        fresh = enrol(easel, plan, [one for one in self.cast if one.id not in known], self.watch.hear, self.shelf)
        found = {}
        with self.store.writing() as session:
            for character_id, identity in (known | fresh).items():
                digest = put_file(session, self.job.id, pack(identity))
                found[str(character_id)] = json.dumps([digest, identity.engine, identity.weights_digest])
        return found

    def draw(self, document: Document, enrolled: Mapping[str, str], turn: Turn) -> str:
        """The candidate's id; a panel that was drawn already, if only its step was not recorded, is not drawn again."""
        known = self._drawn(turn)
        if known is not None:
            return known
        index = next(number for number, panel in enumerate(document.panels) if panel.id == turn.panel)
        place = self.turns(document).index(turn)
        self.watch.tell(stage="panels", panel=index + 1, panels_done=place, step=0, panel_since=time.time())
        advice = "choose a smaller base or another layout (smaller panels); finished panels are kept"
        return sparing(
            partial(self._paint, document, enrolled, turn, index),
            partial(self._spare, document, f"panel {index + 1}", advice),
        )

    def _spare(self, document: Document, what: str, advice: str) -> None:
        """After memory ran out: what is loaded goes, and the next easel has parts moved off the GPU."""
        from inkcast.sdxl.backbone import choose_device

        drawing = self._drawing or Drawing(**document.drawing)
        self._drawing = leaner(drawing, self._device or str(choose_device()), what, advice)
        self.close()
        self.easels.free()
        self.watch.hear(Note("memory ran out: going on with parts of the model moved off the GPU, which is slower"))

    def close(self) -> None:
        """Takes the engine's parts out of the base again."""
        self._open.close()
        self._active = None

    def _paint(self, document: Document, enrolled: Mapping[str, str], turn: Turn, index: int) -> str:
        from inkcast.engines.engine import introduce

        easel = self._easel(document)
        planned = self._plan(document, easel)[index]
        planned = planned if turn.seed is None else replace(planned, seed=turn.seed)
        check_words(planned.prompt.wording(planned.style), f"panel {index + 1}")
        if self._active is not easel.engine:
            self._open.enter_context(easel.engine.active())
            self._active = easel.engine
        self.watch.tell(steps=easel.drawing.steps)
        with tempfile.TemporaryDirectory(prefix="inkcast-") as folder:
            planned = self._posed(planned, document.panels[index].pose, Path(folder))
            introduce(easel.engine, self.cast)
            conditioning = easel.engine.condition(planned.prompt, self._identities(enrolled), planned.style)
            painted = easel.draw(conditioning, planned, self.watch.step)
        check_picture(painted.panel.picture, f"panel {index + 1}")
        return self._keep(turn, planned, easel, painted)

    def _keep(self, turn: Turn, planned: PlannedPanel, easel: Easel, painted: Painted) -> str:
        """Picture, candidate and progress in one transaction: there whole or not at all."""
        prompt, negative = planned.prompt.wording(planned.style), planned.style.negative
        words = {"engine": easel.drawing.engine, "prompt": prompt, "seed": str(planned.seed)}
        png = encode_png(painted.panel.picture, words)
        facts = {
            "prompt": prompt,
            "negative": negative,
            "size": planned.size,
            "characters": [member.name for member in planned.prompt.members],
            "figures": [asdict(figure) for figure in painted.panel.figures],
            "drawing": drawing_record(easel.drawing).model_dump(),
            "origin": asdict(easel.origin),
        }
        with self.store.writing() as session:
            job = session.get_one(JobRow, self.job.id)
            if job.worker != self.watch.worker:
                raise LostError
            assert self.job.project_id is not None
            maps = None
            if painted.routes is not None:
                maps = encode_png(routes_picture(painted.panel.picture, painted.routes))
            row = CandidateRow(
                id=new_id(),
                project_id=self.job.project_id,
                job_id=self.job.id,
                panel=turn.panel,
                turn=turn.turn,
                seed=planned.seed,
                engine=easel.drawing.engine,
                facts=json.dumps(facts),
                picture=put_file(session, self.job.project_id, png),
                routes=None if maps is None else put_file(session, self.job.project_id, maps),
                drawn=time.time(),
            )
            session.add(row)
            job.panels_done, job.step, job.version = job.panels_done + 1, 0, job.version + 1
            job.measured, job.panels_measured = job.measured + time.time() - job.panel_since, job.panels_measured + 1
            session.add(job)
        return row.id

    def _known(self, easel: Easel) -> dict[CharacterId, Identity]:
        """What the library had of these weights and just those references, such as a learned face."""
        weights, found = easel.origin.engine, {}
        with self.store.reading() as session:
            for copy, character in zip(self.order.cast, self.cast, strict=True):
                record = unpack_character(io.BytesIO(get_file(session, self.job.id, copy.digest)), character.name)
                for one in record.identities:
                    made_of = (one.engine, one.weights_digest, one.references_digest)
                    if made_of == (easel.engine.name, weights, references_digest(character.references)):
                        found[character.id] = unpack(one.tensors, one.engine, one.weights_digest)
        return found

    def _drawn(self, turn: Turn) -> str | None:
        with self.store.reading() as session:
            return session.exec(
                select(CandidateRow.id).where(
                    CandidateRow.job_id == self.job.id,
                    CandidateRow.panel == turn.panel,
                    CandidateRow.turn == turn.turn,
                )
            ).first()

    def _easel(self, document: Document) -> Easel:
        drawing = self._drawing or Drawing(**document.drawing)
        easel = self.easels.get(drawing, self.watch.hear, self.watch.glimpse)
        self._device = easel.drawing.device
        return easel

    def _plan(self, document: Document, easel: Easel) -> tuple[PlannedPanel, ...]:
        script = script_of(document)
        pages = arrange(script, PageOptions(**document.page))
        return plan_panels(script, pages, self.cast, easel)

    def _identities(self, enrolled: Mapping[str, str]) -> dict[CharacterId, Identity]:
        found = {}
        with self.store.reading() as session:
            for character_id, facts in enrolled.items():
                digest, engine, weights = json.loads(facts)
                tensors = get_file(session, self.job.id, digest)
                found[CharacterId(character_id)] = unpack(tensors, engine, weights)
        return found

    def _posed(self, planned: PlannedPanel, pose: str | None, folder: Path) -> PlannedPanel:
        """The plan after a pose picture, where the project has one for the panel."""
        if pose is None or self.job.project_id is None:
            return planned
        with self.store.reading() as session:
            (folder / "pose.png").write_bytes(get_file(session, self.job.project_id, pose))
        return replace(planned, pose=folder / "pose.png")


def drawn_panels(store: AppStore, job: JobRow, order: Order, document: Document) -> tuple[str, ...]:
    """The candidates that the comic shows, in the script's order: what the job drew, else what was kept."""
    turns = panels_by_turn(order.turns)
    with store.reading() as session:
        rows = session.exec(
            select(CandidateRow.panel, CandidateRow.id).where(CandidateRow.job_id == job.id, CandidateRow.turn == 0)
        ).all()
    drawn = {panel: candidate for panel, candidate in rows if len(turns.get(panel, ())) <= 1}
    shown = {**(order.kept or {}), **drawn}
    return tuple(shown[panel.id] for panel in document.panels if panel.id in shown)
