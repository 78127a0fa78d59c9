"""The questions `inkcast doctor` asks."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from inkcast.config import settings
from inkcast.errors import InkcastError

ENOUGH_GB = 1.0


@dataclass(frozen=True)
class Finding:
    """One answer; `state` is "ok", "note" (works, but worth knowing) or "missing" (something will not work)."""

    name: str
    state: Literal["ok", "note", "missing"]
    found: str


def examine() -> list[Finding]:
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (python, packages, extras, devices, weights, places)
    return [finding for check in checks for finding in guarded(check)]


def guarded(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What breaks a check is itself a finding."""
    try:
        yield from check()
    except (InkcastError, ImportError, OSError) as error:
        yield Finding(check.__name__, "missing", str(error))


def python() -> Iterator[Finding]:
    yield Finding("Python", "ok", f"{sys.version.split()[0]} on {sys.platform}, {os.cpu_count()} cores")


def requirements(extra: str = "") -> list[Requirement]:
    """What the installed package asks for, without an extra or for that extra alone."""
    declared = [Requirement(line) for line in requires("inkcast") or ()]
    if not extra:
        return [r for r in declared if r.marker is None or r.marker.evaluate({"extra": ""})]
    return [
        r for r in declared if r.marker and not r.marker.evaluate({"extra": ""}) and r.marker.evaluate({"extra": extra})
    ]


def unmet(requirement: Requirement) -> str:
    """What is wrong with an installed requirement; empty where nothing is."""
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is not installed"
    if not requirement.specifier.contains(found, prereleases=True):
        return f"{requirement.name} is {found}, not {requirement.specifier}"
    return ""


def packages() -> Iterator[Finding]:
    needed = requirements()
    problems = [problem for problem in map(unmet, needed) if problem]
    yield (
        Finding("packages", "missing", f"{'; '.join(problems)}: pip install 'inkcast'")
        if problems
        else Finding("packages", "ok", f"{len(needed)} present")
    )
    if find_spec("torchvision"):
        yield Finding("torchvision", "note", "its CPU build breaks SDXL pipelines: pip uninstall torchvision")


def extras() -> Iterator[Finding]:
    for extra in ("faces", "segment", "llm", "postgres"):
        absent = [problem for problem in map(unmet, requirements(extra)) if problem]
        found = f"not installed: pip install 'inkcast[{extra}]'" if absent else "installed"
        yield Finding(f"extra {extra}", "note" if absent else "ok", found)


def devices() -> Iterator[Finding]:
    import torch

    yield Finding("processor", "ok", f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        yield Finding(f"cuda:{index}", "ok", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB")
    if torch.backends.mps.is_available():
        yield Finding("mps", "ok", "Apple GPU")
    elif not torch.cuda.is_available():
        yield Finding("GPU", "note", "none: the toon base draws on the processor, full SDXL takes minutes a panel")


def weights() -> Iterator[Finding]:
    from inkcast.engines.survey import survey

    for engine in survey():
        found = "ready on toon" if engine.ready else f"toon lacks {', '.join(engine.missing)}"
        yield Finding(f"engine {engine.name}", "ok" if engine.ready else "note", found)


def places() -> Iterator[Finding]:
    home = settings().home
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / 10**9
    writable = os.access(existing, os.W_OK)
    state: Literal["ok", "missing"] = "ok" if writable and free >= ENOUGH_GB else "missing"
    yield Finding(
        "cast library", state, f"{home}{'' if writable else ' (not writable: set INKCAST_HOME)'}, {free:.0f} GB free"
    )
    here = shutil.disk_usage(Path.cwd()).free / 10**9
    yield Finding("this folder", "ok" if here >= ENOUGH_GB else "missing", f"{here:.0f} GB free")
