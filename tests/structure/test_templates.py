"""The laws of templates: safe, complete, found where their name says, and without words of authority."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import Environment, nodes

from app.config import ROOT
from app.vocabulary import USER_MANAGEMENT, Action, StaffRole
from tests.structure.syntax import syntax_tree

APP = ROOT / "app"
TEMPLATES = APP / "templates"
NAMES = sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html"))
SURFACES = ("signin", "portal", "manage", "console", "api")

# A view whose page is not called like itself, and why.
OTHERWISE = {
    "portal.open_service": "it leads out of the portal; its page is for a door that stays closed",
}

EXTENDS = re.compile(r'{%\s*extends "')

every_template = pytest.mark.parametrize("name", NAMES)


def source(name: str) -> str:
    """Return what stands in the file, without comments."""
    return re.sub(r"{#.*?#}", "", (TEMPLATES / name).read_text(), flags=re.DOTALL)


def rendered() -> Iterator[tuple[Path, str]]:
    """Return the modules that render templates, each with a pattern of the names that it renders."""
    for path in APP.rglob("*.py"):
        for node in ast.walk(syntax_tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "render_template":
                named = node.args[0]
                parts = named.values if isinstance(named, ast.JoinedStr) else [named]
                yield (
                    path,
                    "".join(re.escape(part.value) if isinstance(part, ast.Constant) else "[a-z_]+" for part in parts),
                )


def parts() -> set[str]:
    """Return the templates that others are made of."""
    return {
        word for name in NAMES for word in re.findall(r'{%\s*(?:extends|from|include|import) "([^"]+)"', source(name))
    }


def test_every_template_compiles(app: Flask) -> None:
    for name in NAMES:
        app.jinja_env.get_template(name)


@every_template
def test_a_template_that_is_no_part_begins_with_the_base(name: str) -> None:
    assert name in parts() or EXTENDS.match(source(name).lstrip()), "begin with what every page has around it"


@every_template
def test_a_page_names_itself(name: str) -> None:
    text = source(name)
    if EXTENDS.search(text):
        assert re.search(r"{% block title %}.+{% endblock %}", text), "give the page a title block"
        assert len(re.findall(r"<h1[ >]", text)) == 1, "give the page one heading"


@every_template
def test_a_template_has_no_scripts_and_styles_in_its_lines_and_escapes_everything(name: str) -> None:
    text = source(name)
    assert not re.search(r"<(script|style)\b(?![^>]*\bsrc=)", text), "the content security policy forbids it"
    assert not re.search(r"\s(on[a-z]+|style)\s*=", text), "the content security policy forbids it"
    assert "javascript:" not in text
    assert not re.search(r"\|\s*safe\b|autoescape\s+false|Markup\(", text), "what people type must not become markup"


@every_template
def test_a_form_that_changes_something_carries_a_token(name: str) -> None:
    for form in re.findall(r"<form\b[^>]*method=\"post\".*?</form>", source(name), re.DOTALL):
        assert "csrf()" in form or "csrf_token()" in form


@every_template
def test_a_template_asks_only_about_actions_that_exist(name: str) -> None:
    tree = Environment().parse(source(name))
    loops = {
        loop.target.name: [item.value for item in loop.iter.items]
        for loop in tree.find_all(nodes.For)
        if isinstance(loop.iter, nodes.Tuple) and isinstance(loop.target, nodes.Name)
        if all(isinstance(item, nodes.Const) for item in loop.iter.items)
    }
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "can":
            action = call.args[0]
            words = [action.value] if isinstance(action, nodes.Const) else loops[action.name]
            assert set(words) <= set(Action)


@every_template
def test_a_template_knows_no_roles(name: str) -> None:
    policy = (ROOT / "policies").glob("*.polar")
    in_policy = {word for path in policy for word in re.findall(r'has_role\([^)"]*"([a-z_]+)"', path.read_text())}
    assert "exams_officer" in in_policy
    roles = {USER_MANAGEMENT, "user-management", *StaffRole, *in_policy}
    tree = Environment().parse(source(name))
    assert not {const.value for const in tree.find_all(nodes.Const)} & roles, "ask can(action, thing) instead"
    assert not {attribute.attr for attribute in tree.find_all(nodes.Getattr)} & {"staff_roles", "staff_grants"}


def test_every_template_is_a_page_or_part_of_one() -> None:
    patterns = [pattern for _path, pattern in rendered()]
    used = parts()
    for name in NAMES:
        assert name in used or any(re.fullmatch(pattern, name) for pattern in patterns), f"nobody uses {name}"
    for pattern in patterns:
        assert any(re.fullmatch(pattern, name) for name in NAMES), f"there is no template {pattern}"


def test_a_surface_renders_only_its_own_templates() -> None:
    for path, pattern in rendered():
        room = path.relative_to(APP).parts[0]
        assert pattern.startswith("errors/" if room == "ui" else f"{room}/"), f"{path} renders {pattern}"


def test_a_view_that_shows_a_page_shows_the_one_of_its_name(app: Flask) -> None:
    for endpoint, view in app.view_functions.items():
        surface, _, function = endpoint.partition(".")
        if surface not in SURFACES or endpoint in OTHERWISE:
            continue
        rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint == endpoint]
        shows = any("GET" in rule.methods and "TRACE" not in rule.methods for rule in rules if rule.methods)
        if shows:
            assert f"{surface}/{function}.html" in NAMES, f"call the template of {endpoint} {function}.html"
        assert view.__doc__, f"say what {endpoint} is for"
