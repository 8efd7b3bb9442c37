"""Write the API reference: a page for each public module, with summary tables.

What is public is what the modules of ``lt`` list in ``__all__``; Sphinx reads everything else from
the docstrings when the pages are built. A test compares the pages with what this script would
write, so that a name that is added, moved or removed cannot be forgotten.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import GenericAlias, ModuleType

from sphinx.pycode import ModuleAnalyzer

import latent_transfer as lt
from workspace import ROOT

FOLDER = Path("book") / "appendix" / "api"
PACKAGE = lt.__name__
HEAD = "% Written by tools/api_pages.py; `make tidy` writes it again."

#: What modules without a list of their own show: names of their submodules.
SUBMODULES = {"papers": ("table", "sweep")}

#: How words of file names are spelt in headings.
SPELLINGS = {"elbo": "ELBO", "gan": "GAN", "mlp": "MLP", "nade": "NADE", "vae": "VAE"}
SPELLINGS |= {"vade": "VaDE", "vgg": "VGG", "semi": "semi-"}

#: Characters of a constant's value that fit beside its name.
LONGEST = 80


def modules() -> dict[str, ModuleType]:
    """Import the public modules, in the order of their names."""
    found = {name: getattr(lt, name) for name in lt.__all__}
    return {name: part for name, part in found.items() if inspect.ismodule(part)}


def public(module: ModuleType) -> list[str]:
    """List the public names of a module: its ``__all__``, or what it defines itself."""
    if hasattr(module, "__all__"):
        return sorted(module.__all__, key=str.lower)
    own = [n for n, value in vars(module).items() if _home(value) == module.__name__]
    return sorted((n for n in own if not n.startswith("_")), key=str.lower)


def _home(value: object) -> str:
    """Name the module that defines a function or a class; a value has none."""
    return str(getattr(value, "__module__", "")) if is_definition(value) else ""


def is_definition(value: object) -> bool:
    """Say whether a value is a function or a class, and no alias of a type."""
    # Python 3.10 takes ``tuple[int, int]`` for a class.
    if isinstance(value, GenericAlias):
        return False
    return inspect.isfunction(value) or inspect.isclass(value)


def groups(module: ModuleType) -> dict[str, list[str]]:
    """Group the functions and classes of a module by the file that defines them."""
    found: dict[str, list[str]] = {}
    for name in public(module):
        home = _home(getattr(module, name))
        if home == module.__name__ or home.startswith(f"{module.__name__}."):
            found.setdefault(home, []).append(name)
    return dict(sorted(found.items()))


def borrowed(module: ModuleType) -> dict[str, str]:
    """Map the names that another public module owns to the places where they are documented."""
    found = {}
    for name in public(module):
        home = _home(getattr(module, name))
        part = ".".join(home.split(".")[:2])
        if home and part != module.__name__ and part.startswith(f"{PACKAGE}."):
            found[name] = f"{part}.{name}"
    return found


def values(module: ModuleType) -> dict[str, tuple[str, str]]:
    """Map the constants and type aliases of a module to what they are and what describes them."""
    names = [name for name in public(module) if not _home(getattr(module, name))]
    described: dict[str, tuple[str, str]] = {}
    for file in [module.__name__, *(f"{module.__name__}.{part}" for part in _parts(module))]:
        analyzer = ModuleAnalyzer.for_module(file)
        analyzer.analyze()
        for node in ast.parse(analyzer.code).body:
            name = _assigned(node)
            if name in names:
                source = ast.get_source_segment(analyzer.code, node.value)  # type: ignore[attr-defined]
                comment = " ".join(analyzer.attr_docs.get(("", name), [])).strip()
                described.setdefault(name, (" ".join((source or "").split()), comment))
    return {name: described.get(name, ("", "")) for name in names}


def _assigned(node: ast.stmt) -> str:
    """Name what a statement assigns; empty if it is no simple assignment."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    if isinstance(node, ast.AnnAssign) and node.value and isinstance(node.target, ast.Name):
        return node.target.id
    return ""


