"""comic.json: what a comic was drawn from and with, enough to draw it again to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from inkcast.cast.character import Character
from inkcast.drawing.choices import Drawing, Origin
from inkcast.drawing.planning import PlannedPanel
from inkcast.errors import OutputError
from inkcast.files import shown
from inkcast.page.layout import PageOptions
from inkcast.page.panel import DrawnPanel, Figure, PixelBox
from inkcast.story.script import Script

RECORD = "comic.json"
TEMPLATE: Literal["template.typ"] = "template.typ"
RECORD_VERSION: Literal[1] = 1
LIBRARIES = ("inkcast", "torch", "diffusers", "transformers", "numpy", "pillow", "typst")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PictureRecord(_Frozen):
    """A reference kept in the comic's folder: `picture` and `mask` are paths below it, `digest` the original's."""

    picture: str
    mask: str = ""
    digest: str
    view: str = "front"
    state: str = ""


class StateRecord(_Frozen):
    name: str
    description: str = ""


class MemberRecord(_Frozen):
    """A member of the cast, with all that decides how they are drawn."""

    id: str
    name: str
    pronouns: str = ""
    aliases: tuple[str, ...] = ()
    description: str = ""
    states: tuple[StateRecord, ...] = ()
    references: tuple[PictureRecord, ...] = ()


class FigureRecord(_Frozen):
    """Where a cast member stands, in pixels of the panel's picture: x0, y0, x1, y1, half open."""

    name: str
    box: PixelBox
    face: PixelBox | None = None


class PanelRecord(_Frozen):
    """A drawn panel. `characters` are the cast members asked for; `figures` those whose place is known."""

    picture: str
    prompt: str
    negative: str
    size: tuple[int, int]
    seed: int
    characters: tuple[str, ...] = ()
    figures: tuple[FigureRecord, ...] = ()


class LoraRecord(_Frozen):
    """A LoRA that acted: where its file lay, which the comic does not keep, and how strongly."""

    file: str
    scale: float


class DrawingRecord(_Frozen):
    """`choices.Drawing`, all that was left open filled in; poses and masks are in the script."""

    engine: str
    base: str
    style: str
    steps: int
    guidance: float
    scheduler: str
    negative: str
    seed: int
    device: str
    dtype: str
    low_vram: bool
    loras: tuple[LoraRecord, ...] = ()
    routes_at: tuple[int, ...] = ()


class OriginRecord(_Frozen):
    """The weights that drew: the base's family and digest, the engine's digest, and those of the LoRAs."""

    family: str
    base: str
    engine: str
    loras: tuple[str, ...] = ()


class PageRecord(_Frozen):
    """The choices of `page.PageOptions` that the command line offers; `template` is kept in the comic's folder."""

    layout: str = "auto"
    size: str = ""
    language: str = ""
    dpi: int = 150
    bleed: float = 0.0
    template: Literal["", "template.typ"] = ""


class ComicRecord(_Frozen):
    version: Literal[1] = RECORD_VERSION
    title: str = ""
    drawing: DrawingRecord
    weights: OriginRecord
    page: PageRecord
    cast: tuple[MemberRecord, ...]
    panels: tuple[PanelRecord, ...]
    libraries: dict[str, str] = {}


def make_record(
    script: Script,
    page: PageOptions,
    cast: Sequence[Character],
    drawing: Drawing,
    origin: Origin,
    plan: Sequence[PlannedPanel],
    drawn: Sequence[DrawnPanel],
) -> ComicRecord:
    """The record of a comic just drawn; pictures are named by their number."""
    return ComicRecord(
        title=script.title,
        drawing=drawing_record(drawing),
        weights=OriginRecord(**asdict(origin)),
        page=page_record(page),
        cast=tuple(member_record(character, number) for number, character in enumerate(cast, 1)),
        panels=tuple(panel_record(planned, panel) for planned, panel in zip(plan, drawn, strict=True)),
        libraries=library_versions(),
    )


def drawing_record(drawing: Drawing) -> DrawingRecord:
    return DrawingRecord(
        engine=drawing.engine,
        base=drawing.base,
        style=drawing.style,
        steps=drawing.steps,
        guidance=drawing.guidance or 0.0,
        scheduler=drawing.scheduler,
        negative=drawing.negative,
        seed=drawing.seed,
        device=drawing.device,
        dtype=drawing.dtype,
        low_vram=drawing.low_vram,
        loras=tuple(LoraRecord(file=str(lora.file.resolve()), scale=lora.scale) for lora in drawing.loras),
        routes_at=drawing.routes_at,
    )


def page_record(page: PageOptions) -> PageRecord:
    return PageRecord(
        layout=page.layout,
        size=page.size,
        language=page.language,
        dpi=page.dpi,
        bleed=page.bleed,
        template=TEMPLATE if page.template else "",
    )


def member_record(character: Character, number: int) -> MemberRecord:
    """A character; its pictures are named cast/NUMBER-COUNT.png, since a person's words never become paths."""
    pictures = []
    for count, reference in enumerate(character.references, 1):
        stem = f"cast/{number:02}-{count:02}"
        mask = f"{stem}-mask.png" if reference.mask is not None else ""
        pictures.append(
            PictureRecord(
                picture=f"{stem}.png", mask=mask, digest=reference.digest, view=reference.view, state=reference.state
            )
        )
    return MemberRecord(
        id=character.id,
        name=character.name,
        pronouns=character.pronouns,
        aliases=character.aliases,
        description=character.description,
        states=tuple(StateRecord(name=state.name, description=state.description) for state in character.states),
        references=tuple(pictures),
    )


def panel_record(planned: PlannedPanel, drawn: DrawnPanel) -> PanelRecord:
    return PanelRecord(
        picture=f"panel-{planned.index + 1:02}.png",
        prompt=planned.prompt.wording(planned.style),
        negative=planned.style.negative,
        size=planned.size,
        seed=planned.seed,
        characters=tuple(member.name for member in planned.prompt.members),
        figures=tuple(FigureRecord(name=one.name, box=one.box, face=one.face) for one in drawn.figures),
    )


def figures_of(panel: PanelRecord) -> tuple[Figure, ...]:
    return tuple(Figure(figure.name, figure.box, figure.face) for figure in panel.figures)


def library_versions() -> dict[str, str]:
    """The versions of what decides a picture's bits; a library that is not installed is left out."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read_record(folder: Path) -> ComicRecord:
    """The record of the comic in `folder`; raises OutputError where there is none or it is damaged."""
    path = folder / RECORD
    try:
        return ComicRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise OutputError(
            f"{shown(folder)} holds no comic (no readable {RECORD}): name a folder that  inkcast make  wrote"
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "its start"
        raise OutputError(f"{shown(path)} is damaged at {where}: {first['msg']}; draw the comic again") from error
