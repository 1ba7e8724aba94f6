"""LeNet (LeCun et al. 1998) for pictures of 32x32 pixels, used as discriminator and for pre-training."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

FEATURES = 84


class LeNet(nn.Module):
    """Pictures (B, 1, 32, 32) to `outputs` numbers."""

    def __init__(self, outputs: int, slope: float = 0.0) -> None:
        super().__init__()

        def active() -> nn.Module:
            return nn.LeakyReLU(slope) if slope else nn.ReLU()

        self.body = nn.Sequential(
            nn.Conv2d(1, 6, 5),
            active(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            active(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(400, 120),
            active(),
            nn.Linear(120, FEATURES),
            active(),
        )
        self.head = nn.Linear(FEATURES, outputs)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the numbers (B, outputs)."""
        return cast(Tensor, self.head(self.body(pictures)))

    def features(self, pictures: Tensor) -> Tensor:
        """Return the input of the last layer, (B, 84), without gradient."""
        with torch.no_grad():
            return torch.cat([self.body(some) for some in torch.split(pictures, 1000)])


def linear_accuracy(seen: tuple[Tensor, Tensor], unseen: tuple[Tensor, Tensor], classes: int = 10) -> float:
    """Return the accuracy on `unseen` of a linear classifier trained on `seen`.

    Both contain features (B, F) and labels (B,). Features are standardised with the moments of `seen`. The
    classifier is trained by L-BFGS with a little weight decay, so that no learning rate must be chosen.
    """
    mean, scale = seen[0].mean(0), seen[0].std(0) + 1e-6
    features, labels = (seen[0] - mean) / scale, seen[1].long()
    layer = nn.Linear(features.shape[1], classes)
    nn.init.zeros_(layer.weight)
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(layer(features), labels) + 1e-4 * layer.weight.square().sum()
        torch.autograd.backward([loss])
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        guesses = layer((unseen[0] - mean) / scale).argmax(1)
    return float((guesses == unseen[1]).float().mean())
