"""Looks, scenes and captions: coverage of the vocabulary, disjoint splits, words that tell what is drawn."""

from collections import Counter

import numpy as np
import pytest
from typer.testing import CliRunner

from inkcast.cli.toon import app
from inkcast.errors import CastError
from inkcast.toon.captions import caption, corpus, describe
from inkcast.toon.dataset import sample_look, sample_scene, sample_thing, stars
from inkcast.toon.design import design
from inkcast.toon.world import (
    ACCESSORIES,
    ACTIONS,
    ATTRIBUTES,
    COLORS,
    CREATURES,
    EARS,
    EYE_COLORS,
    FURS,
    HAIR_COLORS,
    HAIRS,
    JOINT_ACTIONS,
    KINDS,
    PATTERNS,
    PLACES,
    SHOTS,
    SKINS,
    STYLES,
    THINGS,
    VIEWS,
    Look,
    Scene,
    choices,
    split_of,
)


def test_the_world_is_as_large_as_it_says():
    assert len(KINDS) >= 8
    assert len(CREATURES) >= 4
    assert len(THINGS) >= 4
    assert len(HAIRS) >= 12
    assert min(map(len, (SKINS, FURS, COLORS, HAIR_COLORS, EYE_COLORS))) >= 8
    assert len(PATTERNS) >= 6
    assert len(ACCESSORIES) - 1 >= 8
    assert len(PLACES) == len(set(PLACES)) >= 12
    assert len(ACTIONS) >= 12
    assert set(JOINT_ACTIONS) >= {"shaking hands", "hugging", "passing a ball"}
    assert len(STYLES) >= 6
    assert (len(SHOTS), len(VIEWS)) == (3, 3)


def test_splits_are_disjoint_and_of_stated_size():
    rng = np.random.default_rng(0)
    drawn = {split: {sample_look(rng, split) for _ in range(300)} for split in ("train", "validation", "test")}
    assert all(split_of(look) == split for split, looks in drawn.items() for look in looks)
    shares = Counter(split_of(sample_thing(rng, s)) for s in ("train", "test") for _ in range(10))
    assert set(shares) == {"train", "test"}
    free = Counter(split_of(Look(**{**vars(look), "face": "wide"})) for look in drawn["train"])
    assert 0.6 < free["train"] / 300 < 1.0


def test_sampling_is_deterministic_and_covers_the_vocabulary():
    scenes = [sample_scene(np.random.default_rng(7)) for _ in range(2)]
    assert scenes[0] == scenes[1]
    rng = np.random.default_rng(1)
    many = [sample_scene(rng) for _ in range(3000)]
    assert {s.place for s in many} == set(PLACES)
    assert {s.style for s in many} == set(STYLES)
    assert {a.action for s in many for a in s.actors} == set(ACTIONS)
    assert {len(s.actors) for s in many} == {1, 2, 3, 4}
    looks = [a.subject for s in many for a in s.actors if isinstance(a.subject, Look)]
    for attribute in ATTRIBUTES:
        assert {getattr(look, attribute) for look in looks} == set(choices(attribute))
    assert {look.hair for look in looks if not look.human} == set(EARS)


def test_joint_actions_take_exactly_two():
    rng = np.random.default_rng(2)
    for _ in range(800):
        actions = [a.action for a in sample_scene(rng).actors]
        assert sum(a in JOINT_ACTIONS for a in actions) in (0, 2)


def test_given_actors_stay_who_they_are():
    rng = np.random.default_rng(3)
    looks = [sample_look(rng, "test") for _ in range(3)]
    scene = sample_scene(rng, actors=looks, names=["Ann", "Bo", "Cy"], place="moon")
    assert [a.subject for a in scene.actors] == looks
    assert [a.name for a in scene.actors] == ["Ann", "Bo", "Cy"]
    assert scene.place == "moon"


def test_stars_have_two_words_of_their_own_and_a_fixed_training_look():
    cast = stars()
    assert len(cast) >= 300
    words = [word for name in cast for word in name.split()]
    assert len(words) == len(set(words)) == 2 * len(cast)
    assert all(split_of(look) == "train" and look.human for look in cast.values())
    assert dict(cast) == dict(stars())


def test_captions_name_kinds_action_and_place_and_looks_only_when_asked():
    rng = np.random.default_rng(4)
    for _ in range(300):
        scene = sample_scene(rng, count=1, shot="wide")
        actor = scene.actors[0]
        if not isinstance(actor.subject, Look):
            continue
        plain = caption(scene, rng, looks=0.0)
        told = caption(scene, rng, looks=1.0)
        assert " with " not in plain
        if actor.subject.kind in told.split():
            assert " with " in told
        assert "  " not in plain
        assert not plain.startswith(",")


def test_caption_mentions_each_star_by_name():
    rng = np.random.default_rng(5)
    name, look = next(iter(stars().items()))
    scene = sample_scene(rng, actors=[look], names=[name])
    assert name in caption(scene, rng)
    assert any(name in line for line in corpus(rng, iter([scene])))


def test_descriptions_tell_looks_apart():
    rng = np.random.default_rng(6)
    looks = {sample_look(rng) for _ in range(200)}
    assert len({describe(look) for look in looks}) == len(looks)


def test_design_keeps_what_is_given_and_is_stable():
    look = design("Ann Lee", {"kind": "girl", "hair": "long", "hair_color": "red"})
    assert isinstance(look, Look)
    assert (look.kind, look.hair, look.hair_color) == ("girl", "long", "red")
    assert look == design("Ann Lee", {"kind": "girl", "hair": "long", "hair_color": "red"})
    assert design("Bo", {"kind": "bear"}) != design("Al", {"kind": "bear"})
    assert design("Tin", {"kind": "lantern", "color": "blue"}).color == "blue"


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"kind": "girll"}, "'girll'"),
        ({"kind": "cat", "hair": "bun"}, "'bun'"),
        ({"kind": "car", "hair": "long"}, "'hair'"),
    ],
)
def test_design_refuses_unknown_words(given, part):
    with pytest.raises(CastError, match=part):
        design("X", given)


def test_commands_draw_pictures(tmp_path):
    runner = CliRunner()
    out = tmp_path / "ann.png"
    done = runner.invoke(app, ["cast", "Ann Lee", "--kind", "girl", "--hair-color", "red", "--out", str(out)])
    assert done.exit_code == 0
    assert "red" in done.output
    assert out.read_bytes()[:4] == b"\x89PNG"
    scene, mask = tmp_path / "scene.png", tmp_path / "mask.png"
    who = ["--who", "Ann: kind=girl, action=hugging", "--who", "Bo: kind=bear, action=hugging"]
    done = runner.invoke(app, ["scene", *who, "--place", "moon", "--out", str(scene), "--mask", str(mask)])
    assert done.exit_code == 0
    assert scene.exists()
    assert mask.exists()
    refused = runner.invoke(app, ["scene", "--place", "moom", "--out", str(tmp_path / "no.png")])
    assert refused.exit_code != 0
    assert not (tmp_path / "no.png").exists()
    assert isinstance(Scene(()), Scene)
