"""The release before this one, as it was."""

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from app.config import ROOT
from app.kernel.schema import MIGRATIONS

PREVIOUS = ("v0.1.0", "75b3ccb36345033c327bb531548e0d2bd9386c93")
"""The name and the commit of the release before this one. Changes with each release, together with CHANGELOG.md."""


@pytest.fixture(scope="session")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the code of the previous release."""
    name, commit = PREVIOUS
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        # A copy of the code without its history cannot tell.
        assert not os.environ.get("CI"), f"fetch the whole history: {commit} ({name}) is missing"
        pytest.skip(f"NOT TESTED: the history of this copy does not reach back to {name}")
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="session")
def previous_on_new_tables(previous: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The previous release, which makes the tables of this one."""
    folder = tmp_path_factory.mktemp("new-tables") / "previous"
    shutil.copytree(previous, folder)
    for path in MIGRATIONS.glob("[0-9]*.py"):
        shutil.copy(path, folder / "app" / "migrations")
    return folder
