"""VaDE: a VAE whose prior is a mixture of Gaussians, so that its components are clusters.

The model of Jiang, Zheng, Tan, Tang & Zhou (2017).
"""

from __future__ import annotations

import torch
from torch import nn

from latent_transfer.densities import Gaussian, gaussian_log_density
from latent_transfer.models._inputs import check_classes
from latent_transfer.models.likelihoods import Likelihood
from latent_transfer.models.vae import VAE
from latent_transfer.nets.recipes import remembers

#: Smallest variance of a component along one axis when it is taken from codes.
SMALLEST_VARIANCE = 1e-4


@remembers
class VaDE(nn.Module):
    """p(c) = π_c, p(z | c) = N(μ_c, diag σ_c²), p(x | z); q(z | x) from the encoder of a VAE.

    The cluster needs no net of its own: q(c | x) is p(c | z), which is Bayes' rule. Called like a
    classifier, the model gives log q(c | x) at the mean of q(z | x).

    Args:
        vae: Lends its encoder, decoder and likelihood; its own prior N(0, I) is not used.
        clusters: K.

    Example:
        >>> import torch
        >>> from latent_transfer.models import VaDE, mlp_vae
        >>> vade = VaDE(mlp_vae((1, 8, 8), (16,), 2), clusters=3)
        >>> vade(torch.rand(5, 1, 8, 8)).exp().sum(1).detach().round()  # q(c | x)
        tensor([1., 1., 1., 1., 1.])
    """

    def __init__(self, vae: VAE, clusters: int) -> None:
        super().__init__()
        if clusters < 1:
            raise ValueError(f"VaDE needs at least one cluster, not {clusters}.")
        self.vae = vae
        self.weight_logits = nn.Parameter(torch.zeros(clusters))
        # Components that start as one would stay one: they must differ before training.
        self.means = nn.Parameter(torch.randn(clusters, vae.latent_size))
        self.log_variances = nn.Parameter(torch.zeros(clusters, vae.latent_size))

    @property
    def clusters(self) -> int:
        """K."""
        return len(self.weight_logits)

    @property
    def latent_size(self) -> int:
        """D."""
        return self.vae.latent_size

    @property
    def likelihood(self) -> Likelihood:
        """p(x | z)."""
        return self.vae.likelihood

    @property
    def log_weights(self) -> torch.Tensor:
        """Log p(c) in nats, K."""
        return self.weight_logits.log_softmax(0)

    def posterior(self, images: torch.Tensor) -> Gaussian:
        """Return q(z | x): B×C×H×W to a Gaussian of B×D."""
        return self.vae.posterior(images)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Map …×D to the likelihood's parameters, …×C×H×W."""
        return self.vae.decode(latents)

    def log_likelihood(self, images: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Return log p(x | z) in nats per image: images B×C×H×W, latents …×B×D, result …×B."""
        return self.vae.log_likelihood(images, latents)

    def log_prior(self, latents: torch.Tensor) -> torch.Tensor:
        """Return log p(c, z) = log π_c + log N(z; μ_c, diag σ_c²) in nats: …×D to …×K."""
        points = latents.unsqueeze(-2)  # …×1×D
        log_densities = gaussian_log_density(points, self.means, self.log_variances).sum(-1)
        return self.log_weights + log_densities

    def prior_log_density(self, latents: torch.Tensor) -> torch.Tensor:
        """Return log p(z) = log Σ_c p(c, z) in nats: …×D to …."""
        return self.log_prior(latents).logsumexp(-1)

    def log_joint(self, images: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Return log p(x, z), the clusters summed out, in nats per image: …×B."""
        return self.log_likelihood(images, latents) + self.prior_log_density(latents)

    def log_responsibilities(self, latents: torch.Tensor) -> torch.Tensor:
        """Return log p(c | z) in nats: …×D to …×K.

        Equation: eq-responsibilities.
        """
        return self.log_prior(latents).log_softmax(-1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return log q(c | x) at the posterior mean: B×C×H×W to B×K; its argmax is the cluster."""
        return self.log_responsibilities(self.posterior(images).mean)

    def generate(
        self, clusters: torch.Tensor, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Return the expected image at a draw from each named cluster: B to B×C×H×W.

        Raises:
            TypeError: If the clusters are no list of whole numbers.
            ValueError: If one is beyond the clusters.
        """
        check_classes("cluster", clusters, self.clusters)
        # Drawn on the CPU in one precision, so that one seed gives the same images everywhere.
        size = (len(clusters), self.latent_size)
        noise = torch.randn(size, dtype=torch.float32, generator=generator)
        spread = torch.exp(0.5 * self.log_variances[clusters])
        latents = self.means[clusters] + spread * noise.to(self.means)
        return self.likelihood.mean(self.decode(latents))

    @torch.no_grad()
    def start_mixture(
        self,
        codes: torch.Tensor,
        *,
        means: torch.Tensor | None = None,
        seed: int = 0,
        starts: int = 5,
    ) -> None:
        """Set the prior to a mixture that scikit-learn fits to codes.

        Args:
            codes: N×D, such as the posterior means of a pre-trained VAE.
            means: K×D to start the fit from, such as the mean codes of labelled images; k-means
                finds a start if left out.
            seed: Decides the starts of the fit.
            starts: Fits from different k-means starts, of which the likeliest is kept.

        Raises:
            ValueError: If there are fewer codes than clusters.
        """
        from sklearn.mixture import GaussianMixture

        if len(codes) < self.clusters:
            raise ValueError(f"{self.clusters} clusters need more than {len(codes)} codes.")
        mixture = GaussianMixture(
            self.clusters,
            covariance_type="diag",
            means_init=None if means is None else means.double().cpu().numpy(),
            n_init=starts if means is None else 1,
            random_state=seed,
            reg_covar=SMALLEST_VARIANCE,
        ).fit(codes.double().cpu().numpy())
        self.weight_logits.copy_(torch.as_tensor(mixture.weights_).log())
        self.means.copy_(torch.as_tensor(mixture.means_))
        self.log_variances.copy_(torch.as_tensor(mixture.covariances_).log())
