"""StableIdentity (arXiv 2401.15975) on SDXL, as the comic generator extends it: a face is two words per text encoder.

Drawing is the plain base's: only what the text encoders read differs. Learning a face takes minutes, once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.cast.identities import references_digest
from inkcast.engines.close_ups import close_ups
from inkcast.engines.engine import Conditioning, Member, PanelPrompt, Style
from inkcast.engines.identity import check_identity
from inkcast.engines.stable_identity.learn import Learner, Learning, learn
from inkcast.engines.stable_identity.prior import Fame, celebrity_priors, famous, no_prior
from inkcast.engines.stable_identity.sight import Eyes
from inkcast.engines.stable_identity.views import material
from inkcast.engines.stable_identity.weights import NAME, HomeShelf, Shelf, family_of, find_eyes, gallery_folder
from inkcast.engines.stable_identity.words import Vectors, mark, pieces, spoken
from inkcast.errors import EngineError, TrainingError
from inkcast.events import Note, Progress, Report, unheard
from inkcast.files import shown
from inkcast.sdxl.attention import AttentionMemory
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.layers import project_text
from inkcast.sdxl.prompts import PromptEmbeds, encode_prompt

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

        `text_encoder` and, on SDXL, `text_encoder_2`: [1, 2, channels].
        """
        known = self.shelf.find(character, self.digest, self.base.family) if self.shelf is not None else None
        if known is not None:
            return known
        identity = self.learn(character)
        if self.shelf is not None:
            self.shelf.keep(character, identity)
        return identity

    def learn(self, character: Character, *, checkpoint: Path | None = None, resume: bool = False) -> Identity:
        """Learns the face, whether it was learned before or not.

        Args:
            checkpoint: where the state goes when the learning is stopped.
            resume: go on from there, exactly as if it had not been stopped.

        Raises:
            EngineError: nothing to learn from, or nothing to see it with.
            TrainingError: `checkpoint` is of another run.
        """
        learner = self._learner(character)
        if checkpoint is not None and resume and checkpoint.is_file():
            learner.resume(checkpoint)
        steps = self.learning.steps
        self.report(Progress("learning", learner.step, steps))
        learn(learner, lambda step, _: self.report(Progress("learning", step, steps)), checkpoint)
        tensors = dict(zip(ENCODERS, learner.words(), strict=False))
        return Identity(self.name, self.digest, tensors)

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
        run = f"{self.digest} {references_digest(character.references)}"
        return Learner(self.base, priors, self.fame, found, self.learning, run)

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
        check_identity(identity, self.name, identity.weights_digest if family else self.digest, member.name)
        words = []
        for name, encoder in zip(ENCODERS, self.base.text_encoders, strict=False):
            width = encoder.get_input_embeddings().weight.shape[1]
            found = identity.tensors.get(name)
            if found is None or found.shape != (1, 2, width):
                shape = "missing" if found is None else list(found.shape)
                raise EngineError(
                    f"{member.name}'s words for {name} are {shape}, but {shown(self.base.name)} reads [1, 2, {width}]: "
                    "learn the face on this base"
                )
            words.append(found[0])
        return words


def load_engine(base: Backbone, *, learning: Learning | None = None, report: Report = unheard) -> StableIdentity:
    """With the eyes of the base's companion folder, if it has any, and the faces kept in the home folder."""
    shelf = HomeShelf(None if base.folder is None else gallery_folder(base.folder))
    return StableIdentity(base, find_eyes(base), learning=learning, shelf=shelf, report=report)
