"""The package's one way to torchvision, also where its compiled operators do not load.

torchvision's Python code registers stand-ins for the operators ``nms`` and ``qnms`` and fails at
import if its compiled library, which declares them, does not load; that is so wherever torch and
torchvision were built for different devices. Data sets, transforms and models need neither
operator, so it is enough to declare the two schemas.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

_SCHEMAS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}

# A torch.library.Library withdraws its declarations when it is collected.
_kept: list[torch.library.Library] = []


def load(module: str = "torchvision") -> ModuleType:
    """Imports torchvision or one of its modules.

    Call it before any other package that imports torchvision by itself.

    Args:
        module: full name, ``torchvision.datasets`` for example.

    Returns:
        The module.

    Raises:
        RuntimeError: if torchvision fails to import for another reason than missing operators.
    """
    if "torchvision" not in sys.modules:
        _import_repaired()
    return importlib.import_module(module)


def _import_repaired() -> None:
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error) or "does not exist" not in str(error):
            raise
        _forget_half_imported()
        _declare_missing_operators()
        importlib.import_module("torchvision")


def _forget_half_imported() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]


def _declare_missing_operators() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + schema)
    _kept.append(library)
