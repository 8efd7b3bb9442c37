"""Reading published weights into a net."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from latent_transfer.errors import DataError


def load_weights(net: nn.Module, path: Path, prefix: str = "") -> None:
    """Fill a net from a safetensors file; what the file holds besides does not matter.

    Args:
        net: Changed in place.
        path: The file.
        prefix: What the names in the file have before those of the net.

    Raises:
        DataError: If the file is missing, damaged, or lacks a weight of this name and shape.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from safetensors.torch import save_file
        >>> from torch import nn
        >>> from latent_transfer.nets.pretrained import load_weights
        >>> net, path = nn.Linear(2, 1), Path(tempfile.mkdtemp()) / "weights.safetensors"
        >>> save_file({f"head.{name}": value for name, value in net.state_dict().items()}, path)
        >>> load_weights(nn.Linear(2, 1), path, prefix="head.")
    """
    try:
        found = load_file(path)
        wanted = {name: found[prefix + name] for name in net.state_dict()}
        net.load_state_dict(wanted, assign=True)  # also where the net has no memory yet
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path} does not hold the weights of these layers in safetensors ({reason}); "
            "it needs the names and shapes of torchvision's net."
        ) from None
