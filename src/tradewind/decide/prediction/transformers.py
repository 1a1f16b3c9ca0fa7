"""Transformers as columns: what a layer holds and computes, for many networks at once.

Shapes: every column is (n,), one row a network. Counts are exact for what `domain.architecture.Transformer`
describes; biases and norms are left out (under 0.1 % of the weights).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.domain.architecture import Transformer

__all__ = ["Column", "TransformerColumns", "transformer_columns"]

Column = NDArray[np.float64]
"""Floats, one a row: (n,)."""


@dataclass(frozen=True)
class TransformerColumns:
    """The fields of `Transformer` as float columns, and what follows from them."""

    layers: Column
    hidden: Column
    heads: Column
    kv_heads: Column
    head_dim: Column
    ffn: Column
    gated: Column
    vocab: Column
    tied: Column
    causal: Column
    positions: Column
    experts: Column
    experts_per_token: Column
    expert_ffn: Column
    shared_ffn: Column
    dense_layers: Column
    query_rank: Column
    latent_rank: Column
    rope_dim: Column
    window: Column
    window_layers: Column
    state_space_layers: Column
    state_space_inner: Column
    state_space_state: Column
    mlp_layers: Column

    def __len__(self) -> int:
        return len(self.layers)

    def take(self, rows: Column) -> TransformerColumns:
        """The networks of some rows, in that order."""
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @property
    def matrices(self) -> Column:
        """Matrices of an MLP: three when it is gated, else two."""
        return 2.0 + self.gated

    @property
    def all_layers(self) -> Column:
        """Layers of every kind: what a pipeline cuts."""
        return self.layers + self.state_space_layers + self.mlp_layers

    @property
    def mlp_count(self) -> Column:
        """Layers that have an MLP or experts."""
        return np.where(self.mlp_layers > 0, self.mlp_layers, self.layers)

    @property
    def expert_layers(self) -> Column:
        """Layers whose MLP is a mixture of experts."""
        return np.where(self.experts > 0, np.maximum(self.mlp_count - self.dense_layers, 0.0), 0.0)

    @property
    def plain_mlp_layers(self) -> Column:
        """Layers with one plain MLP of width `ffn`."""
        return self.mlp_count - self.expert_layers

    @property
    def attention_weights(self) -> Column:
        """Weights of the attention of one layer: queries, keys, values, output; compressed where it is latent."""
        width = self.heads * self.head_dim
        full = self.hidden * (2.0 * width + 2.0 * self.kv_heads * self.head_dim)
        queries = np.where(
            self.query_rank > 0,
            self.hidden * self.query_rank + self.query_rank * self.heads * (self.head_dim + self.rope_dim),
            self.hidden * self.heads * (self.head_dim + self.rope_dim),
        )
        latent = (
            queries
            + self.hidden * (self.latent_rank + self.rope_dim)
            + 2.0 * self.latent_rank * width
            + width * self.hidden
        )
        return np.where(self.latent_rank > 0, latent, full)

    @property
    def mlp_weights(self) -> Column:
        """Weights of one plain MLP."""
        return self.matrices * self.hidden * self.ffn

    @property
    def expert_weights(self) -> Column:
        """Weights of one expert."""
        return self.matrices * self.hidden * self.expert_ffn

    @property
    def shared_weights(self) -> Column:
        """Weights of the MLP that every token visits besides, and of the router."""
        return np.where(
            self.experts > 0,
            self.matrices * self.hidden * self.shared_ffn + self.hidden * self.experts,
            0.0,
        )

    @property
    def state_space_weights(self) -> Column:
        """Weights of one state-space mixer (Mamba-2): projections in (gate, input, two states of 8 groups) and out."""
        return self.hidden * (3.0 * self.state_space_inner + 16.0 * self.state_space_state)

    @property
    def embedding_weights(self) -> Column:
        """Of the vocabulary and of learned positions, the head not counted."""
        return (self.vocab + self.positions) * self.hidden

    @property
    def head_weights(self) -> Column:
        """Of the projection to the vocabulary; it is computed whether or not its weights are the embedding's."""
        return self.vocab * self.hidden

    @property
    def parameters(self) -> Column:
        """All weights."""
        return (
            self._beside_experts
            + self.expert_layers * (self.experts * self.expert_weights)
            + self.embedding_weights
            + np.where(self.tied > 0, 0.0, self.head_weights)
        )

    @property
    def active_parameters(self) -> Column:
        """Weights that one token meets, without embedding and head."""
        return self._beside_experts + self.expert_layers * self.experts_per_token * self.expert_weights

    @property
    def _beside_experts(self) -> Column:
        return (
            self.layers * self.attention_weights
            + self.plain_mlp_layers * self.mlp_weights
            + self.expert_layers * self.shared_weights
            + self.state_space_layers * self.state_space_weights
        )

    def attention_flops_per_token(self, tokens: Column | float, *, masked: bool = True) -> Column:
        """Of scores and values in all layers, forward, for samples of so many tokens.

        A causal mask halves them when `masked` counts only what it leaves; published rates often count all.
        """
        seen: Column = np.asarray(tokens, dtype=np.float64)
        halved: Column = np.where((self.causal > 0) & masked, 0.5, 1.0)
        windows: Column = np.where(self.window > 0, np.minimum(self.window, seen * halved), seen * halved)
        width: Column = self.heads * np.where(
            self.latent_rank > 0, self.head_dim + 0.5 * self.rope_dim, self.head_dim
        )
        windowed = np.minimum(self.window_layers, self.layers)
        spans = (self.layers - windowed) * seen * halved + windowed * windows
        mixers = 2.0 * self.state_space_layers * self.state_space_inner * self.state_space_state * 3.0
        flops: Column = 4.0 * width * spans + mixers
        return flops

    def forward_flops_per_token(self, tokens: Column | float, *, masked: bool = True) -> Column:
        """Of one forward pass, for each token of samples of so many tokens."""
        weights = 2.0 * (self.active_parameters + self.head_weights)
        return weights + self.attention_flops_per_token(tokens, masked=masked)


def transformer_columns(networks: Sequence[Transformer]) -> TransformerColumns:
    """The columns of some networks, one row each."""

    def column(name: str) -> Column:
        values: list[Any] = [getattr(network, name) for network in networks]
        return np.array(values, dtype=float)

    return TransformerColumns(**{field.name: column(field.name) for field in fields(TransformerColumns)})
