"""What docstrings refer to is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import sdd_bench

ROOT = Path(sdd_bench.__file__).parent
_ROLE = re.compile(r":(?:data|func|class|meth|mod|attr):`~?\.?([\w.]+)`")


def _names(tree: ast.Module | ast.ClassDef) -> Iterator[str]:
    """Names that a module or a class holds, those of its classes as ``Class.name``."""
    for node in ast.walk(tree) if isinstance(tree, ast.Module) else tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        if isinstance(node, ast.ClassDef) and isinstance(tree, ast.Module):
            yield from (f"{node.name}.{name}" for name in _names(node))
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in node.names)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_every_name_in_a_docstring_exists() -> None:
    files = {path: path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py")}
    known = {path: set(_names(ast.parse(text))) for path, text in files.items()}
    anywhere = set().union(*known.values())
    modules = {}
    for path in files:
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    missing, n_found = [], 0
    for path, text in files.items():
        for name in _ROLE.findall(text):
            n_found += 1
            if name.startswith("sdd_bench."):
                owner = max((module for module in modules if f"{name}.".startswith(f"{module}.")), key=len)
                there = name == owner or name.removeprefix(f"{owner}.") in known[modules[owner]]
            else:
                there = name in anywhere or name.startswith(("scipy.", "torch.", "numpy."))
            if not there:
                missing.append(f"{path.relative_to(ROOT)}: {name}")
    assert n_found > 50
    assert not missing, "\n".join(missing)
