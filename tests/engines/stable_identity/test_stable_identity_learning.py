"""Learning one face over the tiny base."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests import tiny
from tests.engines.stable_identity.people import ANN, ANN_HERE, FAME, Stare, person

import inkcast.engines.stable_identity.learn as learn_module
from inkcast.cast.character import Character, Identity
from inkcast.engines.engine import PanelPrompt, Style
from inkcast.engines.stable_identity.engine import StableIdentity
from inkcast.engines.stable_identity.learn import Learner, Learning, learn
from inkcast.engines.stable_identity.losses import schedule_of
from inkcast.engines.stable_identity.weights import HomeShelf
from inkcast.errors import EngineError, TrainingError
from inkcast.events import Event, Note, Progress
from inkcast.images import Reference
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.layers import prepare

QUICK = Learning(steps=3, rate=1e-3, depth=3, views=2)


def engine_on(base: Backbone, learning: Learning = QUICK, **more: object) -> StableIdentity:
    return StableIdentity(base, Stare(), fame=FAME, learning=learning, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [-1, 2**32, 99999999999999999])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(TrainingError, match=f"learning a face with seed {seed} is not possible"):
        Learning(seed=seed)


def learner_on(base: Backbone, learning: Learning = QUICK) -> Learner:
    return engine_on(base, learning)._learner(person())


@pytest.mark.parametrize(
    ("family", "named", "given", "rate"),
    [
        ("sdxl", None, None, 1e-5),  # the comic generator's section 5.1: "1e-5 instead of 5e-5"
        ("sd", None, None, 5e-5),  # StableIdentity's published train.py
        ("sdxl", 1e-4, None, 1e-4),
        ("sd", 1e-4, None, 1e-4),
        ("sdxl", None, 3e-3, 3e-3),
        ("sd", None, 3e-3, 3e-3),
        ("sd", 1e-4, 1e-5, 1e-5),
    ],
)
def test_the_rate_is_the_users_else_the_names_else_the_familys(
    family: str, named: float | None, given: float | None, rate: float
) -> None:
    fame = replace(FAME, rate=named)
    assert Learning(rate=given).chosen(family, fame).rate == rate
    assert Learning(rate=given).facts(family, fame)["rate"] == rate


def test_gradients_reach_the_mlps_alone_and_the_base_is_given_back(backbone: Backbone) -> None:
    learner = learner_on(backbone)
    parts = (backbone.unet, *backbone.text_encoders, backbone.vae)
    trained = []

    def watch(step: int, loss: float) -> None:
        trained.append(any(p.requires_grad for part in parts[:3] for p in part.parameters()))

    before = [p.detach().clone() for part in parts for p in part.parameters()]
    start = [p.detach().clone() for p in learner.encoder.parameters()]
    learn(learner, watch)
    assert trained == [False] * 3
    assert all(p.grad is None for part in parts for p in part.parameters())
    assert all(p.requires_grad for p in backbone.unet.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, (p for part in parts for p in part.parameters()), strict=True))
    assert all(p.grad is not None and p.grad.any() for p in learner.encoder.parameters())
    assert not any(torch.equal(a, b) for a, b in zip(start, learner.encoder.parameters(), strict=True))


def test_two_steps_lower_the_loss(backbone: Backbone) -> None:
    learner = learner_on(backbone, Learning(rate=1e-3, depth=2, views=1, batch=2))
    first = learner.advance()
    learner.step = 0
    second = learner.advance()
    with torch.no_grad():
        assert float(learner.loss(0)) < second < first


def test_what_does_not_change_is_computed_once(backbone: Backbone) -> None:
    calls: list[str] = []
    backbone.unet.register_forward_hook(lambda *_: calls.append("unet"))
    for encoder in backbone.text_encoders:
        encoder.register_forward_hook(lambda *_: calls.append("text"))
    backbone.vae.encoder.register_forward_hook(lambda *_: calls.append("vae"))
    engine = engine_on(backbone)
    engine.learn(person())
    assert len(engine.eyes.looks) == 1  # type: ignore[union-attr]
    assert {name: calls.count(name) for name in calls} == {"vae": 2, "unet": 3, "text": 6}


def test_a_resumed_learning_is_the_uninterrupted_one(backbone: Backbone, tmp_path: Path) -> None:
    whole = engine_on(backbone).learn(person())
    file = tmp_path / "deep" / "ann.safetensors"

    def stop(event: Event) -> None:
        if isinstance(event, Progress) and event.done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine_on(backbone, report=stop).learn(person(), checkpoint=file)
    with pytest.raises(TrainingError, match="was left by another run"):
        engine_on(backbone).learn(person(seed=1), checkpoint=file, resume=True)
    steps: list[Event] = []
    again = engine_on(backbone, report=steps.append).learn(person(), checkpoint=file, resume=True)
    assert steps == [Progress("learning", done, 3) for done in (1, 2, 3)]
    assert all(torch.equal(again.tensors[name], whole.tensors[name]) for name in ("text_encoder", "text_encoder_2"))
    assert not file.exists()


def test_a_learning_that_is_killed_goes_on_from_what_was_last_written(
    backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learn_module, "KEPT_EVERY", 2)
    file, left = tmp_path / "ann.safetensors", tmp_path / "left.safetensors"

    def watch(event: Event) -> None:
        if isinstance(event, Progress) and event.done == 3:
            left.write_bytes(file.read_bytes())  # what a kill at this moment would leave

    whole = engine_on(backbone, report=watch).learn(person(), checkpoint=file)
    steps: list[Event] = []
    again = engine_on(backbone, report=steps.append).learn(person(), checkpoint=left, resume=True)
    assert steps == [Progress("learning", done, 3) for done in (2, 3)]
    assert all(torch.equal(again.tensors[name], whole.tensors[name]) for name in ("text_encoder", "text_encoder_2"))


def test_learning_reads_what_drawing_reads(backbone: Backbone) -> None:
    """The same hidden layers, pooled words and sizes, unlike the published code."""
    engine = engine_on(backbone, Learning(steps=1, views=1, depth=2))
    engine.fame = type(FAME)(FAME.names, ("a flat drawing of {}, close up",))
    learner = engine._learner(person())
    seen: list[dict[str, object]] = []

    def keep(module: object, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        seen.append({"hidden": args[2], **kwargs})

    hook = backbone.unet.register_forward_pre_hook(keep, with_kwargs=True)
    words = dict(zip(("text_encoder", "text_encoder_2"), learner.words(), strict=True))
    learner.loss(0)
    hook.remove()
    panel = PanelPrompt(("a flat drawing of ", ANN, ", close up"), (ANN_HERE,))
    drawn = engine.condition(panel, {ANN: Identity(engine.name, engine.digest, words)}, Style()).prompt
    (call,) = seen
    added = call["added_cond_kwargs"]
    torch.testing.assert_close(call["hidden"], drawn.positive)
    torch.testing.assert_close(added["text_embeds"], drawn.pooled)  # type: ignore[index]
    assert added["time_ids"].tolist() == [[64, 64, 0, 0, 64, 64]]  # type: ignore[index]


def test_a_base_that_predicts_velocity_is_learned_on_as_such(backbone: Backbone) -> None:
    plain = float(learner_on(backbone).loss(0).detach())
    backbone.pipeline.scheduler.register_to_config(prediction_type="v_prediction")
    learner = learner_on(backbone)
    assert learner.schedule.kind == "v_prediction"
    assert float(learner.loss(0).detach()) != plain
    assert learner.advance() > 0


def test_stable_diffusion_2_is_a_base_too() -> None:
    pipeline = tiny.sd_pipeline()
    prepare(pipeline.unet)
    base = Backbone("tiny-sd", "sd", pipeline, torch.device("cpu"), torch.float32, "digest")
    engine = engine_on(base, Learning(steps=1, views=1))
    learner = engine._learner(person())
    assert (learner.alpha, learner.optimizer.param_groups[0]["lr"]) == (0.6, 5e-5)
    assert len(learner.encoder.mlps[0].middle) == 0
    identity = engine.learn(person())
    assert {name: tuple(x.shape) for name, x in identity.tensors.items()} == {"text_encoder": (1, 2, 32)}
    found = engine.condition(PanelPrompt((ANN, " waves"), (ANN_HERE,)), {ANN: identity}, Style()).prompt
    assert found.positive.shape == (1, 77, 32)
    assert found.pooled is None


def test_faces_are_learned_once_and_found_by_their_pictures(
    backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INKCAST_HOME", str(tmp_path))
    engine = engine_on(backbone, Learning(steps=1, views=1, depth=2), shelf=HomeShelf())
    first = engine.encode(person())
    renamed = Character(ANN, "Somebody else", person().references)
    again = engine.encode(renamed)
    assert len(engine.eyes.looks) == 1  # type: ignore[union-attr]
    assert all(torch.equal(first.tensors[name], again.tensors[name]) for name in first.tensors)
    engine.encode(person(seed=1))
    assert len(engine.eyes.looks) == 2  # type: ignore[union-attr]


def test_checkpointing_changes_nothing_but_memory(backbone: Backbone) -> None:
    plain = engine_on(backbone, replace(QUICK, steps=1)).learn(person())
    lean = engine_on(backbone, replace(QUICK, steps=1, checkpointing=True)).learn(person())
    for name, words in plain.tensors.items():
        torch.testing.assert_close(lean.tensors[name], words, atol=1e-4, rtol=1e-4)
    assert not backbone.unet.is_gradient_checkpointing


def test_offloaded_bases_are_not_learned_on(backbone: Backbone) -> None:
    backbone.unet._hf_hook = object()
    with pytest.raises(EngineError, match="tab Cast, or by  inkcast identity learn 'Ann' --low-memory"):
        learner_on(backbone)


def test_a_close_up_is_what_is_learned_from(backbone: Backbone) -> None:
    whole, other = person().references[0], person(seed=1).references[0]
    close = replace(other, view="close-up")

    def own(*references: Reference) -> torch.Tensor:
        who = replace(person(), references=references)
        return engine_on(backbone)._learner(who).material.own

    assert torch.equal(own(whole, close), own(close))
    assert not torch.equal(own(whole, other), own(other))


def test_what_was_done_without_a_face_is_told(backbone: Backbone) -> None:
    heard: list[Event] = []
    engine = engine_on(backbone, Learning(steps=1, views=1, depth=2), report=heard.append)
    engine.eyes = Stare(note="no face found: learning from the whole subject")
    engine.learn(person())
    assert heard[0] == Note("Ann, picture 1: no face found: learning from the whole subject")


def test_settings_out_of_range_and_overflow_are_one_line(backbone: Backbone) -> None:
    with pytest.raises(TrainingError, match=r"with alpha 1\.5 is not possible"):
        Learning(alpha=1.5)
    with pytest.raises(TrainingError, match="views of 60 px do not fit the base: choose a multiple of 8"):
        learner_on(backbone, Learning(side=60))
    learner = learner_on(backbone)
    backbone.unet.conv_out.weight.data.fill_(float("nan"))
    with pytest.raises(EngineError, match="learning overflowed at step 1"):
        learner.advance()


def test_noise_levels_are_the_base_s_own(backbone: Backbone) -> None:
    schedule = schedule_of(backbone)
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    torch.testing.assert_close(schedule.alphas_bar, torch.cumprod(1 - betas, 0).float(), atol=1e-5, rtol=1e-3)
    assert (schedule.kind, schedule.scaling) == ("epsilon", 0.13025)
