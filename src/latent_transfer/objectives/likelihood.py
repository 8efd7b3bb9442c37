"""Maximum likelihood, for models that know their density."""

from __future__ import annotations

from typing import Protocol

import torch

from latent_transfer.objectives.reconstruction import Terms


class ExactDensity(Protocol):
    """A model that computes log p(x) itself, with neither a bound nor samples."""

    def log_density(self, images: torch.Tensor) -> torch.Tensor:
        """Log p(x) in nats per image: B×C×H×W to B."""


def negative_log_density(model: ExactDensity, images: torch.Tensor) -> Terms:
    """Batch mean of −log p(x) in nats per image, as ``loss``.

    Args:
        model: Such as :class:`latent_transfer.models.NADE`.
        images: B×C×H×W, whatever the model is a distribution of.
    """
    return {"loss": -model.log_density(images).mean()}
