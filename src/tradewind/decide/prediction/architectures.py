"""Which network a published table means, and what it counts: weights, and operations per token.

In: a name as people write it ("LLAMA3_70B", "bert_base_squad"), or the columns of a row. Out: an Architecture, or
None rather than one of another family.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import numpy as np

from tradewind.decide.prediction.transformers import transformer_columns
from tradewind.domain.architecture import Transformer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.domain.architecture import Architecture

__all__ = [
    "active_parameters_of",
    "architecture_of",
    "forward_flops_per_token",
    "parameters_of",
    "transformer_from",
    "transformer_like",
]


def parameters_of(network: Transformer) -> float:
    """All weights, without biases and norms (under 0.1 %)."""
    return float(transformer_columns([network]).parameters[0])


def active_parameters_of(network: Transformer) -> float:
    """Weights that one token meets, without the embedding and the head."""
    return float(transformer_columns([network]).active_parameters[0])


def forward_flops_per_token(network: Transformer, tokens: float, *, masked: bool = True) -> float:
    """Operations of one forward pass for each token of samples of `tokens` tokens: weights, attention and head.

    `masked` counts only what a causal mask leaves. Training costs three times as much (Korthikanti et al. 2022).
    """
    return float(transformer_columns([network]).forward_flops_per_token(tokens, masked=masked)[0])


# --- a name ---

_NOISE: Final = frozenset(
    [
        *(
            "huggingface",
            "hf",
            "v",
            "model",
            "generic",
            "of",
            "the",
            "with",
            "and",
            "net",
            "patch",
            "encoder",
            "decoder",
        ),
        *(
            "pre",
            "post",
            "training",
            "pretraining",
            "fine",
            "tuning",
            "finetuning",
            "finetuned",
            "squad",
            "english",
        ),
        *("cased", "uncased", "chat", "it", "instruct", "instruction", "discriminator", "preview", "latest"),
        *("tokendrop", "mtp", "fp", "bf", "int", "awq", "gptq", "amp"),
    ]
)
"""Words of names that change neither shapes nor counts."""
_SCALES: Final = {"t": "tiny", "s": "small", "b": "base", "l": "large", "h": "huge", "g": "giant"}
"""Letters that stand for a size in families of vision transformers."""
_LETTERED: Final = frozenset({"vit", "clip", "deit", "swin", "convnext"})
_SCALE_WORDS: Final = frozenset([*_SCALES.values(), "mini", "medium", "gigantic", "xlarge", "xl", "xxl"])
_PLAIN: Final = ("base", "small")
"""What a name without a word for its size means: BERT is BERT base, GPT-2 the small one."""
_SAME: Final = {
    "mt nlg": "gpt",
    "megatron": "gpt",
    "neox": "gpt neox",
    "turing": "gpt",
    "gpt gpt": "gpt",
    "perveriver": "perceiver",
    "sdxl": "stable diffusion xl",
    "sd": "stable diffusion",
    "xlm r": "xlm roberta",
}
"""Other spellings of a family."""
_DULL: Final = (
    r"-99(\.9)?\s*$",
    r"\.(gguf|onnx|pt2?|safetensors)\b",
    r"(?<![a-z0-9])(i?q\d\w*|(nv|mx)?(fp|bf|int|tf)\d+|w\d+a\d+|(sst|ph)[-_]?\d|\d+[ek])(?![a-z0-9])",
    r"window\d+|patch4(?!\d)|(?<=clip)[ _-]*vit",
)
"""Targets of MLPerf ("-99.9"), files, quantization, tasks and phases, experts and contexts, windows: not shapes."""
_PIECE: Final = re.compile(
    r"\d+x\d+[a-z]?|[123]d(?![a-z])|(?<![a-z0-9])a[\d.]+b(?![a-z])|\d+(?:\.\d+)?[mbt](?![a-z])|[a-z]+|\d+(?:\.\d+)?"
)
"""Experts ("8x7b"), dimensions ("3d"), active weights ("a3b"), sizes ("70b"), words, and numbers."""
_GROUPS: Final = re.compile(r"\d+x\d+d")
_UNITS: Final = {"m": 1e6, "b": 1e9, "t": 1e12}
_SIZE_TOLERANCE: Final = 0.12
"""Names round their size: "7B" is 6.7 billion."""
_SIZE_WEIGHT: Final = 20.0
"""A size that is 5 % off weighs as much as one thing that has to be overlooked."""
_MINOR: Final = 2.0
"""What a minor release ("Kimi K2.5") weighs that is not listed, while the one of its generation is."""
_LEAST_LOOSE: Final = 100
"""Whole numbers from here on are image sizes, contexts and dates, and say nothing about the network."""


class _Name(NamedTuple):
    """What a name says: words in their order, versions and depths, which of these may be ignored, and sizes."""

    words: tuple[str, ...]
    numbers: tuple[float, ...]
    revisions: tuple[float, ...]
    size: float
    active: float

    @property
    def joined(self) -> str:
        return "".join(self.words)

    @property
    def family(self) -> str:
        return "".join(word for word in self.words if word not in _SCALE_WORDS)

    @property
    def scale(self) -> str:
        return "".join(word for word in self.words if word in _SCALE_WORDS)


@lru_cache(maxsize=4096)
def _read(text: str) -> _Name:
    """The name in its parts."""
    plain = re.sub(r"\((?! *[\d.]+[mbt] *\))[^)]*\)", " ", text.lower()).rsplit("distill", 1)[-1].strip()
    plain = re.sub(r"^[\w.-]+/(?=[\w.-]*[a-z])", "", plain)  # who published it
    plain = re.sub(r"^bert(?=-99)", "bert large", plain)  # MLPerf's BERT
    for dull in _DULL:
        plain = re.sub(dull, " ", plain)
    plain = re.sub(r"(?<=[a-z_-]\d)[_-](?=\d([_-]|$))", ".", plain)  # Nemotron_3_5, v1-5
    plain = re.sub(r"(?<=[a-z]{3})v(?=\d)", " v", plain)  # DeepSeekV3
    words: list[str] = []
    numbers: list[float] = []
    revisions: list[float] = []
    size = active = 0.0
    pieces = _PIECE.findall(plain)
    for before, piece in zip(["", *pieces], pieces, strict=False):
        if re.fullmatch(r"a[\d.]+b", piece):
            active = float(piece[1:-1]) * 1e9
        elif re.fullmatch(r"[\d.]+[mbt]", piece):
            size = float(piece[:-1]) * _UNITS[piece[-1]]
        elif re.fullmatch(r"[\d.]+", piece):
            value = float(piece)
            numbers.append(value)
            if before == "v" or not value.is_integer() or value >= _LEAST_LOOSE:
                revisions.append(value)
        else:
            words.append(piece)
    spelled = f" {' '.join(word for word in words if word not in _NOISE)} "
    for other, usual in _SAME.items():
        spelled = spelled.replace(f" {other} ", f" {usual} ")
    kept = spelled.split()
    if _LETTERED.intersection(kept):
        kept = [_SCALES.get(word, word) for word in kept]
    return _Name(tuple(kept), tuple(numbers), tuple(revisions), size, active)


def _number_cost(name: _Name, known: _Name) -> float | None:
    """How far the versions are apart; None when they are different."""
    if name.numbers == known.numbers:
        return 0.0
    if not name.numbers:
        return 0.5
    left = list(name.numbers)
    for number in known.numbers:
        if number in left:
            left.remove(number)
        elif (
            left
            and known.numbers
            and bool(name.size) == bool(known.size)
            and int(left[0]) == int(known.numbers[0])
            and known.numbers[1:] == tuple(left[1:])
        ):
            # A minor release of the same generation and size has the same shapes.
            return _MINOR + abs(left[0] - known.numbers[0])
        else:
            return None
    return 0.3 if all(number in name.revisions for number in left) else None


def _apart(one: float, other: float) -> float:
    return abs(math.log(one / other)) if one and other else math.inf


def _size_cost(name: _Name, known: _Name, weights: float, active: float) -> float | None:
    """How far the sizes are apart; None when they are different."""
    if name.active and known.active and _apart(name.active, known.active) > _SIZE_TOLERANCE:
        return None
    if not name.size:
        return 0.4 if known.size else 0.0
    near = (
        _apart(name.size, known.size)
        if known.size
        else min(_apart(name.size, weights), _apart(name.size, active))
    )
    return _SIZE_WEIGHT * near if near < _SIZE_TOLERANCE else None


def _cost(name: _Name, known: _Name, weights: float, active: float, families: frozenset[str]) -> float | None:
    """How much must be overlooked for `name` to mean `known`; None when they are different."""
    sizes = _size_cost(name, known, weights, active)
    numbers = _number_cost(name, known)
    if sizes is None or numbers is None:
        return None
    if numbers >= _MINOR and sizes > 1.0:
        return None
    if name.joined == known.joined:
        return sizes + numbers
    cost = 0.0
    if name.family != known.family:
        own = set(known.words) - _SCALE_WORDS
        if not any(map(_GROUPS.fullmatch, name.words)):
            own = {word for word in own if not _GROUPS.fullmatch(word)}  # "ResNeXt-101": the first listed
        extra = set(name.words) - own - _SCALE_WORDS
        if not own or own - set(name.words) or extra & families:
            return None
        cost += 1.0 + 0.1 * len(extra)
    if name.scale != known.scale:
        if name.scale or not (name.size or known.scale in _PLAIN):
            return None
        cost += 0.5 + 0.1 * (known.scale != _PLAIN[0])
    return cost + sizes + numbers


def architecture_of(text: str, known: Sequence[Architecture]) -> Architecture | None:
    """The network of `known` that a name means: the same family, version and size, however it is written.

    A decoder whose family is known but whose size is not ("GPT3-23B"), or of which only the size is given ("22B"), is
    the usual network of that size; None where the family is not known. "gpt-L24-H1024" states its own shape.

    >>> sheet = [transformer_like(8e9, name="Llama 3 8B"), transformer_like(70e9, name="Llama 3 70B")]
    >>> architecture_of("LLAMA3_70B", sheet).name
    'Llama 3 70B'
    >>> architecture_of("Grok 7B", sheet) is None
    True
    """
    name = _read(text)
    if not name.words:
        return transformer_like(name.size, name=text) if name.size and not name.numbers else None
    if shaped := re.search(r"[^a-z]l(\d+)[-_ ]?h(\d{3,})", text.lower()):
        own = _best(name, known)
        shape: dict[str, float | str] = {
            "layers": float(shaped[1]),
            "hidden": float(shaped[2]),
            "model": text,
        }
        return (
            own if isinstance(own, Transformer) and own.layers == shape["layers"] else transformer_from(shape)
        )
    if found := _best(name, known):
        return found
    if not name.size and name.numbers and name.numbers[-1].is_integer() and name.numbers[-1] >= 10:
        # "gpt3_27" is 2.7B and "opt_13" 1.3B: the dot was lost in a file's name.
        for size in (name.numbers[-1] * 1e8, name.numbers[-1] * 1e9):
            if found := _best(name._replace(numbers=name.numbers[:-1], size=size), known):
                return found
    if not name.size:
        return None
    kin = [
        one
        for one in known
        if isinstance(one, Transformer)
        and not (one.experts or one.state_space_layers)
        and _read(one.name).family == name.family
        and _number_cost(name, _read(one.name)) is not None
    ]
    if not kin or name.active:
        return None
    nearest = min(kin, key=lambda one: _apart(name.size, parameters_of(one)))
    return transformer_like(name.size, like=nearest, name=text)


def _best(name: _Name, known: Sequence[Architecture]) -> Architecture | None:
    """What has to be overlooked least, the first listed of equals; None when nothing fits, or several sizes do."""
    families, weights = _kept(tuple(known))
    costs = [
        (cost, place)
        for place, one in enumerate(known)
        if (cost := _cost(name, _read(one.name), *weights[place], families)) is not None
    ]
    if not costs:
        return None
    least, place = min(costs)
    alike = {weights[other] for cost, other in costs if cost < least + 1e-9 and _read(known[other].name).size}
    return None if not name.size and len(alike) > 1 else known[place]


@lru_cache(maxsize=4)
def _kept(known: tuple[Architecture, ...]) -> tuple[frozenset[str], tuple[tuple[float, float], ...]]:
    """Words that name families, and weights (all, active) of each network."""
    words = (word for one in known for word in _read(one.name).words)
    families = frozenset(word for word in words if len(word) > 1) - _SCALE_WORDS
    decoders = [one for one in known if isinstance(one, Transformer)]
    columns = transformer_columns(decoders)
    counted = iter(zip(columns.parameters.tolist(), columns.active_parameters.tolist(), strict=True))
    return families, tuple(
        next(counted) if isinstance(one, Transformer) else _plain_weights(one) for one in known
    )


def _plain_weights(network: Architecture) -> tuple[float, float]:
    parameters = float(getattr(network, "parameters", 0.0))
    return parameters, parameters


# --- a row, or a size alone ---

_WIDTHS: Final = (
    (125e6, 768),
    (355e6, 1024),
    (1.3e9, 2048),
    (6.7e9, 4096),
    (13e9, 5120),
    (70e9, 8192),
    (175e9, 12288),
    (405e9, 16384),
    (530e9, 20480),
    (1e12, 25600),
)
"""Weights and width of dense decoders as they are built: Brown et al. 2020, Touvron et al. 2023, Grattafiori et al.
2024, Korthikanti et al. 2022. Between them the logarithm of the width is taken as linear."""
_USUAL: Final = Transformer(
    name="usual decoder",
    family="usual",
    layers=32,
    hidden=4096,
    heads=32,
    kv_heads=32,
    head_dim=128,
    ffn=16384,
    gated=False,
    vocab=50304,
    tied=True,
    source="the shape of GPT-3 and of most decoders since: heads of 128, an MLP four times as wide as the model",
)


def transformer_like(parameters: float, *, like: Transformer = _USUAL, name: str = "") -> Transformer:
    """The usual dense decoder of so many weights, in the style of `like`; counted weights within a few percent.

    >>> found = transformer_like(6.7e9)
    >>> (found.hidden, found.layers, found.heads)
    (4096, 32, 32)
    """
    sizes, widths = np.log(np.array(_WIDTHS)).T
    slope = (
        1.0 / 3.0
    )  # Beyond the ends of the table width and depth grow together: weights ~ layers * hidden^2.
    size = math.log(parameters)
    beyond = min(size - sizes[0], 0.0) + max(size - sizes[-1], 0.0)
    grain = 128 if parameters > 1e8 else 64
    hidden = max(round(math.exp(float(np.interp(size, sizes, widths)) + slope * beyond) / grain), 1) * grain
    head_dim = like.head_dim if hidden % like.head_dim == 0 else grain // 2
    heads = max(hidden // head_dim, 1)
    shared = max(like.heads // max(like.kv_heads, 1), 1)
    ratio = like.ffn / like.hidden if like.ffn else 4.0
    vocab = like.vocab
    shaped = msgspec.structs.replace(
        like,
        name=name or f"decoder of {parameters / 1e9:.3g}B",
        layers=1,
        hidden=hidden,
        heads=heads,
        kv_heads=max(heads // shared, 1),
        head_dim=head_dim,
        ffn=round(ratio * hidden / 64) * 64,
        vocab=vocab,
        stated_parameters=float(parameters),
        source=f"estimated from its size in the style of {like.name}",
    )
    one = parameters_of(shaped)
    layer = parameters_of(msgspec.structs.replace(shaped, layers=2)) - one
    layers = max(round((parameters - (one - layer)) / layer), 1)
    windows = round(layers * like.window_layers / like.layers)
    return msgspec.structs.replace(shaped, layers=layers, window_layers=windows)


def transformer_from(columns: Mapping[str, float | str], *, like: Transformer = _USUAL) -> Transformer | None:
    """The decoder that a row of a table describes, what it leaves out being filled in the style of `like`.

    Columns: layers, hidden, heads, kv_heads, ffn, vocab, experts, topk, params, model; each may be absent or blank.
    A width of the MLP that is not given follows from params where these are given. None when the row states neither
    layers and width nor its number of weights.

    >>> transformer_from({"layers": 24, "hidden": 1024, "heads": 16}).ffn
    4096
    >>> transformer_from({"seq": 2048}) is None
    True
    """
    given = {key: value for key in _COLUMNS if (value := _value(columns.get(key)))}
    name = str(columns.get("model") or like.name)
    if "layers" not in given or "hidden" not in given:
        if "params" not in given:
            return None
        shaped = like if like is not _USUAL else transformer_like(given["params"], name=name)
        return _with(shaped, given, name)
    layers, hidden = int(given["layers"]), int(given["hidden"])
    if like is not _USUAL and (like.layers, like.hidden) == (layers, hidden):
        return _with(like, given, name)
    heads = int(given.get("heads", max(hidden // (128 if hidden >= 2048 else 64), 1)))
    kv_heads = int(given.get("kv_heads", heads))
    ffn = int(given.get("ffn", 0))
    modern = kv_heads < heads or bool(ffn and ffn != 4 * hidden) or like.gated
    shaped = msgspec.structs.replace(
        like,
        name=name,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=max(hidden // heads, 1),
        ffn=ffn or 4 * hidden,
        gated=modern,
        tied=like.tied and not modern,
        vocab=int(given.get("vocab", like.vocab)),
        window_layers=0,
        stated_parameters=float(given.get("params", 0.0)),
        source="the row's own columns",
    )
    shaped = _with(shaped, given, name)
    if not ffn and not shaped.experts and "params" in given:
        bare = parameters_of(msgspec.structs.replace(shaped, ffn=0))
        width = (given["params"] - bare) / (layers * hidden * (3 if modern else 2))
        # A rounded size says less than the habit of four times the width.
        if width > hidden and abs(width / (4 * hidden) - 1.0) > (0.0 if modern else 0.25):
            shaped = msgspec.structs.replace(shaped, ffn=round(width / 64) * 64)
        elif modern:
            shaped = msgspec.structs.replace(shaped, ffn=round(8 * hidden / 3 / 64) * 64)
    return shaped


_COLUMNS: Final = ("layers", "hidden", "heads", "kv_heads", "ffn", "vocab", "experts", "topk", "params")


def _value(text: float | str | None) -> float:
    try:
        value = float(text or 0.0)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0


def _with(network: Transformer, given: Mapping[str, float], name: str) -> Transformer:
    """The network with the row's own columns in the place of its fields."""
    fields: dict[str, int] = {
        key: int(given[key]) for key in ("layers", "heads", "kv_heads", "vocab") if key in given
    }
    experts = int(given.get("experts", network.experts))
    if experts > 1:
        width = int(given.get("ffn", network.expert_ffn or network.ffn))
        fields |= {
            "experts": experts,
            "experts_per_token": int(given.get("topk", network.experts_per_token or 1)),
        }
        fields["expert_ffn"] = width
    elif "ffn" in given:
        fields["ffn"] = int(given["ffn"])
    return msgspec.structs.replace(network, name=name, **fields)
