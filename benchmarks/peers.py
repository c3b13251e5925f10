"""Others that answer the same kind of question, installed beside us for the comparison and for nothing else."""

import subprocess
import sys
import tarfile
from pathlib import Path

from portal import DATA

CASBIN, CEDAR, CERBOS = "2.8.0", "4.12.2", "0.55.0"
MATPLOTLIB = "3.11.2"
_FOLDER = DATA / "peers"


def python_peers() -> None:
    """Make pycasbin, cedarpy and matplotlib importable. They are installed into an environment of their own."""
    wanted = [f"pycasbin=={CASBIN}", f"cedarpy=={CEDAR}", f"matplotlib=={MATPLOTLIB}"]
    venv = _FOLDER / "venv"
    installed = venv / "installed"
    if not installed.exists() or installed.read_text().split() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(venv)], check=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(venv / "bin" / "python")]
        subprocess.run([*pip, "install", "--quiet", *wanted], check=True)
        installed.write_text("\n".join(wanted))
    (site,) = venv.glob("lib/python*/site-packages")
    sys.path.append(str(site))


def cerbos() -> Path:
    """Return the Cerbos server, fetched with npm the first time. Raises FileNotFoundError without npm."""
    program = _FOLDER / "package" / "cerbos-linux-x64"
    if not program.exists():
        _FOLDER.mkdir(parents=True, exist_ok=True)
        pack = ["npm", "pack", "--silent", f"@cerbos/cerbos-linux-x64@{CERBOS}"]
        # npm checks what it fetched against the checksum of its registry.
        name = subprocess.run(pack, cwd=_FOLDER, check=True, capture_output=True, text=True).stdout.split()[-1]
        with tarfile.open(_FOLDER / name) as archive:
            archive.extractall(_FOLDER, filter="data")
    return program
