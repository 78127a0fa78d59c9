"""Building a data set: the plan is cut into parts, each part becomes one shard, wherever it is worked on.

A part's shard and its record appear whole or not at all, and depend on the plan alone. So a build that was killed goes
on with the parts that lack either, and ends with the bytes of one that was not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from inkcast.errors import OutputError, TrainingError
from inkcast.events import Progress, Report, unheard
from inkcast.files import TEMPORARY, reporting, shown, write_bytes, write_text
from inkcast.training.data.items import Item, sources_digest
from inkcast.training.data.making import make
from inkcast.training.data.schema import SCHEMA_VERSION, Broken, Index, Kind, Part, Record, ShardLine
from inkcast.training.data.shards import (
    BROKEN,
    INDEX,
    PLAN,
    Stored,
    digest_of,
    part_name,
    read_model,
    shard_name,
    write_shard,
)
from inkcast.training.data.storing import Encoding
from inkcast.training.data.tools import ToolBox, ToolChoice, Tools

_ITEMS: TypeAdapter[tuple[Item, ...]] = TypeAdapter(tuple[Item, ...])


class Plan(Record):
    """`plan.json`: what a build was asked for. `digest` covers items, tools and encoding."""

    version: Literal[1] = SCHEMA_VERSION
    kind: Kind
    items: int
    per_shard: int
    digest: str


@dataclass(frozen=True)
class Job:
    """One part of the plan, and all that is needed to do it elsewhere."""

    number: int
    items: tuple[Item, ...]
    out: Path
    toolbox: ToolBox
    encoding: Encoding


Crew = Callable[[Iterable[Job]], Iterator[Part]]
"""Does the jobs somewhere, in whatever order, and yields what became of each."""


def do(job: Job) -> Part:
    """Makes the part's samples, its shard and, last, its record."""
    tools = loaded(job.toolbox)
    sources = sources_digest(job.items)  # before they are read: what is written meanwhile is seen the next time
    samples: list[Stored] = []
    broken: list[Broken] = []
    for item in job.items:
        made = make(item, tools, job.encoding)
        samples += [made.sample] if made.sample is not None else []
        broken += made.broken
    part = Part(number=job.number, sources=sources, broken=tuple(broken))
    path = job.out / shard_name(job.number)
    if samples:
        rows = write_shard(path, samples)
        found = {"shard": path.name, "rows": rows, "sha256": digest_of(path), "size": path.stat().st_size}
        part = Part.model_validate(part.model_dump() | found)
    else:
        path.unlink(missing_ok=True)  # of the sources as they were
    write_text(job.out / part_name(job.number), part.model_dump_json())
    return part


@lru_cache(maxsize=1)
def loaded(toolbox: ToolBox) -> Tools:
    """The tools, loaded once per process."""
    return toolbox.load()


def here(jobs: Iterable[Job]) -> Iterator[Part]:
    """The crew of this process alone."""
    return map(do, jobs)


def build(
    items: Sequence[Item],
    kind: Kind,
    out: Path,
    *,
    toolbox: ToolBox | None = None,
    encoding: Encoding | None = None,
    per_shard: int = 256,
    crew: Crew = here,
    overwrite: bool = False,
    report: Report = unheard,
) -> Index:
    """Builds, or goes on building, the data set in `out`; the same call again makes what is missing or was
    made of files that have changed, else nothing.

    Raises:
        OutputError: `out` holds something else, or another build (unless `overwrite`).
        InkcastError: a tool cannot be loaded.
    """
    toolbox, encoding = toolbox or ToolChoice(), encoding or Encoding()
    digest = hashlib.sha256(_ITEMS.dump_json(tuple(items)))
    digest.update(f"{SCHEMA_VERSION} {kind} {per_shard} {toolbox!r} {encoding!r}".encode())
    plan = Plan(kind=kind, items=len(items), per_shard=per_shard, digest=digest.hexdigest())
    claim(out, plan, overwrite=overwrite)
    jobs = [
        Job(number, tuple(items[start : start + per_shard]), out, toolbox, encoding)
        for number, start in enumerate(range(0, len(items), per_shard))
    ]
    waiting = [job for job in jobs if not is_done(job)]
    done = len(items) - sum(len(job.items) for job in waiting)
    report(Progress("samples", done, len(items)))
    for part in crew(waiting):
        done += len(jobs[part.number].items)
        report(Progress("samples", done, len(items)))
    return finish(out, plan, len(jobs))


def is_done(job: Job) -> bool:
    """Whether the part's record is there, its shard as large as that says, and what it was made of as it was."""
    try:
        part = read_model(Part, job.out / part_name(job.number))
        whole = not part.shard or (job.out / part.shard).stat().st_size == part.size
        return whole and part.sources in ("", sources_digest(job.items))
    except (OSError, TrainingError):
        return False


def claim(out: Path, plan: Plan, *, overwrite: bool) -> None:
    """Makes `out` the plan's folder: new or empty, this plan's already, or another build's that may be replaced."""
    with reporting(out):
        out.mkdir(parents=True, exist_ok=True)
        # Left by a build that was killed while it wrote.
        left = [path for path in out.glob(f"{TEMPORARY}*") if path.is_file()]
        there = sorted(set(out.iterdir()) - set(left))
    path = out / PLAN
    if there and not path.is_file():
        raise OutputError(f"{shown(out)} holds something that is no data set; choose another folder")
    same = bool(there) and known_plan(path, overwrite=overwrite) == plan
    if there and not same and not overwrite:
        raise OutputError(
            f"{shown(out)} holds another build (other source, tools or options); choose another folder or --overwrite"
        )
    # The old plan goes last: a folder without one is nobody's, and would be refused.
    replaced = () if same else (out / INDEX, out / BROKEN, *out.glob("shard-*.tar"), *out.glob("shard-*.json"))
    with reporting(out):
        for old in (*left, *replaced):
            old.unlink(missing_ok=True)
    if not same:
        write_text(path, plan.model_dump_json())


def known_plan(path: Path, *, overwrite: bool) -> Plan | None:
    """The folder's plan; None for one that cannot be read and may be replaced. Raises as `read_model`."""
    try:
        return read_model(Plan, path)
    except TrainingError:
        if overwrite:
            return None
        raise


def finish(out: Path, plan: Plan, parts: int) -> Index:
    """Writes the list of what was set aside, then the index."""
    done = [read_model(Part, out / part_name(number)) for number in range(parts)]
    broken = [entry for part in done for entry in part.broken]
    write_bytes(out / BROKEN, b"".join(entry.model_dump_json().encode() + b"\n" for entry in broken))
    shards = tuple(
        ShardLine(
            file=part.shard, rows=part_name(part.number), samples=len(part.rows), size=part.size, sha256=part.sha256
        )
        for part in done
        if part.shard
    )
    index = Index(
        kind=plan.kind,
        samples=sum(line.samples for line in shards),
        broken=len(broken),
        plan=plan.digest,
        shards=shards,
    )
    write_text(out / INDEX, index.model_dump_json(indent=2) + "\n")
    return index
