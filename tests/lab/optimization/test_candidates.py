from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tradewind.lab.optimization.candidates import candidates
from tradewind.lab.optimization.passes import PASSES, Pass

FORMATS = ("pt2", "onnx", "openvino")
PRECISIONS = ("fp32", "bf16", "int8")


def passes_strategy():
    one = st.builds(
        Pass,
        name=st.sampled_from("abcdefgh"),
        module=st.just("nowhere"),
        reads=st.sampled_from(FORMATS),
        accepts=st.lists(st.sampled_from(PRECISIONS), min_size=1, max_size=3).map(tuple),
        writes=st.sampled_from(FORMATS),
        engine=st.sampled_from(["torch", "onnxruntime", "openvino"]),
        precision=st.sampled_from(PRECISIONS),
        libraries=st.just(()),
        label=st.sampled_from(["", "x", "y"]),
        after=st.lists(st.sampled_from("abcdefgh"), max_size=2).map(tuple),
    )
    return st.lists(one, max_size=8).map(lambda found: {each.name: each for each in found})


@given(passes=passes_strategy())
def test_every_candidate_is_what_the_declarations_allow(passes, linear):
    original, _, _ = linear
    known = {original.name: (original.format, original.runtime.precision, ())}
    found = candidates(original, passes)
    for one in found:
        payload_format, precision, before = known[one.parent]
        assert one.by.fits(payload_format, precision, before)
        assert one.chain == (*before, one.by.name)
        assert len(set(one.chain)) == len(one.chain), "no pass is applied twice"
        assert one.name not in known, "names are unique, and parents come before children"
        known[one.name] = (one.by.writes, one.by.precision, one.chain)


def test_a_torch_network_gets_all_engines_from_one_export(mlp):
    found = candidates(mlp[0], PASSES)
    assert [(one.name, one.parent) for one in found] == [
        ("onnxruntime-fp32", "original"),
        ("onnxruntime-int8-dynamic", "onnxruntime-fp32"),
        ("onnxruntime-int8-static", "onnxruntime-fp32"),
        ("openvino-fp32", "onnxruntime-fp32"),
        ("openvino-bf16", "openvino-fp32"),
        ("openvino-int8", "openvino-fp32"),
    ]


def test_an_onnx_network_needs_no_export(linear):
    parents = {one.name: one.parent for one in candidates(linear[0], PASSES)}
    assert parents["onnxruntime-int8-static"] == "original"
    assert parents["openvino-int8"] == "openvino-fp32"
    assert "onnxruntime-fp32" not in parents


def test_a_quantized_network_is_not_quantized_again(linear):
    runtime = msgspec.structs.replace(linear[0].runtime, precision="int8")
    assert candidates(msgspec.structs.replace(linear[0], runtime=runtime), PASSES) == ()


def test_one_more_pass_composes_with_all_that_fit(mlp):
    halve = Pass(
        name="halve",
        module="somewhere.halve",
        reads="pt2",
        accepts=("fp32",),
        writes="pt2",
        engine="torch",
        precision="fp32",
        libraries=("torch",),
        label="halved",
    )
    names = {one.name: one.chain for one in candidates(mlp[0], {**PASSES, "halve": halve})}
    assert names["torch-fp32-halved"] == ("halve",)
    assert names["openvino-int8-halved"] == ("halve", "export_onnx", "convert_openvino", "quantize_nncf_int8")
    assert len(names) == 13


def test_a_missing_library_says_the_command():
    gone = Pass(
        name="gone",
        module="somewhere",
        reads="onnx",
        accepts=("fp32",),
        writes="onnx",
        engine="onnxruntime",
        precision="fp32",
        libraries=("numpy", "no_such_library"),
    )
    assert gone.unavailable() == (
        "no_such_library is not installed; install it with: pip install 'tradewind[lab]'"
    )
    assert PASSES["quantize_nncf_int8"].unavailable() is None
    assert PASSES["quantize_nncf_int8"].version().startswith("nncf 3.")
