"""A story's words in those of the drawn world: its captions know thirteen actions, twelve places, the present tense.

Everything here reads English; words of other languages tell nothing, and whoever is there stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

import numpy as np

from inkcast.toon.captions import corpus
from inkcast.toon.dataset import sample_scene
from inkcast.toon.world import JOINT_ACTIONS, KINDS, THINGS

CAPTIONS = 800  # enough for every word of their grammar to come up

# stems; one that ends in "." is a whole word
_DEEDS: Mapping[str, str] = {
    "shaking hands": "shake.hands shakes.hands shaking.hands shook.hands shake.on shook.on handshake",
    "hugging": "hug embrac cuddl kiss held.each holds.each",
    "passing a ball": (
        "ball. football soccer tennis basketball juggl toss throw threw catch. caught play. plays. played. playing."
    ),
    "running": (
        "run. runs. running. ran. rush hurri hurry chas fled. flee. flees. fleeing. sprint race. races. "
        "raced. racing. dash escap gallop charg"
    ),
    "jumping": (
        "jump leap leapt hop. hops. hopped. hopping. bounc fly. flies. flying. flew. skip dive. dives. dived. diving."
    ),
    "dancing": "danc waltz twirl spin. spins. spinning. spun. whirl ballet",
    "reading": (
        "read. reads. reading. book. books. letter. letters. newspaper stud page. pages. diary map. write. "
        "writes. writing. wrote."
    ),
    "sitting": (
        "sit. sits. sat. sitting. seat rest. rests. rested. resting. sleep slept. asleep lie. lies. lay. "
        "lying. kneel knelt crouch eat. eats. ate. eating. drink drank nap. naps. napped. bench chair dream"
    ),
    "cheering": (
        "cheer celebrat laugh shout cried. cries. clap applaud win. wins. won. victor hooray hurray joy "
        "triumph scream yell sing. sings. sang. singing."
    ),
    "waving": "wave. waves. waved. waving. greet hello goodbye welcom farewell salut beckon",
    "pointing": (
        "point show. shows. showed. showing. find. finds. found. discover spot. spots. spotted. notic see. "
        "sees. saw. look. looks. looked. watch star. stares. stared. staring. gaz"
    ),
    "walking": (
        "walk go. goes. going. went. come. comes. came. coming. climb step stroll wander follow arriv return "
        "enter carr cross. crosses. crossed. leave. leaves. left. leaving. travel march hike hiking approach "
        "head. headed. heads. bring. brings. brought. tiptoe sneak snuck sail drive. drives. drove. ride. "
        "rides. rode."
    ),
}
_WHERE: Mapping[str, str] = {
    "on the beach": (
        "beach sea. seaside shore sand. coast ocean harbor harbour pier island lake river boat ship. dock"
    ),
    "in the forest": "forest wood. woods. jungle tree. trees. grove swamp",
    "in the park": (
        "park. garden meadow field. fields. farm playground lawn orchard yard zoo grass hill. hills. bridge"
    ),
    "in the desert": "desert dune pyramid oasis",
    "in the mountains": "mountain cliff peak. peaks. summit valley volcano canyon glacier",
    "on the moon": "moon. space. planet mars. rocket spaceship spacecraft asteroid star.base",
    "in a cave": "cave. caves. cavern tunnel mine. mines. cellar dungeon basement",
    "in the kitchen": (
        "kitchen restaurant cafe café bakery diner tavern inn. bar. table. home. house. cottage hut. shop. stove"
    ),
    "in the bedroom": "bedroom bed. hotel hospital attic nursery room. upstairs.",
    "in the library": "library school class office bookshop bookstore museum study. archive",
    "in the castle": "castle palace tower lighthouse temple church throne fortress hall. ballroom theatre theater",
    "in the street": (
        "street city town village road. market square. station avenue alley pavement sidewalk bus. train. "
        "outside. corner"
    ),
}
_WHEN: Mapping[str, str] = {
    "at night": "night. midnight nightfall tonight",
    "at sunset": "sunset dusk. twilight evening dawn. sunrise daybreak",
    "in the rain": "rain storm thunder drizzl",
    "in the snow": "snow blizzard",
}
_HOW: Mapping[str, str] = {
    "close-up": "close-up closeup close.up portrait",
    "medium shot": "medium waist half-body",
    "wide shot": "wide. long.shot full.body establishing",
    "seen from behind": "behind. back.view",
    "seen from the side": "side. profile",
}
_ABOUT: Mapping[str, str] = {thing: f"{thing}. {thing}s." for thing in THINGS}
_ALSO = {"girl": "woman. women. lady", "boy": "man. men.", "cat": "kitten", "rabbit": "bunny", "dinosaur": "dragon"}
_KINDS: Mapping[str, str] = {kind: f"{kind}. {kind}s. {_ALSO.get(kind, '')}" for kind in KINDS}
_SKYLESS = ("on the moon", "in a cave")
_INDOORS = ("in the kitchen", "in the bedroom", "in the library", "in the castle")
_HOURS = ("at night", "at sunset")


def is_caption(words: str) -> bool:
    """Whether the drawn world's captions know every word, so that nothing need be said otherwise."""
    return all(word in known_words() for word in _words(words))


@cache
def known_words() -> frozenset[str]:
    """The words of the drawn world's captions, as many of them say it."""
    rng = np.random.default_rng(0)
    said = corpus(rng, (sample_scene(rng) for _ in range(CAPTIONS)))
    return frozenset(word for text in said for word in _words(text)) | {f"{kind}s" for kind in KINDS}


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.lower())


def deed(words: str, people: int) -> str:
    """The action of the drawn world that `words` tell of, for so many people; "standing" where they tell none."""
    found = [name for name in _told(words, _DEEDS) if people > 1 or name not in JOINT_ACTIONS]
    return found[0] if found else "standing"


def setting(words: str, place: str = "", time: str = "") -> str:
    """Place, time of day and weather of the drawn world: `place` and `time` where they say it, else from `words`."""
    where = next(iter(_told(place, _WHERE) or _told(words, _WHERE)), "")
    when = _told(time, _WHEN) or _told(words, _WHEN)
    seen = () if where in _SKYLESS else _HOURS if where in _INDOORS else tuple(_WHEN)
    return " ".join([where, *(one for one in when if one in seen)]).strip()


def framing(words: str) -> str:
    """Shot and view of the drawn world, with commas."""
    return ", ".join(_told(words, _HOW))


def things(words: str) -> str:
    """What of the drawn world's things is there: "a lantern and a bag"."""
    return " and ".join(f"a {name}" for name in _told(words, _ABOUT))


def kinds(words: str) -> str:
    """Who of the drawn world's kinds is spoken of: "a cat and a robot"."""
    return " and ".join(f"{'an' if name[0] in 'aeiou' else 'a'} {name}" for name in _told(words, _KINDS))


def _told(words: str, table: Mapping[str, str]) -> list[str]:
    """The table's entries that `words` tell of, the first one told first."""
    folded = words.lower()
    found = [(match.start(), name) for name in table if (match := _pattern(table[name]).search(folded))]
    return [name for _, name in sorted(found)]


@cache
def _pattern(stems: str) -> re.Pattern[str]:
    options = (
        re.escape(stem.rstrip(".")).replace(r"\.", r"\W+") + (r"\b" if stem.endswith(".") else "")
        for stem in stems.split()
    )
    return re.compile(rf"\b(?:{'|'.join(options)})")
