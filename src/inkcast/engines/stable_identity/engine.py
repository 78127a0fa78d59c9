"""StableIdentity (arXiv 2401.15975) on SDXL, as the comic generator extends it: a face is two words per text encoder.

Drawing is the plain base's: only what the text encoders read differs. Learning a face takes minutes, once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.cast.identities import references_digest
from inkcast.cast.usual import usual_library
from inkcast.engines.close_ups import close_ups
from inkcast.engines.engine import Conditioning, Member, PanelPrompt, Style
from inkcast.engines.identity import check_identity
from inkcast.engines.stable_identity.learn import Learner, Learning, learn
from inkcast.engines.stable_identity.prior import Fame, celebrity_priors, famous, no_prior
from inkcast.engines.stable_identity.sight import Eyes
from inkcast.engines.stable_identity.views import material
from inkcast.engines.stable_identity.weights import NAME, HomeShelf, Shelf, family_of, find_eyes, gallery_folder
from inkcast.engines.stable_identity.words import Vectors, mark, pieces, spoken
from inkcast.errors import EngineError, TrainingError, WeightsError
from inkcast.events import Note, Progress, Report, unheard
from inkcast.files import shown
from inkcast.sdxl.attention import AttentionMemory
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.layers import project_text
from inkcast.sdxl.loras import loaded_loras
from inkcast.sdxl.prompts import PromptEmbeds, encode_prompt

if TYPE_CHECKING:
    from inkcast.cast.store import CastLibrary

ENCODERS = ("text_encoder", "text_encoder_2")  # an identity's tensors, as diffusers names a pipeline's parts


class StableIdentity:
    """The engine over one base, of either family.

    `eyes` read references; without them only faces learned before can be drawn. `report` hears of the learning.
    `guidance` and `scheduler` are the comic generator's (section 5.1), `toon_guidance` a toon base's.
    """

    name: ClassVar[str] = NAME
    guidance: ClassVar[float] = 8.5
    toon_guidance: ClassVar[float] = 4.0
    scheduler: ClassVar[str] = "dpm++"

    def __init__(
        self,
        base: Backbone,
        eyes: Eyes | None,
        *,
        fame: Fame | None = None,
        learning: Learning | None = None,
        shelf: Shelf | None = None,
        report: Report = unheard,
    ) -> None:
        self.base, self.eyes, self.shelf, self.report = base, eyes, shelf, report
        self.learning = learning or Learning()
        self.fame = fame or famous(base.tokenizers)
        # Words live in the text encoders' spaces, whoever looked at the face: eyes are no part of the digest.
        facts = (NAME, base.digest, *self.fame.names)
        self.digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()

    def encode(self, character: Character) -> Identity:
        """The words learned before for just these references, else those imported, else learned now: minutes.

        A learning that was stopped goes on. `text_encoder` and, on SDXL, `text_encoder_2`: [1, 2, channels].
        """
        if self.shelf is None:
            return self.learn(character)
        known = self.shelf.find(character, self.digest, self.base.family)
        if known is not None:
            return known
        checkpoint = self.shelf.unfinished(self.run_of(character))
        keep = partial(self.shelf.keep, character)
        return self.learn(character, checkpoint=checkpoint, resume=True, insist=False, keep=keep)

    def learn(
        self,
        character: Character,
        *,
        checkpoint: Path | None = None,
        resume: bool = False,
        insist: bool = True,
        keep: Callable[[Identity], None] = lambda identity: None,
    ) -> Identity:
        """Learns the face, whether it was learned before or not.

        Args:
            checkpoint: where the state goes every few steps, and when the learning is stopped.
            resume: go on from there, exactly as if it had not been stopped.
            insist: raise where that cannot be; else the face is learned from the first step, with a note.
            keep: called with what was learned, before `checkpoint` is removed.

        Raises:
            EngineError: nothing to learn from, or nothing to see it with.
            TrainingError: `checkpoint` is of another run, or has more steps than are to be taken.
            WeightsError: `checkpoint` is damaged.
        """
        learner = self._learner(character)
        if checkpoint is not None and resume and checkpoint.is_file():
            self._go_on(learner, checkpoint, insist, character.name)
        steps = self.learning.steps
        self.report(Progress("learning", learner.step, steps))
        learn(learner, lambda step, _: self.report(Progress("learning", step, steps)), checkpoint)
        tensors = dict(zip(ENCODERS, learner.words(), strict=False))
        identity = Identity(self.name, self.digest, tensors)
        try:
            keep(identity)
        except BaseException:
            if checkpoint is not None:
                learner.save(checkpoint)
            raise
        if checkpoint is not None:
            checkpoint.unlink(missing_ok=True)
        return identity

    def run_of(self, character: Character) -> str:
        """Names the learning of these references by all that decides the words, but how many steps are taken."""
        facts = {
            "weights": self.digest,
            "loras": loaded_loras(self.base),
            "dtype": str(self.base.dtype),
            "references": references_digest(character.references),
            **self.learning.facts(self.base.family, self.fame),
        }
        return json.dumps(facts, sort_keys=True)

    def keeping(self, home: Path, library: Callable[[], AbstractContextManager[CastLibrary] | None]) -> StableIdentity:
        """The same engine, with the faces of another home folder and library."""
        other = copy(self)
        other.shelf = home_shelf(self.base, home, library)
        return other

    def _go_on(self, learner: Learner, checkpoint: Path, insist: bool, who: str) -> None:
        try:
            learner.resume(checkpoint)
        except (TrainingError, WeightsError) as error:
            if insist:
                raise
            why = "is damaged" if isinstance(error, WeightsError) else "was learned otherwise"
            self.report(Note(f"what was left of {who}'s learning {why}: learning from the first step"))

    def _learner(self, character: Character) -> Learner:
        """Everything that is computed once per face: what the eyes see, the views' latents and masks, the prior."""
        if not character.references:
            raise EngineError(f"{character.name} has no reference picture: add one with  inkcast cast add")
        if hasattr(self.base.unet, "_hf_hook"):
            raise EngineError(
                "a face cannot be learned with --low-vram: first learn it in the studio's tab Cast, or by  "
                f"inkcast identity learn {shown(character.name)} --low-memory  with the same pictures"
            )
        if self.eyes is None:
            raise EngineError(
                f"base {self.base.name!r} brings no face encoder to learn {character.name} with: put a face ViT and a "
                f"SegFormer face parser into engines/{NAME}/face and engines/{NAME}/parser of its folder"
            )
        looks = [self.eyes.look(reference) for reference in character.references]
        seen = close_ups(character.references, looks, lambda one: not one.note) or looks
        for number, one in enumerate(looks, 1):
            if one.note and seen is looks:
                self.report(Note(f"{character.name}, picture {number}: {one.note}"))
        side = self.learning.side or self.base.side
        if side % self.base.vae_scale_factor:
            raise TrainingError(
                f"views of {side} px do not fit the base: choose a multiple of {self.base.vae_scale_factor}"
            )
        found = material(self.base, seen, side, self.learning.views, self.learning.seed)
        encoders = self.base.text_encoders
        known = celebrity_priors(encoders, self.base.tokenizers, self.fame.names)
        priors = known if self.learning.prior else tuple(map(no_prior, known))
        return Learner(self.base, priors, self.fame, found, self.learning, self.run_of(character))

    @torch.no_grad()
    def condition(self, panel: PanelPrompt, cast: Mapping[CharacterId, Identity], style: Style) -> Conditioning:
        """The members' mentions become their words; all else is the plain base's."""
        prompt = self._prompt(panel, cast, style)
        negative, positive = (
            AttentionMemory(text=project_text(self.base.unet, embeds)) for embeds in (prompt.negative, prompt.positive)
        )
        return Conditioning(prompt, negative, positive)

    def active(self) -> AbstractContextManager[None]:
        return nullcontext()

    def _prompt(self, panel: PanelPrompt, cast: Mapping[CharacterId, Identity], style: Style) -> PromptEmbeds:
        vectors: Vectors = {member.id: self._vectors(member, cast[member.id]) for member in panel.members}
        parts = pieces(panel, style)
        if not any(part in vectors for part in parts):
            return encode_prompt(self.base, panel.wording(style), style.negative)
        marked = mark(self.base, parts, list(vectors))
        with spoken(self.base, [marked, None], vectors):
            return encode_prompt(self.base, marked.runs, style.negative)

    def _vectors(self, member: Member, identity: Identity) -> Sequence[Float[Tensor, "2 channels"]]:
        family = family_of(identity)
        if family and family != self.base.family:
            raise EngineError(
                f"{member.name}'s words were imported for {family} bases, but {self.base.name!r} is of family "
                f"{self.base.family}: import those for it, or learn the face from a picture"
            )
        digest = identity.weights_digest if family else self.digest
        widths = [encoder.get_input_embeddings().weight.shape[1] for encoder in self.base.text_encoders]
        shapes = {name: (1, 2, width) for name, width in zip(ENCODERS, widths, strict=False)}
        remedy = f"learn the face on {shown(self.base.name)}, or import it anew"
        check_identity(identity, self.name, digest, member.name, shapes, remedy)
        return [identity.tensors[name][0] for name in shapes]


def load_engine(base: Backbone, *, learning: Learning | None = None, report: Report = unheard) -> StableIdentity:
    """With the eyes of the base's companion folder, if it has any, and the faces kept in the home folder."""
    return StableIdentity(base, find_eyes(base), learning=learning, shelf=home_shelf(base), report=report)


def home_shelf(
    base: Backbone,
    home: Path | None = None,
    library: Callable[[], AbstractContextManager[CastLibrary] | None] = usual_library,
) -> HomeShelf:
    """Of a home folder and a cast library, by default the settings', and of the base's gallery."""
    return HomeShelf(None if base.folder is None else gallery_folder(base.folder), home, library)
