from __future__ import annotations

import torch

from latent_transfer import figures


def test_label_efficiency_names_what_it_counts():
    axis = figures.label_efficiency({"a": torch.rand(2, 3)}, (1, 10)).axes[0]
    assert axis.get_xlabel() == "labelled images of each class"
    named = {"xlabel": "paragraphs", "ylabel": "nats per word"}
    axis = figures.label_efficiency({"a": torch.rand(2, 3)}, (1, 10), **named).axes[0]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("paragraphs", "nats per word")
