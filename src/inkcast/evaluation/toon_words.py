"""Plain text-to-image, judged by the oracle: does the picture show what the prompt says?"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from inkcast.engines.engine import Conditioning
from inkcast.evaluation.batches import Batching, draw_all
from inkcast.evaluation.intervals import Estimate, bootstrap
from inkcast.evaluation.matching import Case, assigned, figures, shared
from inkcast.evaluation.oracle import LookReading, OracleReader, SceneReading
from inkcast.evaluation.toon_truth import LOOK_COLORS
from inkcast.sdxl.attention import AttentionMemory
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.layers import project_text
from inkcast.sdxl.prompts import encode_prompt
from inkcast.toon.captions import caption, told
from inkcast.toon.dataset import sample_scene
from inkcast.toon.world import Actor, Look, Scene
from inkcast.vision.detector import ToonDetector


@dataclass(frozen=True)
class Prompt:
    text: str
    scene: Scene
    seed: int


def unseen_prompts(count: int, seed: int, looks: float = 0.5) -> list[Prompt]:
    """Captions of random scenes of the test split; each actor's looks are mentioned with probability `looks`."""
    prompts = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        scene = sample_scene(rng, "test")
        prompts.append(Prompt(caption(scene, rng, looks=looks), scene, int(rng.integers(2**31))))
    return prompts


def plain(base: Backbone, text: str) -> Conditioning:
    """Nothing but the words."""
    prompt = encode_prompt(base, text)
    negative, positive = (
        AttentionMemory(text=project_text(base.unet, embeds)) for embeds in (prompt.negative, prompt.positive)
    )
    return Conditioning(prompt, negative, positive)


def said_colors(prompt: Prompt, actor: Actor) -> dict[str, str]:
    """The colours that the prompt states of this actor, by attribute; those that two actors share are left out."""
    look = actor.subject
    if not isinstance(look, Look):
        return {}
    phrases = {name: phrase for name, phrase in told(look).items() if name in LOOK_COLORS} | {"top": f"{look.top} top"}
    others = [other.subject for other in prompt.scene.actors if other is not actor]
    return {
        name: getattr(look, name)
        for name, phrase in phrases.items()
        if phrase in prompt.text and not any(getattr(other, name, None) == getattr(look, name) for other in others)
    }


def said_kinds(prompt: Prompt) -> list[str]:
    """The kind of every character that the prompt names by it."""
    people = [actor.subject for actor in prompt.scene.actors if isinstance(actor.subject, Look)]
    return [look.kind for look in people if re.search(rf"\b{look.kind}s?\b", prompt.text)]


def judge_scene(prompt: Prompt, reading: SceneReading, seen: Sequence[LookReading]) -> dict[str, list[float]]:
    """1 or 0 per question the prompt settles about the whole picture; of kinds and actions, the share that some figure
    shows, each figure counting once."""
    scene = prompt.scene
    people = [actor for actor in scene.actors if isinstance(actor.subject, Look)]
    answers = {
        "place": [float(reading.words["place"] == scene.place)],
        "number of characters": [float(reading.words["count"] == str(len(people)))],
        "style": [float(reading.words["style"] == scene.style)] if scene.style != "flat" else [],
        "time": [float(reading.words["time"] == scene.time)] if scene.time != "day" else [],
        "weather": [float(reading.words["weather"] == scene.weather)] if scene.weather != "clear" else [],
        "shot": [float(reading.words["shot"] == scene.shot)] if scene.shot != "wide" else [],
    }
    for name, wanted in (("action", [actor.action for actor in people]), ("kind", said_kinds(prompt))):
        answers[name] = [shared(wanted, [figure.word(name) for figure in seen])] if wanted else []
    return answers


@dataclass(frozen=True)
class Wording:
    """Figures by name, with the pictures they were read from."""

    figures: dict[str, Estimate]
    pictures: UInt8[np.ndarray, "n h w 3"]


def evaluate_words(
    base: Backbone,
    oracle: OracleReader,
    detector: ToonDetector,
    prompts: Sequence[Prompt],
    batching: Batching,
    progress: Callable[[int], None] = lambda drawn: None,
) -> Wording:
    """Draw every prompt and ask the oracle. A described colour of a character that is not found counts as wrong."""
    conditionings = [plain(base, prompt.text) for prompt in prompts]
    pictures = draw_all(base, conditionings, [prompt.seed for prompt in prompts], batching, progress)
    answers: dict[str, list[float]] = {}
    colors: list[float] = []
    readings = zip(prompts, oracle.scenes(pictures), figures(oracle, detector, pictures), strict=True)
    for prompt, scene, seen in readings:
        for name, values in judge_scene(prompt, scene, seen).items():
            answers.setdefault(name, []).extend(values)
        people = [actor for actor in prompt.scene.actors if isinstance(actor.subject, Look)]
        matched = assigned(Case(tuple(actor.subject for actor in people if isinstance(actor.subject, Look))), seen)
        for actor, look in zip(people, matched.readings, strict=True):
            for name, value in said_colors(prompt, actor).items():
                colors.append(float(look is not None and look.word(name) == value))
    answers["described colors"] = colors
    return Wording({name: bootstrap(values) for name, values in answers.items()}, pictures)
