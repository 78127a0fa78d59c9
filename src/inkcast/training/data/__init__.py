"""Data for training the methods on real pictures: a documented schema in webdataset shards, built and read here."""

from inkcast.training.data.augment import Augmentation
from inkcast.training.data.building import build
from inkcast.training.data.captioner import Captioner, Qwen2VLCaptioner
from inkcast.training.data.crews import crew_of
from inkcast.training.data.inspecting import inspect
from inkcast.training.data.reading import Reading, ShardSource, TrainingSample, open_shards
from inkcast.training.data.schema import SCHEMA_VERSION, PeopleSample, SubjectSample
from inkcast.training.data.shards import Shards
from inkcast.training.data.sources import read_source
from inkcast.training.data.storing import Encoding
from inkcast.training.data.tools import ToolChoice, Tools
from inkcast.training.data.toon import toon_items

__all__ = [
    "SCHEMA_VERSION",
    "Augmentation",
    "Captioner",
    "Encoding",
    "PeopleSample",
    "Qwen2VLCaptioner",
    "Reading",
    "ShardSource",
    "Shards",
    "SubjectSample",
    "ToolChoice",
    "Tools",
    "TrainingSample",
    "build",
    "crew_of",
    "inspect",
    "open_shards",
    "read_source",
    "toon_items",
]
