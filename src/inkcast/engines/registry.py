"""The engines by name: what each needs, what of it is present, under which licences; loaded only when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inkcast.errors import EngineError, MissingExtraError
from inkcast.events import Report, unheard

if TYPE_CHECKING:
    from inkcast.engines.engine import Engine
    from inkcast.engines.settings import Setting, Settings
    from inkcast.sdxl.backbone import Backbone

DEFAULT = "any-story"


@dataclass(frozen=True)
class EngineInfo:
    """A method as the command line lists it. `factory` is "module:function", called with the base and who to report to.

    `parts` are companion paths of the base folder, `eyes` other sets of them of which one must be whole, `learning`
    such sets for an engine that learns each face, which draws without; `packages` maps an optional package to the extra
    that brings it, `non_commercial` names weights not for money.
    `counts` is "module:function", called with a UNet on the meta device: the parameters of each trained part.
    `exact` is drawn in float32 on CPUs, whatever would be faster there, unless a precision is asked for.
    """

    name: str
    title: str
    source: str
    factory: str
    counts: str
    families: tuple[str, ...]
    parts: tuple[str, ...]
    licence: str
    weights: str
    packages: Mapping[str, str]
    eyes: tuple[tuple[str, ...], ...] = ()
    learning: tuple[tuple[str, ...], ...] = ()
    non_commercial: tuple[str, ...] = ()
    exact: bool = False

    def settings(self) -> tuple[Setting, ...]:
        """What a panel may set about it, as its `options` declare."""
        found: tuple[Setting, ...] = named(f"inkcast.engines.{self.name.replace('-', '_')}.options:SETTINGS")
        return found

    @property
    def needs(self) -> tuple[str, ...]:
        """Every companion path, alternatives joined by "or"."""
        return (*self.parts, *_either(self.eyes))

    @property
    def learns_with(self) -> tuple[str, ...]:
        """What learning a face needs beside, alternatives joined by "or"."""
        return _either(self.learning)

    def present(self, folder: Path | None) -> tuple[str, ...]:
        """The companion parts, of all alternatives and of learning too, that a base's folder holds."""
        named = (*self.parts, *(part for each in (*self.eyes, *self.learning) for part in each))
        return tuple(part for part in named if not _absent((part,), folder))

    def missing(self, folder: Path | None) -> tuple[str, ...]:
        """The companion parts that a base's folder lacks; all of them where it has no folder."""
        return _absent(self.parts, folder) + _nearest(self.eyes, folder)

    def missing_to_learn(self, folder: Path | None) -> tuple[str, ...]:
        """What a base's folder lacks to learn a face."""
        return _nearest(self.learning, folder)


