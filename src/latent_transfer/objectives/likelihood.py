"""Maximum likelihood, for models that compute their density."""

from __future__ import annotations

import torch

from latent_transfer.data import Batch
from latent_transfer.models import HasDensity, require
from latent_transfer.objectives._checks import checked
from latent_transfer.objectives.reconstruction import Terms


def negative_log_density(model: HasDensity, batch: Batch | torch.Tensor) -> Terms:
    """Return the batch mean of −log p(x) in nats per image, as ``loss``.

    Args:
        model: Such as :class:`latent_transfer.models.NADE`.
        batch: Images B×C×H×W of the kind that the model is a distribution over.

    Raises:
        TypeError: If the model has no density.
        ValueError: If the batch is empty or of integers.

    Example:
        >>> import torch
        >>> from latent_transfer.models import NADE
        >>> from latent_transfer.objectives import negative_log_density
        >>> negative_log_density(NADE((1, 4, 4), 8), torch.ones(5, 1, 4, 4))["loss"].shape
        torch.Size([])
    """
    require(model, HasDensity, "negative_log_density")
    return {"loss": -model.log_density(checked(batch).images).mean()}
