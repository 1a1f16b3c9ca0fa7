from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.prediction.architectures import (
    active_parameters_of,
    architecture_of,
    forward_flops_per_token,
    parameters_of,
    transformer_from,
    transformer_like,
)
from tradewind.domain.architecture import Architecture, Counted, Recommender, Transformer
from tradewind.files import package_data

SHEET = msgspec.json.decode(
    (package_data("facts") / "architectures.json").read_bytes(), type=tuple[Architecture, ...]
)
DECODERS = [one for one in SHEET if isinstance(one, Transformer)]
BY_NAME = {one.name: one for one in SHEET}


def named(name: str) -> Transformer:
    found = BY_NAME[name]
    assert isinstance(found, Transformer)
    return found


def test_the_sheet_names_each_network_once_with_its_source() -> None:
    assert len(BY_NAME) == len(SHEET) > 400
    assert [one.name for one in SHEET if not one.source] == []


@pytest.mark.parametrize(
    "network", [one for one in DECODERS if one.stated_parameters], ids=lambda one: one.name
)
def test_counted_weights_are_those_that_the_makers_state(network: Transformer) -> None:
    mixed = network.experts or network.state_space_layers
    assert parameters_of(network) == pytest.approx(network.stated_parameters, rel=0.08 if mixed else 0.03)


@pytest.mark.parametrize(
    ("name", "stated", "tolerance"),
    [
        # Active weights that the makers state, most of them with embedding and head.
        ("Mixtral 8x7B", 12.9e9, 0.03),  # arXiv 2401.04088
        ("DeepSeek V3", 37e9, 0.03),  # arXiv 2412.19437
        ("Kimi K2", 32e9, 0.05),
        ("Qwen 3 235B A22B", 22e9, 0.05),  # arXiv 2505.09388
        ("Qwen 3 30B A3B", 3.3e9, 0.05),
        ("GPT-OSS 120B", 5.1e9, 0.15),  # the head counted, the embedding not
        ("Nemotron 3 Super", 12.7e9, 0.03),
        ("Nemotron 3 Ultra", 55e9, 0.05),
        ("Llama 4 Scout", 17e9, 0.05),
    ],
)
def test_active_weights_are_those_that_the_makers_state(name: str, stated: float, tolerance: float) -> None:
    network = named(name)
    with_ends = active_parameters_of(network) + 2 * network.vocab * network.hidden
    assert with_ends == pytest.approx(stated, rel=tolerance)


@given(
    layers=st.integers(1, 128),
    heads=st.integers(1, 128),
    head_dim=st.sampled_from([64, 96, 128]),
    tokens=st.sampled_from([512, 2048, 8192]),
)
def test_operations_are_the_closed_form_of_korthikanti(
    layers: int, heads: int, head_dim: int, tokens: int
) -> None:
    # arXiv 2205.05198, appendix A: 72 B s L h^2 (1 + s / 6h + V / 12Lh) for forward and backward, all scores computed.
    hidden, vocab = heads * head_dim, 51200
    network = transformer_from({"layers": layers, "hidden": hidden, "heads": heads, "vocab": vocab})
    assert network is not None
    closed = 72 * layers * hidden**2 * (1 + tokens / (6 * hidden) + vocab / (12 * layers * hidden))
    assert 3 * forward_flops_per_token(network, tokens, masked=False) == pytest.approx(closed, rel=1e-9)


