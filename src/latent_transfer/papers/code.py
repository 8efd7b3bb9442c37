"""Checksums of code: whether a file was made by the functions that are here now.

What counts is the text of a module without its docstrings, blank lines and lines of comment, and
without the statement ``TABLE = ...``: what that holds is compared by itself.
"""

from __future__ import annotations

import ast
import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

PACKAGE = __name__.partition(".")[0]

#: Parts of the package that send cells about and do not measure.
MACHINERY = f"{PACKAGE}.papers."
TABLES = f"{PACKAGE}.papers.tables."


@lru_cache
def code_of(module: str) -> str:
    """Return a checksum of the code of one module.

    Args:
        module: Its full name.

    Example:
        >>> from latent_transfer.papers.code import code_of
        >>> len(code_of("latent_transfer.papers.tables.nade"))
        12
    """
    return _digest(_counted(module))


@lru_cache
def library_of(module: str) -> str:
    """Return one checksum of all that a module imports from this package and from its own.

    The imports of the imports count too. The modules that run a sweep do not.

    Args:
        module: Its full name.

    Example:
        >>> from latent_transfer.papers.code import library_of
        >>> name = "latent_transfer.papers.tables.nade"
        >>> library_of(name) == library_of(name)
        True
    """
    found: set[str] = set()
    waiting = [module]
    while waiting:
        new = _imports(waiting.pop()) - found
        found |= new
        waiting += new
    return _digest("".join(code_of(name) for name in sorted(found - {module})))


def _counted(module: str) -> str:
    """The lines of a module that decide what it does."""
    source, tree = _read(module)
    left_out: set[int] = set()
    for node in ast.walk(tree):
        if _is_docstring(node) or _is_table(node):
            left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))  # type: ignore[attr-defined]
    lines = (
        line.rstrip()
        for number, line in enumerate(source.splitlines(), start=1)
        if number not in left_out
    )
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


def _is_docstring(node: ast.AST) -> bool:
    # Any text that stands alone as a statement: it does nothing.
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_table(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "TABLE" for target in node.targets
    )


def _imports(module: str) -> set[str]:
    """Modules of this package, and of the module's own, from which it imports a name."""
    names: set[str] = set()
    for node in ast.walk(_read(module)[1]):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    own = {PACKAGE, module.partition(".")[0]}
    return {
        name
        for name in names
        # The package itself only gathers names, from all of its parts.
        if name.partition(".")[0] in own and name != PACKAGE
        if name.startswith(TABLES) or not name.startswith(MACHINERY)
        if _is_module(name)
    }


@lru_cache
def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # a function of a module that is no package
        return False


@lru_cache
def _read(module: str) -> tuple[str, ast.Module]:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"There is no module {module!r} with a source file.")
    source = Path(spec.origin).read_text(encoding="utf-8")
    return source, ast.parse(source)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
