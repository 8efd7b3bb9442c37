"""Training: one plain loop, its schedules and checkpoints, and the trainers that stand on it."""

from latent_transfer.training.continual import (
    class_tasks,
    forgetting,
    join,
    learn_in_turn,
    replay,
)
from latent_transfer.training.distillation import (
    bias_for_share,
    distil,
    draw_transfer_set,
    fit_to_targets,
)
from latent_transfer.training.feature_space import FeatureSpace, train_feature_space
from latent_transfer.training.forms import (
    AfterEpoch,
    AfterStep,
    BeforeEpoch,
    History,
    Loss,
    MakeOptimizer,
    ParameterGroup,
    Schedule,
    Transform,
)
from latent_transfer.training.gan import fit_gan
from latent_transfer.training.loop import fit
from latent_transfer.training.many import fit_many
from latent_transfer.training.options import FitOptions
from latent_transfer.training.precision import Precision
from latent_transfer.training.schedules import cosine_schedule, warm_up
from latent_transfer.training.semi_supervised import BalancedBatches, fit_semi_supervised
from latent_transfer.training.vade import class_means, fit_vade

__all__ = [
    "AfterEpoch",
    "AfterStep",
    "BalancedBatches",
    "BeforeEpoch",
    "FeatureSpace",
    "FitOptions",
    "History",
    "Loss",
    "MakeOptimizer",
    "ParameterGroup",
    "Precision",
    "Schedule",
    "Transform",
    "bias_for_share",
    "class_means",
    "class_tasks",
    "cosine_schedule",
    "distil",
    "draw_transfer_set",
    "fit",
    "fit_gan",
    "fit_many",
    "fit_semi_supervised",
    "fit_to_targets",
    "fit_vade",
    "forgetting",
    "join",
    "learn_in_turn",
    "replay",
    "train_feature_space",
    "warm_up",
]
