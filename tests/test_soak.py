"""What only shows after long: memory, sameness, and comics killed at any moment. `make soak` runs it."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest
from tests.drawing.test_easel import CAST, STORY, drawing  # noqa: F401 - a fixture

from inkcast.comic import draw_comic
from inkcast.drawing.folder import read_cast, read_panels
from inkcast.drawing.record import read_record
from inkcast.page.layout import PageOptions
from inkcast.story.script import load_script

ROOT = Path(__file__).parents[1]
MINUTES = float(os.environ.get("SOAK_MINUTES", "5"))
GROWTH_MB = 64
KILLS = 40


def contents(folder: Path) -> dict[str, bytes]:
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    files.pop("run.json")
    return files


@pytest.mark.soak
def test_comics_over_and_over_stay_the_same_and_memory_does_not_grow(drawing, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # noqa: F811
    process, page = psutil.Process(), PageOptions(dpi=40)
    draw_comic(STORY, CAST, drawing, tmp_path / "out", page=page)
    first = contents(tmp_path / "out")
    memory: list[float] = []
    end = time.monotonic() + 60 * MINUTES
    while time.monotonic() < end or len(memory) < 10:
        draw_comic(STORY, CAST, drawing, tmp_path / "out", page=page, overwrite=True)
        assert contents(tmp_path / "out") == first
        gc.collect()
        memory.append(process.memory_info().rss / 2**20)
    assert max(memory[-3:]) - max(memory[2:5]) < GROWTH_MB, memory
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


WRITER = """
    import sys
    sys.path[:0] = ["src", "."]
    from pathlib import Path
    from inkcast.comic import draw_comic
    from inkcast.drawing.choices import Drawing
    from tests.easel_fake import FakeEasels, character
    cast = (character("Ann", "red", "she"), character("Ben", "blue", "he"))
    print("ready", flush=True)
    for seed in range(10_000):
        draw_comic("Ann sits in the park. Ann hugs Ben.", cast, Drawing(steps=1, seed=seed), Path(sys.argv[1]),
                   overwrite=True, easel=FakeEasels())
"""


@pytest.mark.soak
def test_a_comic_killed_at_any_moment_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    out, chance = tmp_path / "out", random.Random(0)
    seeds = set()
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(out)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0.5, 2.5))
            writer.kill()
        if not out.exists():  # between the two renames the old one has a hidden name, whole
            (out,) = [path for path in tmp_path.iterdir() if (path / "comic.json").exists()][:1]
            out = out.rename(tmp_path / "out")
        record = read_record(out)
        assert len(read_panels(out, record)) == len(load_script(out / "script.yaml").panels) == 2
        assert len(read_cast(out, record)) == 2
        assert (out / "comic.pdf").read_bytes().rstrip().endswith(b"%%EOF")
        seeds.add(record.drawing.seed)
    assert len(seeds) > 1
