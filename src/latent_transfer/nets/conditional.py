"""A class-conditional net, for one class per input or for every class at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from latent_transfer.nets.mlp import fully_connected
from latent_transfer.nets.recipes import remembers


@remembers
class ConditionalMLP(nn.Module):
    """Fully connected layers of a vector and a class, the last one linear.

    The first layer of a net that is fed a vector beside a one-hot label is a sum,
    W·[v, onehot(y)] + b = W_v·v + b + W_y[y]. Only the second part depends on the class, and it
    is a row of a table: to answer for every class, the first is computed once.

    Args:
        inputs: Width of the vectors.
        classes: K.
        hidden: Widths of the hidden layers, first to last, at least one.
        outputs: Width of the output.
        activation: Makes the nonlinearity after each hidden layer.

    Example:
        >>> import torch
        >>> from latent_transfer.nets import ConditionalMLP
        >>> net, vectors = ConditionalMLP(4, classes=3, hidden=(8,), outputs=2), torch.rand(5, 4)
        >>> net(vectors, torch.tensor([0, 1, 2, 0, 1])).shape, net(vectors).shape  # every class
        (torch.Size([5, 2]), torch.Size([3, 5, 2]))
    """

    def __init__(
        self,
        inputs: int,
        classes: int,
        hidden: Sequence[int],
        outputs: int,
        activation: Callable[[], nn.Module] = nn.Softplus,
    ) -> None:
        super().__init__()
        self.from_inputs = nn.Linear(inputs, hidden[0])
        self.from_label = nn.Embedding(classes, hidden[0])
        # Start as one layer of inputs + classes inputs would.
        for weight in (self.from_inputs.weight, self.from_label.weight):
            nn.init.uniform_(weight, -((inputs + classes) ** -0.5), (inputs + classes) ** -0.5)
        self.rest = nn.Sequential(activation(), fully_connected([*hidden, outputs], activation))

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Map …×B×inputs with labels B to …×B×outputs; without labels, for every class.

        Args:
            inputs: …×B×inputs. Without labels B×inputs, or K×B×inputs with a row of each class.
            labels: B, or ``None`` for all classes: K×B×outputs.
        """
        hidden = self.from_inputs(inputs)
        if labels is None:
            hidden = hidden + self.from_label.weight[:, None].to(hidden.dtype)  # K×B×H
        else:
            hidden = hidden + self.from_label(labels).to(hidden.dtype)
        outputs: torch.Tensor = self.rest(hidden)
        return outputs
