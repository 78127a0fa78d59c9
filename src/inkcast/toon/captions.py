"""Words for a scene, as a person would write a panel's description: who, what, where, when; looks only sometimes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from inkcast.toon.world import INDOOR, JOINT_ACTIONS, Actor, Look, Scene, Subject

# of one: "-ing" or third person; of several: "-ing" or plain
_ACTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "standing": (
        ("standing", "stands", "waiting", "looking", "smiling", "talking"),
        ("standing", "stand", "waiting", "talking", "looking"),
    ),
    "walking": (("walking", "walks", "going for a walk"), ("walking", "walk", "going for a walk")),
    "running": (("running", "runs", "hurrying"), ("running", "run", "hurrying")),
    "waving": (("waving", "waves", "waving hello", "saying hello"), ("waving", "wave", "saying hello")),
    "pointing": (("pointing", "points", "pointing at something"), ("pointing", "point")),
    "sitting": (("sitting", "sits", "sitting down", "resting"), ("sitting", "sit", "sitting down", "resting")),
    "reading": (("reading", "reads", "reading a book", "reads a book"), ("reading", "read", "reading books")),
    "jumping": (("jumping", "jumps", "leaping"), ("jumping", "jump", "leaping")),
    "dancing": (("dancing", "dances"), ("dancing", "dance")),
    "cheering": (("cheering", "cheers", "celebrating"), ("cheering", "cheer", "celebrating")),
    "shaking hands": ((), ("shaking hands", "shake hands")),
    "hugging": ((), ("hugging", "hug", "hug each other", "hugging each other")),
    "passing a ball": ((), ("passing a ball", "pass a ball", "playing with a ball", "play ball")),
}
_PLACES: dict[str, tuple[str, ...]] = {
    "beach": ("on the beach", "at the beach", "by the sea"),
    "forest": ("in the forest", "in the woods", "in a forest"),
    "street": ("in the street", "on a city street", "in the city"),
    "park": ("in the park", "in a park"),
    "desert": ("in the desert", "in a desert"),
    "mountains": ("in the mountains", "on a mountain"),
    "moon": ("on the moon", "on the surface of the moon"),
    "cave": ("in a cave", "in the cave"),
    "kitchen": ("in the kitchen", "in a kitchen"),
    "bedroom": ("in the bedroom", "in a bedroom"),
    "library": ("in the library", "in a library"),
    "castle": ("in the castle", "in a castle", "in the castle hall"),
}
_TIMES = {
    "day": ("", "by day", "in daylight"),
    "sunset": ("at sunset", "in the evening"),
    "night": ("at night", "by night"),
}
_WEATHERS = {"rain": ("in the rain", "rainy"), "snow": ("in the snow", "snowy")}
_SHOTS = {
    "wide": ("", "wide shot", "full body"),
    "medium": ("medium shot", "waist up"),
    "close-up": ("close-up", "close up"),
}
_VIEWS = {
    "front": ("", "seen from the front"),
    "side": ("seen from the side", "side view"),
    "back": ("seen from behind", "back view"),
}
_STYLES = {
    "flat": ("", "flat style", "cartoon style"),
    "line art": ("line art", "line art style", "ink drawing"),
    "pastel": ("pastel", "pastel style", "soft pastel colors"),
    "noir": ("noir", "noir style", "black and white noir"),
    "pixel": ("pixel art", "pixel style"),
    "watercolor": ("watercolor", "watercolor style", "watercolor painting"),
}
_COUNTS = {2: "two", 3: "three", 4: "four"}
_FIRST = (
    "ann",
    "bo",
    "lee",
    "max",
    "lily",
    "tom",
    "mia",
    "sam",
    "zoe",
    "leo",
    "eva",
    "finn",
    "ivy",
    "noah",
    "ruby",
    "oscar",
)
_LAST = ("lee", "brown", "wood", "hill", "fox", "park", "green", "young", "bell", "moss")


def with_article(words: str) -> str:
    """ "a girl", "an alien"."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def describe(subject: Subject) -> str:
    """Every visible attribute of a subject in words."""
    if not isinstance(subject, Look):
        return f"{with_article(subject.color)} {subject.kind} with {subject.trim} trim"
    words = [f"{subject.body} skin" if subject.human else f"{subject.body} fur"]
    words.append(f"{subject.hair} {subject.hair_color} {'hair' if subject.human else 'ears'}")
    words += [f"{subject.eyes} eyes", f"a {subject.face} face"]
    words.append(f"a {subject.pattern} {subject.top} top")
    words.append(f"{'a ' if subject.bottom == 'skirt' else ''}{subject.bottom_color} {subject.bottom}")
    if subject.accessory != "none":
        words.append(_worn(subject.accessory))
    return f"{with_article(subject.kind)} with {', '.join(words)}"


def _worn(accessory: str) -> str:
    return accessory if accessory in ("glasses", "headphones") else with_article(accessory)


