"""Awkward little stories: each is read as a reader would, or what was chosen is reported."""

from __future__ import annotations

import pytest

from inkcast.evaluation.stories import parse_cast
from inkcast.story.parser import CastName, ParsedStory, parse_story


def read(language: str, cast: str, text: str) -> ParsedStory:
    return parse_story(text, tuple(parse_cast(one) for one in cast.split(" + ")), language=language)


@pytest.mark.parametrize(
    ("language", "cast", "text", "description"),
    [
        ("en", "Ann (she) + Bo (he)", "Bo sat. Ann said that she was cold.", "Ann said that Ann was cold."),
        ("en", "Bo (he) + Will (he)", "Will sat. Bo thought he saw a ghost.", "Bo thought Bo saw a ghost."),
        ("en", "Ann (she) + Bo (he)", "Ann and Bo ran. They were both tired.", "Ann and Bo were both tired."),
        ("en", "Ann (she) + Bo (he)", "Bo and Ann sat. The latter yawned; the former slept.", "Ann yawned; Bo slept."),
        ("en", "Ann (she) + Bo (he)", "Bo and Ann sat. The former pilot slept.", "The former pilot slept."),
        ("en", "Ann (she)", "Ann sat down. Her mother sang.", "Ann's mother sang."),
        ("en", "Ann (she) + Max (he)", "Ann sat down. Her brother Max sang.", "Ann's brother Max sang."),
        ("en", "Sam (they) + Ann (she)", "Sam woke up. Ann met them.", "Ann met Sam."),
        ("en", "Sam (they) + Ann (she)", "Sam woke up. Ann gave Sam their hat.", "Ann gave Sam Sam's hat."),
        ("en", "Ann Lee (she) + Bo Lee (he)", "The Lees woke up.", "Ann Lee and Bo Lee woke up."),
        ("en", "Ann Lee (she) + Bo Lee (he)", "Mr. and Mrs. Lee woke up.", "Ann Lee and Bo Lee woke up."),
        ("en", "Ann (she) + Bo (he)", "Ann and Bo sat. The couple eats.", "The couple (Ann and Bo) eats."),
        ("en", "Ann (she) + Bo (he) + Cy (he)", "Ann saw Bo and Cy in the park. She ran.", "Ann ran."),
        ("en", "Ann (she) + Bo (he) + Cy (he)", "Ann met Bo and Cy. The two boys sat. They ate.", "Bo and Cy ate."),
        ("en", "Ann (she) + Bo (he) + Cy (he)", "Ann met Bo and Cy. Bo helped both.", "Bo helped Ann and Cy."),
        ("de", "Wolf (er) + Rose (sie)", "Rose sah Wolf. Ein Wolf heulte.", "Ein Wolf heulte."),
        ("de", "Anna (sie) + Karl (er) + Dr. Brandt (er)", "Anna und Karl saßen. Dr. Brandt grüßte die beiden.",
         "Dr. Brandt grüßte Anna und Karl."),
        ("de", "Anna (sie) + Karl (er)", "Anna sah Karl. Sie gab ihm ihren Hut.", "Anna gab Karl Annas Hut."),
        ("fr", "Anna (elle) + Luc (il)", "Anna sort. Son chien dort.", "Le chien d'Anna dort."),
        ("fr", "Anna (elle) + Luc (il)", "Luc dort. Anna prend son chapeau.", "Anna prend le chapeau."),
        ("fr", "Anna (elle) + Luc (il)", "Luc sort. Sa mère parle de son ami.",
         "La mère de Luc parle de l'ami de Luc."),
        ("fr", "Anna (elle) + Luc (il)", "Luc et Anna sortent. Ils montent dans leur voiture.",
         "Anna et Luc montent dans la voiture."),
        ("fr", "Luc (il)", "Luc dort. Il pleut.", "Il pleut."),
        ("fr", "Anna (elle) + Luc (il)", "Anna parle à Luc. Celui-ci sourit.", "Luc sourit."),
        ("fr", "Anna (elle) + Luc (il) + Max (il)", "Anna voit Luc et Max. Les deux garçons dorment.",
         "Luc et Max dorment."),
        ("es", "Ana (ella) + Luis (él)", "Ana ve a Luis. Le da su libro.", "Ana da el libro a Luis."),
        ("es", "María (ella)", "María sale. Su perro duerme.", "El perro de María duerme."),
        ("es", "María (ella)", "María sale. Su madre ríe.", "La madre de María ríe."),
        ("es", "Luis Vega (él) + Rosa Vega (ella) + Ana (ella)", "Ana ve a Luis y Rosa. Los Vega salieron.",
         "Luis Vega y Rosa Vega salieron."),
        ("es", "Luis Vega (él) + Rosa Vega (ella) + Ana (ella)", "Ana ve a Luis y Rosa. Los hermanos se rieron.",
         "Luis Vega y Rosa Vega se rieron."),
        ("zh", "王明 (他) + 老张 (他)", "王明在公园里。王老师看见张先生。", "王明看见老张。"),
        ("zh", "李红 (她) + 王明 (他)", "李红和王明在家。前者笑了。", "李红笑了。"),
        ("ja", "佐藤ゆき (彼女) + 田中健太 (彼)", "ゆきが走ってきた。佐藤さんは笑った。", "佐藤ゆきは笑った。"),
    ],
)  # fmt: skip
def test_the_picture_says_who_is_meant(language: str, cast: str, text: str, description: str) -> None:
    assert read(language, cast, text).script.panels[-1].description == description


