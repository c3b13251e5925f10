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

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
[CONTRACT] = [contract for contract in CONTRACTS if contract.get("containers") == ["app"]]
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


def names(path: Path) -> set[str]:
    """Return every name that a module gives to something: variables, parameters, functions, classes, attributes."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.Attribute(attr=name, ctx=ast.Store()):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
    return found


@every_module
def test_no_name_is_told(path: Path) -> None:
    told = {name for name in names(path) if "told" in re.split(r"_|(?<=[a-z])(?=[A-Z])", name.lower())}
    assert not told, "name it after what it is: untrusted input, a message, properties, text"


def public_types(path: Path) -> set[str]:
    """Return the classes and aliases of types that a module declares at its top, but those for itself."""
    body = ast.parse(path.read_text()).body
    classes = {node.name for node in body if isinstance(node, ast.ClassDef)}
    aliases = {
        target.id
        for node in body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and re.fullmatch(r"[A-Z][a-z]\w+", target.id)
    }
    return {name for name in classes | aliases if not name.startswith("_")}


def test_a_type_has_a_name_of_its_own() -> None:
    """One meaning a name. A fact has the name of the row that it mirrors: it is the same thing, as Polar sees it."""
    declared: dict[str, list[str]] = {}
    for path in MODULES:
        for name in public_types(path):
            declared.setdefault(name, []).append(str(path.relative_to(APP)))
    twice = {name: paths for name, paths in declared.items() if len(paths) > 1}
    mirrored = {name for name, paths in twice.items() if len(paths) == 2 and "authz/facts.py" in paths}
    assert mirrored <= {"Client", "Grant", "Membership", "Organisation", "Person", "Record", "Role", "Service"}
    assert twice.keys() - mirrored == set()