@pytest.mark.parametrize("network", SHEET, ids=lambda one: one.name)
def test_every_network_of_the_sheet_is_found_by_its_own_name(network: Architecture) -> None:
    for text in (network.name, network.name.upper().replace(" ", "_"), network.name.replace(" ", "-")):
        assert architecture_of(text, SHEET) == network, text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("LLAMA3_70B", "Llama 3 70B"),
        ("Llama 3.3 70B", "Llama 3.3 70B"),
        ("llama3.1-405b", "Llama 3.1 405B"),
        ("meta-llama/Llama-3.1-8B-Instruct", "Llama 3.1 8B"),
        ("llama2-70b-99.9", "Llama 2 70B"),
        ("neuralmagic_Llama-2-7b-chat-hf-FP8", "Llama 2 7B"),
        ("llama-7b.Q4_K_M.gguf", "LLaMA 1 7B"),
        ("Llama-4-Scout-17B-16E-Instruct", "Llama 4 Scout"),
        ("CodeLlama-13b-hf", "CodeLlama 13B"),
        ("Mistral-7B-Instruct-v0.2", "Mistral 7B"),
        ("Mixtral-8x7B-Instruct-v0.1", "Mixtral 8x7B"),
        ("Qwen3_30B_a3B", "Qwen 3 30B A3B"),
        ("Qwen3_235B_a22B (tokendrop)", "Qwen 3 235B A22B"),
        ("Qwen2.5-72B-Instruct-AWQ", "Qwen 2.5 72B"),
        ("GPT OSS 120B", "GPT-OSS 120B"),
        ("DeepSeekV3 (w/o MTP)", "DeepSeek V3"),
        ("DeepSeekV4 Flash", "DeepSeek V4 Flash"),
        ("Kimi_K2", "Kimi K2"),
        ("Nemotron_3_Nano", "Nemotron 3 Nano"),
        ("Nemotron_3_5_Lightning", "Nemotron 3.5 Lightning"),
        ("gpt2_large", "GPT-2 large"),
        ("gpt3_xl", "GPT-3 XL 1.3B"),
        ("gpt3_27", "GPT-3 2.7B"),
        ("opt_13", "OPT-1.3B"),
        ("gptj-99", "GPT-J 6B"),
        ("turing-530B", "GPT 530B"),
        ("mpt-1b", "MPT-1b"),
        ("SmolLM-135M.Q4_K_M.gguf", "SmolLM 135M"),
        ("gemma-2b.Q4_K_M.gguf", "Gemma 1 2B"),
        ("bert_base_squad", "BERT base"),
        ("bert-99", "BERT large"),
        ("bert-base-encoder(12L)", "BERT base"),
        ("HuggingFace BERT-Large Ph1 pre-training", "BERT large"),
        ("distilbert-base-uncased-finetuned-sst-2-english", "DistilBERT base"),
        ("albert-base-v2", "ALBERT base"),
        ("transformerxllarge", "Transformer-XL large"),
        ("google/vit-base-patch16-224", "ViT base 16"),
        ("ViT-B_16-384", "ViT base 16"),
        ("ViT-L/16", "ViT large 16"),
        ("openai/clip-vit-base-patch32", "CLIP base 32"),
        ("resnet50v1.5", "ResNet-50"),
        ("se-resnext101-32x4d", "SE-ResNeXt-101 32x4d"),
        ("3d-unet-99.9", "3D-UNet"),
        ("dlrm-v2-99", "DLRM v2"),
        ("whisper-large-v3", "Whisper large"),
        ("stable-diffusion-xl", "Stable Diffusion XL"),
        ("stable-diffusion-v1-5", "Stable Diffusion 1.5"),
        ("GPT-J", "GPT-J 6B"),
        ("GPT3 (175B)", "GPT-3 175B"),
        ("llama3_1_8b", "Llama 3.1 8B"),
        ("Kimi K2.5", "Kimi K2"),
        ("SE-ResNeXt101", "SE-ResNeXt-101 32x4d"),
    ],
)
def test_names_as_tables_write_them(text: str, name: str) -> None:
    found = architecture_of(text, SHEET)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Vicuna-13B",
        "Llama 9 3T-A20B",
        "Llama-3.1-Nemotron-70B",
        "llama3",
        "my_network",
        "Qwen3-999B-A1B",
        "resnet200d",
    ],
)
def test_a_name_of_no_known_family_is_nothing_rather_than_another(text: str) -> None:
    assert architecture_of(text, SHEET) is None


@pytest.mark.parametrize(
    ("text", "parameters"), [("GPT3-23B pre-training", 23e9), ("opt-100b", 100e9), ("22B", 22e9)]
)
def test_a_size_that_the_family_lacks_is_the_usual_decoder_of_it(text: str, parameters: float) -> None:
    found = architecture_of(text, SHEET)
    assert isinstance(found, Transformer)
    assert parameters_of(found) == pytest.approx(parameters, rel=0.03)
    assert "estimated" in found.source


def test_a_name_may_state_its_shape() -> None:
    found = architecture_of("gpt-L24-H1024", SHEET)
    assert isinstance(found, Transformer)
    assert (found.layers, found.hidden, found.ffn) == (24, 1024, 4096)


@given(parameters=st.floats(5e7, 2e12))
def test_the_usual_decoder_has_the_weights_that_were_asked_for(parameters: float) -> None:
    found = transformer_like(parameters)
    # Whole layers: one of a few is a larger step than one of many.
    assert parameters_of(found) == pytest.approx(parameters, rel=max(0.6 / found.layers, 0.01) + 0.05)
    assert found.hidden == found.heads * found.head_dim


@pytest.mark.parametrize("name", ["Llama 3 8B", "Llama 2 70B", "GPT-3 175B", "Qwen 2.5 32B", "MPT-7b"])
def test_a_row_of_columns_is_the_network_that_it_describes(name: str) -> None:
    network = named(name)
    row = {
        key: float(getattr(network, key)) for key in ("layers", "hidden", "heads", "kv_heads", "ffn", "vocab")
    }
    found = transformer_from(row)
    assert found is not None
    assert parameters_of(found) == pytest.approx(parameters_of(network), rel=0.03)
    del row["ffn"]
    found = transformer_from({**row, "params": network.stated_parameters})
    assert found is not None
    assert parameters_of(found) == pytest.approx(parameters_of(network), rel=0.03)


def test_a_rows_own_columns_come_before_the_sheet() -> None:
    found = transformer_from(
        {"layers": 32, "hidden": 4096, "vocab": 999, "model": "mine"}, like=named("Llama 3 8B")
    )
    assert found is not None
    assert (found.vocab, found.kv_heads, found.ffn, found.name) == (999, 8, 14336, "mine")


def test_a_row_of_blanks_describes_nothing() -> None:
    assert transformer_from({"layers": "", "hidden": "nan", "seq": 2048}) is None


def test_inputs_of_vision_networks_say_their_size() -> None:
    counted = [one for one in SHEET if isinstance(one, Counted)]
    assert all(one.macs > 0 and one.activations > 0 and one.calls > 0 for one in counted)
    assert sum(bool(re.match(r"\d+ x \d+", one.input)) for one in counted) > 80


def test_recommenders_chain_their_dense_layers() -> None:
    recommenders = [one for one in SHEET if isinstance(one, Recommender)]
    dlrm = next(one for one in recommenders if one.name == "DLRM v2")
    # MLCommons: 26 tables capped at 40 million rows of 128 floats, about 100 GB.
    assert sum(dlrm.table_rows) * dlrm.embedding_dim * 4 == pytest.approx(104e9, rel=0.03)