@pytest.mark.parametrize(
    ("language", "cast", "text", "said"),
    [
        ("en", "Bo (he)", 'Bo sat. "The cat," Bo said, "or," he grinned, "the mouse."', ["Bo", "Bo", "Bo"]),
        ("en", "Ann (she) + Bo (he)", 'Ann saw Bo. He said, "Sorry." And then: "I mean it."', ["Bo", "Bo"]),
        ("en", "Ann (she) + Bo (he)", '"Who?" asked Ann. Bo said: "Me."', ["Ann", "Bo"]),
        ("fr", "Anna (elle) + Luc (il)", "Anna et Luc marchent. « Où est Max ? demande-t-elle. — Ici, dit Luc. »",
         ["Anna", "Luc"]),
        ("fr", "Anna (elle) + Luc (il)", "Anna court vers Luc. « Que fais-tu ? — Rien. »", ["Anna", "Luc"]),
        ("es", "Ana (ella) + Luis (él)", "Ana ve a Luis.\n—Hola —dijo Ana—. ¿Qué haces?\n—Nada.",
         ["Ana", "Ana", "Luis"]),
        ("zh", "小红 (她) + 王明 (他)", "小红看见王明。“早。”王明说。他笑了。小红问:“你好吗?”", ["王明", "小红"]),
        ("ja", "ゆき (彼女) + 健太 (彼)", "「おはよう!」とゆきは言った。健太は手を振った。「遅いよ」",
         ["ゆき", "健太"]),
    ],
)  # fmt: skip
def test_every_balloon_has_its_speaker(language: str, cast: str, text: str, said: list[str]) -> None:
    parsed = read(language, cast, text)
    assert [line.speaker for panel in parsed.script.panels for line in panel.dialogue] == said


@pytest.mark.parametrize(
    ("cast", "text", "warning"),
    [
        ("Ann (she) + Mia (she)", "Ann met Mia. When Ann saw Mia, she laughed.",
         "'she' could be Ann or Mia; taken: Ann"),
        ("Ann Lee (she) + Bo Lee (he)", "Ann Lee met Bo Lee. Ann saw her father.",
         "'her father' may be nobody of the cast; taken: Bo Lee"),
        (
            "Ann (she) + Bo (he) + Cy (he)",
            "Ann walks. Bo sits. Cy runs past. The two friends laugh.",
            "'The two friends' could be Bo or Cy or Ann; taken: Bo and Cy",
        ),
    ],
)  # fmt: skip
def test_what_was_chosen_is_reported(cast: str, text: str, warning: str) -> None:
    assert any(str(one).startswith(warning) for one in read("en", cast, text).warnings)


def test_a_group_that_was_together_is_no_question() -> None:
    read_so = read("en", "Ann (she) + Bo (he) + Cy (he)", "Cy sleeps. Ann and Bo walk. The two friends laugh.")
    assert [presence.name for presence in read_so.script.panels[-1].characters] == ["Ann", "Bo"]
    assert not read_so.warnings