def _either(sets: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    return (" or ".join(" and ".join(each) for each in sets),) if sets else ()


def _absent(parts: tuple[str, ...], folder: Path | None) -> tuple[str, ...]:
    return tuple(part for part in parts if folder is None or not _filled(folder / part))


def _filled(path: Path) -> bool:
    """A file, or a folder with something in it."""
    return any(path.iterdir()) if path.is_dir() else path.is_file()


def _nearest(sets: tuple[tuple[str, ...], ...], folder: Path | None) -> tuple[str, ...]:
    return min((_absent(each, folder) for each in sets), key=len, default=())


# In the order in which a base without the default's weights falls back on them: learning faces takes minutes.
ENGINES: tuple[EngineInfo, ...] = (
    EngineInfo(
        name="any-story",
        title="AnyStory: subject tokens, ReferenceNet and an instance-aware router",
        source="arXiv 2501.09503",
        factory="inkcast.engines.any_story.engine:load_engine",
        counts="inkcast.engines.any_story.weights:parameter_counts",
        families=("sdxl",),
        parts=("image_encoder", "engines/any-story"),
        licence="Apache-2.0",
        weights="trained by this project's recipes; no SDXL weights are published",
        packages={},
        exact=True,  # its arg max turns what bfloat16 rounds off into somebody else's pixels
    ),
    EngineInfo(
        name="story-maker",
        title="StoryMaker: face and character tokens, LoRA on every attention",
        source="arXiv 2409.12576",
        factory="inkcast.engines.story_maker.engine:load_engine",
        counts="inkcast.engines.story_maker.weights:parameter_counts",
        families=("sdxl",),
        parts=("image_encoder", "engines/story-maker"),
        licence="Apache-2.0",
        weights="toon: this project's; public mask.bin: no licence given, non-commercial face encoder",
        packages={},
        eyes=(("faces",), ("detector", "face")),
        non_commercial=("faces (insightface packs)", "the public mask.bin, which comes without a licence"),
        exact=True,  # one picture of two in eight was below 0.98 in bfloat16 (docs/bench.md)
    ),
    EngineInfo(
        name="ip-adapter",
        title="IP-Adapter-Plus: image tokens by decoupled cross-attention, the baseline",
        source="arXiv 2308.06721",
        factory="inkcast.engines.ip_adapter.engine:load_engine",
        counts="inkcast.engines.ip_adapter.weights:parameter_counts",
        families=("sdxl",),
        parts=("image_encoder", "engines/ip-adapter/adapter.safetensors"),
        licence="Apache-2.0",
        weights="toon: this project's; public ip-adapter-plus_sdxl_vit-h: Apache-2.0",
        packages={},
    ),
    EngineInfo(
        name="stable-identity",
        title="StableIdentity: a face as two words per text encoder, learned per character",
        source="arXiv 2401.15975",
        factory="inkcast.engines.stable_identity.engine:load_engine",
        counts="inkcast.engines.stable_identity.encoder:parameter_counts",
        families=("sdxl", "sd"),
        parts=(),  # words learned or imported before need none
        licence="Apache-2.0",
        weights="learned per character; to learn on SDXL: a public face ViT and SegFormer face parser (see its page)",
        packages={},
        learning=(("engines/stable-identity/face", "engines/stable-identity/parser"), ("detector", "face")),
        non_commercial=("SegFormer face parsers made from NVIDIA's mit-b5 and CelebAMask-HQ, both for research only",),
    ),
)


@dataclass(frozen=True)
class PublicWeights:
    """Weights of others that read references and pictures, and their licence as their makers state it.

    `at` is where they are put or named; `commercial` is whether they may be used for money.
    """

    name: str
    reads: str
    at: str
    licence: str
    commercial: bool = True


VISION: tuple[PublicWeights, ...] = (
    PublicWeights("CLIP ViT-H/14 (LAION-2B)", "subjects", "image_encoder of a base", "MIT"),
    PublicWeights(
        "insightface packs", "faces", "faces of a base, or --faces", "non-commercial research", commercial=False
    ),
    PublicWeights("rembg's isnet-anime", "where the subject is", "rembg's folder", "Apache-2.0"),
    PublicWeights("rembg's isnet-general-use, u2net, u2netp", "where the subject is", "rembg's folder", "Apache-2.0"),
    PublicWeights("rembg's birefnet-general", "where the subject is", "rembg's folder", "MIT"),
    PublicWeights("ViTPose", "poses", "pose of a base, or --poses", "Apache-2.0"),
    PublicWeights(
        "Mask2Former", "people", "people of a base, or --people", "MIT (of its code; none given for weights)"
    ),
    PublicWeights(
        "jayanta/vit-base-patch16-224-in21k-face-recognition",
        "the face that StableIdentity learns",
        "engines/stable-identity/face of a base",
        "Apache-2.0",
    ),
    PublicWeights(
        "SegFormer face parsers (NVIDIA's mit-b5, CelebAMask-HQ)",
        "where face and hair are",
        "engines/stable-identity/parser of a base",
        "non-commercial research",
        commercial=False,
    ),
    PublicWeights("Qwen2-VL 2B and 7B", "captions of training pictures", "--captions", "Apache-2.0"),
)


def engine_info(name: str) -> EngineInfo:
    """Raises `EngineError` listing the known engines."""
    for info in ENGINES:
        if info.name == name:
            return info
    raise EngineError(f"unknown engine {name!r}: use one of {', '.join(info.name for info in ENGINES)}")


def check_settings(engine: EngineInfo, settings: Settings) -> None:
    """Raises `EngineError` for one of a whole panel that the engine does not have, or a value that may not be."""
    known = {setting.name: setting for setting in engine.settings() if setting.whole}
    for name in settings:
        if name not in known:
            raise EngineError(f"{engine.name} has no setting {name!r}: it has {', '.join(known) or 'none'}")
        known[name].of(settings, 0)


def load_engine(name: str, base: Backbone, *, report: Report = unheard) -> Engine:
    """The engine over a loaded base, from the base's companion parts; `report` hears what it did about references.

    Raises:
        EngineError: unknown, of another family, or its weights are missing.
        MissingExtraError: an optional package is not installed.
    """
    info = engine_info(name)
    if base.family not in info.families:
        raise EngineError(
            f"{name} runs on {' or '.join(info.families)} bases, but {base.name!r} is of family {base.family}"
        )
    for package, extra in info.packages.items():
        if find_spec(package) is None:
            raise MissingExtraError(package, extra, f"the engine {name}")
    missing = info.missing(base.folder)
    if missing:
        where = f" in {base.folder}" if base.folder else ""
        raise EngineError(f"base {base.name!r} has no {missing[0]}{where}, which {name} needs: train it or add it")
    engine: Engine = named(info.factory)(base, report=report)
    return engine


def parameter_counts() -> dict[str, int]:
    """Parameters of every engine's trained parts over SDXL at its full size, by ENGINE.PART; allocates none."""
    from inkcast.sdxl.full_size import sdxl_unet

    unet = sdxl_unet()
    return {f"{info.name}.{part}": count for info in ENGINES for part, count in named(info.counts)(unet).items()}


def named(path: str) -> Any:
    """What is at "module:name"."""
    module, name = path.split(":")
    return getattr(import_module(module), name)
