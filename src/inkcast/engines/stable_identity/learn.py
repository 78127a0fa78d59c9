"""Learning one face: 500 small steps in which only the words' MLPs change.

Each step's chance follows from the seed and its number, so a resumed run takes the very steps of an uninterrupted one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inkcast.cast.character import CharacterId
from inkcast.engines.checkpoints import read_checkpoint
from inkcast.engines.stable_identity.encoder import DEPTH, WordEncoder
from inkcast.engines.stable_identity.losses import ALPHA, noised, schedule_of, two_phase_loss
from inkcast.engines.stable_identity.prior import Fame, Prior
from inkcast.engines.stable_identity.views import Material
from inkcast.engines.stable_identity.words import MarkedPrompt, mark, spoken
from inkcast.errors import EngineError, TrainingError, WeightsError
from inkcast.files import replacing_file, shown
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.prompts import encode_texts

RATE = {"sdxl": 1e-5, "sd": 5e-5}
"""Learning rates by family: StableIdentity's on SD 2.1 (its published `train.py`), and what the comic generator chose
instead on SDXL (its section 5.1)."""

_LOSS_SCALE = 2.0**12  # float16 alone: gradients of single words vanish in it otherwise
_RUN, _STEP, _CHECKSUM = "inkcast_learning", "inkcast_step", "inkcast_sha256"
KEPT_EVERY = 50  # steps after which the state is written, on SDXL 0.6 GB: a killed process loses no more
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")
_OTHER_EYES = 1e-2  # share of the largest feature; machines differ by far less


@dataclass(frozen=True)
class Learning:
    """How a face is learned. `rate`, `alpha` and `depth` None: as the base has it; `side` 0: the base's own, in px.

    `prior` False leaves AdaIN out. `checkpointing` trades time for GPU memory.
    """

    steps: int = 500
    rate: float | None = None
    alpha: float | None = None
    depth: int | None = None
    batch: int = 1
    views: int = 24
    side: int = 0
    seed: int = 0
    clip: float = 1.0
    decay: float = 1e-2
    checkpointing: bool = False
    prior: bool = True

    def __post_init__(self) -> None:
        for name, value, fits in (
            ("steps", self.steps, self.steps >= 1),
            ("rate", self.rate, self.rate is None or self.rate > 0),
            ("alpha", self.alpha, self.alpha is None or 0 <= self.alpha <= 1),
            ("batch", self.batch, self.batch >= 1),
            ("views", self.views, self.views >= 1),
            ("seed", self.seed, 0 <= self.seed < 2**32),
        ):
            if not fits:
                raise TrainingError(f"learning a face with {name} {value} is not possible: choose a value in its range")

    def chosen(self, family: str, fame: Fame) -> Chosen:
        """What this leaves to the base, as the base has it: the rate as its names have it, else its family."""
        return Chosen(
            next(rate for rate in (self.rate, fame.rate, RATE[family]) if rate is not None),
            ALPHA[family] if self.alpha is None else self.alpha,
            DEPTH[family] if self.depth is None else self.depth,
        )

    def facts(self, family: str, fame: Fame) -> dict[str, Any]:
        """All that decides the words, but how many steps are taken."""
        facts = {**asdict(self), **self.chosen(family, fame)._asdict()}
        return {name: value for name, value in facts.items() if name not in ("steps", "checkpointing")}


class Chosen(NamedTuple):
    """`Learning`'s values that depend on the base."""

    rate: float
    alpha: float
    depth: int


