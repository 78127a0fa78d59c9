"""Balloon outlines and tails as paths of Bézier curves. Lengths in millimetres, y downwards."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random

from inkcast.page.ovals import POWER
from inkcast.page.patterns import Box
from inkcast.page.setting import Command, Path, Point


def on_oval(centre: Point, half: Point, angle: float, grow: float = 1.0) -> Point:
    """The point of a superellipse in the direction `angle` of its parameter."""
    cosine, sine = math.cos(angle), math.sin(angle)
    x = math.copysign(abs(cosine) ** (2 / POWER), cosine) * half[0] * grow
    y = math.copysign(abs(sine) ** (2 / POWER), sine) * half[1] * grow
    return centre[0] + x, centre[1] + y


def smooth(points: list[Point]) -> Path:
    """A closed curve through all points (Catmull-Rom as cubic Béziers)."""
    count = len(points)
    commands: list[Command] = [("move", (points[0],))]
    for i in range(count):
        before, start, end, after = (points[(i + k) % count] for k in (-1, 0, 1, 2))
        first = (start[0] + (end[0] - before[0]) / 6, start[1] + (end[1] - before[1]) / 6)
        second = (end[0] - (after[0] - start[0]) / 6, end[1] - (after[1] - start[1]) / 6)
        commands.append(("cubic", (first, second, end)))
    return (*commands, ("close", ()))


def speech(centre: Point, half: Point, random: Random) -> Path:
    """An oval drawn by a steady, not a perfect hand."""
    phases = [random.uniform(0, math.tau) for _ in range(2)]
    points = []
    for i in range(28):
        angle = math.tau * i / 28
        wobble = 0.988 + 0.007 * math.sin(2 * angle + phases[0]) + 0.005 * math.sin(3 * angle + phases[1])
        points.append(on_oval(centre, half, angle, wobble))
    return smooth(points)


def cloud(centre: Point, half: Point, bump: float, random: Random) -> Path:
    """A cloud whose bumps reach out to the oval; `bump` is their height."""
    inner = (half[0] - bump, half[1] - bump)
    ring = _evenly(centre, inner, 3.6 * bump, random)
    commands: list[Command] = [("move", (ring[0],))]
    for start, end in zip(ring, [*ring[1:], ring[0]], strict=True):
        out = (end[1] - start[1], start[0] - end[0])
        reach = 1.33 * bump / (math.hypot(*out) or 1.0)
        pull = ((start[0] - end[0]) * 0.12, (start[1] - end[1]) * 0.12)
        first = (start[0] + out[0] * reach + pull[0], start[1] + out[1] * reach + pull[1])
        second = (end[0] + out[0] * reach - pull[0], end[1] + out[1] * reach - pull[1])
        commands.append(("cubic", (first, second, end)))
    return (*commands, ("close", ()))


def burst(centre: Point, half: Point, spike: float, random: Random) -> Path:
    """A star of uneven spikes; `spike` is the height of the longest."""
    inner = (half[0] - spike * 0.78, half[1] - spike * 0.78)
    ring = _evenly(centre, inner, 2.3 * spike, random)
    commands: list[Command] = [("move", (ring[0],))]
    for start, end in zip(ring, [*ring[1:], ring[0]], strict=True):
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        out = (end[1] - start[1], start[0] - end[0])
        reach = spike * random.uniform(0.5, 0.76) / (math.hypot(*out) or 1.0)
        tip = (middle[0] + out[0] * reach, middle[1] + out[1] * reach)
        commands += [_hollow(start, tip, middle), _hollow(tip, end, middle)]
    return (*commands, ("close", ()))


def _hollow(start: Point, end: Point, towards: Point) -> Command:
    """A side of a spike, bent inwards a little."""
    bend = ((start[0] + end[0]) / 2 * 0.82 + towards[0] * 0.18, (start[1] + end[1]) / 2 * 0.82 + towards[1] * 0.18)
    return "cubic", (bend, bend, end)


def _evenly(centre: Point, half: Point, step: float, random: Random) -> list[Point]:
    """Points around an oval, about `step` apart, closer where it turns, not quite regular; clockwise,
    so that `out` points away.
    """
    fine = [on_oval(centre, half, math.tau * i / 360) for i in range(361)]
    lengths, heading = [0.0], math.pi / 2
    for a, b in pairwise(fine):
        ahead = math.atan2(b[1] - a[1], b[0] - a[0])
        turn = abs(math.remainder(ahead - heading, math.tau))
        lengths.append(lengths[-1] + math.dist(a, b) + 0.9 * step * turn)
        heading = ahead
    count = max(9, round(lengths[-1] / step))
    shift = random.random()
    wished = sorted(((i + shift + random.uniform(-0.16, 0.16)) / count % 1.0) * lengths[-1] for i in range(count))
    ring, at = [], 0
    for length in wished:
        while lengths[at + 1] < length:
            at += 1
        share = (length - lengths[at]) / ((lengths[at + 1] - lengths[at]) or 1.0)
        ring.append(_between(fine[at], fine[at + 1], share))
    return ring


def box_path(box: Box) -> Path:
    x0, y0, x1, y1 = box
    return (
        ("move", ((x0, y0),)),
        ("line", ((x1, y0),)),
        ("line", ((x1, y1),)),
        ("line", ((x0, y1),)),
        ("close", ()),
    )


def circle(centre: Point, radius: float) -> Path:
    return smooth([(centre[0] + radius * math.cos(a), centre[1] + radius * math.sin(a)) for a in _EIGHTHS])


_EIGHTHS = [math.tau * i / 8 for i in range(8)]


def tail(centre: Point, half: Point, tip: Point, width: float) -> Path:
    """A wedge from inside the oval to `tip`, `width` wide at its foot, bent like a thorn."""
    length = math.dist(centre, tip) or 1.0
    along = ((tip[0] - centre[0]) / length, (tip[1] - centre[1]) / length)
    across = (-along[1], along[0])
    foot = _between(centre, edge(centre, half, tip), 0.72)
    bend = 0.09 * math.dist(foot, tip) * (1.0 if along[0] >= 0 else -1.0)
    sides = [(foot[0] + across[0] * width / 2 * s, foot[1] + across[1] * width / 2 * s) for s in (1, -1)]
    middle = _between(foot, tip, 0.55)
    shifts = (bend + width * 0.16, bend - width * 0.16)
    curve = [(middle[0] + across[0] * shift, middle[1] + across[1] * shift) for shift in shifts]
    return (
        ("move", (sides[0],)),
        ("cubic", (_between(sides[0], curve[0], 0.6), curve[0], tip)),
        ("cubic", (curve[1], _between(sides[1], curve[1], 0.6), sides[1])),
        ("close", ()),
    )


def trail(centre: Point, half: Point, tip: Point, size: float) -> tuple[Path, ...]:
    """Three bubbles from a thought to its thinker, the last one at `tip`."""
    start = edge(centre, half, tip)
    length = math.dist(start, tip)
    radii = [min(radius, length * 0.16) for radius in (size * 0.5, size * 0.34, size * 0.22)]
    ends = (radii[0] * 1.3, length)
    spots = (ends[0], (ends[0] + ends[1]) / 2 + radii[2] * 0.5, ends[1])
    return tuple(
        circle(_between(start, tip, spot / (length or 1.0)), max(radius, 0.05))
        for spot, radius in zip(spots, radii, strict=True)
    )


def neck(one: Point, two: Point, width: float) -> Path:
    """A bridge between two balloons of one speech, waisted in the middle."""
    length = math.dist(one, two) or 1.0
    across = ((two[1] - one[1]) / length * width / 2, (one[0] - two[0]) / length * width / 2)
    middle = _between(one, two, 0.5)
    a, b = (one[0] + across[0], one[1] + across[1]), (two[0] + across[0], two[1] + across[1])
    c, d = (two[0] - across[0], two[1] - across[1]), (one[0] - across[0], one[1] - across[1])
    up = (middle[0] + across[0] * 0.4, middle[1] + across[1] * 0.4)
    down = (middle[0] - across[0] * 0.4, middle[1] - across[1] * 0.4)
    return ("move", (a,)), ("cubic", (up, up, b)), ("line", (c,)), ("cubic", (down, down, d)), ("close", ())


def edge(centre: Point, half: Point, towards: Point) -> Point:
    """Where the straight line from an oval's centre leaves it."""
    x, y = towards[0] - centre[0], towards[1] - centre[1]
    reach = (abs(x / half[0]) ** POWER + abs(y / half[1]) ** POWER) ** (1 / POWER)
    return centre if reach == 0 else (centre[0] + x / reach, centre[1] + y / reach)


def _between(a: Point, b: Point, share: float) -> Point:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share
