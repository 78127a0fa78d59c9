"""The offline parser on stories: who, where, what is said, what the picture shows, what it warns of."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkcast.errors import CastError, StoryError
from inkcast.evaluation.stories import PARTS, load_corpus
from inkcast.story.lexicon import alternation, load_lexicon
from inkcast.story.mentions import NameFinder
from inkcast.story.parser import CastName, ParsedStory, parse_story
from inkcast.story.sentences import speech_verbs

ANN, BO = CastName("Ann Lee", "she"), CastName("Bo", "he")


def read(text: str, *cast: CastName, language: str | None = None) -> ParsedStory:
    return parse_story(text, cast or (ANN, BO), language=language)


def names(parsed: ParsedStory) -> list[list[str]]:
    return [[presence.name for presence in panel.characters] for panel in parsed.script.panels]


def test_the_contract_of_a_plain_story() -> None:
    parsed = read("Ann Lee meets Bo in the park. She gives him an apple. At night they walk home.")
    assert [panel.description for panel in parsed.script.panels] == [
        "Ann Lee meets Bo in the park.",
        "Ann Lee gives Bo an apple.",
        "At night Ann Lee and Bo walk home.",
    ]
    assert [panel.caption for panel in parsed.script.panels] == [
        "Ann Lee meets Bo in the park.",
        "She gives him an apple.",
        "At night they walk home.",
    ]
    assert names(parsed) == [["Ann Lee", "Bo"]] * 3
    assert [(panel.place, panel.time) for panel in parsed.script.panels] == [
        ("park", ""),
        ("park", ""),
        ("home", "night"),
    ]
    assert parsed.warnings == ()


@pytest.mark.parametrize("part", PARTS)
def test_nothing_of_a_story_is_dropped(part: str) -> None:
    for story in load_corpus(part):
        parsed = parse_story(story.text, story.cast, language=story.language)
        edges = [0, *(edge for span in parsed.sources for edge in span), len(story.text)]
        gaps = [story.text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]
        assert all(not gap.strip() for gap in gaps), story.name
        lexicon = load_lexicon(story.language)
        finder = NameFinder(story.cast, lexicon)
        for panel, (start, end) in zip(parsed.script.panels, parsed.sources, strict=True):
            said = story.text[start:end]
            held = " ".join([panel.caption, *(line.text for line in panel.dialogue)])
            if not panel.caption:
                held += " " + panel.description
                for mention in reversed(list(finder.find(said, 0, len(said)))):
                    said = said[: mention.start] + " " + said[mention.end :]
                groups = (*lexicon.groups.both, *lexicon.groups.all, *lexicon.speech.impersonal)
                said = alternation(groups, spaced=lexicon.spaced).sub(" ", said.lower())
                forms = [f for g in lexicon.pronouns.values() for f in (*g.subject, *g.object, *g.possessive)]
                said = alternation(tuple(forms), spaced=lexicon.spaced).sub(" ", said)
                said = speech_verbs(lexicon, gestures=True).sub(" ", said)
                people = lexicon.people
                extra = {"t", *lexicon.speech.particles, *lexicon.articles}  # "t" as in "demande-t-elle"
                extra |= {*people.kin, *people.he, *people.she, *people.it}
                said = " ".join(w for w in re.findall(r"\w+" if lexicon.spaced else r"\w", said) if w not in extra)
            assert tokens(said, lexicon.spaced) <= tokens(held, lexicon.spaced), (story.name, said, held)


def tokens(text: str, spaced: bool) -> set[str]:
    return set(re.findall(r"\w+" if spaced else r"\w", text.lower().replace("’", "'")))


@pytest.mark.parametrize("part", PARTS)
def test_no_pronoun_of_a_cast_member_is_left_in_a_description(part: str) -> None:
    for story in load_corpus(part):
        if story.language != "en":
            continue
        parsed = parse_story(story.text, story.cast, language="en")
        for panel in parsed.script.panels:
            people = {member.gender for member in story.cast if member.name in {p.name for p in panel.characters}}
            words = set(re.findall(r"\w+", panel.description.lower()))
            left = {"she": {"she", "her"}, "he": {"he", "him", "his"}}
            for gender in people & set(left):
                assert not words & left[gender], (story.name, panel.description)


@settings(max_examples=120, deadline=None)
@given(st.text(st.sampled_from("Ann Lee Bo.!?\"'“”„«»—–‘’「」()\n,:;他她说。のは abXY1-é"), min_size=1, max_size=80))
def test_any_text_is_read_whole(text: str) -> None:
    story = "Ann Lee sits. " + text
    parsed = read(story)
    edges = [0, *(edge for span in parsed.sources for edge in span), len(parsed.text)]
    assert edges == sorted(edges)
    assert all(not re.search(r"\w", parsed.text[a:b]) for a, b in zip(edges[::2], edges[1::2], strict=True))
    assert all(panel.description.strip() for panel in parsed.script.panels)


@pytest.mark.parametrize(
    ("story", "speakers"),
    [
        ('"Hello," said Ann Lee.', ["Ann Lee"]),
        ('Ann Lee sees Bo. Bo asked, "Why?"', ["Bo"]),
        ('Bo sat. "Look," Ann said, "it snows."', ["Ann Lee", "Ann Lee"]),
        ('Ann Lee found Bo. "Where were you?" she asked. "Here," he replied.', ["Ann Lee", "Bo"]),
        ('Ann Lee found Bo.\n\n"Where were you?" she asked.\n\n"At home."\n\n"All day?"', ["Ann Lee", "Bo", "Ann Lee"]),
        ('Ann Lee and Bo ran. "Stop!" cried a guard.', [None]),
        ("Ann Lee saw Bo. ‘You can’t sleep,’ she whispered.", ["Ann Lee"]),
    ],
)
def test_quotations_find_their_speakers(story: str, speakers: list[str | None]) -> None:
    assert [line.speaker for panel in read(story).script.panels for line in panel.dialogue] == speakers


@pytest.mark.parametrize(
    ("verb", "kind"), [("said", "speech"), ("shouted", "shout"), ("whispered", "whisper"), ("thought", "thought")]
)
def test_the_verb_makes_the_kind_of_balloon(verb: str, kind: str) -> None:
    panel = read(f'"Now," {verb} Bo.').script.panels[0]
    assert panel.dialogue[0].kind == kind
    assert panel.caption == ""


def test_a_tag_that_says_more_stays_a_caption() -> None:
    panel = read('"Found you!" Bo called when he saw the shoe.').script.panels[0]
    assert panel.caption == "Bo called when he saw the shoe."
    assert panel.description == "Bo called when Bo saw the shoe"


def test_an_apostrophe_opens_no_quotation() -> None:
    panels = read("Ann Lee didn't like Bo's dogs' house. Bo laughed.").script.panels
    assert [panel.dialogue for panel in panels] == [(), ()]


def test_an_unclosed_quotation_is_read_to_its_paragraph_and_reported() -> None:
    parsed = read('Bo said, "I am lost.\n\nAnn Lee found him.')
    assert [line.text for line in parsed.script.panels[0].dialogue] == ["I am lost."]
    assert parsed.script.panels[1].dialogue == ()
    assert any("not closed" in str(warning) for warning in parsed.warnings)


def test_ambiguity_names_the_sentence_and_the_choice() -> None:
    eva, mia = CastName("Eva", "she"), CastName("Mia", "she")
    parsed = read("Eva met Mia at the lake. She laughed.", eva, mia)
    assert names(parsed)[1] == ["Eva"]
    assert [str(warning) for warning in parsed.warnings] == ["'She' could be Eva or Mia; taken: Eva: 'She laughed.'"]


def test_a_doubled_surname_is_ambiguous_but_a_title_decides() -> None:
    cast = (CastName("Amy Fox", "she"), CastName("Ben Fox", "he"))
    assert names(read("Amy and Ben sleep. Mr. Fox snores. Mrs. Fox sighs.", *cast)) == [
        ["Amy Fox", "Ben Fox"],
        ["Ben Fox"],
        ["Amy Fox"],
    ]
    parsed = read("Ben Fox wakes up. Fox yawns.", *cast)
    assert names(parsed)[1] == ["Ben Fox"]
    assert any("'Fox' could be Ben Fox or Amy Fox" in str(warning) for warning in parsed.warnings)


@pytest.mark.parametrize(
    ("cast", "story"),
    [
        (CastName("Captain Tom Hale", "he"), "The captain sleeps."),
        (CastName("Captain Tom Hale", "he"), "Tommy sleeps."),
        (CastName("Captain Tom Hale", "he"), "Mr. Hale sleeps."),
        (CastName("Dr. Ines Park", "she"), "Doctor Park sleeps."),
        (CastName("Bo the bear", "he"), "The bear sleeps."),
        (CastName("Bo", "he", ("the bear",)), "The bear sleeps."),
        (CastName("Ludwig van Beek", "he"), "Van Beek sleeps."),
        (CastName("O'Hara", "she"), "O’Hara sleeps."),
        (CastName("Анна Ким", "she"), "Анна sleeps."),
        (CastName("Jean-Luc Roy", "he"), "Jean-Luc sleeps."),
        (CastName("李小红", "她"), "小红在公园里。"),
        (CastName("田中健太", "彼"), "健太くんは公園にいる。"),
        (CastName("d'Artagnan [x] (1)", "he"), "d'Artagnan [x] (1) sleeps."),
    ],
)
def test_a_name_is_known_by_its_parts(cast: CastName, story: str) -> None:
    assert names(read(story, cast)) == [[cast.name]]


@pytest.mark.parametrize("story", ["Will they come? Nobody knows.", "Boris came. Bobby left.", "He is bold."])
def test_words_that_only_look_like_names_are_none(story: str) -> None:
    with pytest.raises(StoryError, match="names nobody"):
        read(story, CastName("Bo", "she"), CastName("Otto"))


def test_who_is_missed_owned_or_spoken_about_is_not_in_the_picture() -> None:
    parsed = read("Ann Lee thought of Bo. Bo's house was empty. \"Bo is late,\" said Ann. Ann took Bo's hand.")
    assert names(parsed) == [["Ann Lee"], [], ["Ann Lee"], ["Ann Lee", "Bo"]]


def test_strangers_are_not_mistaken_for_the_cast() -> None:
    parsed = read(
        "Bo sat down. A man came in. He ordered tea. Bo waved. He smiled. Ann Lee slept. Her mother sang. She danced."
    )
    assert names(parsed) == [["Bo"], [], [], ["Bo"], ["Bo"], ["Ann Lee"], [], []]


def test_stories_in_small_letters_are_read() -> None:
    assert names(read("ann lee walks. bo waits.")) == [["Ann Lee"], ["Bo"]]


def test_a_question_does_not_name_will() -> None:
    assert names(read("Will sat. Will they come? Will will.", CastName("Will", "he"))) == [["Will"], [], ["Will"]]


def test_the_owner_is_named_in_each_language() -> None:
    wang, li = CastName("王明", "他"), CastName("李小红", "她")
    assert read("王明跑了。他的狗叫。", wang, li).script.panels[1].description == "王明的狗叫。"
    karl = read("Jonas lacht. Lena mag seinen Hut.", CastName("Jonas", "er"), CastName("Lena", "sie"), language="de")
    assert karl.script.panels[1].description == "Lena mag Jonas' Hut."
    assert (
        read("Bo sat. Ann Lee shook his hand and her head.").script.panels[1].description
        == "Ann Lee shook Bo's hand and the head."
    )


def test_long_sentences_become_single_actions() -> None:
    parsed = read(
        "Ann Lee ran across the wide green meadow, jumped over the little creek, "
        "and then she climbed the old wall behind the barn."
    )
    assert [panel.description for panel in parsed.script.panels] == [
        "Ann Lee ran across the wide green meadow",
        "Ann Lee jumped over the little creek",
        "And then Ann Lee climbed the old wall behind the barn.",
    ]
    assert "".join(panel.caption + " " for panel in parsed.script.panels).split() == parsed.text.split()


def test_a_list_of_things_is_not_split() -> None:
    parsed = read(
        "Ann Lee bought a basket of red apples, three yellow pears, a big loaf of bread "
        "and some very old cheese for Bo."
    )
    assert len(parsed.script.panels) == 1


def test_groups_count_and_choose_by_gender() -> None:
    cast = (CastName("Tia", "she"), CastName("Max", "he"), CastName("Sam", "he"), CastName("Rex", "it"))
    parsed = read("Tia, Max, Sam and Rex play. The two boys run. All three laugh. They sleep.", *cast)
    assert names(parsed)[1:] == [["Max", "Sam"], ["Tia", "Max", "Sam"], ["Tia", "Max", "Sam"]]


def test_titles_do_not_end_sentences() -> None:
    camille = CastName("M. Dupont", "il")
    assert len(read("M. Dupont lit le journal. Il sourit.", camille, language="fr").script.panels) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        (" \n\t…!", "empty"),
        ("a\0b", "null character"),
        ("The end of the road.", "names nobody of the cast"),
    ],
)
def test_bad_stories_are_one_clear_line(text: str, message: str) -> None:
    with pytest.raises(StoryError, match=message) as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_an_overlong_story_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inkcast.story.parser.LONGEST_STORY", 20)
    with pytest.raises(StoryError, match="more than 20"):
        read("Ann Lee walks in the park.")


@pytest.mark.parametrize(
    ("cast", "message"),
    [
        ([ANN, CastName("ann lee")], "twice"),
        ([CastName("  ")], "empty name"),
        ([CastName("x" * 501)], "501 characters"),
        ([CastName("Ann\nLee")], "line break"),
    ],
)
def test_bad_casts_are_one_clear_line(cast: list[CastName], message: str) -> None:
    with pytest.raises(CastError, match=message) as caught:
        parse_story("Ann Lee sits.", cast)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["A/B", 'Ann "The Axe" Lee', "Bo 🐻", "\u202eAnn\u202c", "x" * 300, "#let x = 1", "Émile\u0301"]
)
def test_odd_names_work(name: str) -> None:
    assert names(read(f"{name} sleeps in the park.", CastName(name))) == [[name]]


def test_an_unknown_language_lists_the_known() -> None:
    with pytest.raises(StoryError, match="en, de, fr, es, zh, ja"):
        read("Ann Lee sits.", language="xx")


def test_a_novel_is_read_in_linear_time() -> None:
    def panels_and_seconds(times: int) -> tuple[int, float]:
        story = 'Ann Lee met Bo. "Home," he said. They laughed. ' * times
        started = time.process_time()
        return len(read(story).script.panels), time.process_time() - started

    few, short = panels_and_seconds(400)
    many, long = panels_and_seconds(3200)
    assert (few, many) == (1200, 9600)
    assert long < 24 * short  # eight times the text; a look back over all of it would be 64 times the time


_FULL_WIDTH = str.maketrans(",;:!?", "，；：！？")


@pytest.mark.parametrize("part", PARTS)
def test_chinese_and_japanese_read_the_same_in_full_width_punctuation(part: str) -> None:
    for story in load_corpus(part):
        if story.language not in ("zh", "ja"):
            continue
        narrow, wide = (
            parse_story(text, story.cast, language=story.language)
            for text in (story.text, story.text.translate(_FULL_WIDTH))
        )
        assert names(wide) == names(narrow)
        for one, other in zip(wide.script.panels, narrow.script.panels, strict=True):
            assert one.description == other.description.translate(_FULL_WIDTH)
            assert [(line.speaker, line.kind) for line in one.dialogue] == [
                (line.speaker, line.kind) for line in other.dialogue
            ]
            assert (one.place, one.time) == (other.place, other.time)


def test_a_long_chinese_sentence_is_cut_at_full_width_commas() -> None:
    text = "早上小明在公园里慢慢地散步，看着天上的白云和远处的山，李华在湖边安静地画画，小明对她用力地挥手打招呼。"
    parsed = read(text, CastName("小明", "he"), CastName("李华", "she"), language="zh")
    assert names(parsed) == [["小明"], ["李华"], ["小明", "李华"]]


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ('Ann "Annie" Lee met Bo.', "Ann Lee met Bo."),
        ("Ann\u2010Lee waved.", "Ann-Lee waved."),
    ],
)
def test_a_name_with_a_nickname_in_marks_or_another_hyphen_is_one_name(text: str, description: str) -> None:
    ann = CastName("Ann-Lee" if "\u2010" in text else "Ann Lee", "she")
    (panel,) = read(text, ann, BO, language="en").script.panels
    assert panel.description == description
    assert panel.dialogue == ()


def test_a_word_said_after_its_verb_stays_speech() -> None:
    parsed = read('Bo met Ann. He shouted "Ann" across the street.')
    assert [line.text for panel in parsed.script.panels for line in panel.dialogue] == ["Ann"]


def test_a_relative_with_his_name_is_told_once() -> None:
    cast = (CastName("Anna Müller", "she"), CastName("Jürgen Müller", "he"))
    (panel,) = read("Anna ging mit ihrem Bruder Jürgen in den Wald.", *cast, language="de").script.panels
    assert panel.description == "Anna Müller ging mit Jürgen Müller in den Wald."


def test_whoever_goes_on_acting_is_named_though_another_acts_beside() -> None:
    text = (
        "Ann climbed the stairs of the old tower, opened the heavy door and looked out over the sea "
        "while Bo lit the lamp and the dog slept."
    )
    panel = read(text).script.panels[1]
    assert panel.description.startswith("Ann Lee opened the heavy door")
    assert [presence.name for presence in panel.characters] == ["Ann Lee", "Bo"]
    assert panel.place == "old tower"


def test_a_tag_inside_french_marks_is_not_said() -> None:
    cast = (CastName("Élodie", "she"), CastName("Luc", "he"))
    parsed = read("Élodie salua Luc. « Bonjour, dit-elle, je voudrais un pain. »", *cast, language="fr")
    said = [(line.speaker, line.text) for panel in parsed.script.panels for line in panel.dialogue]
    assert said == [("Élodie", "Bonjour"), ("Élodie", "je voudrais un pain.")]


def test_a_spanish_sentence_ends_in_the_sea() -> None:
    cast = (CastName("María", "she"), CastName("Pedro", "he"))
    parsed = read("Pedro nadaba en el mar. María corrió. Los dos amigos comieron.", *cast, language="es")
    assert [panel.description for panel in parsed.script.panels] == [
        "Pedro nadaba en el mar.",
        "María corrió.",
        "María y Pedro comieron.",
    ]
