"""A policy and a pack to spoil."""

import shutil
from pathlib import Path

import pytest

from app.config import ROOT

SHIPPED = ROOT / "policies"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped policy to spoil."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "policies"))


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack with a kind of its own, to spoil."""
    return Path(shutil.copytree(SHIPPED.parent / "tests" / "packs" / "authzen" / "policies", tmp_path / "pack"))
