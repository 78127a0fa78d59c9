"""Object pronouns that lean on a verb: the picture's words stay grammatical when names take their place."""

from __future__ import annotations

import pytest

from inkcast.story.parser import CastName, ParsedStory, parse_story

ANNA, LUC, MARIE = CastName("Anna", "elle"), CastName("Luc", "il"), CastName("Marie", "elle")
MARIA, PEDRO, ANA = CastName("María", "ella"), CastName("Pedro", "él"), CastName("Ana", "ella")
KARL, MIA = CastName("Karl", "er"), CastName("Mia", "sie")


def last(text: str, cast: tuple[CastName, ...], language: str) -> tuple[str, list[str]]:
    parsed = parse_story(text, cast, language=language)
    return parsed.script.panels[-1].description, [who.name for who in parsed.script.panels[-1].characters]


@pytest.mark.parametrize(
    ("sentence", "description"),
    [
        ("Elle le voit courir.", "Anna voit Luc courir."),
        ("Luc l'aime.", "Luc aime Anna."),
        ("Luc l’aime.", "Luc aime Anna."),
        ("Il lui donne une pomme.", "Luc donne une pomme à Anna."),
        ("Il lui parle de la mer.", "Luc parle de la mer à Anna."),
        ("Il ne la voit pas.", "Luc ne voit pas Anna."),
        ("Il ne l'aime plus.", "Luc n'aime plus Anna."),
        ("Elle lui a parlé.", "Anna a parlé à Luc."),
        ("Il l'a vue.", "Luc a vu Anna."),
        ("Elle veut le voir.", "Anna veut voir Luc."),
        ("Elle vient pour l'aider.", "Anna vient pour aider Luc."),
        ("Il essaie de l'aider.", "Luc essaie d'aider Anna."),
        ("Elle le fait rire.", "Anna fait rire Luc."),
        ("Anna se lève et lui tend la main.", "Anna se lève et tend la main à Luc."),
        ("Le chien le suit.", "Le chien suit Luc."),
        ("Anna court avec lui.", "Anna court avec Luc."),
        ("Anna demanda s'il avait faim.", "Anna demanda si Luc avait faim."),
        ("Anna dit qu'il dort.", "Anna dit que Luc dort."),
        ("Luc dit qu'elle dort.", "Luc dit qu'Anna dort."),
        ("Anna ouvre la porte et la ferme.", "Anna ouvre la porte et la ferme."),
        ("Anna regarde la mer.", "Anna regarde la mer."),
        ("Il voit le chat et la souris.", "Luc voit le chat et la souris."),
    ],
)
def test_french_object_pronouns(sentence: str, description: str) -> None:
    assert last(f"Anna rencontre Luc. {sentence}", (ANNA, LUC), "fr")[0] == description


@pytest.mark.parametrize(
    ("sentence", "description"),
    [
        ("Ella lo ve correr.", "María ve correr a Pedro."),
        ("Pedro la quiere.", "Pedro quiere a María."),
        ("Él le da una manzana.", "Pedro da una manzana a María."),
        ("Ella quiere verlo.", "María quiere ver a Pedro."),
        ("Él está mirándola.", "Pedro está mirando a María."),
        ("Ella lo está mirando.", "María está mirando a Pedro."),
        ("Él la ha visto.", "Pedro ha visto a María."),
        ("Él no la ve.", "Pedro no ve a María."),
        ("Pedro se acerca y le habla.", "Pedro se acerca y habla a María."),
        ("Pedro le da un libro a María.", "Pedro le da un libro a María."),
        ("El perro lo sigue.", "El perro sigue a Pedro."),
        ("Luego lo abraza.", "Luego María abraza a Pedro."),
        ("No lo ve.", "María no ve a Pedro."),
        ("Abre la puerta.", "María abre la puerta."),
        ("Llega la noche.", "Llega la noche."),
        ("María mira la luna y la playa.", "María mira la luna y la playa."),
        ("Él lee lo mejor del libro.", "Pedro lee lo mejor del libro."),
    ],
)
def test_spanish_object_pronouns_and_subjects_left_out(sentence: str, description: str) -> None:
    assert last(f"María encuentra a Pedro. {sentence}", (MARIA, PEDRO), "es")[0] == description


@pytest.mark.parametrize(
    ("sentence", "description"),
    [
        ("Sie sieht ihn an.", "Anna sieht Karl an."),
        ("Er gibt ihr einen Apfel.", "Karl gibt Anna einen Apfel."),
        ("Sie gibt ihm ihren Hut.", "Anna gibt Karl Annas Hut."),
        ("Anna hat ihn gesehen.", "Anna hat Karl gesehen."),
        ("Karl stellt ihr Mia vor.", "Karl stellt Anna Mia vor."),
    ],
)
def test_german_object_pronouns(sentence: str, description: str) -> None:
    assert last(f"Anna hat Karl gesehen. {sentence}", (ANNA, KARL, MIA), "de")[0] == description


@pytest.mark.parametrize(
    ("cast", "language", "text", "description", "shown"),
    [
        ((LUC, ANNA, MARIE), "fr", "Luc voit Anna et Marie dans la rue. Il les salue.", "Luc salue Anna et Marie.", 3),
        ((LUC, ANNA, MARIE), "fr", "Luc voit Anna et Marie. Elles l'attendent.", "Anna et Marie attendent Luc.", 3),
        ((LUC, ANNA), "fr", "Luc voit Anna. Un chien les suit.", "Un chien suit Luc et Anna.", 2),
        ((PEDRO, MARIA, ANA), "es", "Pedro ve a María y Ana. Les da flores.", "Pedro da flores a María y Ana.", 3),
    ],
)  # fmt: skip
def test_object_pronouns_of_several(
    cast: tuple[CastName, ...], language: str, text: str, description: str, shown: int
) -> None:
    found, names = last(text, cast, language)
    assert (found, len(names)) == (description, shown)


def said(parsed: ParsedStory) -> list[tuple[str | None, str]]:
    return [(line.speaker, line.text) for panel in parsed.script.panels for line in panel.dialogue]


def test_french_dialogue_by_dashes_and_marks() -> None:
    text = """Anna entre dans la boulangerie de Luc.
— Bonjour, dit Anna.
— Bonjour, mademoiselle ! répond Luc. Que désirez-vous ?
— Du pain.
— Lequel ?
— Celui-ci, dit-elle en souriant.
« Voilà », dit-il. « C'est, dit-elle, le meilleur. »"""
    parsed = parse_story(text, (ANNA, LUC), language="fr")
    assert said(parsed) == [
        ("Anna", "Bonjour"),
        ("Luc", "Bonjour, mademoiselle !"),
        ("Luc", "Que désirez-vous ?"),
        ("Anna", "Du pain."),
        ("Luc", "Lequel ?"),
        ("Anna", "Celui-ci"),
        ("Luc", "Voilà"),
        ("Anna", "C'est"),
        ("Anna", "le meilleur."),
    ]
    assert "Anna dit en souriant" in [panel.description for panel in parsed.script.panels]


def test_spanish_dialogue_by_dashes() -> None:
    text = """María entra en la panadería de Pedro.
—Hola —dijo María.
—¡Buenos días! —respondió Pedro—. ¿Qué desea?
—Quiero pan.
—¿Cuál?
—Este —dijo ella con una sonrisa."""
    assert said(parse_story(text, (MARIA, PEDRO), language="es")) == [
        ("María", "Hola"),
        ("Pedro", "¡Buenos días!"),
        ("Pedro", "¿Qué desea?"),
        ("María", "Quiero pan."),
        ("Pedro", "¿Cuál?"),
        ("María", "Este"),
    ]
