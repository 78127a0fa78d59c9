"""Stories of other programs: storyboards, screenplays, Markdown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inkcast.errors import StoryError
from inkcast.story.importers import import_fountain, import_markdown, import_story, import_storyboard
from inkcast.story.importers.any_story import storyboard_roles
from inkcast.story.importers.fountain_text import parse_fountain
from inkcast.story.parser import CastName

ANN, BO = CastName("Ann Lee", "she"), CastName("Bo", "he")


def board(**changes: Any) -> str:
    roles = [
        {"角色名": "辛巴", "简单描述": "小狮子", "alias": "ROLE-A", "simple_prompt": "A little lion."},
        {"角色名": "木法沙", "alias": "ROLE-AB", "simple_prompt": "A big lion."},
    ]
    shots = [
        {
            "序号": 2,
            "出场角色": ["辛巴"],
            "旁白": "二",
            "act_roles": ["ROLE-A"],
            "场景描述": "x",
            "prompt": "ROLE-A runs.",
        },
        {
            "序号": 1,
            "出场角色": ["辛巴", "木法沙"],
            "旁白": "一",
            "prompt": "ROLE-A looks at ROLE-AB's face; ROLE-AB waits.",
        },
    ]
    return json.dumps({"故事梗概": "狮子", "角色表": roles, "分镜头": shots, **changes}, ensure_ascii=False)


def test_a_storyboard_is_a_script() -> None:
    script = import_storyboard(board()).script
    assert script.title == "狮子"
    assert [panel.description for panel in script.panels] == [
        "辛巴 looks at 木法沙's face; 木法沙 waits.",
        "辛巴 runs.",
    ]
    assert [panel.caption for panel in script.panels] == ["一", "二"]
    assert [[p.name for p in panel.characters] for panel in script.panels] == [["辛巴", "木法沙"], ["辛巴"]]
    assert storyboard_roles(board()) == (("辛巴", "A little lion."), ("木法沙", "A big lion."))


def test_a_storyboard_warns_of_roles_outside_the_cast() -> None:
    warnings = import_storyboard(board(), [CastName("辛巴")]).warnings
    assert [str(warning) for warning in warnings] == ["the role '木法沙' of the storyboard is not in the cast"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{", "not valid JSON line 1"),
        ("[]", "not a JSON object"),
        ("{}", "角色表"),
        (board(分镜头=[]), "no shots"),
        (board(分镜头=["x"]), "分镜头"),
        (board(角色表=[{"角色名": "x"}]), "role 1 of the storyboard has no 'alias'"),
        (board(分镜头=[{"出场角色": ["谁"], "prompt": "x"}]), "'谁'"),
        (board(分镜头=[{"出场角色": ["辛巴"]}]), "shot 1 of the storyboard has neither"),
        (board(分镜头=[{"序号": "a", "prompt": "x"}]), "'a', not a whole number"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_a_bad_storyboard_names_what_is_wrong(text: str, part: str) -> None:
    with pytest.raises(StoryError) as caught:
        import_storyboard(text)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


SCREENPLAY = """\
Title: The **Big** Fish
Author: Nobody

INT. ANN'S KITCHEN - NIGHT #1#

ANN LEE stirs a pot. [[ask the
cook]] She hums.

BO (O.S.)
Who's there?

