"""Carry over what a model has learnt: weights, features, and how to tell whether it helped."""

from latent_transfer.evaluation import linear_probe
from latent_transfer.inference import extract_features
from latent_transfer.transfer.adversarial import (
    DomainAdversarial,
    domain_adversarial_loss,
    join_domains,
    reversal_schedule,
    reverse_gradient,
)
from latent_transfer.transfer.augmentation import flips_and_crops
from latent_transfer.transfer.comparison import Results, Score, Task, Together, compare
from latent_transfer.transfer.initialise import Transfer, initialise_from
from latent_transfer.transfer.mixing import mix
from latent_transfer.transfer.parts import (
    freeze,
    layers,
    parameter_groups,
    scale_and_shift,
    snapshot,
    unfreeze,
    unfreeze_schedule,
)
from latent_transfer.transfer.penalties import l2_sp
from latent_transfer.transfer.recipe import Recipe
from latent_transfer.transfer.scores import h_score, leep, linear_cka, log_me

__all__ = [
    "DomainAdversarial",
    "Recipe",
    "Results",
    "Score",
    "Task",
    "Together",
    "Transfer",
    "compare",
    "domain_adversarial_loss",
    "extract_features",
    "flips_and_crops",
    "freeze",
    "h_score",
    "initialise_from",
    "join_domains",
    "l2_sp",
    "layers",
    "leep",
    "linear_cka",
    "linear_probe",
    "log_me",
    "mix",
    "parameter_groups",
    "reversal_schedule",
    "reverse_gradient",
    "scale_and_shift",
    "snapshot",
    "unfreeze",
    "unfreeze_schedule",
]
