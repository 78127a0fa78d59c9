"""Where quotations are, and which sentences belong to them."""

from __future__ import annotations

import pytest

from inkcast.story.lexicon import detect_language, load_lexicon
from inkcast.story.quotes import find_quotes
from inkcast.story.sentences import find_units, speech_words


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"A," said X. "B."', ["A,", "B."]),
        ("“A ‘b’ c.” X", ["A ‘b’ c."]),
        ("„A“, sagt X. »B«", ["A", "B"]),
        ("« A » dit X", ["A"]),
        ("「あ」と言った。『い』", ["あ", "い"]),
        ("—¿A? —dice X—. B.\n—C.", ["¿A?", "B.", "C."]),
        ("— A, dit X.\n— B !", ["A,", "B !"]),
        ("'A b,' said X. It's the dogs' bone.", ["A b,"]),
        ("The dogs' bone isn't '90s.", []),
        ('He said "" and " ".', []),
        ("A - b – c — d", []),
    ],
)
def test_quotations_in_six_languages(text: str, said: list[str]) -> None:
    lexicon = load_lexicon("fr" if "dit X" in text else "es" if "dice" in text else "en")
    quotes, unclosed = find_quotes(text, speech_words(lexicon))
    assert [quote.said(text) for quote in quotes] == said
    assert unclosed == ()


@pytest.mark.parametrize(
    ("language", "text", "units"),
    [
        ("en", 'Mr. Hale ran. "Stop!" she cried. He stopped.', ["Mr. Hale ran.", '"Stop!" she cried.', "He stopped."]),
        ("en", '"Go." He went.', ['"Go."', "He went."]),
        ("en", '"Go," he said. "Now." She went.', ['"Go," he said. "Now."', "She went."]),
        (
            "en",
            '"Where?" she asked. "Here." "When?" "Now," he said.',
            ['"Where?" she asked.', '"Here."', '"When?"', '"Now," he said.'],
        ),
        (
            "fr",
            "M. Dupont lit. « Un thé ? » demande Mme Roux. Fin.",
            ["M. Dupont lit.", "« Un thé ? » demande Mme Roux.", "Fin."],
        ),
        ("ja", "「こんにちは!」と健太は言った。彼は笑った。", ["「こんにちは!」と健太は言った。", "彼は笑った。"]),
        ("zh", "他问:“可以吗?”“可以。”小红说。走吧。", ["他问:“可以吗?”", "“可以。”小红说。", "走吧。"]),
        ("de", "„Danke!“, ruft Karl. Am 3. Mai regnet es.", ["„Danke!“, ruft Karl.", "Am 3. Mai regnet es."]),
    ],
)
def test_quotations_stay_with_their_tags(language: str, text: str, units: list[str]) -> None:
    lexicon = load_lexicon(language)
    quotes, _ = find_quotes(text, speech_words(lexicon))
    assert [text[unit.start : unit.end] for unit in find_units(text, quotes, lexicon)] == units


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("She walks to the park with him.", "en"),
        ("Sie geht mit dem Hund in den Park und ist froh.", "de"),
        ("Elle va dans le parc avec lui.", "fr"),
        ("Ella camina por la calle con el perro.", "es"),
        ("她在公园里。", "zh"),
        ("彼女は公園にいる。", "ja"),
        ("…", "en"),
    ],
)
def test_the_language_is_told_by_script_and_common_words(text: str, language: str) -> None:
    assert detect_language(text) == language
