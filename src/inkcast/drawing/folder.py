"""Where a comic goes: a folder with all that made it, or one file; whole or not at all. And the way back."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from inkcast.cast.character import Character, CharacterId, Reference, State
from inkcast.drawing.record import RECORD, TEMPLATE, ComicRecord, PanelRecord, PictureRecord, figures_of
from inkcast.drawing.routes import Painted, routes_picture
from inkcast.errors import OutputError
from inkcast.files import refuse_existing, replacing_folder, reporting, shown, write_text
from inkcast.filesets import finish_set, looks_numbered, numbered, replacing_set
from inkcast.images import open_picture, save_png
from inkcast.page.export import FORMATS, write_comic
from inkcast.page.layout import PageLayout, PageOptions
from inkcast.page.panel import DrawnPanel
from inkcast.story.script import Script, dump_script, edit_script

SCRIPT = "script.yaml"
TIMINGS = "run.json"
OWNED = (
    "comic.*",
    "page-*.*",
    "panel-*.png",
    "routes-*.png",
    "pose-*.png",
    "mask-*.png",
    "cast",
    SCRIPT,
    RECORD,
    TEMPLATE,
    TIMINGS,
)
ROOM_MB = 16


def is_file(out: Path) -> bool:
    """Whether `out` names a file of a known format; raises OutputError where it names one of another."""
    suffix = out.suffix.lower()
    if suffix in FORMATS:
        return True
    if re.fullmatch(r"\.[a-z]{1,4}", suffix) and not out.is_dir():
        raise OutputError(f"{shown(out)} has no known format: end it in {', '.join(FORMATS)}, or name a folder")
    return False


def check_target(out: Path, *, overwrite: bool) -> None:
    """Raises OutputError, before any work, where a comic could not be written to `out`."""
    if not is_file(out):
        refuse_existing(out, RECORD, overwrite=overwrite)
    elif out.is_dir():
        raise OutputError(f"{shown(out)} is a folder: choose another name for the file")
    else:
        with reporting(out):
            finish_set(out)
        if (there := looks_numbered(out)) and not overwrite:
            raise OutputError(f"{shown(there[0])} exists already: choose another name or give --overwrite")
    with reporting(out):
        place = next(folder for folder in out.absolute().parents if folder.exists())
        if not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "not a folder", str(place))
        if not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "no permission", str(place))
        if shutil.disk_usage(place).free < ROOM_MB * 10**6:
            raise OSError(errno.ENOSPC, "disk full", str(place))


@contextmanager
def replacing_comic(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yields a temporary folder, or a file's name in one, that becomes `out` when the block ends without an error."""
    check_target(out, overwrite=overwrite)
    if is_file(out):
        with replacing_set(out, [out, *numbered(out)]) as folder:
            yield folder / out.name
    else:
        with replacing_folder(out, RECORD, overwrite=overwrite, owned=OWNED) as target:
            yield target


def write_pages(
    target: Path,
    script: Script,
    panels: Sequence[DrawnPanel],
    pages: Sequence[PageLayout],
    options: PageOptions,
    *,
    written: str = "",
) -> None:
    """The lettered comic; a folder also gets the script it was lettered from, and the author's template.

    `written` is the YAML that a person may have commented: the script's file keeps its comments.
    """
    write_comic(script, panels, pages, target, options)
    if target.is_dir():
        write_text(target / SCRIPT, edit_script(written, script) if written else dump_script(script))
        if options.template:
            shutil.copyfile(options.template, target / TEMPLATE)


def write_panels(folder: Path, panels: Sequence[DrawnPanel], cast: Sequence[Character], record: ComicRecord) -> None:
    """The pictures as drawn, each with what made it in the file's text fields, and the cast's references."""
    for panel, kept in zip(panels, record.panels, strict=True):
        save_png(panel.picture, folder / kept.picture, provenance(kept, record))
    for character, member in zip(cast, record.cast, strict=True):
        for reference, picture in zip(character.references, member.references, strict=True):
            save_png(reference.image, folder / picture.picture)
            if reference.mask is not None:
                save_png(reference.mask, folder / picture.mask)


def write_pictures(folder: Path, script: Script) -> Script:
    """Keeps the poses and masks that a script names; the script that is returned names those that are kept."""

    def kept(picture: str, name: str) -> str:
        if not picture:
            return ""
        save_png(open_picture(picture), folder / name)
        return name

    panels = []
    for number, panel in enumerate(script.panels, 1):
        characters = tuple(
            one.model_copy(update={"mask": kept(one.mask, f"mask-{number:02}-{place:02}.png")})
            for place, one in enumerate(panel.characters, 1)
        )
        pose = kept(panel.pose, f"pose-{number:02}.png")
        panels.append(panel.model_copy(update={"pose": pose, "characters": characters}))
    return script.model_copy(update={"panels": tuple(panels)})


def provenance(panel: PanelRecord, record: ComicRecord) -> dict[str, str]:
    """The text fields of a panel's PNG file."""
    return {"engine": record.drawing.engine, "prompt": panel.prompt, "seed": str(panel.seed)}


def keep_routes(folder: Path, target: Path, *, but: int = 0) -> None:
    """Copies the routing maps of every panel, `but` one's, whose numbers count from 1."""
    own = {f"routes-{but:02}.png", f"routes-{but:02}-layers.png"}
    for file in folder.glob("routes-*.png"):
        if file.name not in own:
            shutil.copyfile(file, target / file.name)


def write_routes(folder: Path, painted: Sequence[Painted], first: int = 1) -> None:
    """Where each character acted, and that layer by layer, for the panels that say; the first of them is `first`."""
    for number, each in enumerate(painted, first):
        if each.routes is not None:
            save_png(routes_picture(each.panel.picture, each.routes), folder / f"routes-{number:02}.png")
        if each.chart is not None:
            save_png(each.chart, folder / f"routes-{number:02}-layers.png")


def write_records(folder: Path, record: ComicRecord, seconds: Mapping[str, float]) -> None:
    """comic.json, the same for the same comic, and run.json, which is not."""
    write_text(folder / RECORD, record.model_dump_json(indent=2) + "\n")
    timings = {"seconds": {**seconds, "total": round(sum(seconds.values()), 3)}, "device": record.drawing.device}
    write_text(folder / TIMINGS, json.dumps(timings, indent=2) + "\n")


def read_panels(folder: Path, record: ComicRecord) -> tuple[DrawnPanel, ...]:
    return tuple(DrawnPanel(open_picture(inside(folder, panel.picture)), figures_of(panel)) for panel in record.panels)


def read_cast(folder: Path, record: ComicRecord) -> tuple[Character, ...]:
    """The cast as `write_panels` kept it."""
    return tuple(
        Character(
            CharacterId(member.id),
            member.name,
            tuple(read_reference(folder, picture) for picture in member.references),
            member.pronouns,
            member.aliases,
            member.description,
            tuple(State(state.name, state.description) for state in member.states),
        )
        for member in record.cast
    )


def read_reference(folder: Path, kept: PictureRecord) -> Reference:
    mask = open_picture(inside(folder, kept.mask)).convert("L") if kept.mask else None
    picture = open_picture(inside(folder, kept.picture))
    return Reference(picture, kept.digest, view=kept.view, mask=mask, state=kept.state)


def inside(folder: Path, name: str) -> Path:
    """`folder`/`name`; refused where a record's name leads out of the folder."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise OutputError(f"{shown(folder / RECORD)} names {shown(name)}, which is outside the comic: draw it again")
    return path
