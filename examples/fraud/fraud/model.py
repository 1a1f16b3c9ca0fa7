"""A small network that scores card transactions, trained on the days before those it is judged on."""

from __future__ import annotations

import math

import torch
from torch import nn

from fraud.data import FEATURES, load

WIDTH = 512
EPOCHS = 2
BATCH_ROWS = 512
LARGEST_STEP = 3e-3
THREADS = 1
"""Sums are rounded in another order on more threads; a fixed number makes the weights repeatable."""


class FraudScore(nn.Module):
    """features (rows, 15), as they come -> the log-odds of fraud (rows,).

    Scaling is part of the network, so that whoever serves it cannot scale differently than training did.
    """

    def __init__(self, features: torch.Tensor, fraud_share: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.log1p(features).mean(dim=0))
        self.register_buffer("deviation", torch.log1p(features).std(dim=0).clamp_min(1e-6))
        self.layers = nn.Sequential(
            nn.Linear(len(FEATURES), WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, 1),
        )
        # Begin with the odds that hold over all transactions instead of learning them first.
        nn.init.constant_(self.layers[-1].bias, math.log(fraud_share / (1.0 - fraud_share)))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """The log-odds of fraud, one for each transaction."""
        # Amounts and counts spread over orders of magnitude.
        scaled = (torch.log1p(features) - self.mean) / self.deviation
        return self.layers(scaled).squeeze(-1)


def build() -> nn.Module:
    """The network, trained: the same weights every time on the same machine."""
    train = load()["train"]
    features = torch.from_numpy(train["inputs"]["features"])
    fraud = torch.from_numpy(train["labels"]).float()
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return fit(FraudScore(features, fraud.mean().item()), features, fraud)
    finally:
        torch.set_num_threads(threads)


def fit(network: nn.Module, features: torch.Tensor, fraud: torch.Tensor) -> nn.Module:
    """The network after `EPOCHS` passes over the rows, ready for use."""
    steps = len(features) // BATCH_ROWS
    optimizer = torch.optim.AdamW(network.parameters(), lr=LARGEST_STEP, weight_decay=1e-4, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LARGEST_STEP, total_steps=EPOCHS * steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(features))[: steps * BATCH_ROWS].view(steps, BATCH_ROWS):
            loss = nn.functional.binary_cross_entropy_with_logits(network(features[rows]), fraud[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()
