"""A face learned as words, and kept with its character in the owner's library."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inkcast.app.jobs_tasks import LearnIdentity, load_task
from inkcast.app.store import AppStore, get_file
from inkcast.app.tables import JobRow
from inkcast.app.work.easels import Easels
from inkcast.app.work.memory import sparing, too_large
from inkcast.app.work.order import Order, character_of
from inkcast.app.work.watch import Watch
from inkcast.drawing.choices import Drawing
from inkcast.events import Note

if TYPE_CHECKING:
    from inkcast.cast.store import CastLibrary

ENGINE = "stable-identity"


@dataclass
class LearningWork:
    """Into the owner's library. `home` is their folder: a face that was stopped goes on from there, on machines that
    share it."""

    store: AppStore
    job: JobRow
    easels: Easels
    watch: Watch
    library: CastLibrary
    home: Path
    _lean: bool = False  # memory ran out: less is kept of each step

    def learn(self) -> str:
        """Keeps the identity; answers with the digest of the weights it is for.

        Raises:
            EngineError: memory runs out, with less kept of each step too.
        """
        return sparing(self._learn, self._spare)

    def _spare(self) -> None:
        """After memory ran out: a step has one view already, so each keeps less, and the step is taken again."""
        if self._lean:
            raise too_large(
                "learning this face",
                "memory, even with less kept of each step",
                "choose a smaller base; what is learned is kept",
            )
        self._lean = True
        self.easels.free()
        self.watch.hear(Note("memory ran out: learning on with less kept of each step, which is slower"))

    def _learn(self) -> str:
        from inkcast.engines.stable_identity.engine import StableIdentity
        from inkcast.engines.stable_identity.weights import HomeShelf

        task = load_task(self.job.kind, self.job.task)
        assert isinstance(task, LearnIdentity)
        (copy,) = Order.load(self.job.order).cast
        with self.store.reading() as session:
            person = character_of(get_file(session, self.job.id, copy.digest), copy.id)
        self.watch.tell(stage="load", steps=task.steps, step=0)
        easel: Any = self.easels.get(Drawing(base=task.base, engine=ENGINE), self.watch.hear, self.watch.glimpse)
        loaded = easel.engine
        learning = replace(loaded.learning, steps=task.steps, checkpointing=self._lean or loaded.learning.checkpointing)
        engine = StableIdentity(loaded.base, loaded.eyes, fame=loaded.fame, learning=learning, report=self.watch.hear)
        self.watch.tell(stage="learn")
        checkpoint = HomeShelf(home=self.home).unfinished(engine.run_of(person))
        keep = partial(self.library.save_identity, person)
        identity = engine.learn(person, checkpoint=checkpoint, resume=True, insist=False, keep=keep)
        return str(identity.weights_digest)

    def close(self) -> None:
        """Nothing is held."""