def test_words_between_quotations_stay_panels_of_their_own_in_chinese() -> None:
    parsed = read("zh", "小红 (她) + 王明 (他)", "“早。”王明说。他递给她一瓶水。小红说:“谢谢。”")
    assert [panel.caption for panel in parsed.script.panels] == ["", "他递给她一瓶水。", ""]


def test_a_place_after_an_aspect_is_the_place_alone() -> None:
    assert read("zh", "小红 (她)", "小红去了咖啡馆。").script.panels[0].place == "咖啡馆"


def test_a_name_that_looks_like_an_abbreviation_ends_a_sentence() -> None:
    assert len(read("en", "Jan (she) + Bo (he)", "Bo saw Jan. Then Bo left. Jan slept.").script.panels) == 3


def test_a_dash_opens_a_turn_within_a_line() -> None:
    parsed = read("fr", "Ann (elle) + Luc (il)", "Ann entre. — Oui, dit Ann. — Non, dit Luc. Il rit.")
    assert [line.speaker for panel in parsed.script.panels for line in panel.dialogue] == ["Ann", "Luc"]
    assert len(parsed.script.panels) == 4


def test_single_marks_that_never_close_are_read_in_linear_time() -> None:
    parsed = read("en", "Ann (she)", "Ann said 'twas 'em 'n 'bout " * 3000)
    assert parsed.script.panels


@pytest.mark.parametrize(
    ("story", "description"),
    [
        ("Ruth climbs. Her daughter Mina waits. Joe waves. Ruth hugs her daughter.", "Ruth hugs Mina."),
        ("Ruth climbs. Her daughter, Mina, waits. Joe waves. Ruth hugs her daughter.", "Ruth hugs Mina."),
        ("Joe and his sister Ruth walk. Mina waves. Joe calls his sister.", "Joe calls Ruth."),
        ("Joe and his sister Ruth walk. Mina calls her sister.", "Mina calls Mina's sister."),
    ],
)
def test_a_relative_who_was_named_once_is_known_from_then_on(story: str, description: str) -> None:
    parsed = parse_story(story, [CastName("Ruth", "she"), CastName("Mina", "she"), CastName("Joe", "he")])
    assert parsed.script.panels[-1].description == description
    assert not [w for w in parsed.warnings if "nobody of the cast" in w.message]


def test_whoever_is_called_in_speech_has_appeared() -> None:
    parsed = parse_story('"Biscuit, come here!" said Ann.', [CastName("Ann", "she"), CastName("Biscuit")])
    assert [one.name for one in parsed.script.panels[0].characters] == ["Ann", "Biscuit"]
    assert parsed.warnings == ()


@pytest.mark.parametrize(
    ("sentence", "place"),
    [
        ("They carried it home.", "home"),
        ("She brought the lantern home.", "home"),
        ("She carried her bag upstairs.", "upstairs"),
        ("She watched the home team.", "beach"),
    ],
)
def test_what_is_carried_does_not_hide_where_to(sentence: str, place: str) -> None:
    parsed = parse_story(f"Ann and Bo play on the beach. {sentence}", [CastName("Ann", "she"), CastName("Bo", "he")])
    assert parsed.script.panels[-1].place == place


RUN = """Ruth and Joe sat by the fire.

"When I was young," said Ruth, "we sailed every day. The sea was our road.

"But then the storms came.

"And one day I met you."

"I remember that," said Joe."""


def test_a_quotation_over_several_paragraphs_has_one_speaker() -> None:
    for story in (RUN, RUN.replace(' "', " “").replace('\n"', "\n“").replace('"', "”")):
        parsed = parse_story(story, [CastName("Ruth", "she"), CastName("Joe", "he")])
        speakers = [line.speaker for panel in parsed.script.panels for line in panel.dialogue]
        assert speakers == ["Ruth", "Ruth", "Ruth", "Ruth", "Joe"]
        assert parsed.warnings == ()


def test_a_long_quotation_is_whose_it_ends_as_and_says_that_it_was_guessed() -> None:
    story = 'Ruth met Joe.\n\n"We sailed.\n\n"Then came the storms," said Ruth.\n\n"Yes," said Joe.'
    parsed = parse_story(story, [CastName("Ruth", "she"), CastName("Joe", "he")])
    assert [panel.dialogue[0].speaker for panel in parsed.script.panels[1:]] == ["Ruth", "Ruth", "Joe"]
    assert [str(w) for w in parsed.warnings] == ["it is not said who speaks; taken: Ruth: '\"We sailed.'"]