def _parts(module: ModuleType) -> list[str]:
    return [part.name for part in pkgutil.iter_modules(getattr(module, "__path__", []))]


def page(name: str, module: ModuleType) -> str:
    """Write the page of one module."""
    parts = shown(name, module)
    sections = [HEAD, f"# `lt.{name}`", _block(f".. automodule:: {module.__name__}")]
    for part in parts:
        sections.append(_block(*_summary(part)))
        found = groups(part)
        for home, names in found.items():
            if len(found) > 1 or len(parts) > 1:
                sections += [f"## {_title(home)}", _block(*_intro(home))]
            sections.append(_block(*_entries(part, names)))
    if described := values(module):
        sections += ["## Types and constants", _block(*_data(module, described))]
    if elsewhere := borrowed(module):
        links = [f"- {{py:obj}}`{key} <{target}>`" for key, target in elsewhere.items()]
        sections += ["## Also here", "\n".join(links)]
    return "\n\n".join(sections) + "\n"


def shown(name: str, module: ModuleType) -> list[ModuleType]:
    """List the modules whose names stand on a page: the module, or submodules in its stead."""
    if public(module):
        return [module]
    inner = SUBMODULES.get(name, ())
    return [importlib.import_module(f"{module.__name__}.{part}") for part in inner]


def _title(home: str) -> str:
    words = home.rpartition(".")[2].split("_")
    words = [SPELLINGS.get(word, word) for word in words]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]]).replace("- ", "-")


def _intro(home: str) -> list[str]:
    return [f".. automodule:: {home}", "   :no-index:"]


def _summary(module: ModuleType) -> list[str]:
    names = sorted((n for group in groups(module).values() for n in group), key=str.lower)
    table = [".. autosummary::", "   :nosignatures:", "", *(f"   {name}" for name in names)]
    return [f".. currentmodule:: {module.__name__}", "", *table]


def _entries(module: ModuleType, names: list[str]) -> Iterator[str]:
    yield f".. currentmodule:: {module.__name__}"
    for name in names:
        if inspect.isclass(getattr(module, name)):
            yield from ("", f".. autoclass:: {name}", "   :members:", "   :show-inheritance:")
        else:
            yield from ("", f".. autofunction:: {name}")


def _data(module: ModuleType, described: dict[str, tuple[str, str]]) -> Iterator[str]:
    yield f".. currentmodule:: {module.__name__}"
    for name, (source, comment) in described.items():
        yield from ("", f".. py:data:: {name}")
        if 0 < len(source) <= LONGEST:
            yield f"   :value: {source}"
        yield from ("", f"   {comment}") if comment else ()


def _block(*lines: str) -> str:
    return "\n".join(["```{eval-rst}", *lines, "```"])


def pages() -> dict[str, str]:
    """Write the pages of all modules: file name to text."""
    return {f"{name}.md": page(name, module) for name, module in modules().items()}


def stale(root: Path) -> list[str]:
    """List the pages under ``root`` that are not what this script would write."""
    wanted, folder = pages(), root / FOLDER
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    present.pop("index.md", None)
    return sorted(n for n in wanted.keys() | present.keys() if wanted.get(n) != present.get(n))


def write(root: Path) -> None:
    """Write the stale pages, and remove those whose module is gone."""
    wanted, folder = pages(), root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name in stale(root):
        if name in wanted:
            (folder / name).write_text(wanted[name], encoding="utf-8")
        else:
            (folder / name).unlink()


def main() -> int:
    """Read the command line, write, and return the exit status."""
    parser = argparse.ArgumentParser(description="Write the pages of the API reference.")
    parser.add_argument("--root", type=Path, default=ROOT, help="top of the working tree")
    root = parser.parse_args().root.resolve()
    changed = stale(root)
    write(root)
    print(f"The API reference has {len(pages())} pages; {len(changed)} changed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
