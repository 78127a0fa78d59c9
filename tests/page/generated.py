"""Generated scripts and panels without pictures: figures of every size in every place, texts of every length."""

from __future__ import annotations

from random import Random

from PIL import Image

from inkcast.page.layout import PageLayout, PageOptions, arrange
from inkcast.page.panel import DrawnPanel, Figure, PixelBox
from inkcast.story.script import Line, LineKind, Panel, Script

NAMES = ("Ann Lee", "Bob", "Mia Stone", "Tom")
_TALK = """the lantern shines over dark water while everybody waits for morning and nobody dares to speak again because
something moved oh no yes never extraordinarily quiet I a"""
_WORDS = _TALK.split()
_KINDS: tuple[LineKind, ...] = ("speech", "speech", "speech", "thought", "shout", "whisper", "off-panel")


def sentence(random: Random, words: int) -> str:
    chosen = [random.choice(_WORDS) for _ in range(words)]
    for place in range(7, words, 8):
        chosen[place] += random.choice([",", ".", "!", "…"])
    return " ".join(chosen).capitalize() + random.choice([".", "!", "?"])


def generated_script(seed: int, panels: int = 5) -> Script:
    random = Random(seed)
    made = []
    for number in range(panels):
        lines = tuple(
            Line(
                speaker=random.choice([*NAMES, "Somebody Else", None]),
                text=sentence(random, random.choice([1, 2, 5, 8, 13, 24, 40])),
                kind=random.choice(_KINDS),
            )
            for _ in range(random.choice([0, 1, 1, 2, 2, 3]))
        )
        caption = sentence(random, 8) if random.random() < 0.4 else ""
        effects = ("CRASH!",) if random.random() < 0.2 else ()
        shot = random.choice(["", "", "wide", "close-up"])
        made.append(Panel(description=f"Panel {number}.", shot=shot, dialogue=lines, caption=caption, effects=effects))
    return Script(title=f"Story {seed}", panels=tuple(made))


def generated_panels(script: Script, pages: tuple[PageLayout, ...], seed: int) -> list[DrawnPanel]:
    """One empty picture a frame, in its shape, with nought to four figures of which some have no face."""
    random = Random(seed)
    frames = sorted((frame for page in pages for frame in page.frames), key=lambda frame: frame.panel)
    drawn = []
    for frame in frames:
        aspect = frame.aspect if random.random() < 0.8 else random.uniform(0.6, 1.7)
        width, height = (256, round(256 / aspect)) if aspect >= 1 else (round(256 * aspect), 256)
        count = random.choice([0, 1, 1, 2, 2, 3, 4])
        names = random.sample(NAMES, count)
        figures = tuple(_figure(random, name, index, count, (width, height)) for index, name in enumerate(names))
        drawn.append(DrawnPanel(Image.new("RGB", (width, height), "#8ac"), figures))
    return drawn


def _figure(random: Random, name: str, index: int, count: int, size: tuple[int, int]) -> Figure:
    width, height = size
    radius = min(width / count * 0.45, height * 0.45) * random.choice([0.35, 0.5, 0.5, 0.7, 1.0])
    centre_x = width * (index + random.uniform(0.35, 0.65)) / count
    centre_y = random.uniform(radius * 1.15, max(height - radius * 1.1, radius * 1.15))
    face = _clip((centre_x - radius, centre_y - radius, centre_x + radius, centre_y + radius), size)
    box = _clip((centre_x - radius * 1.4, centre_y - radius * 1.3, centre_x + radius * 1.4, height), size)
    return Figure(name, box, face if random.random() < 0.85 else None)


def _clip(box: tuple[float, float, float, float], size: tuple[int, int]) -> PixelBox:
    x0, y0, x1, y1 = box
    return max(0, round(x0)), max(0, round(y0)), min(size[0], round(x1)), min(size[1], round(y1))


def generated(
    seed: int, options: PageOptions, panels: int = 5
) -> tuple[Script, tuple[PageLayout, ...], list[DrawnPanel]]:
    script = generated_script(seed, panels)
    pages = arrange(script, options)
    return script, pages, generated_panels(script, pages, seed)