class Learner:
    """One face being learned; `step` steps are done. `run` names what is learned, where and how, for `resume`."""

    def __init__(
        self,
        base: Backbone,
        priors: Sequence[Prior],
        fame: Fame,
        material: Material,
        learning: Learning,
        run: str,
    ) -> None:
        self.base, self.material, self.learning = base, material, learning
        rate, self.alpha, depth = learning.chosen(base.family, fame)
        self.run = run
        self.schedule = schedule_of(base)
        self.step = 0
        self.whole = True
        people = [CharacterId(f"row {row}") for row in range(learning.batch)]
        self.prompts = [[_prompt(base, template, who) for who in people] for template in fame.templates]
        self.people = people
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(learning.seed)
            encoder = WordEncoder(material.own.shape[1], priors, depth)
        self.encoder = encoder.to(base.device)
        self.optimizer = torch.optim.AdamW(self.encoder.parameters(), lr=rate, weight_decay=learning.decay)

    def words(self) -> tuple[Float[Tensor, "1 2 channels"], ...]:
        """What has been learned so far: two words per text encoder."""
        with torch.no_grad():
            return tuple(words.float().cpu().contiguous() for words in self.encoder(self.material.own))

    def advance(self) -> float:
        """One step; the loss before it. Raises `EngineError` if the numbers overflowed."""
        scale = _LOSS_SCALE if self.base.dtype == torch.float16 else 1.0
        self.optimizer.zero_grad()
        loss = self.loss(self.step)
        (loss * scale).backward()
        for parameter in self.encoder.parameters():
            if parameter.grad is not None:
                parameter.grad /= scale
        norm = torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), self.learning.clip)
        if not bool(torch.isfinite(norm)):
            raise EngineError(f"learning overflowed at step {self.step + 1}: use --dtype float32 or bfloat16")
        self.whole = False  # stopped from here to the end, the state is between two steps
        self.optimizer.step()
        self.step += 1
        self.whole = True
        return float(loss.detach())

    def loss(self, number: int) -> Float[Tensor, ""]:
        """Of step `number`, with gradients."""
        material, device = self.material, self.base.device
        chance = torch.Generator().manual_seed(self.learning.seed * 1_000_003 + number)
        rows = (self.learning.batch,)
        views = torch.randint(len(material.latents), rows, generator=chance).to(device)
        timesteps = torch.randint(len(self.schedule.alphas_bar), rows, generator=chance).to(device)
        template = self.prompts[int(torch.randint(len(self.prompts), (), generator=chance))]
        clean = material.latents[views]
        noise = torch.randn(clean.shape, generator=chance).to(device)
        output = self._predict(
            noised(clean, noise, self.schedule.alphas_bar[timesteps]), timesteps, template, material.features[views]
        )
        weight = material.weights[views]
        return two_phase_loss(output, clean, noise, timesteps, weight, self.schedule, self.alpha)

    def _predict(
        self,
        noisy: Float[Tensor, "b c h w"],
        timesteps: Int[Tensor, " b"],
        prompts: Sequence[MarkedPrompt],
        features: Float[Tensor, "b features"],
    ) -> Float[Tensor, "b c h w"]:
        """The UNet as in drawing: the same hidden layer, pooled words and sizes."""
        base, words = self.base, self.encoder(features)
        vectors = {who: [each[row] for each in words] for row, who in enumerate(self.people)}
        with spoken(base, prompts, vectors):
            hidden, pooled = encode_texts(base, [prompt.runs for prompt in prompts])
        added = None
        if pooled is not None:
            height, width = (side * base.vae_scale_factor for side in noisy.shape[-2:])
            sizes = torch.tensor([[height, width, 0, 0, height, width]], device=base.device, dtype=base.dtype)
            added = {"text_embeds": pooled, "time_ids": sizes.expand(len(noisy), -1)}
        return base.unet(noisy.to(base.dtype), timesteps, hidden, added_cond_kwargs=added).sample

    def save(self, path: Path) -> None:
        """Everything the next step depends on, in full precision; written whole or not at all."""
        from safetensors.torch import save_file

        tensors = {f"mlp.{name}": x.detach().cpu().contiguous() for name, x in self.encoder.state_dict().items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{number}.{name}": state[name].detach().cpu().contiguous() for name in _MOMENTS}
        tensors["own"] = self.material.own.detach().cpu().contiguous()
        facts = {_RUN: self.run, _STEP: str(self.step)}
        with replacing_file(path) as temporary:
            save_file(tensors, temporary, metadata={**facts, _CHECKSUM: _checksum(tensors, facts)})

    def resume(self, path: Path) -> None:
        """Goes on where the learner that wrote the file was.

        Raises:
            TrainingError: another run (other pictures, eyes, base or settings) left it, or it has too many steps.
            WeightsError: it is damaged.
        """
        checkpoint = read_checkpoint(path)
        if checkpoint.metadata.get(_RUN) != self.run:
            raise TrainingError(
                f"{shown(path)} was left by another run: learn with the same pictures, base and settings, or afresh"
            )
        facts = {name: checkpoint.metadata.get(name, "") for name in (_RUN, _STEP)}
        if checkpoint.metadata.get(_CHECKSUM) != _checksum(checkpoint.tensors, facts):
            raise WeightsError(f"{shown(path)} is damaged: learn afresh")
        step, own = int(facts[_STEP]), self.material.own.cpu()
        if step > self.learning.steps:
            raise TrainingError(
                f"{shown(path)} has {step} steps, not {self.learning.steps} or fewer: take more, or learn afresh"
            )
        seen = checkpoint.tensors["own"]
        if seen.shape != own.shape or float((seen - own).abs().max()) > _OTHER_EYES * float(own.abs().max()):
            raise TrainingError(f"{shown(path)} was left by a run with another face encoder: learn afresh")
        mlp = {name.removeprefix("mlp."): x for name, x in checkpoint.tensors.items() if name.startswith("mlp.")}
        self.encoder.load_state_dict(mlp)
        moments: dict[int, dict[str, Tensor]] = {}
        for name, x in checkpoint.tensors.items():
            if name.startswith("adam."):
                _, number, moment = name.split(".")
                moments.setdefault(int(number), {})[moment] = x
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        self.step = step


def _checksum(tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> str:
    whole = hashlib.sha256(repr(sorted(facts.items())).encode())
    for name, tensor in sorted(tensors.items()):
        whole.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}:".encode())
        whole.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return whole.hexdigest()


def _prompt(base: Backbone, template: str, who: CharacterId) -> MarkedPrompt:
    before, _, after = template.partition("{}")
    return mark(base, [part for part in (before, who, after) if part], [who])


def learn(learner: Learner, watch: Callable[[int, float], None], checkpoint: Path | None = None) -> None:
    """Takes the steps that are left. `watch` hears of every step (number, loss); what it raises stops the learning.

    When stopped, by that or by Ctrl-C, and every `KEPT_EVERY` steps, the state goes to `checkpoint`.
    """
    with still(learner.base, learner.learning.checkpointing):
        try:
            while learner.step < learner.learning.steps:
                loss = learner.advance()
                more = learner.step < learner.learning.steps
                if checkpoint is not None and more and learner.step % KEPT_EVERY == 0:
                    learner.save(checkpoint)
                watch(learner.step, loss)
        except BaseException:
            if checkpoint is not None and learner.whole:
                learner.save(checkpoint)
            raise


@contextmanager
def still(base: Backbone, checkpointing: bool) -> Iterator[None]:
    """The base's parameters need no gradients inside the block: only what leads back to the words keeps activations."""
    parameters = [x for module in (base.unet, *base.text_encoders) for x in module.parameters() if x.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    if checkpointing:
        base.unet.enable_gradient_checkpointing()
    try:
        with torch.enable_grad():
            yield
    finally:
        if checkpointing:
            base.unet.disable_gradient_checkpointing()
        for parameter in parameters:
            parameter.requires_grad_(True)
