"""StoryMaker (arXiv 2409.12576): faces and whole characters as tokens under one softmax with a learned background,
LoRA on every attention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.engines.checkpoints import weights_digest
from inkcast.engines.close_ups import bodies, close_ups
from inkcast.engines.cutting import find_segmenter, uncut
from inkcast.engines.engine import Conditioning, Member, PanelPrompt, Style
from inkcast.engines.identity import check_identity
from inkcast.engines.regions import member_regions
from inkcast.engines.story_maker.eyes import Eyes, Seen
from inkcast.engines.story_maker.looks import (
    CHARACTER,
    FACE,
    Cast,
    Embedded,
    Looking,
    by_state,
    key_of,
    looking,
    shapes,
)
from inkcast.engines.story_maker.lora import fused
from inkcast.engines.story_maker.options import GUIDANCE, SCHEDULER, STEPS, SUBJECT_SCALE, Options, look_of
from inkcast.engines.story_maker.weights import FILE, Adapter, load_adapter
from inkcast.errors import EngineError
from inkcast.events import Note, Report, unheard
from inkcast.sdxl.attention import AttentionMemory, KeyValue, Layer
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.image_encoder import load_image_encoder
from inkcast.sdxl.layers import project_text
from inkcast.sdxl.prompts import encode_prompt
from inkcast.vision.detector import ToonDetector
from inkcast.vision.face import FaceReader, InsightFaces, ToonFaces
from inkcast.vision.segment import Segmenter

Projected = Mapping[Layer, KeyValue]  # of one character or the background: [1, heads, tokens, head_dim]


class StoryMaker:
    """The engine over one base. Its adapter must not change between `encode` and the last `condition`.

    `report` hears what was done about references without a face or a background that could not be taken away.
    """

    name: ClassVar[str] = "story-maker"
    scheduler: ClassVar[str] = SCHEDULER
    steps: ClassVar[int] = STEPS
    guidance: ClassVar[float] = GUIDANCE

    def __init__(
        self, base: Backbone, eyes: Eyes, adapter: Adapter, *, options: Options | None = None, report: Report = unheard
    ) -> None:
        size = adapter.image_proj_model.size
        if base.family != "sdxl":
            raise EngineError(
                f"{self.name} needs an SDXL base, but {base.name!r} is Stable Diffusion: choose another base"
            )
        if eyes.clip.channels != size.character.feature_channels:
            raise EngineError(
                f"story-maker's weights read {size.character.feature_channels} channels but the image encoder gives "
                f"{eyes.clip.channels}: use the encoder they were trained with"
            )
        if eyes.faces.dim != size.id_channels:
            raise EngineError(
                f"story-maker's weights read faces as {size.id_channels} numbers but the face encoder gives "
                f"{eyes.faces.dim}: use the encoder they were trained with"
            )
        self.base, self.eyes, self.options, self.report = base, eyes, options or Options(), report
        self.digest = weights_digest(adapter, eyes.clip.model, *face_nets(eyes.faces), files=face_files(eyes.faces))
        self.adapter = adapter.to(base.device, base.dtype).eval()
        self._names: dict[str, CharacterId] = {}
        self._projected: dict[tuple[int, Looking], tuple[Cast, Projected]] = {}
        self._constant: dict[int, Projected] = {}
        self._active = 0

    def meet(self, character: Character) -> None:
        """A panel may then name them for their clothes, or to be blended with."""
        self._names[character.name.casefold()] = character.id

    @torch.no_grad()
    def encode(self, character: Character) -> Identity:
        """`character` E_2 and, where a face was found, `face` E_1: means over the references, of close-ups the face
        alone; `character/STATE` and `face/STATE` of references that show another outfit or age."""
        if not character.references:
            raise EngineError(f"{character.name} has no reference picture: add one with  inkcast cast add")
        self.meet(character)
        tensors: dict[str, Tensor] = {}
        for state, references in by_state(character.references).items():
            seen = [self.eyes.read(reference) for reference in references]
            self._tell(character.name, state, seen)
            tensors[key_of(CHARACTER, state)] = self._characters(bodies(references, seen))
            with_face = [one for one in seen if one.face is not None]
            with_face = close_ups(references, seen, lambda one: one.face is not None) or with_face
            if with_face:
                tensors[key_of(FACE, state)] = self._faces(with_face)
        return Identity(self.name, self.digest, {name: x.float().cpu().contiguous() for name, x in tensors.items()})

    def refuse(self, panel: PanelPrompt) -> None:
        room = self.adapter.image_proj_model.size.people  # places of the positional embedding
        if len(panel.members) > room:
            raise EngineError(
                f"story-maker has room for {room} characters in a picture but this panel has {len(panel.members)}: "
                "use any-story for it, or split the panel"
            )

    @torch.no_grad()
    def condition(self, panel: PanelPrompt, cast: Cast, style: Style) -> Conditioning:
        """The background's tokens, then each member's, in the panel's order; the negative row reads zero features in
        the same places."""
        self.refuse(panel)
        if self.options.lora_scale and not self._active:
            raise EngineError("condition() outside active() would cache keys without the LoRA: enter active() first")
        scale = float(SUBJECT_SCALE.of(panel.settings, self.options.subject_scale))
        self._projected = {key: known for key, known in self._projected.items() if key[1].who in cast}
        people = [self._person(place, member, panel, cast) for place, member in enumerate(panel.members)]
        nobody = [self._unconditional(place) for place in range(len(people))]
        prompt = encode_prompt(self.base, panel.wording(style), style.negative)
        regions = _with_background(member_regions(panel.members))
        negative, positive = (
            AttentionMemory(
                text=project_text(self.base.unet, embeds),
                subjects=_side_by_side([self._background(), *subjects]) if subjects and scale else {},
                regions=None if regions is None or not scale else regions.to(self.base.device),
                subject_scale=scale,
            )
            for embeds, subjects in ((prompt.negative, nobody), (prompt.positive, people))
        )
        return Conditioning(prompt, negative, positive)

    @contextmanager
    def active(self) -> Iterator[None]:
        """LoRA in, out again to the bit; entered twice, it is fused once."""
        self._active += 1
        try:
            if self._active > 1 or not self.options.lora_scale:
                yield
            else:
                with fused(self.base.unet, self.adapter.ip_adapter, self.options.lora_scale):
                    yield
        finally:
            self._active -= 1

    def _characters(self, seen: Sequence[Seen]) -> Float[Tensor, "1 queries channels"]:
        features = self._here(self.eyes.features([one.character for one in seen]))
        return self.adapter.image_proj_model.character(features).mean(dim=0, keepdim=True)

    def _faces(self, seen: Sequence[Seen]) -> Float[Tensor, "1 tokens channels"]:
        features = self._here(self.eyes.features([one.face for one in seen if one.face is not None]))
        vectors = torch.stack([torch.from_numpy(one.embedding) for one in seen if one.embedding is not None])
        return self.adapter.image_proj_model.face(self._here(vectors), features).mean(dim=0, keepdim=True)

    def _tell(self, name: str, state: str, seen: Sequence[Seen]) -> None:
        if not state and all(one.face is None for one in seen):
            self.report(Note(f"no face was found in the references of {name}: keeping hair, clothes and body only"))
        if any(one.how == "whole picture" for one in seen):
            self.report(uncut(name))

    def _here(self, x: Tensor) -> Tensor:
        # A copy: what was read from a file may lie unaligned, and then products differ in their last bits.
        return x.to(self.base.device, self.adapter.image_proj_model.pos_embed.dtype, copy=True)

    def _placed(self, one: Embedded, place: int) -> Projected:
        places = torch.tensor([place], device=self.base.device)
        return self.adapter.ip_adapter(self.adapter.image_proj_model.placed(one.face, one.character, places))

    def _person(self, place: int, member: Member, panel: PanelPrompt, cast: Cast) -> Projected:
        """Keys and values of one member in one place with one look: made once per comic."""
        names = self._names | {other.name.casefold(): other.id for other in panel.members}
        wanted = looking(member, look_of(member, panel.settings), names, cast)
        used = {who: cast[who] for who in wanted.everybody}
        known = self._projected.get((place, wanted))
        if known is not None and all(known[0][who] is identity for who, identity in used.items()):
            return known[1]
        size = self.adapter.image_proj_model.size
        for who, identity in used.items():
            name = member.name if who == member.id else str(who)
            check_identity(identity, self.name, self.digest, name, shapes(identity, size))
        one = wanted.embedded(cast, size)
        projected = self._placed(Embedded(self._here(one.face), self._here(one.character)), place)
        self._projected[place, wanted] = used, projected
        return projected

    def _background(self) -> Projected:
        if -1 not in self._constant:
            self._constant[-1] = self.adapter.ip_adapter(self.adapter.image_proj_model.bg_embed)
        return self._constant[-1]

    def _unconditional(self, place: int) -> Projected:
        """The module run on zero features, with the embedding of its place."""
        if place not in self._constant:
            ppr = self.adapter.image_proj_model
            nothing = self._here(self.eyes.nothing)
            face = ppr.face(nothing.new_zeros(1, ppr.size.id_channels), nothing)
            self._constant[place] = self._placed(Embedded(face, ppr.character(nothing)), place)
        return self._constant[place]


def _with_background(regions: Float[Tensor, "1 people h w"] | None) -> Float[Tensor, "1 blocks h w"] | None:
    """The background may be anywhere."""
    return None if regions is None else torch.cat([torch.ones_like(regions[:, :1]), regions], dim=1)


def _side_by_side(blocks: Sequence[Projected]) -> Projected:
    """Eq. 7's order, under one softmax."""
    return {
        layer: KeyValue(
            torch.cat([block[layer].key for block in blocks], dim=2),
            torch.cat([block[layer].value for block in blocks], dim=2),
        )
        for layer in blocks[0]
    }


