"""Factors that follow the progress of a training run, from 0 to 1."""

from __future__ import annotations

import math


def cosine_schedule(progress: float) -> float:
    """Learning-rate factor from 1 down to 0 along half a cosine (Loshchilov & Hutter 2017).

    Args:
        progress: Fraction of the training that is done, in [0, 1].

    Example:
        >>> [round(cosine_schedule(progress), 2) for progress in (0.0, 0.5, 1.0)]
        [1.0, 0.5, 0.0]
    """
    return 0.5 * (1 + math.cos(math.pi * progress))


def warm_up(progress: float, until: float) -> float:
    """A factor that grows linearly from 0 to 1 while ``progress`` grows from 0 to ``until``.

    Args:
        progress: Fraction of the training that is done, in [0, 1].
        until: Where the factor reaches 1; 0 for a factor that is always 1.

    Example:
        >>> [warm_up(progress, until=0.4) for progress in (0.0, 0.2, 0.8)]
        [0.0, 0.5, 1.0]
    """
    return min(1.0, progress / until) if until > 0 else 1.0
