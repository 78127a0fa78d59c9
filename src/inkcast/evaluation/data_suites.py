"""The suites over folders of data, by the names the command line gives them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from inkcast.errors import UsageError
from inkcast.evaluation.dreambench import dreambench_suite
from inkcast.evaluation.protocols import FASTCOMPOSER, FASTCOMPOSER_PAIRS, STORYMAKER, protocol_suite
from inkcast.evaluation.suites import Suite
from inkcast.evaluation.vistory import vistory_suite

PROTOCOLS = {one.name: one for one in (FASTCOMPOSER, FASTCOMPOSER_PAIRS, STORYMAKER)}


def data_suite(name: str, folder: Path, seed: int, images: int | None = None, limit: int | None = None) -> Suite:
    """`limit` takes only so many identities, subjects or stories; `images` other than the suite's own number.

    Raises `UsageError` for an unknown name or a folder that does not fit, `PictureError` for a broken picture.
    """
    if name in PROTOCOLS:
        protocol = PROTOCOLS[name]
        return protocol_suite(replace(protocol, images=images or protocol.images), folder, seed, limit)
    if name == "dreambench":
        return dreambench_suite(folder, seed, images or 4, limit)
    if name == "vistory":
        return vistory_suite(folder, seed, images or 1, limit)
    raise UsageError(f"unknown suite {name!r}: use one of {', '.join((*PROTOCOLS, 'dreambench', 'vistory'))}")
