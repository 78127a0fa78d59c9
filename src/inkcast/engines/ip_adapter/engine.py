"""IP-Adapter-Plus (arXiv 2308.06721): CLIP tokens through a resampler, decoupled cross-attention. The baseline.

Several characters in one picture: their tokens side by side under one softmax, which is all that this method offers.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import ClassVar

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.engines.checkpoints import weights_digest
from inkcast.engines.cutting import find_segmenter, tell_uncut
from inkcast.engines.engine import Conditioning, PanelPrompt, Style, TrainingBatch
from inkcast.engines.identity import check_identity
from inkcast.engines.ip_adapter.encoder import batch_features, reference_squares
from inkcast.engines.ip_adapter.options import SUBJECT_SCALE
from inkcast.engines.ip_adapter.weights import Adapter, load_adapter
from inkcast.engines.regions import member_regions
from inkcast.errors import EngineError
from inkcast.events import Report, unheard
from inkcast.sdxl.attention import AttentionMemory, AttentionTrace, KeyValue, Layer
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.fitting import fit
from inkcast.sdxl.image_encoder import ImageEncoder, load_image_encoder
from inkcast.sdxl.layers import project_text
from inkcast.sdxl.prompts import encode_prompt
from inkcast.vision.segment import Segmenter


class IpAdapter:
    """The engine over one base; `scale` is the strength of the image prompt (0 = the plain base). A `segmenter` cuts
    busy references out; `report` hears which ones nothing cut out.

    The adapter must not change between `encode` and the last `condition`: after training steps make a new engine.
    """

    name: ClassVar[str] = "ip-adapter"

    def __init__(
        self,
        base: Backbone,
        encoder: ImageEncoder,
        adapter: Adapter,
        *,
        scale: float = 1.0,
        segmenter: Segmenter | None = None,
        report: Report = unheard,
    ) -> None:
        if base.family != "sdxl":
            raise EngineError(
                f"{self.name} needs an SDXL base, but {base.name!r} is Stable Diffusion: choose another base"
            )
        if encoder.channels != adapter.image_proj.size.feature_channels:
            raise EngineError(
                f"the adapter reads {adapter.image_proj.size.feature_channels} channels but the image encoder gives "
                f"{encoder.channels}: use the encoder it was trained with"
            )
        self.base, self.encoder, self.scale = base, encoder, scale
        self.segmenter, self.report = segmenter, report
        self.digest = weights_digest(adapter, encoder.model)
        self.adapter = adapter.to(base.device, base.dtype).eval()
        self._projected: dict[CharacterId, tuple[Identity, Mapping[Layer, KeyValue]]] = {}
        self._nothing: Mapping[Layer, KeyValue] | None = None

    @torch.no_grad()
    def encode(self, character: Character) -> Identity:
        """`tokens` [1, queries, channels], the mean over the character's usual references."""
        if not character.references:
            raise EngineError(f"{character.name} has no reference picture: add one with  inkcast cast add")
        tell_uncut(self.report, character, self.segmenter)
        features = self.encoder.features(
            reference_squares(character.usual_references, self.encoder.side, self.segmenter)
        )
        tokens = self._tokens(features).mean(dim=0, keepdim=True)
        return Identity(self.name, self.digest, {"tokens": tokens.float().cpu()})

    @torch.no_grad()
    def condition(self, panel: PanelPrompt, cast: Mapping[CharacterId, Identity], style: Style) -> Conditioning:
        prompt = encode_prompt(self.base, panel.wording(style), style.negative)
        regions = member_regions(panel.members)
        scale = float(SUBJECT_SCALE.of(panel.settings, self.scale))
        people = [self._projection(member.id, cast[member.id], member.name) for member in panel.members]
        nothing = [self._unconditional()] * len(people)
        negative, positive = (
            AttentionMemory(
                text=project_text(self.base.unet, embeds),
                subjects=_side_by_side(subjects),
                regions=None if regions is None else regions.to(self.base.device),
                subject_scale=scale,
            )
            for embeds, subjects in ((prompt.negative, nothing), (prompt.positive, people))
        )
        return Conditioning(prompt, negative, positive)

    def active(self) -> AbstractContextManager[None]:
        return nullcontext()

    def trainable(self) -> Mapping[str, nn.Module]:
        return {"image_proj": self.adapter.image_proj, "ip_adapter": self.adapter.ip_adapter}

    def memory(self, batch: TrainingBatch) -> AttentionMemory:
        """All subjects' tokens of each row under one softmax; rows may hold different numbers of subjects."""
        features = batch_features(self.encoder, batch)
        rows = features.shape[0]
        tokens = self._tokens(rearrange(features, "rows subjects p c -> (rows subjects) p c"))
        tokens = rearrange(tokens, "(rows subjects) q c -> rows (subjects q) c", rows=rows)
        memory = AttentionMemory(
            text=project_text(self.base.unet, batch.text),
            subjects=self.adapter.ip_adapter(tokens),
            present=None if bool(batch.present.all()) else batch.present,
        )
        return fit(memory, batch.latent_size)

    def losses(self, batch: TrainingBatch, trace: AttentionTrace) -> Mapping[str, Tensor]:
        return {}

    def _tokens(self, features: Float[Tensor, "n patches c"]) -> Float[Tensor, "n queries channels"]:
        weight = self.adapter.image_proj.proj_in.weight
        return self.adapter.image_proj(features.to(weight.device, weight.dtype))

    def _project(self, tokens: Float[Tensor, "1 queries channels"]) -> Mapping[Layer, KeyValue]:
        return self.adapter.ip_adapter(tokens.to(self.base.device, self.adapter.image_proj.proj_in.weight.dtype))

    def _projection(self, who: CharacterId, identity: Identity, name: str) -> Mapping[Layer, KeyValue]:
        """Keys and values of one character, made once per comic."""
        known = self._projected.get(who)
        if known is not None and known[0] is identity:
            return known[1]
        size = self.adapter.image_proj.size
        shapes = {"tokens": (1, size.queries, size.out_channels)}
        check_identity(identity, self.name, self.digest, name, shapes)
        projected = self._project(identity.tensors["tokens"])
        self._projected[who] = identity, projected
        return projected

    def _unconditional(self) -> Mapping[Layer, KeyValue]:
        if self._nothing is None:
            self._nothing = self._project(self._tokens(self.encoder.nothing()))
        return self._nothing


def _side_by_side(subjects: list[Mapping[Layer, KeyValue]]) -> Mapping[Layer, KeyValue]:
    if not subjects:
        return {}
    return {
        layer: KeyValue(
            torch.cat([subject[layer].key for subject in subjects], dim=2),
            torch.cat([subject[layer].value for subject in subjects], dim=2),
        )
        for layer in subjects[0]
    }


def load_engine(
    base: Backbone,
    *,
    weights: Path | None = None,
    image_encoder: Path | None = None,
    scale: float = 1.0,
    report: Report = unheard,
) -> IpAdapter:
    """From the base's companion parts (engines/ip-adapter/adapter.safetensors, image_encoder/) or the given paths."""
    encoder = load_image_encoder(image_encoder or base.part("image_encoder"), device=base.device, dtype=base.dtype)
    adapter = load_adapter(base, weights or base.part("engines", IpAdapter.name, "adapter.safetensors"))
    return IpAdapter(base, encoder, adapter, scale=scale, segmenter=find_segmenter(base), report=report)