def test_a_mark_that_nothing_closes_is_told() -> None:
    parsed = parse_story('"We sailed, said Ruth.\n\nJoe laughed.', [CastName("Ruth", "she"), CastName("Joe", "he")])
    assert any("opened but not closed" in w.message for w in parsed.warnings)


@pytest.mark.parametrize(
    ("story", "cast", "shown"),
    [
        (
            "ハナは公園に行った。小さな猫を見つけた。そして家に帰った。雨が降った。静かだった。とても眠かった。",
            ("ハナ", "健太"),
            [("ハナ",), ("ハナ",), ("ハナ",), (), (), ("ハナ",)],
        ),
        (
            "ハナと健太は海に行った。ボールで遊んだ。ハナは笑った。健太に手を振った。誰もいなかった。",
            ("ハナ", "健太"),
            [("ハナ", "健太"), ("ハナ", "健太"), ("ハナ",), ("ハナ", "健太"), ()],
        ),
        ("ハナは公園に行った。男が来た。笑った。", ("ハナ",), [("ハナ",), (), ()]),
        (
            "小红走进公园。看见了一只猫。高兴地抱起了它。天黑了。然后跑回家。门开了。",
            ("小红", "小刚"),
            [("小红",), ("小红",), ("小红",), (), ("小红",), ()],
        ),
        (
            "小红和小刚在海边。一起捡贝壳。看见小刚跌倒，小红笑了。",
            ("小红", "小刚"),
            [("小红", "小刚"), ("小红", "小刚"), ("小刚", "小红")],
        ),
        ("小红走进公园。一个男人来了。笑了笑。", ("小红",), [("小红",), (), ()]),
    ],
)
def test_a_subject_left_out_is_whoever_acted_before(
    story: str, cast: tuple[str, ...], shown: list[tuple[str, ...]]
) -> None:
    parsed = parse_story(story, [CastName(name) for name in cast])
    assert [tuple(one.name for one in panel.characters) for panel in parsed.script.panels] == shown
    for panel in parsed.script.panels:
        assert all(one.name in panel.description for one in panel.characters)


@pytest.mark.parametrize(
    ("language", "story", "heard"),
    [
        (
            "en",
            'Lena knocks. An old woman opens. "Come in," says the woman. The woman laughs. "Thanks," says the girl.',
            [None, "Lena"],
        ),
        ("en", 'Lena knocks. A man opens. Tom waits. "Come in," says the man.', [None]),
        ("en", 'Lena knocks. Tom opens. "Come in," says the man.', ["Tom"]),
        ("de", "Lena klopfte. Eine alte Frau öffnete. „Herein“, sagte die Frau. Lena lachte.", [None]),
    ],
)
def test_a_stranger_who_came_in_is_not_taken_for_the_cast(language: str, story: str, heard: list[str | None]) -> None:
    parsed = parse_story(story, [CastName("Lena", "she"), CastName("Tom", "he")], language=language)
    assert [line.speaker for panel in parsed.script.panels for line in panel.dialogue] == heard
    for panel in parsed.script.panels:
        if any(line.speaker is None for line in panel.dialogue):
            assert panel.description.lower().startswith(("the woman talk", "the man talk", "die frau spricht"))
            assert panel.characters == ()


@pytest.mark.parametrize(
    ("language", "story", "doubted"),
    [
        ("fr", "Anna montra une vieille boîte à Max. Il la prit.", "'la' may be nobody of the cast"),
        ("fr", "Anna salua une vieille femme avec Max. Il la prit.", None),
        ("de", "Anna traf Max. Er hatte einen Ball. Sie warf ihn.", "'ihn' may be nobody of the cast"),
        ("de", "Anna traf Max. Sie umarmte ihn.", None),
    ],
)
def test_a_pronoun_that_may_stand_for_a_thing_is_reported(language: str, story: str, doubted: str | None) -> None:
    parsed = parse_story(story, [CastName("Anna", "she"), CastName("Max", "he")], language=language)
    assert [w.message.split(";")[0] for w in parsed.warnings] == ([doubted] if doubted else [])
