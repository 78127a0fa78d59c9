"""AnyStory (arXiv 2501.09503): subject tokens by routed decoupled cross-attention, ReferenceNet's features by routed
reference attention, and a router that says where each subject may act."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.engines.any_story.encoder import masked_latents, squares
from inkcast.engines.any_story.figures import OneFigure
from inkcast.engines.any_story.options import Options, Strengths, panel_options, strengths
from inkcast.engines.any_story.routes import RoutesChart
from inkcast.engines.any_story.weights import Parts, load_parts
from inkcast.engines.checkpoints import weights_digest
from inkcast.engines.cutting import find_segmenter, tell_uncut
from inkcast.engines.engine import Conditioning, Member, PanelPrompt, Style
from inkcast.engines.identity import Shape, check_identity
from inkcast.engines.regions import member_regions
from inkcast.errors import EngineError
from inkcast.events import Report, unheard
from inkcast.images import Reference
from inkcast.sdxl.attention import AttentionMemory, KeyValue, Layer, Router
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.image_encoder import ImageEncoder, load_image_encoder
from inkcast.sdxl.layers import project_text
from inkcast.sdxl.prompts import encode_prompt
from inkcast.vision.segment import Segmenter

Projected = Mapping[Layer, KeyValue]  # of one subject: [1, heads, tokens, head_dim]


@dataclass(frozen=True)
class Prepared:
    """A character ready for every panel of a comic. `reference` is empty until a panel asks for it."""

    identity: Identity
    subject: Projected
    reference: Projected


class AnyStory:
    """The engine over one base. Its parts must not change between `encode` and the last `condition`.

    Without `options` the parts' own hold. A `segmenter` cuts busy references out; `report` hears which ones nothing
    cut out.
    """

    name: ClassVar[str] = "any-story"
    scheduler: ClassVar[str] = "euler-karras"  # docs/decisions/sampling-edm.md; the toon base has its own
    steps: ClassVar[int] = 25
    guidance: ClassVar[float] = 7.5

    def __init__(
        self,
        base: Backbone,
        encoder: ImageEncoder,
        parts: Parts,
        *,
        options: Options | None = None,
        segmenter: Segmenter | None = None,
        report: Report = unheard,
    ) -> None:
        if base.family != "sdxl":
            raise EngineError(
                f"{self.name} needs an SDXL base, but {base.name!r} is Stable Diffusion: choose another base"
            )
        wanted = parts.encoder.qformer.size.feature_channels
        if encoder.channels != wanted:
            raise EngineError(
                f"any-story's weights read {wanted} channels but the image encoder gives {encoder.channels}: use the "
                "encoder they were trained with"
            )
        self.base, self.encoder, self.options = base, encoder, options or parts.options
        self.segmenter, self.report = segmenter, report
        self.digest = weights_digest(*parts.modules(), encoder.model, base.vae)
        if parts.options != Options():  # what these weights draw by themselves
            self.digest = hashlib.sha256(f"{self.digest} {parts.options}".encode()).hexdigest()[: len(self.digest)]
        self.parts = parts
        self._offloaded = hasattr(base.unet, "_hf_hook")
        for part in parts.modules():
            at = "cpu" if self._offloaded and part is parts.reference_net else base.device
            part.to(at, base.dtype).eval()
        self._prepared: dict[CharacterId, Prepared] = {}
        self._nothing: tuple[Projected, Tensor] | None = None

    @torch.no_grad()
    def encode(self, character: Character) -> Identity:
        """`tokens` E [1, m, channels] and `routing` R [1, features], means over the usual references, and `reference`,
        F_vae [1, latents and mask, height, width] of the one that shows most."""
        if not character.references:
            raise EngineError(f"{character.name} has no reference picture: add one with  inkcast cast add")
        tell_uncut(self.report, character, self.segmenter)
        references = character.usual_references
        seen = squares(references, self.base.side // 2, self.segmenter)
        clip = self._clip(self.encoder.features(seen.pictures))
        best = telling(references)
        reference = masked_latents(self.base, seen.pictures[best : best + 1], seen.masks[best : best + 1])
        tensors = {"tokens": self.parts.encoder.tokens(clip).mean(dim=0, keepdim=True), "reference": reference}
        if self.parts.router is not None:
            tensors["routing"] = self.parts.router.features(clip).mean(dim=0, keepdim=True)
        return Identity(self.name, self.digest, {name: x.float().cpu().contiguous() for name, x in tensors.items()})

    @torch.no_grad()
    def condition(self, panel: PanelPrompt, cast: Mapping[CharacterId, Identity], style: Style) -> Conditioning:
        """Both rows route with the same cast; the negative one reads the zero image in every subject's place."""
        self.refuse(panel)
        options = panel_options(self.options, panel.settings)
        powers = strengths(panel.settings, panel.members)
        self._prepared = {who: known for who, known in self._prepared.items() if who in cast}
        people = [self._ready(member, cast[member.id], reference=options.reads_reference) for member in panel.members]
        prompt = encode_prompt(self.base, panel.wording(style), style.negative)
        negative, positive = (
            AttentionMemory(text=project_text(self.base.unet, embeds)) for embeds in (prompt.negative, prompt.positive)
        )
        if people and options.acts:
            positive = self._with_subjects(positive, people, panel.members, powers, options)
            negative = self._unconditional(negative, positive, options)
        return Conditioning(prompt, negative, positive)

    def refuse(self, panel: PanelPrompt) -> None:
        if self.parts.router is None and panel_options(self.options, panel.settings).router != "off":
            raise EngineError("these any-story weights have no router: train stage 2, or set the router to off")

    def active(self) -> AbstractContextManager[None]:
        return nullcontext()

    def chart(self, steps: Sequence[int] = ()) -> RoutesChart:
        return RoutesChart(steps)

    def _with_subjects(
        self,
        memory: AttentionMemory,
        people: Sequence[Prepared],
        members: Sequence[Member],
        powers: Strengths,
        options: Options,
    ) -> AttentionMemory:
        background = options.router != "off"
        subjects = [_scaled(one.subject, power) for one, power in zip(people, powers.subjects, strict=True)]
        if background:
            subjects.append(self._background()[0])
        regions = member_regions(members)
        bias = [_gamma(options.reference_strength * power) for power in powers.references]
        reads = options.reads_reference and max(bias) > -math.inf
        return replace(
            memory,
            subjects=_stacked(subjects) if options.reads_tokens else {},
            reference=_stacked([one.reference for one in people]) if reads else {},
            router=self._router(people, members, regions, options) if background else None,
            regions=None if regions is None else regions.to(self.base.device),
            subject_scale=options.subject_scale,
            reference_bias=bias[0] if len(set(bias)) == 1 else torch.tensor([bias], device=self.base.device),
        )

    def _unconditional(self, memory: AttentionMemory, positive: AttentionMemory, options: Options) -> AttentionMemory:
        """E of the zero image for every subject (under eq. 5); training never drops the reference (section 4.1)."""
        count = next((kv.key.shape[1] for kv in positive.subjects.values()), 0)
        return replace(
            memory,
            subjects=_stacked([self._background()[0]] * count) if count else {},
            reference=positive.reference if options.negative_reference else {},
            subject_scale=positive.subject_scale,
            reference_bias=positive.reference_bias,
        )

    def _router(
        self,
        people: Sequence[Prepared],
        members: Sequence[Member],
        regions: Float[Tensor, "1 subjects height width"] | None,
        options: Options,
    ) -> Router:
        net = self.parts.router
        assert net is not None
        features = [self._tensor(one.identity, "routing") for one in people]
        router = net.route(torch.stack([*features, self._background()[1]], dim=1), refine=options.router == "refined")
        if not options.one_figure:
            return router
        held = tuple(member.box is None and member.mask is None for member in members)
        return OneFigure(router, held, regions)

    def _clip(self, features: Tensor) -> Tensor:
        return features.to(self.base.device, self.base.dtype)

    def _tensor(self, identity: Identity, name: str) -> Tensor:
        # A copy: what was read from a file may lie unaligned, and then products differ in their last bits.
        return identity.tensors[name].to(self.base.device, self.base.dtype, copy=True)

    def _shapes(self) -> Mapping[str, Shape]:
        """Of what `encode` makes."""
        tokens, latents = self.parts.encoder.qformer.size, self.base.side // 2 // self.base.vae_scale_factor
        shapes = {
            "tokens": (1, tokens.queries, tokens.out_channels),
            "reference": (1, self.base.unet.config.in_channels + 1, latents, latents),
        }
        if self.parts.router is not None:
            shapes["routing"] = (1, self.parts.router.size.qformer.out_channels)
        return shapes

    def _background(self) -> tuple[Projected, Float[Tensor, "1 features"]]:
        """E_{N+1} projected and R_{N+1}: those of the zero image."""
        if self._nothing is None:
            clip = self._clip(self.encoder.nothing())
            router = self.parts.router
            routing = clip.new_zeros(1, 0) if router is None else router.features(clip)
            self._nothing = self.parts.encoder.to_subject(self.parts.encoder.tokens(clip)), routing
        return self._nothing

    def _ready(self, member: Member, identity: Identity, *, reference: bool) -> Prepared:
        """Keys and values of one character, and its pass through ReferenceNet: once per comic."""
        known = self._prepared.get(member.id)
        if known is None or known.identity is not identity:
            check_identity(identity, self.name, self.digest, member.name, self._shapes())
            known = Prepared(identity, self.parts.encoder.to_subject(self._tensor(identity, "tokens")), {})
        if reference and not known.reference:
            known = replace(known, reference=self._reference(self._tensor(identity, "reference")))
        self._prepared[member.id] = known
        return known

    def _reference(self, masked: Float[Tensor, "1 latents_and_mask height width"]) -> Projected:
        """K-tilde, V-tilde = G^l W-tilde (under eq. 6)."""
        net = self.parts.reference_net.to(self.base.device)
        features = net(masked, self.base.side // 2)
        if self._offloaded:
            net.to("cpu")
        return self.parts.encoder.to_reference(features)


def telling(references: Sequence[Reference]) -> int:
    """Which reference ReferenceNet reads: the first front view, else the first. CLIP reads them all."""
    return next((i for i, reference in enumerate(references) if reference.view == "front"), 0)


def _gamma(strength: float) -> float:
    """gamma of eq. 7 that weighs the reference columns by `strength`: exp(gamma) multiplies a softmax's terms."""
    return math.log(strength) if strength > 0 else -math.inf


def _scaled(subject: Projected, power: float) -> Projected:
    """eta_i of one subject, on top of eq. 5's eta: attention is linear in its values."""
    return subject if power == 1.0 else {n: KeyValue(kv.key, kv.value * power) for n, kv in subject.items()}


def _stacked(subjects: Sequence[Projected]) -> Mapping[Layer, KeyValue]:
    """[1, subjects, heads, tokens, head_dim] of every layer."""
    return {
        layer: KeyValue(
            torch.stack([subject[layer].key for subject in subjects], dim=1),
            torch.stack([subject[layer].value for subject in subjects], dim=1),
        )
        for layer in subjects[0]
    }


def load_engine(
    base: Backbone,
    *,
    weights: Path | None = None,
    image_encoder: Path | None = None,
    options: Options | None = None,
    report: Report = unheard,
) -> AnyStory:
    """From the base's companion parts (engines/any-story/, image_encoder/) or the given folders."""
    encoder = load_image_encoder(image_encoder or base.part("image_encoder"), device=base.device, dtype=base.dtype)
    parts = load_parts(base, weights or base.part("engines", AnyStory.name))
    return AnyStory(base, encoder, parts, options=options, segmenter=find_segmenter(base), report=report)
