"""The drawn world: deterministic, exact masks, key points where they belong."""

import itertools

import numpy as np
import pytest

from inkcast.toon.canvas import Canvas, box, capsule, ellipse
from inkcast.toon.dataset import sample_look, sample_scene, sample_thing
from inkcast.toon.pose import bend
from inkcast.toon.renderer import reference_sheet, render
from inkcast.toon.world import ACTIONS, COLORS, FURS, PLACES, SHOTS, STYLES, VIEWS, Actor, Look, Scene, Thing

LOOK = Look("cat", "orange", "round", "upright", "pink", "green", "blue", "plain", "trousers", "red", "none")
GIRL = Look("girl", "peach", "round", "long", "black", "blue", "red", "striped", "skirt", "blue", "glasses")


def alone(look=LOOK, **changes):
    scene = {"place": "park", "seed": 5, "action": "standing", "view": "front", "x": 0.5} | changes
    actor = Actor(look, scene.pop("action"), scene.pop("x"), 1, scene.pop("view"))
    return Scene((actor,), **scene)


def test_same_scene_same_bytes_and_another_seed_other_decoration():
    first, again = render(alone()), render(alone())
    assert first.image.tobytes() == again.image.tobytes()
    assert first.image.tobytes() != render(alone(seed=6)).image.tobytes()


@pytest.mark.parametrize("style", STYLES)
def test_styles_differ_and_leave_the_mask_alone(style):
    flat, styled = render(alone()), render(alone(style=style))
    assert np.array_equal(flat.instances, styled.instances)
    assert (style == "flat") == np.array_equal(flat.image, styled.image)


@pytest.mark.parametrize(
    ("attribute", "a", "b"),
    [("place", PLACES, None), ("shot", SHOTS, None), ("time", ("day", "sunset", "night"), None)],
)
def test_every_word_of_the_vocabulary_changes_the_picture(attribute, a, b):
    pictures = [render(alone(**{attribute: value})).image.tobytes() for value in a]
    assert len(set(pictures)) == len(a)


def test_every_action_and_view_is_drawn_differently():
    pair = [
        Scene((Actor(LOOK, action, 0.3, 1), Actor(GIRL, action, 0.7, -1)), place="park", seed=1) for action in ACTIONS
    ]
    assert len({render(scene).image.tobytes() for scene in pair}) == len(ACTIONS)
    assert len({render(alone(view=view)).image.tobytes() for view in VIEWS}) == len(VIEWS)


def test_mask_is_exactly_what_the_actor_covers():
    """Pictures with and without the actor differ only near its mask, and inside it nearly everywhere."""
    empty = render(Scene((), place="park", seed=5)).image.astype(int)
    full = render(alone(shot="medium"))
    shot = render(Scene((), place="park", seed=5, shot="medium")).image.astype(int)
    changed = np.abs(full.image.astype(int) - shot).sum(-1) > 0
    inside = full.instances == 1
    assert inside.mean() > 0.2
    assert changed[inside].mean() > 0.98
    far = np.ones_like(inside)
    ys, xs = np.nonzero(inside)
    far[max(ys.min() - 2, 0) : ys.max() + 3, max(xs.min() - 2, 0) : xs.max() + 3] = False
    assert not changed[far].any()
    assert not np.array_equal(empty, shot)


def test_nearer_actors_hide_those_behind():
    near, behind = Actor(LOOK, x=0.5, depth=0), Actor(GIRL, x=0.5, depth=1)
    both = render(Scene((near, behind), seed=2)).instances
    lone = render(Scene((near,), seed=2)).instances
    assert (both == 1).sum() == pytest.approx((lone == 1).sum(), rel=0.03)
    assert 0 < (both == 2).sum() < (render(Scene((behind,), seed=2)).instances == 1).sum()


def test_boxes_faces_and_skeletons_lie_where_the_mask_is():
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(60):
        rendering = render(sample_scene(rng, style="flat"))
        for index, (actor, pose) in enumerate(zip(rendering.scene.actors, rendering.actors, strict=True), start=1):
            ys, xs = np.nonzero(rendering.instances == index)
            if len(xs) == 0:
                assert pose.box is None
                continue
            assert pose.box == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
            if not isinstance(actor.subject, Look):
                assert pose.skeleton is None
                assert pose.face is None
                continue
            assert pose.skeleton.shape == (18, 3)
            assert (pose.face is None) == (pose.points is None)
            if actor.view == "back":
                assert pose.face is None
            elif pose.face is not None and min(pose.face) > 0 and max(pose.face) < 128:
                seen += 1
                low, high = np.array(pose.face[:2]) - 1, np.array(pose.face[2:]) + 1
                assert ((pose.points >= low) & (pose.points <= high)).all()
                assert np.abs(pose.skeleton[0, :2] - pose.points[2]).max() < 12  # the nose, twice
    assert seen > 30


