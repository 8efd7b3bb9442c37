"""Latent Transfer: the package behind the course book on variational autoencoders and transfer.

Submodules load when they are first used, so that ``import latent_transfer as lt`` stays quick.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what __getattr__ below provides, spelt out for type checkers and editors
    from latent_transfer import (
        comparison,
        data,
        densities,
        errors,
        evaluation,
        figures,
        inference,
        models,
        nets,
        objectives,
        papers,
        records,
        training,
        transfer,
        widgets,
    )
    from latent_transfer.claims import claim
    from latent_transfer.models import load, save
    from latent_transfer.records import recorded
    from latent_transfer.session import Session, setup
    from latent_transfer.training import fit, fit_many

    __version__: str

__all__ = [
    "Session",
    "claim",
    "comparison",
    "data",
    "densities",
    "errors",
    "evaluation",
    "figures",
    "fit",
    "fit_many",
    "inference",
    "load",
    "models",
    "nets",
    "objectives",
    "papers",
    "recorded",
    "records",
    "save",
    "setup",
    "training",
    "transfer",
    "widgets",
]

#: Names of the top level whose modules load when they are first used.
_FUNCTIONS = {
    "Session": "session",
    "claim": "claims",
    "fit": "training",
    "fit_many": "training",
    "load": "models",
    "recorded": "records",
    "save": "models",
    "setup": "session",
}


def __getattr__(name: str) -> ModuleType | object:
    if name == "__version__":
        return importlib.import_module("latent_transfer.session").package_version()
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"latent_transfer.{_FUNCTIONS[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"latent_transfer.{name}")
    raise AttributeError(f"module 'latent_transfer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
