"""The prompts of FastComposer's and StoryMaker's protocols: this project's own, in the groups of the original ones.

`{}` stands for an identity.
"""

from __future__ import annotations

WEARING = (
    "{} wearing a green felt hat",
    "{} wearing round sunglasses",
    "{} wearing a woollen scarf",
    "{} wearing a bow tie and a vest",
    "{} in a baker's apron",
    "{} in a space suit",
    "{} in a pilot's uniform",
    "{} in a yellow raincoat",
    "{} in a knight's armour",
    "{} wearing large headphones",
)
STYLES = (
    "an oil painting of {}",
    "a charcoal drawing of {}",
    "a comic book panel of {} with bold ink lines",
    "a watercolour of {}",
    "a bronze statue of {}",
    "a stained glass window showing {}",
    "a faded photograph of {}",
    "a paper cut-out of {}",
    "an embroidery of {}",
    "a chalk drawing of {} on a blackboard",
)
ACTIONS = (
    "{} riding a bicycle",
    "{} pouring a cup of tea",
    "{} eating an apple",
    "{} speaking into a microphone",
    "{} writing a letter",
    "{} planting a tree",
    "{} washing the dishes",
    "{} climbing a rock",
    "{} feeding pigeons",
    "{} playing the violin",
)
PLACES = (
    "{} in a bamboo forest",
    "{} in a snowstorm",
    "{} on a pier by the sea",
    "{} in a narrow alley",
    "{} on a red carpet",
    "{} in an old library",
    "{} with a lighthouse behind",
    "{} with a volcano behind",
    "{} in front of a white farmhouse",
    "{} in a field of lavender",
)

STYLES_OF_TWO = (
    "an oil painting of {} and {}",
    "a charcoal drawing of {} and {}",
    "a comic book panel of {} and {} with bold ink lines",
    "a watercolour of {} and {}",
    "a stained glass window showing {} and {}",
    "a faded photograph of {} and {}",
    "a paper cut-out of {} and {}",
)
ACTIONS_OF_TWO = (
    "{} and {} riding bicycles together",
    "{} and {} drinking tea together",
    "{} and {} playing chess",
    "{} and {} planting a tree together",
    "{} and {} washing the dishes together",
    "{} and {} singing into one microphone",
    "{} and {} rowing a boat together",
    "{} and {} laughing together",
)
PLACES_OF_TWO = (
    "{} and {} together in a bamboo forest",
    "{} and {} together in a snowstorm",
    "{} and {} together on a pier by the sea",
    "{} and {} together in an old library",
    "{} and {} together with a volcano behind",
    "{} and {} together in front of a white farmhouse",
)
