"""The syntax trees of modules, which many laws look at: each is parsed once."""

import ast
from functools import cache
from pathlib import Path


@cache
def syntax_tree(path: Path) -> ast.Module:
    """Return the syntax tree of the module at `path`."""
    return ast.parse(path.read_text())
