"""The drawn world: a scene in words becomes a picture with everything about it known.

rendering = render(Scene((Actor(look, "waving"),), place="beach"), size=128)
rendering.image        # uint8 [128, 128, 3]
rendering.instances    # uint8 [128, 128]: 0 the place, k the k-th actor
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inkcast.toon.canvas import SUPERSAMPLE, Canvas, Point, box, capsule, ellipse, mix, star
from inkcast.toon.figure import Drawn, Stance, draw_figure
from inkcast.toon.finish import finish
from inkcast.toon.places import draw_place
from inkcast.toon.things import HEIGHTS, draw_thing
from inkcast.toon.world import JOINT_ACTIONS, Actor, Look, Scene, Subject

Box = tuple[int, int, int, int]
_HEIGHT = {"wide": 0.70, "medium": 1.08, "close-up": 1.46}  # a figure's height in picture sides
_FEET = {"wide": 0.93, "medium": 1.19, "close-up": 1.57}
_HORIZON = {"wide": 0.66, "medium": 0.62, "close-up": 0.60}


@dataclass(frozen=True)
class Pose2D:
    """Where an actor is: visible box (None if hidden), face box, face points [5, 2], skeleton [18, 3]; pixels."""

    box: Box | None
    face: Box | None
    points: np.ndarray | None
    skeleton: np.ndarray | None


@dataclass(frozen=True)
class Rendering:
    image: np.ndarray
    instances: np.ndarray
    actors: tuple[Pose2D, ...]
    scene: Scene


def render(scene: Scene, size: int = 128, supersample: int = SUPERSAMPLE) -> Rendering:
    """Draw `scene` at `size` pixels a side. The same scene gives the same bytes."""
    rng = np.random.default_rng(scene.seed)
    canvas = Canvas(size, supersample)
    horizon = _HORIZON[scene.shot] + float(rng.uniform(-0.02, 0.02))
    draw_place(canvas, scene, rng, horizon)
    joint = next((a.action for a in scene.actors if a.action in JOINT_ACTIONS), "")
    stances = [_stance(scene, actor, size, rng) for actor in scene.actors]
    target = _meeting(scene, stances, joint)
    if scene.shot == "wide":
        for stance in stances:
            _shadow(canvas, stance)
    drawn: dict[int, Drawn | None] = {}
    for index in sorted(range(len(scene.actors)), key=lambda i: -scene.actors[i].depth):
        canvas.owner = index + 1
        actor = scene.actors[index]
        if isinstance(actor.subject, Look):
            reach = target if actor.action in JOINT_ACTIONS else None
            stance = stances[index]
            drawn[index] = draw_figure(canvas, actor.subject, Stance(**{**vars(stance), "target": reach}), rng)
        else:
            draw_thing(canvas, actor.subject, stances[index].origin, stances[index].height, actor.facing)
            drawn[index] = None
    canvas.owner = 0
    _flourish(canvas, scene, stances, joint, target)
    image = finish(canvas, scene.style, scene.seed, scene.time == "night")
    instances = canvas.owner_map()
    poses = tuple(_pose2d(instances, k, drawn[k], size) for k in range(len(scene.actors)))
    return Rendering(image, instances, poses, scene)


def reference_sheet(subject: Subject, size: int = 128, view: str = "front", style: str = "flat") -> Rendering:
    """One subject, whole, on white."""
    actor = Actor(subject, "standing", 0.5, 1, view)
    scene = Scene((actor,), place="white", style=style)
    canvas = Canvas(size, max(SUPERSAMPLE, 256 // size))
    canvas.owner = 1
    drawn = None
    if isinstance(subject, Look):
        tall = 0.74 if subject.kind == "rabbit" else 0.83
        stance = Stance((size * 0.5, size * 0.97), size * tall, 1, view, "standing")
        drawn = draw_figure(canvas, subject, stance, np.random.default_rng(0))
    else:
        draw_thing(
            canvas, subject, (size * 0.5, size * 0.92), size * {"car": 0.48, "bag": 0.78}.get(subject.kind, 0.85), 1
        )
    instances = canvas.owner_map()
    return Rendering(finish(canvas, style, 0), instances, (_pose2d(instances, 0, drawn, size),), scene)


def _stance(scene: Scene, actor: Actor, size: int, rng: np.random.Generator) -> Stance:
    height = _HEIGHT[scene.shot] * actor.size * size
    feet = _FEET[scene.shot] * size - actor.depth * 0.018 * size
    if scene.shot != "wide":
        feet += (actor.size - 1) * 0.5 * size
    if not isinstance(actor.subject, Look):
        if scene.shot != "wide":
            feet = 0.99 * size
        height *= HEIGHTS[actor.subject.kind] * {"wide": 1.0, "medium": 0.75, "close-up": 0.5}[scene.shot]
    return Stance(
        (actor.x * size, feet + float(rng.uniform(-0.008, 0.008)) * size),
        height,
        actor.facing,
        actor.view,
        actor.action,
    )


def _meeting(scene: Scene, stances: list[Stance], joint: str) -> Point | None:
    """Where the hands of a joint action meet: between the first two actors who take part."""
    pair = [s for s, a in zip(stances, scene.actors, strict=True) if a.action == joint][:2]
    if len(pair) < 2 or not joint:
        return None
    height = {"shaking hands": 0.40, "hugging": 0.43, "passing a ball": 0.48}[joint]
    x = (pair[0].origin[0] + pair[1].origin[0]) / 2
    return x, (pair[0].origin[1] + pair[1].origin[1]) / 2 - height * min(pair[0].height, pair[1].height)


def _shadow(canvas: Canvas, stance: Stance) -> None:
    x, y = stance.origin
    wide = stance.height * (0.2 if stance.action != "jumping" else 0.13)
    sample = canvas.labels[
        min(int(y * canvas.scale), canvas.labels.shape[0] - 1), int(np.clip(x, 0, canvas.size - 1) * canvas.scale)
    ]
    ground = canvas.colors[int(sample)]
    canvas.fill(ellipse((x, y), wide, wide * 0.2), mix(ground, (20, 16, 40), 0.34), canvas.groups[int(sample)])


def _flourish(canvas: Canvas, scene: Scene, stances: list[Stance], joint: str, target: Point | None) -> None:
    """Small marks that make an action readable: notes, confetti, speed lines, motion arcs, a ball, a heart."""
    for stance in stances:
        x, y = stance.origin
        h, f = stance.height, stance.facing
        top = y - h
        if stance.action == "dancing":
            for u, v in ((-0.33, 0.22), (0.36, 0.42)):
                note = [
                    ellipse((x + u * h, top + v * h), 0.035 * h, 0.028 * h),
                    box(x + (u + 0.018) * h, top + (v - 0.13) * h, x + (u + 0.038) * h, top + v * h),
                    box(x + (u + 0.018) * h, top + (v - 0.13) * h, x + (u + 0.085) * h, top + (v - 0.095) * h),
                ]
                canvas.fill_all(note, (88, 40, 140))
        elif stance.action == "cheering":
            for k, color in enumerate(((236, 60, 80), (250, 206, 60), (70, 150, 230))):
                bits = [
                    star((x + (-0.42 + 0.28 * j + 0.09 * k) * h, top + (0.02 + 0.1 * ((j + k) % 3)) * h), 0.028 * h, 4)
                    for j in range(4)
                ]
                canvas.fill_all(bits, color)
        elif stance.action == "running":
            lines = [
                capsule((x - f * 0.30 * h, y - v * h), (x - f * (0.30 + w) * h, y - v * h), 0.008 * h, 0.008 * h)
                for v, w in ((0.5, 0.14), (0.36, 0.2), (0.22, 0.14))
            ]
            canvas.fill_all(lines, (250, 250, 252))
        elif stance.action == "jumping":
            lines = [
                capsule((x + u * h, y - 0.06 * h), (x + u * h, y + 0.0 * h), 0.008 * h, 0.008 * h)
                for u in (-0.16, 0.0, 0.16)
            ]
            canvas.fill_all(lines, (250, 250, 252))
    if target is None:
        return
    h = stances[0].height
    if joint == "passing a ball":
        group = canvas.group()
        canvas.fill(ellipse(target, 0.085 * h, 0.085 * h), (248, 120, 40), group)
        canvas.fill(
            box(target[0] - 0.083 * h, target[1] - 0.012 * h, target[0] + 0.083 * h, target[1] + 0.012 * h),
            (255, 244, 226),
            group,
        )
    elif joint == "hugging":
        u, v = target[0], target[1] - 0.62 * h
        r = 0.045 * h
        heart = [
            ellipse((u - r * 0.8, v), r, r),
            ellipse((u + r * 0.8, v), r, r),
            np.array([(u - r * 1.75, v + r * 0.35), (u + r * 1.75, v + r * 0.35), (u, v + r * 2.3)]),
        ]
        canvas.fill_all(heart, (232, 44, 84))


def _pose2d(instances: np.ndarray, index: int, drawn: Drawn | None, size: int) -> Pose2D:
    mask = instances == index + 1
    rows, columns = mask.any(1), mask.any(0)
    visible: Box | None = None
    if rows.any():
        y0, y1 = int(rows.argmax()), size - int(rows[::-1].argmax())
        x0, x1 = int(columns.argmax()), size - int(columns[::-1].argmax())
        visible = (x0, y0, x1, y1)
    if drawn is None:
        return Pose2D(visible, None, None, None)
    face: Box | None = None
    if drawn.face is not None:
        fx0, fy0, fx1, fy1 = (int(np.clip(round(v), 0, size)) for v in drawn.face)
        if fx1 - fx0 > 2 and fy1 - fy0 > 2:
            face = (fx0, fy0, fx1, fy1)
    return Pose2D(visible, face, drawn.points if face else None, drawn.skeleton)