def face_nets(faces: FaceReader) -> tuple[nn.Module, ...]:
    """What of a face reader goes into the weights' digest, as `face_files` does."""
    return (faces.net,) if isinstance(faces, ToonFaces) else ()


def face_files(faces: FaceReader) -> tuple[Path, ...]:
    return tuple(sorted(faces.pack.glob("*.onnx"))) if isinstance(faces, InsightFaces) else ()


def find_faces(base: Backbone) -> FaceReader:
    """The toon nets beside the base (detector/, face/), else an insightface pack in faces/, read when first needed."""
    if base.folder is not None and (base.folder / "detector").is_dir():
        detector = ToonDetector(base.folder / "detector")
        return ToonFaces(detector, base.part("face"))
    return InsightFaces((base.folder or Path()) / "faces")


def load_engine(
    base: Backbone,
    *,
    weights: Path | None = None,
    image_encoder: Path | None = None,
    faces: FaceReader | None = None,
    segmenter: Segmenter | None = None,
    options: Options | None = None,
    report: Report = unheard,
) -> StoryMaker:
    """From the base's companion parts (engines/story-maker/, image_encoder/, faces/) or what is given instead."""
    clip = load_image_encoder(image_encoder or base.part("image_encoder"), device=base.device, dtype=base.dtype)
    adapter, facts = load_adapter(base.unet, weights or base.part("engines", StoryMaker.name, FILE))
    eyes = Eyes(clip, faces or find_faces(base), segmenter or find_segmenter(base), facts.preparation)
    return StoryMaker(base, eyes, adapter, options=options or facts.options, report=report)
