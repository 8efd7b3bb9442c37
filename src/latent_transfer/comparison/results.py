"""The numbers of a comparison as JSON, enough to draw and judge everything again.

``results.json`` is one object:

- ``format``: 1, raised when this layout changes.
- ``source``, ``target``: ``name``; ``shape``, channels, height and width as the nets saw them;
  ``classes``, for each ``name``, ``training`` and ``test`` images; ``licence``, ``notes``;
  ``checksums`` of the ``training`` and ``test`` images with their labels.
- ``settings``: ``labels``, the budgets compared; ``dropped``, default budgets that did not fit;
  ``seeds``, those of the draws; ``pretraining_seed``; and the fields of
  :class:`latent_transfer.transfer.Recipe`.
- ``environment``: device and versions.
- ``score``: what was measured, with its unit.
- ``scores``: one object per run: ``method``, ``budget``, ``seed``, ``value``.
- ``differences``: one object for each comparison and budget: ``method``, ``baseline``, ``budget``,
  ``mean`` of the first minus the second over the seeds, ``interval`` (95 %; null if all seeds gave
  the same difference), ``finding`` (``helped``, ``hurt`` or ``undecided``), ``corrected`` (whether
  it stays after Bonferroni's correction for all comparisons).
- ``verdict``: the sentence.

It holds no times and no paths, so that equal runs write equal files.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from latent_transfer.comparison.four_ways import PRETRAINING_SEED, Outcome
from latent_transfer.data import Data

FORMAT = 1
SCORE = "balanced test error, per cent (mean over the classes)"


def as_json(outcome: Outcome) -> str:
    """Return the text of ``results.json``."""
    content = {
        "format": FORMAT,
        "source": _set_of_images(outcome.source),
        "target": _set_of_images(outcome.target),
        "settings": {
            "labels": outcome.budgets,
            "dropped": outcome.dropped,
            "seeds": list(range(outcome.settings.seeds)),
            "pretraining_seed": PRETRAINING_SEED,
            **outcome.recipe.described(),
        },
        "environment": outcome.environment,
        "score": SCORE,
        "scores": [asdict(row) for row in outcome.results.rows],
        "differences": [asdict(row) for row in outcome.differences],
        "verdict": outcome.verdict,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _set_of_images(loaded: Data) -> dict[str, object]:
    training, test = loaded.train.counts(), loaded.test.counts()
    return {
        "name": loaded.name,
        "shape": loaded.train.shape,
        "classes": [
            {"name": name, "training": training[name], "test": test[name]}
            for name in loaded.classes
        ],
        "licence": loaded.licence,
        "notes": loaded.notes,
        "checksums": {
            "training": loaded.train.fingerprint(),
            "test": loaded.test.fingerprint(),
        },
    }
