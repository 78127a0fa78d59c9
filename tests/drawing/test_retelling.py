"""Stories told to the drawn world: what its captions do not say is said in words that they have."""

from __future__ import annotations

import numpy as np
import pytest
from tests.easel_fake import character

from inkcast.drawing.retelling import framing, is_caption, retelling_for
from inkcast.drawing.wording import prompt_of, toon_prompt_of
from inkcast.engines.engine import Style
from inkcast.story.lexicon import LANGUAGES
from inkcast.story.script import Panel, Presence
from inkcast.toon.captions import caption
from inkcast.toon.dataset import sample_scene
from inkcast.toon.world import ACTIONS, KINDS, PLACES, THINGS

RUTH = character("Ruth Walker", "red", "she")
JOE = character("Joe", "brown", "he", description="a bear")


def told(description: str, *names: str | Presence, **more: str) -> str:
    panel = Panel(description=description, characters=names, **more)  # type: ignore[arg-type]
    return toon_prompt_of(panel, [RUTH, JOE]).wording(Style())


def test_every_caption_of_the_drawn_world_is_left_as_it_is() -> None:
    rng = np.random.default_rng(5)
    captions = [caption(sample_scene(rng), rng, looks=0.5) for _ in range(300)]
    assert [text for text in captions if not is_caption(text)] == []
    assert not is_caption("a girl climbed the stairs")
    assert told("Ruth Walker waves on the beach at night", "Ruth Walker") == "a girl waves on the beach at night"


@pytest.mark.parametrize(
    ("description", "names", "more", "expected"),
    [
        (
            "Captain Ruth Walker climbed the stairs of the old lighthouse",
            ["Ruth Walker"],
            {"time": "sunset"},
            "a girl walking in the castle at sunset",
        ),
        ("Joe found a lantern in the sand", ["Joe"], {"time": "morning, rain"}, None),
        (
            "Ruth Walker hugged Joe",
            ["Ruth Walker", "Joe"],
            {"place": "old kitchen", "time": "night, rain"},
            "a girl and a bear hugging in the kitchen at night",
        ),
        (
            "Ruth Walker hugged her knees",
            ["Ruth Walker"],
            {"place": "moon", "time": "night"},
            "a girl standing on the moon",
        ),
        ("Suddenly a kitten darted past", [], {"place": "woods"}, "a cat standing in the forest"),
        ("Silence fell", [], {"place": "woods", "time": "snow"}, "in the forest in the snow"),
        ("Nothing whatsoever", [], {}, "Nothing whatsoever"),
        (
            "They were so glad that day",
            [Presence(name="Ruth Walker", action="danced"), Presence(name="Joe", action="sat down")],
            {"place": "field", "shot": "close-up", "view": "from behind"},
            "a girl dancing and a bear sitting in the park, close-up, seen from behind",
        ),
    ],
)
def test_a_story_is_told_in_the_captions_words(
    description: str, names: list[str | Presence], more: dict[str, str], expected: str | None
) -> None:
    said = told(description, *names, **more)
    if expected is None:
        assert said == "a bear pointing with a lantern on the beach in the rain"
    else:
        assert said == expected
    assert said == description or is_caption(said)


def test_members_places_and_settings_of_the_prompt_stay() -> None:
    seen = Presence(name="Joe", box=(0.0, 0.0, 0.5, 1.0))
    panel = Panel(description="Joe galloped away", characters=(seen,), engine={"subject_scale": 0.5})
    plain, retold = prompt_of(panel, [JOE]), toon_prompt_of(panel, [JOE])
    assert retold.members == plain.members
    assert retold.settings == plain.settings
    assert retold.parts == (JOE.id, " running")


def test_words_mean_no_more_than_they_say() -> None:
    english = retelling_for("en")
    assert english.deed("He was busy being ill", 1) == "standing"
    assert english.deed("They shook hands and ran", 2) == "shaking hands"
    assert english.deed("They shook hands and ran", 1) == "running"
    assert {english.deed(action, 2) for action in ACTIONS} == set(ACTIONS)
    assert english.setting("a man of the world") == ""
    assert english.setting("", "home", "snow, night") == "in the kitchen at night"
    assert framing("medium shot") == "medium shot"
    assert english.holding("carpets and baggage") == ""
    assert english.holding("two balloons over a car") == "a balloon and a car"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_tells_of_the_whole_drawn_world(language: str) -> None:
    tables, english = retelling_for(language), retelling_for("en")
    assert [*tables.deeds, "standing"] == [*english.deeds, "standing"]
    assert set(tables.deeds) == set(ACTIONS) - {"standing"}
    assert set(tables.kinds) == set(KINDS)
    assert set(tables.things) == set(THINGS)
    for table in ("places", "hours"):
        assert list(getattr(tables, table)) == list(getattr(english, table))
    assert all(is_caption(said) for said in (*tables.deeds, *tables.places, *tables.hours))
    assert len(tables.places) == len(PLACES)


@pytest.mark.parametrize(
    ("language", "words", "place", "time", "expected"),
    [
        ("de", "Mia rannte durch den alten Wald", "", "Nacht", "running in the forest at night"),
        ("fr", "Luc s'assit sur un banc du jardin avec une lanterne", "", "pluie", "sitting in the park in the rain"),
        ("es", "Ana leyó una carta en la cocina", "cocina", "", "reading in the kitchen"),
        ("zh", "小红在公园里跳起舞来", "公园", "夜晚", "dancing in the park at night"),
        ("ja", "ハナは台所で手を振った", "台所", "朝", "waving in the kitchen"),
    ],
)
def test_stories_of_six_languages_are_told(language: str, words: str, place: str, time: str, expected: str) -> None:
    world = retelling_for(language)
    assert f"{world.deed(words, 1)} {world.setting(words, place, time)}" == expected
