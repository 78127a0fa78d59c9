"""`inkcast toon`: the drawn world from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inkcast.errors import UsageError

if TYPE_CHECKING:
    from inkcast.toon.renderer import Rendering
    from inkcast.toon.world import Actor, Subject

app = typer.Typer(no_args_is_help=True, help="Draw characters and scenes of the toon world.")

Out = Annotated[Path, typer.Option("--out", help="The PNG to write.")]
Size = Annotated[int, typer.Option("--size", min=32, max=2048, help="Pixels a side.")]
Kind = Annotated[
    str, typer.Option(help="girl, boy, cat, bear, rabbit, robot, dinosaur, alien; bag, lantern, car, balloon.")
]
Choice = Annotated[str, typer.Option(help="Left out: chosen by the name.")]


def _save(rendering: Rendering, out: Path) -> None:
    from PIL import Image

    from inkcast.images import save_png

    save_png(Image.fromarray(rendering.image), out)
    typer.echo(str(out))


@app.command()
def cast(
    name: Annotated[str, typer.Argument(help="What the character is called; it also chooses what you leave open.")],
    out: Out,
    kind: Kind = "",
    body: Choice = "",
    face: Choice = "",
    hair: Choice = "",
    hair_color: Choice = "",
    eyes: Choice = "",
    top: Choice = "",
    pattern: Choice = "",
    bottom: Choice = "",
    bottom_color: Choice = "",
    accessory: Choice = "",
    color: Choice = "",
    trim: Choice = "",
    view: Annotated[str, typer.Option(help="front, side or back.")] = "front",
    size: Size = 512,
) -> None:
    """Design a character (or a thing) from words and draw its reference picture on white."""
    from inkcast.toon.captions import describe
    from inkcast.toon.design import design
    from inkcast.toon.renderer import reference_sheet
    from inkcast.toon.world import VIEWS

    given = {
        "kind": kind,
        "body": body,
        "face": face,
        "hair": hair,
        "hair_color": hair_color,
        "eyes": eyes,
        "top": top,
        "pattern": pattern,
        "bottom": bottom,
        "bottom_color": bottom_color,
        "accessory": accessory,
        "color": color,
        "trim": trim,
    }
    if view not in VIEWS:
        raise UsageError(f"view {view!r} is not drawn; choose one of: {', '.join(VIEWS)}")
    subject = design(name, {key: value for key, value in given.items() if value})
    typer.echo(f"{name}: {describe(subject)}")
    _save(reference_sheet(subject, size, view), out)


@app.command()
def sheet(
    name: Annotated[str, typer.Argument(help="The character's name, as given to `toon cast`.")],
    out: Out,
    words: Annotated[list[str] | None, typer.Option("--with", help="attribute=value, e.g. --with hair=long.")] = None,
    size: Size = 512,
) -> None:
    """Draw a character from the front, the side and the back, side by side."""
    import numpy as np
    from PIL import Image

    from inkcast.images import save_png
    from inkcast.toon.design import design
    from inkcast.toon.renderer import reference_sheet
    from inkcast.toon.world import VIEWS

    subject = design(name, _pairs(words or []))
    strip = np.concatenate([reference_sheet(subject, size, view).image for view in VIEWS], 1)
    save_png(Image.fromarray(strip), out)
    typer.echo(str(out))


@app.command()
def scene(
    out: Out,
    who: Annotated[
        list[str] | None,
        typer.Option("--who", help='"NAME: attribute=value, action=waving, view=side", once per actor, left to right.'),
    ] = None,
    place: Annotated[
        str, typer.Option(help="beach, forest, street, park, desert, mountains, moon, cave, kitchen, …")
    ] = "park",
    time: Annotated[str, typer.Option(help="day, sunset or night.")] = "day",
    weather: Annotated[str, typer.Option(help="clear, rain or snow.")] = "clear",
    shot: Annotated[str, typer.Option(help="wide, medium or close-up.")] = "wide",
    style: Annotated[str, typer.Option(help="flat, line art, pastel, noir, pixel or watercolor.")] = "flat",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Chooses the decoration.")] = 0,
    size: Size = 512,
    mask: Annotated[
        Path | None, typer.Option(help="Also write who is where: gray 0 the place, then one level an actor.")
    ] = None,
) -> None:
    """Draw a scene of up to four actors in one of the twelve places."""
    import numpy as np
    from PIL import Image

    from inkcast.images import save_png
    from inkcast.toon import world
    from inkcast.toon.renderer import render

    settings = {"place": place, "time": time, "weather": weather, "shot": shot, "style": style}
    for key, value in settings.items():
        allowed = getattr(world, f"{key.upper()}S")
        if value not in allowed:
            raise UsageError(f"{key} {value!r} is not drawn; choose one of: {', '.join(allowed)}")
    if len(who or []) > world.MAX_ACTORS:
        raise UsageError(
            f"{len(who or [])} actors are too many for one scene; the toon world draws up to {world.MAX_ACTORS}"
        )
    actors = tuple(_actor(text, k, len(who or [])) for k, text in enumerate(who or []))
    rendering = render(world.Scene(actors, **settings, seed=seed), size)
    if mask:
        levels = (rendering.instances.astype(np.uint16) * 255 // world.MAX_ACTORS).astype(np.uint8)
        save_png(Image.fromarray(levels), mask)
    _save(rendering, out)


def _pairs(words: list[str]) -> dict[str, str]:
    pairs = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"{word!r} is not attribute=value; write for example  hair=long")
        pairs[key.strip().replace("-", "_")] = value.strip()
    return pairs


def _actor(text: str, index: int, count: int) -> Actor:
    from inkcast.toon.design import design
    from inkcast.toon.world import ACTIONS, JOINT_ACTIONS, VIEWS, Actor

    name, _, rest = text.partition(":")
    words = _pairs([part for part in rest.split(",") if part.strip()])
    action, view = words.pop("action", "standing"), words.pop("view", "front")
    if action not in ACTIONS:
        raise UsageError(f"action {action!r} is not drawn; choose one of: {', '.join(ACTIONS)}")
    if view not in VIEWS:
        raise UsageError(f"view {view!r} is not drawn; choose one of: {', '.join(VIEWS)}")
    subject: Subject = design(name.strip(), words)
    x = (index + 0.5) / count if action not in JOINT_ACTIONS else 0.5 + 0.2 * (index - (count - 1) / 2) * 2
    return Actor(subject, action, x, 1 if x <= 0.5 else -1, view, 1.0 if count < 3 else 0.85, index % 2, name.strip())