def told(look: Look) -> dict[str, str]:
    """The attributes that captions tell, each as they tell it: "red hair"; no accessory goes untold."""
    body, hair = ("skin", "hair") if look.human else ("fur", "ears")
    phrases = {
        "body": f"{look.body} {body}",
        "hair_color": f"{look.hair_color} {hair}",
        "hair": f"{look.hair} {hair}",
        "top": f"{with_article(look.top)} top",
        "pattern": f"a {look.pattern} {look.top} top",
        "bottom_color": f"{look.bottom_color} {look.bottom}",
        "eyes": f"{look.eyes} eyes",
    }
    return phrases if look.accessory == "none" else phrases | {"accessory": _worn(look.accessory)}


def _some_looks(look: Look, rng: np.random.Generator, most: int) -> str:
    """One to `most` attributes in words, for captions that describe."""
    options = tuple(told(look).values())
    count = min(int(rng.integers(1, most + 1)), len(options))
    picked = rng.choice(len(options), size=count, replace=False)
    return " with " + " and ".join(options[i] for i in picked)


def _who(actor: Actor, rng: np.random.Generator, looks: float, most: int) -> str:
    subject = actor.subject
    if not isinstance(subject, Look):
        return f"{with_article(subject.color)} {subject.kind}" if rng.random() < looks else with_article(subject.kind)
    if actor.name:
        described = "" if rng.random() > 0.35 else f", {with_article(subject.kind)}"
        return actor.name + described
    draw = rng.random()
    if draw < 0.62:
        who = with_article(subject.kind)
    else:
        who = f"the {subject.kind}" if draw < 0.78 else _someone(subject, rng)
    return who + (_some_looks(subject, rng, most) if rng.random() < looks else "")


def _someone(look: Look, rng: np.random.Generator) -> str:
    """A name that carries no look: one or two words, with the kind beside it most of the time."""
    name = str(rng.choice(_FIRST)) + (f" {rng.choice(_LAST)}" if rng.random() < 0.5 else "")
    if rng.random() < 0.2:
        return name
    return f"{name} the {look.kind}" if rng.random() < 0.5 else f"{name}, {with_article(look.kind)},"


def _pick(words: tuple[str, ...], rng: np.random.Generator) -> str:
    return words[int(rng.integers(len(words)))]


def _do(action: str, rng: np.random.Generator, people: int) -> str:
    return _pick(_ACTIONS[action][people > 1], rng)


def _doing(actors: tuple[Actor, ...], rng: np.random.Generator, looks: float, most: int) -> str:
    people = [a for a in actors if isinstance(a.subject, Look)]
    things = [a for a in actors if not isinstance(a.subject, Look)]
    joint = [a for a in people if a.action in JOINT_ACTIONS]
    clauses = []
    if joint:
        clauses.append(
            f"{' and '.join(_who(a, rng, looks, most) for a in joint)} {_do(joint[0].action, rng, len(joint))}"
        )
        people = [a for a in people if a not in joint]
    elif len(people) > 1 and len({a.action for a in people}) == 1:
        kinds = {a.subject.kind for a in people}
        if len(kinds) == 1 and rng.random() < 0.3 and not any(a.name for a in people):
            who = f"{_COUNTS[len(people)]} {kinds.pop()}s"
        else:
            who = " and ".join(_who(a, rng, looks, most) for a in people)
        clauses.append(f"{who} {_do(people[0].action, rng, len(people))}")
        people = []
    clauses += [f"{_who(a, rng, looks, most)} {_do(a.action, rng, 1)}" for a in people]
    text = " and ".join(clauses)
    if things:
        text += (" with " if text else "") + " and ".join(_who(a, rng, looks, most) for a in things)
    return text


def caption(scene: Scene, rng: np.random.Generator, looks: float = 0.3, most: int = 3) -> str:
    """One caption of `scene`; one to `most` of each actor's looks are mentioned with probability `looks`."""
    where = [_pick(_PLACES[scene.place], rng)] if scene.place in _PLACES else []
    outdoors = scene.place not in (*INDOOR, "moon")
    if scene.place != "moon":
        where.append(_pick(_TIMES[scene.time], rng))
    if outdoors and scene.weather != "clear":
        where.append(_pick(_WEATHERS[scene.weather], rng))
    views = {a.view for a in scene.actors if isinstance(a.subject, Look)}
    tail = [
        _pick(_SHOTS[scene.shot], rng),
        _pick(_VIEWS[views.pop()], rng) if len(views) == 1 else "",
        _pick(_STYLES[scene.style], rng),
    ]
    doing = _doing(scene.actors, rng, looks, most)
    place = " ".join(w for w in where if w)
    sentence = f"{place}, {doing}" if rng.random() < 0.15 else f"{doing} {place}"
    return ", ".join([sentence.strip(), *(t for t in tail if t)])


def corpus(rng: np.random.Generator, scenes: Iterator[Scene]) -> Iterator[str]:
    """Text for a tokenizer: captions with and without looks, and full descriptions."""
    for scene in scenes:
        yield caption(scene, rng, looks=0.6)
        for actor in scene.actors:
            yield describe(actor.subject)
            if actor.name:
                yield actor.name
