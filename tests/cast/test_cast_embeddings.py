"""Word vectors saved by StableIdentity: read without running anything."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from people import person

from inkcast.cast.embeddings import ENGINE, read_embeddings
from inkcast.cast.identities import unpack
from inkcast.cast.record import CharacterRecord
from inkcast.cast.store import CastLibrary
from inkcast.errors import CastError

SAMPLES = next(
    (
        folder / "comic-generator"
        for folder in (Path(os.environ.get("INKCAST_TEST_SAMPLES", "samples")), Path(__file__).parents[2] / "samples")
        if (folder / "comic-generator").is_dir()
    ),
    None,
)


def save(path: Path, width: int) -> torch.Tensor:
    tensor = torch.randn(1, 2, width, generator=torch.Generator().manual_seed(width), requires_grad=True)
    torch.save(tensor, path)
    return tensor.detach()


def tensors(record: CharacterRecord) -> list[dict[str, torch.Tensor]]:
    return [dict(unpack(found.tensors, found.engine, found.weights_digest).tensors) for found in record.identities]


def test_the_files_of_one_name_are_one_character(tmp_path: Path) -> None:
    first, second = save(tmp_path / "Mira_Stone_1.pt", 768), save(tmp_path / "Mira_Stone_2.pt", 1280)
    small = save(tmp_path / "Mira_Stone.pt", 1024)
    other = save(tmp_path / "Ann.pt", 1024)
    mira, ann = read_embeddings(sorted(tmp_path.iterdir(), reverse=True))
    assert (mira.name, ann.name) == ("Mira Stone", "Ann")
    sd, sdxl = tensors(mira)
    assert torch.equal(sd["text_encoder"], small)
    assert torch.equal(sdxl["text_encoder"], first)
    assert torch.equal(sdxl["text_encoder_2"], second)
    assert not sdxl["text_encoder"].requires_grad
    assert torch.equal(tensors(ann)[0]["text_encoder"], other)
    assert {found.engine for found in mira.identities} == {ENGINE}
    assert len({found.weights_digest for found in mira.identities}) == 2


def test_they_are_found_in_the_library_and_join_who_is_there(library: CastLibrary, tmp_path: Path) -> None:
    first = save(tmp_path / "Mira_Stone_1.pt", 768)
    save(tmp_path / "Mira_Stone_2.pt", 1280)
    library.add(person("mira stone"))
    records = read_embeddings(tmp_path.glob("*.pt"))
    (entry,) = library.add(extending=records)
    assert (entry.name, len(entry.references), len(entry.identities)) == ("mira stone", 1, 1)
    (again,) = library.add(extending=records)
    assert entry == again
    (identity,) = library.imported_identities(entry.id, ENGINE)
    assert torch.equal(identity.tensors["text_encoder"], first)


def test_half_an_identity_is_told(tmp_path: Path) -> None:
    save(tmp_path / "Ann_2.pt", 1280)
    with pytest.raises(CastError, match=r"one half .* the file of _1"):
        read_embeddings([tmp_path / "Ann_2.pt"])


class Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path, zipped: bool) -> None:
    target, path = tmp_path / "was-run", tmp_path / "Evil.pt"
    torch.save({"x": torch.zeros(1), "evil": Evil(target)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CastError, match="is refused") as caught:
        read_embeddings([path])
    assert "\n" not in str(caught.value)
    assert not target.exists()


def test_a_bare_pickle_is_refused_and_does_not_run(tmp_path: Path) -> None:
    target, path = tmp_path / "was-run", tmp_path / "Evil.pt"
    path.write_bytes(pickle.dumps(Evil(target)))
    with pytest.raises(CastError, match="is refused"):
        read_embeddings([path])
    assert not target.exists()


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "plain.pt", 1024)
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(tmp_path / "Bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in plain.namelist():
            bomb.writestr(name, bytes(50_000_000) if name.endswith("data/0") else plain.read(name))
    with pytest.raises(CastError, match="unpacks to 500"):
        read_embeddings([tmp_path / "Bomb.pt"])


def test_a_tensor_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    torch.save(torch.zeros(1).expand(1, 2, 2**40), tmp_path / "Huge.pt")
    with pytest.raises(CastError, match=r"must be float \[1, 2, 1024\]"):
        read_embeddings([tmp_path / "Huge.pt"])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (torch.zeros(1, 2, 768), r"torch.float32 \[1, 2, 768\]; it must be float \[1, 2, 1024\]"),
        (torch.zeros(2, 1024), r"\[2, 1024\]"),
        (torch.zeros(1, 2, 1024, dtype=torch.int64), "torch.int64"),
        (torch.full((1, 2, 1024), float("nan")), "not finite"),
        (OrderedDict(x=torch.zeros(1)), "holds OrderedDict, not one tensor"),
        (torch.zeros(500_000), "larger than 1 MB"),
    ],
)
def test_what_is_not_two_word_vectors_is_told(tmp_path: Path, content: object, told: str) -> None:
    torch.save(content, tmp_path / "Ann.pt")
    with pytest.raises(CastError, match=told):
        read_embeddings([tmp_path / "Ann.pt"])


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04junk"])
def test_junk_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "Ann.pt").write_bytes(content)
    with pytest.raises(CastError, match="is refused"):
        read_embeddings([tmp_path / "Ann.pt"])


def test_missing_and_nameless_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(CastError, match="cannot be read"):
        read_embeddings([tmp_path / "Ann.pt"])


def test_half_precision_is_read_as_single(tmp_path: Path) -> None:
    torch.save(torch.ones(1, 2, 1024, dtype=torch.float16), tmp_path / "Ann.pt")
    (record,) = read_embeddings([tmp_path / "Ann.pt"])
    assert tensors(record)[0]["text_encoder"].dtype == torch.float32


def test_the_comic_generator_s_own_files_are_read() -> None:
    if SAMPLES is None:
        pytest.skip("no samples of the comic generator: set INKCAST_TEST_SAMPLES to the folder that holds them")
    records = read_embeddings(sorted(SAMPLES.glob("*.pt")))
    assert [record.name for record in records] == ["Taylor Swift"]
    sd, sdxl = tensors(records[0])
    assert sd["text_encoder"].shape == (1, 2, 1024)
    assert sdxl["text_encoder"].shape == (1, 2, 768)
    assert sdxl["text_encoder_2"].shape == (1, 2, 1280)
    # word vectors of CLIP are small: the files are read, not merely shaped
    assert all(0.001 < vectors.std() < 1 for vectors in (*sd.values(), *sdxl.values()))
