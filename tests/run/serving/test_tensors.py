"""The protocol's messages: arrays survive both encodings, and what does not fit is refused in words."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tradewind.domain.errors import InputError
from tradewind.domain.variant import Golden, Runtime, TensorSpec, Variant
from tradewind.run.serving.tensors import DATATYPES, Codec, Inference, Malformed, Reply

Shape = tuple[int | None, ...]


def variant_of(inputs: dict[str, tuple[str, Shape]], outputs: dict[str, tuple[str, Shape]]) -> Variant:
    def specs(values: dict[str, tuple[str, Shape]]) -> tuple[TensorSpec, ...]:
        return tuple(
            TensorSpec(name=name, dtype=dtype, shape=shape) for name, (dtype, shape) in values.items()
        )

    return Variant(
        id="0" * 12,
        name="v",
        parent_id=None,
        recipe=(),
        format="onnx",
        files=(),
        runtime=Runtime(engine="onnxruntime", engine_version="1", precision="fp32"),
        inputs=specs(inputs),
        outputs=specs(outputs),
        parameters=0,
        golden=Golden(inputs="", outputs="", absolute_tolerance=0.0, relative_tolerance=0.0),
    )


def codec_of(
    inputs: dict[str, tuple[str, Shape]], outputs: dict[str, tuple[str, Shape]], **options: Any
) -> Codec:
    golden = {
        name: np.zeros([2 if size is None else size for size in shape], dtype)
        for name, (dtype, shape) in inputs.items()
    }
    return Codec(variant_of(inputs, outputs), model="m", max_rows=options.get("max_rows", 8), golden=golden)


FLOATS = codec_of({"x": ("float32", (None, 3))}, {"y": ("float32", (None, 3)), "z": ("int64", (None,))})
TEXTS = codec_of(
    {"ids": ("int64", (None, None)), "mask": ("int64", (None, None))}, {"y": ("float32", (None, 2))}
)


def request(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1.0, 2.0, 3.0]}
    return {"inputs": [{**tensor, **changes.pop("tensor", {})}], **changes}


def read(codec: Codec, document: Any, raw: bytes = b"") -> Inference:
    head = json.dumps(document).encode()
    return codec.read(head + raw, len(head) if raw else None)


arrays = st.sampled_from(sorted(DATATYPES)).flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)),
        elements=hnp.from_dtype(np.dtype(dtype), allow_nan=False, allow_infinity=False),
    )
)


class TestRoundTrips:
    @given(arrays, st.booleans(), st.one_of(st.none(), st.text(max_size=10)))
    def test_any_type_survives_json_and_binary(
        self, array: np.ndarray, binary: bool, id_: str | None
    ) -> None:
        """A request made of an array is read as that array; written as an answer it can be read again."""
        spec = (array.dtype.name, (None, *array.shape[1:]))
        codec = codec_of({"x": spec}, {"x": spec})
        tensor = {"name": "x", "shape": list(array.shape), "datatype": DATATYPES[array.dtype.name]}
        document: dict[str, Any] = {"inputs": [tensor], "parameters": {"binary_data_output": binary}}
        if id_ is not None:
            document["id"] = id_
        raw = array.tobytes() if binary else b""
        if binary:
            tensor["parameters"] = {"binary_data_size": len(raw)}
        else:
            tensor["data"] = array.tolist()
        inference = read(codec, document, raw)
        np.testing.assert_array_equal(inference.inputs["x"], array, strict=True)
        assert (inference.rows, inference.id) == (len(array), id_)
        (reply,) = codec.write([inference], {"x": array})
        assert isinstance(reply, Reply)
        written = json.loads(reply.body[: reply.json_length])
        assert (written["model_name"], written["model_version"], written.get("id")) == ("m", "1", id_)
        (output,) = written["outputs"]
        assert (output["name"], output["datatype"]) == ("x", tensor["datatype"])
        if binary:
            assert reply.json_length is not None
            assert output["parameters"] == {"binary_data_size": len(raw)}
            again = np.frombuffer(reply.body[reply.json_length :], array.dtype)
        else:
            again = np.array(output["data"], array.dtype)
        np.testing.assert_array_equal(again.reshape(output["shape"]), array)

    @given(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    def test_requests_that_ran_together_get_their_own_rows(self, rows: list[int]) -> None:
        inferences = [
            read(FLOATS, request(tensor={"shape": [n, 3], "data": [0] * 3 * n}, id=str(place)))
            for place, n in enumerate(rows)
        ]
        total = sum(rows)
        y = np.arange(total * 3, dtype=np.float32).reshape(total, 3)
        replies = list(FLOATS.write(inferences, {"y": y, "z": np.arange(total)}))
        first = 0
        for place, (n, reply) in enumerate(zip(rows, replies, strict=True)):
            assert isinstance(reply, Reply)
            written = json.loads(reply.body)
            assert written["id"] == str(place)
            assert written["outputs"] == [
                {
                    "name": "y",
                    "datatype": "FP32",
                    "shape": [n, 3],
                    "data": y[first : first + n].ravel().tolist(),
                },
                {"name": "z", "datatype": "INT64", "shape": [n], "data": list(range(first, first + n))},
            ]
            first += n

    def test_data_may_be_nested(self) -> None:
        nested = read(FLOATS, request(tensor={"shape": [2, 3], "data": [[1, 2, 3], [4, [5, 6]]]}))
        assert nested.inputs["x"].tolist() == [[1, 2, 3], [4, 5, 6]]

    def test_wanted_outputs_come_in_the_wanted_order_and_encoding(self) -> None:
        wanted = [{"name": "z"}, {"name": "y", "parameters": {"binary_data": True}}]
        inference = read(FLOATS, request(outputs=wanted))
        (reply,) = FLOATS.write([inference], {"y": np.ones((1, 3), np.float32), "z": np.array([7])})
        assert isinstance(reply, Reply)
        outputs = json.loads(reply.body[: reply.json_length])["outputs"]
        assert [(output["name"], "data" in output) for output in outputs] == [("z", True), ("y", False)]

    def test_what_json_cannot_carry_binary_can(self) -> None:
        outputs = {"y": np.array([[1, np.nan, 2]], np.float32), "z": np.array([1])}
        (reply,) = FLOATS.write([read(FLOATS, request())], outputs)
        assert isinstance(reply, Malformed)
        assert "NaN" in str(reply)
        (reply,) = FLOATS.write([read(FLOATS, request(parameters={"binary_data_output": True}))], outputs)
        assert isinstance(reply, Reply)

    def test_the_outputs_are_in_the_declared_types(self) -> None:
        (reply,) = FLOATS.write(
            [read(FLOATS, request())], {"y": np.ones((1, 3)), "z": np.array([1], np.int32)}
        )
        assert isinstance(reply, Reply)
        assert [output["datatype"] for output in json.loads(reply.body)["outputs"]] == ["FP32", "INT64"]


class TestGroups:
    def test_rows_of_one_shape_share_a_group(self) -> None:
        def text(rows: int, length: int) -> Inference:
            tensor = {"shape": [rows, length], "datatype": "INT64", "data": [1] * rows * length}
            return read(TEXTS, {"inputs": [{"name": "ids", **tensor}, {"name": "mask", **tensor}]})

        assert text(1, 2).group == text(3, 2).group
        assert text(1, 2).group != text(1, 5).group
        assert text(3, 2).weight == 1.0, "the golden inputs have two columns"
        assert text(1, 5).weight == 2.5

    def test_a_fixed_number_of_rows_is_kept(self) -> None:
        codec = codec_of({"x": ("float32", (4, 1))}, {"y": ("float32", (4, 1))}, max_rows=99)
        assert codec.max_rows == codec.fixed_rows == 4

    @pytest.mark.parametrize(
        ("inputs", "outputs"),
        [
            ({"x": ("object", (None,))}, {"y": ("float32", (None,))}),
            ({"x": ("float32", ())}, {"y": ("float32", (None,))}),
            ({"x": ("float32", (None, 2))}, {"y": ("float32", (1, 2))}),
        ],
    )
    def test_what_cannot_be_served_is_said_at_once(self, inputs: Any, outputs: Any) -> None:
        with pytest.raises(InputError, match="v: "):
            Codec(variant_of(inputs, outputs), model="m", max_rows=4, golden={})


class TestMalformed:
    @pytest.mark.parametrize(
        ("document", "words"),
        [
            ({}, "inputs"),
            ([], "expected `object`"),
            ({"inputs": []}, "none; m takes 'x'"),
            (request(tensor={"name": "w"}), "'w'; m takes 'x'"),
            ({"inputs": request()["inputs"] * 2}, "each once"),
            (request(tensor={"datatype": "FP64"}), "must be FP32"),
            (request(tensor={"shape": [3]}), "must be [-1, 3]"),
            (request(tensor={"shape": [1, 4]}), "must be [-1, 3]"),
            (request(tensor={"shape": [-1, 3]}), "must be [-1, 3]"),
            (request(tensor={"shape": [1, 3, 1]}), "must be [-1, 3]"),
            (request(tensor={"shape": [1.5, 3]}), "shape"),
            (request(tensor={"shape": [0, 3], "data": []}), "1 to 8"),
            (request(tensor={"shape": [9, 3], "data": [0.0] * 27}), "1 to 8"),
            (request(tensor={"shape": [10**18, 3]}), "3 numbers"),
            (request(tensor={"data": [1, 2]}), "has 2 numbers"),
            (request(tensor={"data": [1, 2, "3"]}), "'3'"),
            (request(tensor={"data": [1, 2, True]}), "'True'"),
            (request(tensor={"data": [1, 2, None]}), "'None'"),
            (request(tensor={"data": "abc"}), "no data"),
            (request(tensor={"data": None}), "no data"),
            (request(tensor={"data": {"a": 1}}), "no data"),
            (request(tensor={"parameters": {"shared_memory_region": "a"}, "data": None}), "shared memory"),
            (request(tensor={"parameters": {"binary_data_size": 12}}), "both data"),
            (request(tensor={"parameters": {"binary_data_size": 8}, "data": None}), "12 bytes"),
            (request(tensor={"parameters": {"binary_data_size": "12"}, "data": None}), "12 bytes"),
            (request(tensor={"parameters": {"binary_data_size": 12}, "data": None}), "0 are left"),
            (request(parameters={"timeout": -1}), "timeout"),
            (request(parameters={"timeout": "soon"}), "timeout"),
            (request(parameters={"timeout": True}), "timeout"),
            (request(outputs=[{"name": "q"}]), "'q'"),
            (request(outputs=[{"name": "y"}, {"name": "y"}]), "each once"),
            (request(outputs=[{"name": "y", "parameters": {"classification": 2}}]), "classification"),
            (request(outputs=[{"name": "y", "parameters": {"shared_memory_region": "r"}}]), "shared_memory"),
        ],
    )
    def test_what_does_not_fit_is_refused_in_words(self, document: Any, words: str) -> None:
        with pytest.raises(Malformed) as refused:
            read(FLOATS, document)
        assert words in str(refused.value)
        assert len(str(refused.value)) < 400

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "0x1", "1_0", "--1", "1" + "0" * 5000])
    def test_numbers_that_json_or_the_type_do_not_have(self, number: str) -> None:
        body = json.dumps(request()).replace("2.0", number).encode()
        with pytest.raises(Malformed):
            FLOATS.read(body, None)

    def test_integers_must_fit(self) -> None:
        codec = codec_of({"x": ("int8", (None,))}, {"y": ("int8", (None,))})
        tensor = {"name": "x", "shape": [1], "datatype": "INT8"}
        assert read(codec, {"inputs": [{**tensor, "data": [-128]}]}).inputs["x"].tolist() == [-128]
        for value in (128, 1.0, 10**30):
            with pytest.raises(Malformed):
                read(codec, {"inputs": [{**tensor, "data": [value]}]})

    def test_inputs_must_have_the_same_rows(self) -> None:
        tensors = [
            {"name": name, "shape": [rows, 2], "datatype": "INT64", "data": [1] * rows * 2}
            for name, rows in (("ids", 1), ("mask", 2))
        ]
        with pytest.raises(Malformed, match="must be equal"):
            read(TEXTS, {"inputs": tensors})
        with pytest.raises(Malformed, match="m takes 'ids', 'mask'"):
            read(TEXTS, {"inputs": tensors[:1]})

    def test_the_length_of_the_document_must_be_true(self) -> None:
        body = json.dumps(request()).encode()
        with pytest.raises(Malformed, match="the body has"):
            FLOATS.read(body, len(body) + 1)
        with pytest.raises(Malformed, match="3 bytes follow"):
            FLOATS.read(body + b"abc", len(body))
        with pytest.raises(Malformed):
            FLOATS.read(body, len(body) - 1)

    @given(st.binary(max_size=200), st.one_of(st.none(), st.integers(0, 300)))
    def test_any_bytes_are_a_request_or_malformed(self, body: bytes, length: int | None) -> None:
        with pytest.raises(Malformed):
            FLOATS.read(body, length)

    @given(st.data())
    def test_any_document_is_a_request_or_malformed(self, data: st.DataObject) -> None:
        value = st.recursive(
            st.one_of(
                st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)
            ),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
            ),
            max_leaves=6,
        )
        document = request()
        where = data.draw(st.sampled_from(["inputs", "id", "parameters", "outputs", "tensor"]))
        if where == "tensor":
            key = data.draw(st.sampled_from(["name", "shape", "datatype", "data", "parameters"]))
            document["inputs"][0][key] = data.draw(value)
        else:
            document[where] = data.draw(value)
        try:
            inference = FLOATS.read(json.dumps(document, allow_nan=True).encode(), None)
        except Malformed:
            return
        assert inference.inputs["x"].shape == (1, 3)

    def test_deep_nesting_is_refused(self) -> None:
        body = json.dumps(request()).replace("2.0", "[" * 5000 + "]" * 5000).encode()
        with pytest.raises(Malformed):
            FLOATS.read(body, None)
