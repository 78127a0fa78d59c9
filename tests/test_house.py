"""The house around the code: set-up says what is missing, there is no torchvision, the wheel is whole."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
TOOLS = ("sh", "awk", "cat", "cksum", "uname", "dirname", "mkdir", "cp", "chmod")

# Stands for any Python: answers the questions scripts/setup asks, and writes down what it is told to install.
PYTHON = """#!/bin/sh
case "$*" in
    *version_info*) exit "${STUB_OLD:-0}" ;;
    *ensurepip*) exit "${STUB_NO_VENV:-0}" ;;
    *"import torch"* | *urllib*) exit 1 ;;
    *--version*) echo "Python 3.99" ;;
    *"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python && chmod +x .venv/bin/python ;;
    *"-m pip"*) echo "$*" >>pip.log; [ -z "${STUB_FILLS_DISK:-}" ] || echo 1 >disk; exit "${STUB_PIP:-0}" ;;
esac
"""
DF = """#!/bin/sh
echo "Filesystem 1024-blocks Used Available Capacity Mounted"
echo "disk 1 1 $(( $(cat disk) * 1024 )) 1% /"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/setup", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    (tmp_path / "disk").write_text("50000")
    write_tool(tmp_path / "bin" / "df", DF)
    return tmp_path


def write_tool(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def run_setup(
    checkout: Path, kind: str = "plain", python: bool = True, **stub: str
) -> subprocess.CompletedProcess[str]:
    if python:
        write_tool(checkout / "bin" / "python3", PYTHON)
    return subprocess.run(
        [checkout / "scripts" / "setup", kind],
        env={"PATH": str(checkout / "bin"), **stub},
        capture_output=True,
        text=True,
        check=False,
    )


def installs(checkout: Path) -> list[str]:
    return (checkout / "pip.log").read_text().splitlines()


@pytest.mark.parametrize(
    ("stub", "python", "message"),
    [
        ({}, False, "no Python >= 3.11 found"),
        ({"STUB_OLD": "1"}, True, "no Python >= 3.11 found"),
        ({"STUB_NO_VENV": "1"}, True, "sudo apt-get install python3-venv"),
        ({"STUB_PIP": "1"}, True, "no network?"),
        ({"STUB_PIP": "1", "STUB_FILLS_DISK": "1"}, True, "the disk is full: 1 MB left"),
    ],
)
def test_setup_says_what_is_missing(checkout: Path, stub: dict[str, str], python: bool, message: str) -> None:
    result = run_setup(checkout, python=python, **stub)
    assert result.returncode == 1
    assert message in result.stderr.splitlines()[-1]
    assert not (checkout / ".venv" / ".inkcast-plain").exists()


def test_setup_asks_for_room_before_it_starts(checkout: Path) -> None:
    (checkout / "disk").write_text("100")
    result = run_setup(checkout)
    assert result.returncode == 1
    assert "not enough disk space: 100 MB free" in result.stderr
    assert not (checkout / ".venv").exists()


def test_setup_installs_once_and_only_what_is_asked(checkout: Path) -> None:
    assert run_setup(checkout).returncode == 0
    first = installs(checkout)
    assert all("--constraint constraints.txt" in line for line in first)
    assert first[-1].endswith("--editable .")

    assert run_setup(checkout).stdout == ""
    assert installs(checkout) == first

    assert run_setup(checkout, "dev").returncode == 0
    assert installs(checkout)[-1].endswith("--editable .[dev]")
    after = installs(checkout)
    assert run_setup(checkout).stdout == ""  # the development environment holds the plain one
    assert installs(checkout) == after

    with (checkout / "constraints.txt").open("a") as file:
        file.write("# moved\n")
    assert run_setup(checkout).returncode == 0
    assert len(installs(checkout)) > len(after)


def test_torchvision_is_absent() -> None:
    assert find_spec("torchvision") is None, (
        "torchvision breaks diffusers' SDXL pipeline here: pip uninstall torchvision"
    )


def test_constraints_pin_every_dependency_exactly() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = {requirement.name.lower().replace("_", "-"): requirement for requirement in map(Requirement, lines)}
    assert all(str(pin.specifier).startswith("==") and "+" not in str(pin.specifier) for pin in pins.values())
    assert str(pins["torch"].specifier) == "==2.13.0"

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    missing = [Requirement(line).name for line in needed if Requirement(line).name.lower() not in pins]
    assert missing == []


def imported_packages(tree: ast.AST) -> set[str]:
    """Top-level packages that a module imports anywhere in it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(str(node.module).partition(".")[0])
    return names - set(sys.stdlib_module_names)


def test_every_import_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    declared = {canonical(Requirement(line).name) for line in lines}
    providers = packages_distributions()
    sources = [path for folder in ("src", "tests", "scripts") for path in (ROOT / folder).rglob("*.py")]
    ours = {path.stem for path in sources} | {"inkcast", "tests"}
    for path in sources:
        for name in imported_packages(ast.parse(path.read_text())) - ours:
            distributions = {canonical(found) for found in providers.get(name, [name])}
            assert distributions & declared, f"{path.relative_to(ROOT)} imports {name}: declare it in pyproject.toml"


def canonical(name: str) -> str:
    return name.lower().replace("_", "-")


@pytest.mark.slow
def test_wheel_holds_every_data_file(tmp_path: Path) -> None:
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__", ".*"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    files = {path.relative_to(copy / "src").as_posix() for path in (copy / "src").rglob("*") if path.is_file()}
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path, copy],
        check=True,
        env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    (wheel,) = tmp_path.glob("inkcast-*.whl")
    assert files - set(zipfile.ZipFile(wheel).namelist()) == set()
