"""Settings of a panel under `engine:`: what no engine knows, who is nobody and what may not be is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from tests.easel_fake import FakeEasels, character

from inkcast.cast.character import Character, Reference
from inkcast.comic import draw_comic
from inkcast.drawing.choices import Drawing
from inkcast.drawing.folder import SCRIPT
from inkcast.drawing.panel_settings import check_settings, idle_settings, people_of
from inkcast.drawing.wording import prompt_of
from inkcast.engines.engine import Member
from inkcast.engines.registry import ENGINES
from inkcast.engines.settings import Setting
from inkcast.errors import SettingError, StoryError
from inkcast.events import Event, Note
from inkcast.page.layout import PageOptions
from inkcast.redrawing import redraw_panel
from inkcast.story.script import Panel, Presence, Script, dump_script


def dressed(one: Character, *states: str) -> Character:
    worn = (Reference(Image.new("RGB", (32, 32), "grey"), state, state=state) for state in states)
    return replace(one, references=(*one.references, *worn))


ANN = dressed(character("Ann Lee", "red", "she", aliases=("the Captain",)), "Armour")
BEN = character("Ben", "blue", "he")
MING = dressed(character("小明", "green"), "冬装")
CAST = (ANN, BEN, MING)
QUICK = Drawing(steps=2, seed=7)
SMALL = PageOptions(dpi=40)


def script(settings: dict[str, object], *names: str) -> Script:
    """Its second panel has the settings."""
    who = tuple(Presence(name=name) for name in names or ("Ann Lee", "Ben", "小明"))
    first = Panel(description="Ann Lee waves", characters=(Presence(name="Ann Lee"),))
    return Script(panels=(first, Panel(description="They wave", characters=who, engine=settings)))  # type: ignore[arg-type]


WRONG = [
    (
        {"cloths.Ann Lee": "Ben"},
        "panel 2 sets 'cloths.Ann Lee', which no engine knows: did you mean 'clothes.Ann Lee'? story-maker has "
        "subject_scale, character_strength, character_strength.NAME,",
    ),
    ({"Clothes.Ann Lee": "Ben"}, "did you mean 'clothes.Ann Lee'?"),
    ({"subject-scale": 1}, "panel 2 sets 'subject-scale', which no engine knows: did you mean 'subject_scale'?"),
    ({"routr": "off"}, "did you mean 'router' (any-story)?"),
    ({"weather": "rain"}, "panel 2 sets 'weather', which no engine knows: story-maker has subject_scale,"),
    ({"Ann Lee.clothes": "Ben"}, "panel 2 sets 'Ann Lee.clothes', which no engine knows"),
    ({"id_only": True}, "which no engine knows"),
    ({"clothes": "Ben"}, "panel 2 sets 'clothes', which is one character's own: write clothes.NAME"),
    ({"clothes.": "Ben"}, "panel 2 sets 'clothes.', which is one character's own: write clothes.NAME"),
    ({"noun.Ben": True}, "panel 2 sets 'noun.Ben', but noun is for the whole panel: write noun"),
    (
        {"clothes.An Lee": "Ben"},
        "panel 2 sets 'clothes.An Lee', but nobody of the cast is called 'An Lee': did you mean 'Ann Lee'? "
        "The cast is Ann Lee, Ben, 小明",
    ),
    ({"face_strength.小红": 1}, "nobody of the cast is called '小红': the cast is Ann Lee, Ben, 小明"),
    ({"subject_scale.Zoe": 1}, "nobody of the cast is called 'Zoe'"),
    ({"subject_scale": 11}, "panel 2 sets 'subject_scale' to 11: use a number from 0 (off) to 10"),
    ({"subject_scale": "much"}, "panel 2 sets 'subject_scale' to 'much': use a number from 0 (off) to 10"),
    ({"face_strength.Ben": True}, "panel 2 sets 'face_strength.Ben' to true: use a number"),
    ({"character_strength": -0.5}, "panel 2 sets 'character_strength' to -0.5: use a number"),
    ({"face_strength": float("nan")}, "panel 2 sets 'face_strength' to nan: use a number"),
    ({"blend_weight.Ben": 2}, "panel 2 sets 'blend_weight.Ben' to 2: use a number from 0 (off) to 1"),
    ({"router": "fine"}, "panel 2 sets 'router' to 'fine': use one of refined, coarse, off"),
    ({"noun": "yes"}, "panel 2 sets 'noun' to 'yes': use true or false"),
    ({"negative_reference": 1}, "panel 2 sets 'negative_reference' to 1: use true or false"),
    ({"clothes.Ann Lee": 3}, "to 3: use the name of a character of the cast, or of an outfit of this one"),
    (
        {"clothes.Ann Lee": "armor"},
        "panel 2 sets 'clothes.Ann Lee' to 'armor', which is nobody of the cast and no outfit of Ann Lee: "
        "did you mean 'Armour'? The cast is Ann Lee, Ben, 小明; outfits of Ann Lee: Armour",
    ),
    ({"clothes.Ben": "Armour"}, "which is nobody of the cast and no outfit of Ben: the cast is Ann Lee, Ben, 小明"),
    ({"clothes.Ben": ""}, "sets 'clothes.Ben' to '', which is nobody of the cast"),
    ({"blend.Ben": "Zoe"}, "panel 2 sets 'blend.Ben' to 'Zoe', who is not in the cast: the cast is Ann Lee, Ben, 小明"),
    ({"blend.Ann Lee": "Armour"}, "sets 'blend.Ann Lee' to 'Armour', who is not in the cast"),
    (
        {"clothes.Ann Lee": "Ben", "clothes.the captain": "小明"},
        "panel 2 sets 'clothes.the captain', but 'clothes.Ann Lee' sets the same: leave one out",
    ),
]


@pytest.mark.parametrize(("settings", "told"), WRONG, ids=[" ".join(settings) for settings, _ in WRONG])
def test_a_setting_that_would_do_nothing_is_an_error(settings: dict[str, object], told: str) -> None:
    with pytest.raises(SettingError) as caught:
        check_settings(script(settings), CAST, "story-maker")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.where == ("panels", 1, "engine", list(settings)[-1])


def test_a_seed_that_no_generator_takes_is_an_error() -> None:
    for seed in (10**26, -(10**26)):
        panels = (Panel(description="Ann Lee waves"), Panel(description="They wave", seed=seed))
        with pytest.raises(SettingError, match=r"panel 2 has the seed .*: use a whole number from 0") as caught:
            check_settings(Script(panels=panels))
        assert caught.value.where == ("panels", 1, "seed")
    check_settings(Script(panels=tuple(Panel(description="x", seed=seed) for seed in (-1, 0, 2**32 - 1, 2**40))))


RIGHT = [
    {"subject_scale": 0, "router": "off", "noun": True, "character_strength": 10, "negative_reference": True},
    {"clothes.ann  lee": "ben", "blend.THE CAPTAIN": "小明", "blend_weight.Ann Lee": 0.25},
    {"clothes.Ann Lee": "armour", "clothes.小明": "冬装", "face_strength.小明": 0.5, "reference_strength.ＢＥＮ": 1},
]


@pytest.mark.parametrize("engine", ["", "a friend's own", *(info.name for info in ENGINES)])
@pytest.mark.parametrize("settings", RIGHT, ids=range(len(RIGHT)))
def test_settings_of_any_engine_and_names_however_written_will_do(settings: dict[str, object], engine: str) -> None:
    check_settings(script(settings), CAST, engine)


def test_names_may_hold_points_and_signs() -> None:
    cast = (character("Dr. Who", "red"), character("O'Neil: Jr.", "blue"))
    check_settings(script({"clothes.dr. who": "O'Neil: Jr.", "face_strength.O'Neil: Jr.": 0.5}), cast)
    with pytest.raises(SettingError, match=r"nobody of the cast is called 'Dr\. Whom': did you mean 'Dr\. Who'"):
        check_settings(script({"clothes.Dr. Whom": "Dr. Who"}), cast)
    with pytest.raises(SettingError, match="the cast is empty"):
        check_settings(script({"clothes.Ann": "Ben"}), ())


def test_without_an_engine_all_are_listed_and_without_a_cast_names_may_be_anybody_s() -> None:
    with pytest.raises(SettingError, match=r"any-story has subject_scale, .*; story-maker has .*; stable-identity has"):
        check_settings(script({"weather": "rain"}))
    check_settings(script({"clothes.Zoe": "Tom"}))
    with pytest.raises(SettingError, match="to 3: use the name of a character"):
        check_settings(script({"clothes.Zoe": 3}))


def test_what_is_set_reaches_the_engine_under_the_cast_s_own_names() -> None:
    settings = {"clothes.the captain": "BEN", "clothes.小明": "冬装", "face_strength.ann lee": 0.5, "router": "off"}
    prompt = prompt_of(script(settings).panels[1], CAST)
    assert prompt.settings == {
        "clothes.Ann Lee": "Ben",
        "clothes.小明": "冬装",
        "face_strength.Ann Lee": 0.5,
        "router": "off",
    }
    again = prompt_of(script({"clothes.Ann Lee": "armour"}).panels[1], CAST)
    assert again.settings == {"clothes.Ann Lee": "Armour"}


def test_what_the_engine_at_work_leaves_alone_is_noted() -> None:
    settings = {"clothes.Ann Lee": "Ben", "router": "off", "subject_scale": 1, "subject_scale.Ann Lee": 1}
    told = script(settings, "Ann Lee")
    people = people_of(CAST)
    assert idle_settings(enumerate(told.panels, 1), people, "story-maker") == (
        "story-maker leaves router of panel 2 alone: it is for any-story",
        "story-maker leaves subject_scale.NAME of panel 2 alone: it is for any-story",
    )
    absent = script({"clothes.ben": "Ann Lee"}, "the captain")
    assert idle_settings(enumerate(absent.panels, 1), people, "story-maker") == (
        "panel 2 sets 'clothes.ben', but does not show Ben",
    )
    twice = Script(panels=(told.panels[1], told.panels[1]))
    assert idle_settings(enumerate(twice.panels, 1), people, "stable-identity")[0] == (
        "stable-identity leaves clothes.NAME of panels 1, 2 alone: it is for story-maker"
    )
    assert idle_settings(enumerate(script({"subject_scale": 1}).panels, 1), people, "ip-adapter") == ()
    assert idle_settings(enumerate(script({"router": "off"}).panels, 1), people, "a friend's own") == ()


@pytest.fixture
def easels() -> FakeEasels:
    return FakeEasels()


def test_the_library_refuses_it_before_anything_is_loaded(easels: FakeEasels, tmp_path: Path) -> None:
    with pytest.raises(StoryError, match="panel 2 sets 'router2', which no engine knows: did you mean 'router'"):
        draw_comic(script({"router2": "off"}), CAST, QUICK, tmp_path / "out", page=SMALL, easel=easels)
    assert easels.last is None
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("draw", ["make", "redraw"])
def test_notes_tell_of_settings_that_do_nothing(easels: FakeEasels, tmp_path: Path, draw: str) -> None:
    heard: list[Event] = []
    told, out = script({"clothes.Ben": "Ann Lee"}, "Ann Lee"), tmp_path / "out"
    draw_comic(told, CAST, QUICK, out, page=SMALL, easel=easels, report=heard.append)
    if draw == "redraw":
        heard.clear()
        redraw_panel(out, 1, easel=easels, report=heard.append)
        assert not any(isinstance(event, Note) for event in heard)
        redraw_panel(out, 2, easel=easels, report=heard.append)
    notes = [event.text for event in heard if isinstance(event, Note)]
    assert notes == ["panel 2 sets 'clothes.Ben', but does not show Ben"]


def test_a_comic_s_own_script_is_checked_before_a_panel_is_drawn_again(easels: FakeEasels, tmp_path: Path) -> None:
    out = tmp_path / "out"
    draw_comic(script({}), CAST, QUICK, out, page=SMALL, easel=easels)
    (out / SCRIPT).write_text(dump_script(script({"blend.Ben": "Zoe"})))
    before, easels.last = (out / "panel-02.png").read_bytes(), None
    with pytest.raises(SettingError, match=r"panel 2 sets 'blend\.Ben' to 'Zoe', who is not in the cast"):
        redraw_panel(out, 2, easel=easels)
    assert easels.last is None
    assert (out / "panel-02.png").read_bytes() == before


def test_every_engine_s_settings_are_named_once_and_say_what_they_may_be() -> None:
    for info in ENGINES:
        names = [setting.name for setting in info.settings()]
        assert len(set(names)) == len(names) > 0
        assert all(setting.forms and setting.allowed.told for setting in info.settings())


def reading(engine: str) -> Callable[[dict[str, object]], object]:
    """Whatever the engine makes of a panel's settings."""
    from inkcast.engines.any_story.options import Options, panel_options, strengths
    from inkcast.engines.ip_adapter.options import SUBJECT_SCALE
    from inkcast.engines.stable_identity.options import NOUN
    from inkcast.engines.story_maker.options import SUBJECT_SCALE as GAMMA
    from inkcast.engines.story_maker.options import look_of

    ann = Member(ANN.id, ANN.name, "a girl")
    return {
        "any-story": lambda given: (panel_options(Options(), given), strengths(given, [ann])),  # type: ignore[arg-type]
        "story-maker": lambda given: (GAMMA.of(given, 1.0), look_of(ann, given)),  # type: ignore[arg-type]
        "ip-adapter": lambda given: SUBJECT_SCALE.of(given, 1.0),  # type: ignore[arg-type]
        "stable-identity": lambda given: NOUN.of(given, False),  # type: ignore[arg-type]
    }[engine]


DECLARED = [(info.name, setting) for info in ENGINES for setting in info.settings()]


@pytest.mark.parametrize(("engine", "setting"), DECLARED, ids=[f"{engine} {one.name}" for engine, one in DECLARED])
def test_every_declared_setting_is_read_in_each_of_its_forms(engine: str, setting: Setting) -> None:
    values = [one for one in (0.25, True, False, "coarse", "Ben") if setting.allowed.fits(one)]
    read = reading(engine)
    for form in setting.forms:
        assert any(read({form.replace("NAME", ANN.name): value}) != read({}) for value in values), form