def test_right_eye_is_left_in_a_front_view_whichever_way_it_faces():
    for facing in (1, -1):
        pose = render(Scene((Actor(LOOK, facing=facing),), seed=0)).actors[0]
        assert pose.points[0, 0] < pose.points[1, 0]
        assert pose.points[3, 0] < pose.points[4, 0]
        assert pose.skeleton[2, 0] < pose.skeleton[5, 0]  # right shoulder, left shoulder
    behind = render(alone(view="back")).actors[0].skeleton
    assert behind[2, 0] > behind[5, 0]
    assert behind[0, 2] == 0


def test_colours_are_those_of_the_look():
    """The most common colour over a plain top and over the head is the one the look names."""
    picture = reference_sheet(LOOK, 256).image
    torso = picture[150:175, 118:138].reshape(-1, 3)
    values, counts = np.unique(torso, axis=0, return_counts=True)
    assert tuple(values[counts.argmax()]) == COLORS["blue"]
    head = picture[40:130, 80:176].reshape(-1, 3)
    assert (head == FURS["orange"]).all(1).mean() > 0.2


def test_reference_sheet_stands_alone_on_white():
    for subject in (LOOK, GIRL, Thing("car", "red", "white")):
        sheet = reference_sheet(subject, 128)
        assert (sheet.image[sheet.instances == 0] > 150).mean() > 0.97
        assert 0.1 < (sheet.instances == 1).mean() < 0.6
        x0, y0, x1, y1 = sheet.actors[0].box
        assert x0 >= 0 and y0 > 0 and x1 <= 128 and y1 <= 128  # noqa: PT018
        assert not (sheet.instances[0] == 1).any()


def test_joint_actions_bring_the_hands_together():
    def gap(action, facing):
        actors = (Actor(LOOK, action, 0.3, 1), Actor(GIRL, action, 0.7, facing))
        a, b = (pose.skeleton for pose in render(Scene(actors, seed=3)).actors)
        return min(np.linalg.norm(p[:2] - q[:2]) for p, q in itertools.product(a[[4, 7]], b[[4, 7]]))

    assert gap("shaking hands", -1) < 4
    assert gap("standing", -1) > 15


def test_two_bones_keep_their_length():
    limb = bend((0.0, 0.0), (0.1, 0.1), 1, 0.135)
    for p, q in ((limb.root, limb.middle), (limb.middle, limb.end)):
        assert np.hypot(p[0] - q[0], p[1] - q[1]) == pytest.approx(0.135)
    stretched = bend((0.0, 0.0), (1.0, 0.0), 1, 0.135)
    assert stretched.end == pytest.approx((0.27, 0.0))


def test_canvas_fills_within_a_label_only():
    canvas = Canvas(64)
    canvas.owner = 1
    body = canvas.fill(box(16, 16, 48, 48), (10, 20, 30))
    stripe = canvas.within(body, [box(0, 30, 64, 34)], (200, 0, 0))
    _, xs = np.nonzero(canvas.labels == stripe)
    assert xs.min() >= 32
    assert xs.max() < 97
    assert set(np.unique(canvas.owner_map())) == {0, 1}
    assert canvas.groups[stripe] == canvas.groups[body]


def test_primitives_have_the_size_they_say():
    oval = ellipse((10, 20), 4, 2)
    assert oval.max(0) == pytest.approx((14, 22), abs=0.1)
    limb = capsule((0, 0), (10, 0), 1, 2)
    assert limb[:, 0].min() == pytest.approx(-1)
    assert limb[:, 0].max() == pytest.approx(12)


def test_sizes_show_the_same_scene():
    small, large = render(alone()), render(alone(), 256)
    shrunk = large.instances[::2, ::2]
    assert (shrunk == small.instances).mean() > 0.985
    assert large.image.shape == (256, 256, 3)


def test_things_can_be_actors():
    rng = np.random.default_rng(1)
    thing = sample_thing(rng)
    rendering = render(Scene((Actor(thing, x=0.3), Actor(sample_look(rng), x=0.7))))
    assert (rendering.instances == 1).sum() > 50
