"""A panel's words: names become marks, nouns and states stand for them, styles join."""

from __future__ import annotations

import pytest
from tests.easel_fake import character

from inkcast.cast.character import State
from inkcast.drawing.wording import TOON_NOUNS, marked, prompt_of, style_of
from inkcast.engines.engine import Style
from inkcast.errors import StoryError
from inkcast.story.script import Panel, Presence

ANN = character("Ann", "red", "she")
ANN_LEE = character("Ann Lee", "blue", "she", aliases=("the Captain",))
ROLF = character("Rolf", "brown", "he", description="a bear", states=(State("armour", "in shining armour"),))


def words(panel: Panel, *cast: object) -> str:
    return prompt_of(panel, cast, TOON_NOUNS).wording(Style())  # type: ignore[arg-type]


def panel(description: str, *names: str | Presence, **more: object) -> Panel:
    return Panel(description=description, characters=names, **more)  # type: ignore[arg-type]


def test_names_become_ids_by_whole_word_and_the_longest_first() -> None:
    parts = marked("Ann Lee meets Ann, not Annabel; ANN's hat", [ANN, ANN_LEE])
    assert parts == ["id-Ann Lee", " meets ", "id-Ann", ", not Annabel; ", "id-Ann", "'s hat"]


@pytest.mark.parametrize(
    ("name", "text", "around"),
    [
        ("小明", "小明在公园里跑步", ["", "在公园里跑步"]),
        ("太郎", "昨日、太郎は走った", ["昨日、", "は走った"]),
        ("민수", "민수가 공원에서 달린다", ["", "가 공원에서 달린다"]),
        ("Anna Weiß", "ANNA WEIß winkt", ["", " winkt"]),
        ("Straße", "die Straße tanzt", ["die ", " tanzt"]),
        ("İpek", "İpek koşuyor", ["", " koşuyor"]),
        ("Zoe\u0308", "Zo\u00eb waves", ["", " waves"]),
        ("明", "明天 明 来", ["明天 ", " 来"]),
        ("Ли Анна", "Ли Анна бежит", ["", " бежит"]),
        ("Yıldız", "und YILDIZ winkt", ["und ", " winkt"]),
        ("İbrahim", "und ibrahim winkt", ["und ", " winkt"]),
        ("Ann Lee", "Ann\u00a0Lee waves", ["", " waves"]),
        ("Ann Lee", "then Ann  Lee waves", ["then ", " waves"]),
        ("D'Arcy", "D’Arcy waves", ["", " waves"]),
        ("O’Neil", "O'Neil waves", ["", " waves"]),
    ],
)
def test_names_of_any_script_become_ids(name: str, text: str, around: list[str]) -> None:
    who = character(name, "red", "she")
    before, after = around
    assert marked(text, [who]) == [*([before] if before else []), who.id, after]


def test_two_names_that_one_of_them_contains_or_that_differ_in_case_alone_are_told_apart() -> None:
    dot, dotless = character("İpek", "red", "she"), character("Işıl", "blue", "she")
    assert marked("Işıl and İpek, IŞIL", [dot, dotless]) == [dotless.id, " and ", dot.id, ", ", dotless.id]
    with_dots, without = character("Yildiz", "red", "she"), character("Yıldız", "blue", "she")
    for cast in ([with_dots, without], [without, with_dots]):
        assert marked("Yıldız, Yildiz", cast) == [without.id, ", ", with_dots.id]


def test_nouns_stand_for_names() -> None:
    assert words(panel("Ann Lee and Rolf dance", "Ann Lee", "Rolf"), ANN_LEE, ROLF) == "a girl and a bear dance"
    assert words(panel("The Captain waves", "Ann Lee"), ANN_LEE) == "a girl waves"


def test_a_method_may_say_names_in_its_own_way() -> None:
    prompt = prompt_of(panel("Rolf hugs Ann", "Rolf", "Ann"), [ANN, ROLF])
    assert prompt.wording(Style(prompt="ink"), {ANN.id: "zqa zqb"}) == "a bear hugs zqa zqb, ink"
    assert [member.id for member in prompt.members] == [ROLF.id, ANN.id]


def test_somebody_present_but_unmentioned_is_added() -> None:
    assert words(panel("a castle hall", "Rolf"), ROLF) == "a castle hall and a bear"


def test_place_time_action_state_and_box_are_kept() -> None:
    seen = Presence(name="Rolf", action="waving", state="armour", box=(0.0, 0.0, 0.5, 1.0))
    prompt = prompt_of(panel("Rolf stands", seen, place="beach", time="night", engine={"subject_scale": 0.5}), [ROLF])
    text = prompt.wording(Style())
    assert text.startswith("a bear in shining armour stands")
    assert "beach" in text
    assert "night" in text
    assert text.endswith(", a bear in shining armour waving")
    assert prompt.members[0].box == (0.0, 0.0, 0.5, 1.0)
    assert prompt.settings == {"subject_scale": 0.5}


def test_names_are_text_not_patterns() -> None:
    odd = character("A.* (x)", "red")
    assert words(panel("A.* (x) waves at Alfred", "A.* (x)"), odd) == "a girl waves at Alfred"


def test_a_panel_s_style_wins_and_negatives_add_up() -> None:
    chosen = style_of(Panel(description="x", style="noir"), "watercolor", "fog")
    assert chosen.name == "noir"
    assert chosen.prompt
    assert chosen.negative.endswith("fog")
    assert style_of(Panel(description="x"), "", "") == Style()
    with pytest.raises(StoryError, match="no style called 'nonsense'"):
        style_of(Panel(description="x"), "nonsense", "")
