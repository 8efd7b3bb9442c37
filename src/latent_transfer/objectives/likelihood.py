"""Maximum likelihood, for models that know their density."""

from __future__ import annotations

import torch

from latent_transfer.data import Batch
from latent_transfer.models import HasDensity
from latent_transfer.objectives.reconstruction import Terms


def negative_log_density(model: HasDensity, batch: Batch | torch.Tensor) -> Terms:
    """Batch mean of −log p(x) in nats per image, as ``loss``.

    Args:
        model: Such as :class:`latent_transfer.models.NADE`.
        batch: Images B×C×H×W, whatever the model is a distribution of.
    """
    return {"loss": -model.log_density(Batch.of(batch).images).mean()}
