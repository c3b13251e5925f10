"""The laws of the rooms that no tool knows by itself."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from app.config import ROOT

APP = ROOT / "app"
MODULES = sorted(path for path in APP.rglob("*.py") if "migrations" not in path.parts)
ROOMS = sorted(path.parent.name for path in APP.glob("*/__init__.py"))

(CONTRACT,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
LAYERS = [{name.strip() for name in layer.split("|")} for layer in CONTRACT["layers"]]
CONCEPTS = set().union(*LAYERS[LAYERS.index({"authz"}) + 1 :])

WEB = {"flask", "flask_bootstrap", "flask_login", "flask_wtf", "jinja2", "werkzeug", "wtforms"}

every_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(APP)))


def imported(path: Path) -> set[str]:
    """Return the packages that a module imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@every_module
def test_a_module_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400, "split it by concept"


@every_module
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "begin with the part that it plays in the house"


@every_module
def test_a_module_has_a_name_of_its_own(path: Path) -> None:
    assert not re.search(r"util|helper|misc|common", path.stem), "name it after what it is about"


@every_module
def test_only_authz_knows_polar(path: Path) -> None:
    if "authz" not in path.parts:
        assert not imported(path) & {"oso", "polar", "_polar_lib"}


@every_module
def test_concepts_know_nothing_of_the_web(path: Path) -> None:
    if path.relative_to(APP).parts[0].removesuffix(".py") in CONCEPTS:
        assert not imported(path) & WEB


def test_the_import_contract_names_every_room() -> None:
    single = {path.stem for path in APP.glob("*.py")} - {"__init__"}
    assert set().union(*LAYERS) == set(ROOMS) | single
    assert CONTRACT["exhaustive"]