ANN LEE (CONT'D)
(whispering)
It's only *me*.
(shouting)
Come in!

/* A scene
we cut. */

# Act two

= Bo runs.

.ON THE RIVER

Bo runs. He sees Ann.

BO
Ann! Wait.

ANN LEE ^
Bo!

CUT TO:

@McAvoy
I am nobody.

!SCREAM
he did not.

> THE END <
"""


def test_a_screenplay_is_a_script() -> None:
    parsed = import_fountain(SCREENPLAY, [ANN, BO])
    shown = [
        (
            p.description,
            p.place,
            p.time,
            [c.name for c in p.characters],
            [(d.speaker, d.text, d.kind) for d in p.dialogue],
        )
        for p in parsed.script.panels
    ]
    assert parsed.script.title == "The Big Fish"
    assert shown == [
        ("Ann Lee stirs a pot.", "Ann's kitchen", "night", ["Ann Lee"], []),
        ("Ann Lee hums.", "Ann's kitchen", "night", ["Ann Lee"], []),
        ("Ann Lee hums.", "Ann's kitchen", "night", ["Ann Lee"], [("Bo", "Who's there?", "off-panel")]),
        (
            "Ann Lee talking",
            "Ann's kitchen",
            "night",
            ["Ann Lee"],
            [("Ann Lee", "It's only me.", "whisper"), ("Ann Lee", "Come in!", "shout")],
        ),
        ("Bo runs.", "on the river", "", ["Bo"], []),
        ("Bo sees Ann Lee.", "on the river", "", ["Bo", "Ann Lee"], []),
        (
            "Bo talking, Ann Lee talking",
            "on the river",
            "",
            ["Bo", "Ann Lee"],
            [("Bo", "Ann! Wait.", "speech"), ("Ann Lee", "Bo!", "speech")],
        ),
        (shown[7][0], "on the river", "", [], [(None, "I am nobody.", "speech")]),
        ("SCREAM Bo did not.", "on the river", "", ["Bo"], []),
        ("THE END", "on the river", "", [], []),
    ]
    assert any("ask the cook" in str(warning) for warning in parsed.warnings)


def test_without_a_cast_the_cues_are_the_cast() -> None:
    script = import_fountain("ANN LEE\nHello.\n\nAnn waves.\n").script
    assert [[presence.name for presence in panel.characters] for panel in script.panels] == [["Ann Lee"], ["Ann Lee"]]
    assert script.panels[0].dialogue[0].speaker == "Ann Lee"


def test_the_screenplay_syntax() -> None:
    screenplay = parse_fountain(
        "FADE IN:\n\nEXT. ROAD - DAY\n\nA CAR.\n\nTOM (V.O.)(cont'd) ^\n_Yes_ \\*no\\*.\n\nTHE SUN RISES\n"
    )
    assert [(e.kind, e.text, e.time, e.cue, e.extension, e.dual) for e in screenplay.elements] == [
        ("heading", "ROAD", "DAY", "", "", False),
        ("action", "A CAR.", "", "", "", False),
        ("speech", "Yes *no*.", "", "TOM", "V.O. cont'd", True),
        ("action", "THE SUN RISES", "", "", "", False),
    ]


def test_an_empty_screenplay_is_refused() -> None:
    with pytest.raises(StoryError, match="neither action nor dialogue"):
        import_fountain("INT. HOUSE - DAY\n")


MARKDOWN = """\
# The _Apple_

## At the market

Ann **meets** Bo in the [market](http://x.org/a_b).
She gives him an *apple*. <!-- red -->

**Bo:** Thank "you"!

- Bo eats it.
- Ann laughs ![a picture](x.png).

> They go home.

---

The end
-------

Snake_case_word stays.
"""


def test_markdown_is_a_script() -> None:
    script = import_markdown(MARKDOWN, [ANN, BO]).script
    assert script.title == "The Apple"
    assert [panel.caption for panel in script.panels] == [
        "At the market\nAnn meets Bo in the market.",
        "She gives him an apple.",
        "",
        "Bo eats it.",
        "Ann laughs a picture.",
        "They go home.",
        "The end\nSnake_case_word stays.",
    ]
    assert [(line.speaker, line.text) for line in script.panels[2].dialogue] == [("Bo", "Thank 'you'!")]


def test_front_matter_names_the_title() -> None:
    script = import_markdown("---\ntitle: 'Night'\n---\nBo sleeps.\n", [BO]).script
    assert (script.title, len(script.panels)) == ("Night", 1)


def test_headings_alone_are_no_story() -> None:
    with pytest.raises(StoryError, match="headings only"):
        import_markdown("# Bo\n\n## Bo\n", [BO])


def test_the_suffix_chooses_the_importer() -> None:
    assert import_story(board(), "a/b.JSON", []).script.title == "狮子"
    assert import_story("# T\n\nBo runs.", "x.md", [BO]).script.title == "T"
    assert import_story("# T\n\nBo runs.", "x.txt", [BO]).script.title == ""


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("The Keeper\n\nAnn Lee walks. Bo waves.", "The Keeper"),
        ("\n  Der Turm  \n \n\nAnn Lee geht.", "Der Turm"),
        ("第一章 灯塔\n\nAnn Lee 来了。", "第一章 灯塔"),
        ("The Keeper\nAnn Lee walks.", ""),
        ("Ann Lee walks.\n\nBo waves.", ""),
        ("Ann Lee walks home\n\nBo waves\n\nThe end", ""),
        ("Ann Lee: hello\n\nBo waves.", ""),
        ("A first line that goes on and on with many more words than any title has\n\nAnn Lee walks.", ""),
    ],
)
def test_a_line_above_a_plain_story_is_its_title(text: str, title: str) -> None:
    parsed = import_story(text, "story.txt", [ANN, BO])
    assert parsed.script.title == title
    made = [parsed.text[a:b] for a, b in parsed.sources]
    told = "".join(made) if not title else title + "".join(made)
    assert "".join(told.split()) == "".join(text.split())
    assert all(panel.caption.strip() in text for panel in parsed.script.panels)
