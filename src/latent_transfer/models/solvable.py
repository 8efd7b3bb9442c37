"""Latent-variable models whose evidence and posterior are known exactly: the truth to test against.

Approximate inference can be checked only where exact inference is possible. These two models are
small enough for that: everything a VAE bounds or estimates, they compute.
"""

from __future__ import annotations

from math import log, pi

import torch
from torch import nn
from torch.distributions import MultivariateNormal

from latent_transfer.densities import (
    bernoulli_log_density,
    gaussian_log_density,
    standard_normal_log_density,
)
from latent_transfer.nets.recipes import remembers


@remembers
class LinearGaussian(nn.Module):
    """Probabilistic PCA: z ~ N(0, I), x | z ~ N(Wz + b, s²I) (Tipping & Bishop 1999).

    Args:
        weight: W, P×D.
        bias: b, P.
        noise_std: s, the same in every direction.

    Example:
        >>> import torch
        >>> from latent_transfer.models import LinearGaussian
        >>> model = LinearGaussian(torch.eye(3)[:, :1], torch.zeros(3), noise_std=1.0)
        >>> points = torch.randn(5, 3)
        >>> model.log_evidence(points).shape, model.posterior(points).mean.shape
        (torch.Size([5]), torch.Size([5, 1]))
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, noise_std: float) -> None:
        super().__init__()
        if not noise_std > 0:
            raise ValueError(f"noise_std must be positive, not {noise_std}.")
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.noise_variance = noise_std**2

    @classmethod
    def maximum_likelihood(cls, points: torch.Tensor, latent_size: int) -> LinearGaussian:
        """Return the best pPCA of a data set, in closed form from the covariance's eigenvectors.

        Equation: eq-ppca-ml (Tipping & Bishop 1999).

        Args:
            points: N×P with P > ``latent_size``.
            latent_size: D.
        """
        size = points.shape[1]
        if not 0 < latent_size < size:
            raise ValueError(f"latent_size must lie between 1 and {size - 1}, not {latent_size}.")
        covariance = torch.cov(points.T, correction=0)  # P×P
        variances, directions = torch.linalg.eigh(covariance)  # in ascending order
        noise_variance = variances[: size - latent_size].mean()
        kept = (variances[-latent_size:] - noise_variance).clamp(min=0)
        weight = directions[:, -latent_size:] * kept.sqrt()
        return cls(weight, points.mean(0), noise_variance.sqrt().item())

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """Return log p(x) in nats, B×P to B; see :meth:`log_evidence`."""
        return self.log_evidence(points)

    def marginal(self) -> MultivariateNormal:
        """Return p(x) = N(b, WWᵀ + s²I)."""
        size = self.bias.shape[0]
        noise = self.noise_variance * torch.eye(size).to(self.bias)
        return MultivariateNormal(self.bias, self.weight @ self.weight.T + noise)

    def log_evidence(self, points: torch.Tensor) -> torch.Tensor:
        """Return log p(x) in nats: B×P to B.

        Equation: eq-ppca-evidence (Tipping & Bishop 1999).
        """
        density: torch.Tensor = self.marginal().log_prob(points)
        return density

    def posterior(self, points: torch.Tensor) -> MultivariateNormal:
        """Return p(z | x) = N(M⁻¹Wᵀ(x − b), s²M⁻¹) with M = WᵀW + s²I, for each of B points.

        Equation: eq-ppca-posterior (Tipping & Bishop 1999).
        """
        size = self.weight.shape[1]
        noise = self.noise_variance * torch.eye(size).to(self.weight)
        precision = self.weight.T @ self.weight + noise  # M, D×D
        projected = (points - self.bias) @ self.weight  # B×D
        mean = torch.linalg.solve(precision, projected.T).T
        return MultivariateNormal(mean, self.noise_variance * torch.linalg.inv(precision))

    def log_likelihood(self, points: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Return log p(x | z) in nats: points B×P, latents …×B×D, result …×B."""
        means = latents @ self.weight.T + self.bias  # …×B×P
        log_variance = self.bias.new_tensor(log(self.noise_variance))
        return gaussian_log_density(points, means, log_variance).sum(-1)

    def log_joint(self, points: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Return log p(x, z) = log p(x | z) + log p(z) in nats: B×P and …×B×D to …×B."""
        return self.log_likelihood(points, latents) + standard_normal_log_density(latents)

    def expected_log_likelihood(
        self, points: torch.Tensor, belief: MultivariateNormal
    ) -> torch.Tensor:
        """Return E_q[log p(x | z)] in nats for a Gaussian belief q(z): B×P to B, without sampling.

        Equation: eq-ppca-expected-likelihood.
        """
        residuals = points - self.bias - belief.mean @ self.weight.T  # B×P
        # E|x − Wz − b|² is the squared residual at the mean plus the trace of W·Cov·Wᵀ.
        spread = torch.einsum(
            "pd,...de,pe->...", self.weight, belief.covariance_matrix, self.weight
        )
        squares = residuals.square().sum(-1) + spread
        size = points.shape[-1]
        return -0.5 * (size * log(2 * pi * self.noise_variance) + squares / self.noise_variance)


@remembers
class DiscreteMixture(nn.Module):
    """A latent that takes K values: p(k), and independent Bernoulli pixels given k.

    Args:
        prior_logits: K, the unnormalised log p(k).
        pixel_logits: K×C×H×W, the logits of p(x | k).

    Example:
        >>> import torch
        >>> from latent_transfer.models import DiscreteMixture
        >>> model = DiscreteMixture(torch.zeros(2), torch.randn(2, 1, 3, 3))
        >>> images = torch.ones(5, 1, 3, 3)
        >>> torch.allclose(model.elbo(images, model.posterior(images)), model.log_evidence(images))
        True
    """

    prior_logits: torch.Tensor
    pixel_logits: torch.Tensor

    def __init__(self, prior_logits: torch.Tensor, pixel_logits: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("prior_logits", prior_logits)
        self.register_buffer("pixel_logits", pixel_logits)

    def log_joint(self, images: torch.Tensor) -> torch.Tensor:
        """Return log p(x, k) in nats for every k: B×C×H×W to B×K."""
        logits = self.pixel_logits[:, None].expand(-1, images.shape[0], -1, -1, -1)  # K×B×C×H×W
        log_likelihood = bernoulli_log_density(logits, images)  # K×B
        return log_likelihood.T + torch.log_softmax(self.prior_logits, -1)

    def log_evidence(self, images: torch.Tensor) -> torch.Tensor:
        """Return log p(x) = log Σₖ p(x, k) in nats: B×C×H×W to B.

        Equation: eq-mixture-evidence.
        """
        return self.log_joint(images).logsumexp(-1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return log p(x) in nats, B×C×H×W to B; see :meth:`log_evidence`."""
        return self.log_evidence(images)

    def posterior(self, images: torch.Tensor) -> torch.Tensor:
        """Return p(k | x), B×K, by Bayes' rule."""
        return self.log_joint(images).softmax(-1)

    def elbo(self, images: torch.Tensor, belief: torch.Tensor) -> torch.Tensor:
        """Return Σₖ q(k)·(log p(x, k) − log q(k)) in nats: B×C×H×W and beliefs B×K to B.

        Equation: eq-mixture-elbo.
        """
        entropy = torch.special.entr(belief).sum(-1)  # 0·log 0 counts as 0
        return (belief * self.log_joint(images)).sum(-1) + entropy
