"""Architecture: a network as a paper describes it, before anybody has built it."""

from __future__ import annotations

from typing import Literal

from tradewind.domain.noun import Noun

__all__ = ["Architecture", "Counted", "Recommender", "Transformer"]


class Transformer(Noun, frozen=True, kw_only=True, tag="transformer", tag_field="kind"):
    """A decoder or encoder of equal layers. Zero where a part does not exist.

    Mixtures of experts: `dense_layers` leading layers have the plain MLP of width `ffn`; the others have
    `experts` MLPs of width `expert_ffn` of which each token visits `experts_per_token`, and one that every token
    visits of width `shared_ffn`.
    """

    name: str
    family: str
    layers: int
    """Layers with attention and MLP; in hybrids those with attention."""
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    gated: bool
    """Three matrices in the MLP (SwiGLU) instead of two (GELU)."""
    vocab: int
    tied: bool = False
    """The head shares the embedding's weights."""
    causal: bool = True
    positions: int = 0
    """Learned positions that are weights (GPT, BERT, ViT)."""
    experts: int = 0
    experts_per_token: int = 0
    expert_ffn: int = 0
    shared_ffn: int = 0
    dense_layers: int = 0
    query_rank: int = 0
    """Multi-head latent attention (DeepSeek): ranks of the compressed queries, and of keys and values."""
    latent_rank: int = 0
    rope_dim: int = 0
    window: int = 0
    """Sliding window, in tokens, of `window_layers` of the layers."""
    window_layers: int = 0
    state_space_layers: int = 0
    """Layers with a state-space mixer instead of attention, which are not among `layers`."""
    state_space_inner: int = 0
    state_space_state: int = 0
    mlp_layers: int = 0
    """Layers (of hybrids) that hold only an MLP or experts, where `layers` hold only attention; 0: each layer has both."""
    stated_parameters: float = 0.0
    """What its makers state, if anything."""
    source: str = ""


class Counted(Noun, frozen=True, kw_only=True, tag="counted", tag_field="kind"):
    """A network known by its counts for one sample of its usual input: convolutional, vision, speech, diffusion."""

    name: str
    family: str
    style: Literal["cnn", "depthwise", "vit", "encoder", "recurrent", "diffusion", "other"]
    """depthwise: convolutional with few operations per byte (mobile networks)."""
    parameters: float
    macs: float
    """Multiply-adds of one forward pass of one sample."""
    activations: float
    """Elements written by all convolutions and matrix products of one forward pass of one sample."""
    calls: int
    """Kernels of one forward pass without fusion."""
    input: str
    """Of one sample, such as "224 x 224 image", "384 tokens", "1 s of speech"."""
    source: str = ""


class Recommender(Noun, frozen=True, kw_only=True, tag="recommender", tag_field="kind"):
    """Embedding tables, then dense layers over their concatenation (DLRM, neural collaborative filtering)."""

    name: str
    family: str
    table_rows: tuple[float, ...]
    """Rows of each embedding table."""
    embedding_dim: int
    lookups_per_table: float
    """Rows that one sample reads of each table."""
    dense: tuple[int, ...]
    """Widths of the dense layers, the input first."""
    source: str = ""


Architecture = Transformer | Counted | Recommender
