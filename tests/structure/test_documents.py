"""What the documents name exists: files, modules, headings, models and columns."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from peewee import ForeignKeyField

from app.config import ROOT
from app.kernel.database import BaseModel

DOCUMENTS = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob(".github/**/*.md")]
    if path.name != "policy-rules.md"
)
"""All but the page whose examples name files that nobody has."""

LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
# A path with a placeholder, such as `policies/<resource>.polar`, is looked for as far as its last certain folder.
PATH = re.compile(r"(?<![\w/.-])(?:app|benchmarks|docs|fixtures|policies|tests)/[\w.-]+(?:/[\w.-]*\w)*(?![\w<*-])")
DOTTED = re.compile(r"`(app(?:\.\w+)+)(?:\(\))?`")

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def anchors(document: Path) -> set[str]:
    """Return the anchors that a public host makes of the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_document
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    for target, anchor in LINK.findall(document.read_text()):
        path = document.parent / target if target else document
        assert path.exists(), f"there is no {target}"
        assert not anchor or anchor in anchors(path), f"{path.name} has no heading {anchor}"


@every_document
def test_every_path_exists(document: Path) -> None:
    for path in PATH.findall(document.read_text()):
        assert (ROOT / path).exists(), f"there is no {path}"


@every_document
def test_every_module_and_name_in_it_exists(document: Path) -> None:
    for name in DOTTED.findall(document.read_text()):
        pkgutil.resolve_name(name)


def models() -> dict[str, type[BaseModel]]:
    """Return every model by its name."""
    for path in (ROOT / "app").glob("*/models.py"):
        importlib.import_module(f"app.{path.parent.name}.models")
    return {model.__name__: model for model in BaseModel.__subclasses__() if model.__module__.startswith("app.")}


DATA_MODEL = (ROOT / "docs" / "data-model.md").read_text()


def test_the_data_model_describes_every_model_in_its_room() -> None:
    described = dict(re.findall(r"^\| `(\w+)` \| `app/(\w+)/` \| .+ \|$", DATA_MODEL, re.MULTILINE))
    assert described == {name: model.__module__.split(".")[1] for name, model in models().items()}


def test_the_data_model_draws_every_foreign_key() -> None:
    drawn = re.findall(r"^    (\w+) (\|\||\|o)--o\{ (\w+) : (\w+)$", DATA_MODEL, re.MULTILINE)
    expected = [
        (field.rel_model.__name__, "|o" if field.null else "||", name, field.name)
        for name, model in models().items()
        for field in model._meta.sorted_fields
        if isinstance(field, ForeignKeyField)
    ]
    assert sorted(drawn) == sorted(expected)
    apart = re.search(r"^(.+) refer to no other table\.$", DATA_MODEL, re.MULTILINE)
    assert apart
    connected = {name for key in drawn for name in (key[0], key[2])}
    assert set(re.findall(r"`(\w+)`", apart[1])) == models().keys() - connected
