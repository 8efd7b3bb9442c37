"""Imports go one way along the line that the book draws, and importing costs nothing extra."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import latent_transfer

SOURCE = Path(latent_transfer.__file__).parent
ORDER = [
    "errors",
    "session",
    "claims",
    "_files",
    "_random",
    "_templates",
    "records",
    "_torchvision",
    "data",
    "nets",
    "densities",
    "models",
    "objectives",
    "inference",
    "training",
    "evaluation",
    "transfer",
    "figures",
    "widgets",
    "comparison",
    "papers",
    "cli",
    "__main__",
]


def _part(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def _imported_parts(path: Path) -> set[str]:
    parts = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        if node.module.startswith("latent_transfer."):
            parts.add(node.module.split(".")[1])
        elif node.module == "latent_transfer":
            parts |= {alias.name for alias in node.names if alias.name in ORDER}
    return parts


def test_every_part_has_its_place() -> None:
    parts = {_part(path) for path in SOURCE.rglob("*.py")} - {"__init__"}
    assert parts == set(ORDER)


def test_imports_go_one_way() -> None:
    backwards = [
        f"{path.relative_to(SOURCE)} imports {part}"
        for path in SOURCE.rglob("*.py")
        if path != SOURCE / "__init__.py"
        for part in _imported_parts(path)
        if ORDER.index(part) > ORDER.index(_part(path))
    ]
    assert backwards == []


def test_import_loads_nothing_that_is_not_needed_yet() -> None:
    heavy = "'matplotlib', 'sklearn', 'scipy', 'torchvision', 'ipywidgets', 'PIL'"
    code = f"import sys, latent_transfer; print([m for m in ({heavy}) if m in sys.modules])"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert printed.strip() == "[]"
