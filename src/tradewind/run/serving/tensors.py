"""The Open Inference Protocol's messages: bytes to arrays and back, for one model.

Both encodings: tensors as JSON numbers, and the binary tensor extension, in which the JSON document comes
first, its length is in the header Inference-Header-Content-Length, and the raw tensors follow in order.
Specification: github.com/kserve/open-inference-protocol; the extension: Triton's extension_binary_data.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from tradewind.domain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tradewind.domain.variant import TensorSpec, Variant

__all__ = ["DATATYPES", "Codec", "Inference", "Malformed", "Reply"]

DATATYPES: Final = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
}
"""The protocol's names of NumPy's types."""

NUMBER_BYTES: Final = 40
"""A number in JSON with generous white space."""
BODY_BYTES: Final = (4 * 2**20, 64 * 2**20)
"""The limit of a body is at least the first, whatever the model, and at most the second."""

LONGEST_TIMEOUT_S: Final = 3600.0


class Malformed(Exception):
    """A request that does not fit the model; the message says what, the value, and what would fit."""


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] | None = None
    data: Any = None


class _FloatInput(msgspec.Struct):
    """The usual case, decoded without looking at each number in Python."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float]
    parameters: dict[str, Any] | None = None


class _IntInput(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[int]
    parameters: dict[str, Any] | None = None


class _Request(msgspec.Struct):
    inputs: list[_Input]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[_Output] | None = None


class _FloatRequest(msgspec.Struct):
    inputs: list[_FloatInput]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[_Output] | None = None


class _IntRequest(msgspec.Struct):
    inputs: list[_IntInput]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[_Output] | None = None


class Inference:
    """A request that fits the model."""

    __slots__ = ("binary", "group", "id", "inputs", "outputs", "rows", "timeout_s", "weight")

    def __init__(self, inputs: dict[str, NDArray[Any]], rows: int, group: Hashable, weight: float) -> None:
        self.inputs = inputs
        self.rows = rows
        self.group = group
        """The shapes of a row; only equal ones run together."""
        self.weight = weight
        """The size of a row relative to the golden inputs'."""
        self.id: str | None = None
        self.timeout_s: float | None = None
        self.outputs: tuple[int, ...] | None = None
        """Which outputs are wanted, by their places; None means all."""
        self.binary: tuple[bool, ...] = ()
        """For each wanted output, whether it is to be binary; empty means none."""


class Reply:
    """The body of an answer. `json_length` is None for plain JSON."""

    __slots__ = ("body", "json_length")

    def __init__(self, body: bytes, json_length: int | None = None) -> None:
        self.body = body
        self.json_length = json_length


class _Tensor:
    """What the codec must know about one input or output."""

    def __init__(self, spec: TensorSpec, role: str, variant: str) -> None:
        if spec.dtype not in DATATYPES:
            raise InputError(
                f"{variant}: {role} {spec.name!r} has the type {spec.dtype}, which the protocol cannot carry; "
                f"known: {', '.join(DATATYPES)}"
            )
        if not spec.shape:
            raise InputError(
                f"{variant}: {role} {spec.name!r} is a scalar; it needs rows as its first dimension"
            )
        self.name = spec.name
        self.dtype = np.dtype(spec.dtype)
        self.datatype = DATATYPES[spec.dtype]
        self.shape = spec.shape
        self.free = any(size is None for size in spec.shape[1:])
        self.row_elements = 0 if self.free else math.prod(size for size in spec.shape[1:] if size is not None)
        self.wire_shape = [-1 if size is None else size for size in spec.shape]
        self.head = b'{"name":%b,"datatype":"%b","shape":' % (
            msgspec.json.encode(spec.name),
            self.datatype.encode(),
        )

    def metadata(self) -> dict[str, object]:
        return {"name": self.name, "datatype": self.datatype, "shape": self.wire_shape}


class Codec:
    """Reads requests for one variant and writes its answers."""

    def __init__(
        self, variant: Variant, *, model: str, max_rows: int, golden: Mapping[str, NDArray[Any]]
    ) -> None:
        """`golden` are inputs whose rows have weight 1. Errors: InputError for what cannot be served."""
        self._inputs = [_Tensor(spec, "input", variant.name) for spec in variant.inputs]
        self._outputs = [_Tensor(spec, "output", variant.name) for spec in variant.outputs]
        sizes = {tensor.shape[0] for tensor in (*self._inputs, *self._outputs)}
        if len(sizes) != 1:
            raise InputError(
                f"{variant.name}: its inputs and outputs do not share their first dimension ({sizes}); "
                "it cannot be served in rows"
            )
        fixed = sizes.pop()
        self.fixed_rows = fixed
        """The only possible number of rows, or None when it is free."""
        self.max_rows = max_rows if fixed is None else fixed
        self._by_name = {tensor.name: tensor for tensor in self._inputs}
        self._output_places = {tensor.name: place for place, tensor in enumerate(self._outputs)}
        self._golden_elements = sum(array[0].size for array in golden.values())
        self._free = any(tensor.free for tensor in self._inputs)
        kinds = {tensor.dtype.kind for tensor in self._inputs}
        self._general = msgspec.json.Decoder(_Request)
        self._quick: msgspec.json.Decoder[Any] = self._general
        if kinds == {"f"}:
            self._quick = msgspec.json.Decoder(_FloatRequest)
        elif kinds <= {"i", "u"}:
            self._quick = msgspec.json.Decoder(_IntRequest)
        self._head = b'{"model_name":%b,"model_version":"1",' % msgspec.json.encode(model)
        self._encode = msgspec.json.Encoder().encode
        self.model = model
        self.platform = f"{variant.runtime.engine}_{variant.format}"

    @property
    def max_body_bytes(self) -> int:
        """No request that fits the model is longer."""
        if self._free:
            return BODY_BYTES[1]
        numbers = self.max_rows * sum(tensor.row_elements for tensor in self._inputs)
        return min(max(BODY_BYTES[0], NUMBER_BYTES * numbers), BODY_BYTES[1])

    def metadata(self) -> bytes:
        """The model's metadata document."""
        return self._encode(
            {
                "name": self.model,
                "versions": ["1"],
                "platform": self.platform,
                "inputs": [tensor.metadata() for tensor in self._inputs],
                "outputs": [tensor.metadata() for tensor in self._outputs],
            }
        )

    def read(self, body: bytes, json_length: int | None) -> Inference:
        """The request in a body, whose JSON part has `json_length` bytes (None: all of it).

        Numbers that are too large for a float type become infinite, as in a cast; integers must fit.
        Errors: Malformed.
        """
        document: bytes | memoryview = body
        if json_length is not None:
            if json_length > len(body):
                raise Malformed(
                    f"Inference-Header-Content-Length is {json_length}, but the body has {len(body)} bytes"
                )
            document = memoryview(body)[:json_length]
            # Binary tensors have no data to decode quickly.
            asked = self._decode(document)
        else:
            try:
                asked = self._quick.decode(document)
            except (msgspec.DecodeError, RecursionError):
                asked = self._decode(document)
        offset = len(document)
        inputs: dict[str, NDArray[Any]] = {}
        for given in asked.inputs:
            tensor = self._by_name.get(given.name)
            if tensor is None or given.name in inputs:
                raise Malformed(self._wrong_inputs([one.name for one in asked.inputs]))
            count = _check_shape(tensor, given)
            parameters = given.parameters
            if parameters and "binary_data_size" in parameters:
                array, offset = _read_binary(tensor, given, count, body, offset)
            else:
                array = _read_numbers(tensor, given, count)
            inputs[given.name] = array
        if len(inputs) != len(self._inputs):
            raise Malformed(self._wrong_inputs(list(inputs)))
        if offset != len(body):
            raise Malformed(
                f"{len(body) - offset} bytes follow the tensors; binary_data_size of the inputs must add up "
                "to what follows the JSON document"
            )
        inference = self._inference(inputs)
        inference.id = asked.id
        if asked.parameters or asked.outputs is not None:
            self._read_wishes(inference, asked)
        return inference

    def write(
        self, wanted: Sequence[Inference], outputs: Mapping[str, NDArray[Any]]
    ) -> Iterator[Reply | Malformed]:
        """The answer to each of the requests that ran together, in their order.

        A Malformed stands in for an answer that JSON cannot carry.
        """
        columns = [_Column(tensor, outputs[tensor.name], self._encode) for tensor in self._outputs]
        first = 0
        for inference in wanted:
            last = first + inference.rows
            places = inference.outputs
            chosen = columns if places is None else [columns[place] for place in places]
            yield self._write_one(inference, chosen, first, last)
            first = last

    def _write_one(
        self, inference: Inference, columns: Sequence[_Column], first: int, last: int
    ) -> Reply | Malformed:
        parts: list[bytes] = []
        raw: list[bytes] = []
        for number, column in enumerate(columns):
            if inference.binary and inference.binary[number]:
                data = column.array[first:last].tobytes()
                raw.append(data)
                parts.append(
                    b'%b[%d%b,"parameters":{"binary_data_size":%d}}'
                    % (column.head, last - first, column.tail, len(data))
                )
                continue
            numbers = column.numbers(first, last)
            if column.floating and b"n" in numbers:
                return Malformed(
                    f"output {column.name!r} holds NaN or infinity, which JSON cannot carry; "
                    "check the inputs, or ask for binary output"
                )
            parts.append(b'%b[%d%b,"data":%b}' % (column.head, last - first, column.tail, numbers))
        id_ = b"" if inference.id is None else b'"id":%b,' % self._encode(inference.id)
        document = b'%b%b"outputs":[%b]}' % (self._head, id_, b",".join(parts))
        if not raw:
            return Reply(document)
        return Reply(b"".join((document, *raw)), len(document))

    def _decode(self, document: bytes | memoryview) -> _Request:
        try:
            return self._general.decode(document)
        except msgspec.DecodeError as error:
            message = str(error)
            raise Malformed(f"not a valid request: {message[:1].lower()}{message[1:]}") from None
        except RecursionError:
            raise Malformed("not a valid request: nested too deeply") from None

    def _wrong_inputs(self, names: list[str]) -> str:
        wanted = ", ".join(repr(tensor.name) for tensor in self._inputs)
        got = ", ".join(repr(name[:80]) for name in names[:8]) or "none"
        return f"inputs are {got}; {self.model} takes {wanted}, each once"

    def _inference(self, inputs: dict[str, NDArray[Any]]) -> Inference:
        rows = {array.shape[0] for array in inputs.values()}
        if len(rows) != 1:
            raise Malformed(f"inputs have {sorted(rows)} rows (first dimension); they must be equal")
        count = rows.pop()
        if not 1 <= count <= self.max_rows:
            raise Malformed(f"{count} rows; this server takes 1 to {self.max_rows} in a request, so split it")
        if not self._free:
            return Inference(inputs, count, (), 1.0)
        group = tuple(inputs[tensor.name].shape[1:] for tensor in self._inputs)
        elements = sum(array[0].size for array in inputs.values())
        return Inference(inputs, count, group, max(elements, 1) / max(self._golden_elements, 1))

    def _read_wishes(self, inference: Inference, asked: Any) -> None:
        """The optional parts: the deadline, and which outputs are wanted in which encoding."""
        parameters = asked.parameters or {}
        timeout_us = parameters.get("timeout", 0)
        if not isinstance(timeout_us, int) or isinstance(timeout_us, bool) or timeout_us < 0:
            raise Malformed(
                f"the parameter timeout is {timeout_us!r}; it must be whole microseconds, at least 0"
            )
        if timeout_us:
            inference.timeout_s = min(timeout_us / 1e6, LONGEST_TIMEOUT_S)
        binary = parameters.get("binary_data_output", False) is True
        if asked.outputs:
            places, encodings = [], []
            for output in asked.outputs:
                place = self._output_places.get(output.name)
                if place is None or place in places:
                    known = ", ".join(repr(tensor.name) for tensor in self._outputs)
                    raise Malformed(
                        f"output {output.name[:80]!r} is asked for; {self.model} gives {known}, each once"
                    )
                wishes = output.parameters or {}
                unsupported = {"classification", "shared_memory_region"} & wishes.keys()
                if unsupported:
                    raise Malformed(
                        f"the output parameter {unsupported.pop()} is not supported; leave it out"
                    )
                places.append(place)
                encodings.append(wishes.get("binary_data", binary) is True)
            inference.outputs, inference.binary = tuple(places), tuple(encodings)
        elif binary:
            inference.binary = (True,) * len(self._outputs)


class _Column:
    """One output of all requests that ran together, made ready to be written in parts."""

    __slots__ = ("_encode", "_rows", "array", "floating", "head", "name", "tail")

    def __init__(self, tensor: _Tensor, array: NDArray[Any], encode: Callable[[Any], bytes]) -> None:
        self.array = array if array.dtype == tensor.dtype else array.astype(tensor.dtype)
        self.name = tensor.name
        self.head = tensor.head
        self.floating = tensor.dtype.kind == "f"
        self.tail = b"]" if array.ndim == 1 else b"," + encode(array.shape[1:])[1:]
        self._encode = encode
        self._rows: list[Any] | None = None

    def numbers(self, first: int, last: int) -> bytes:
        """The rows as one flat list in JSON; NaN and infinity as null."""
        if last - first > 1:
            return self._encode(self.array[first:last].ravel().tolist())
        if self._rows is None:
            # Once for all requests: single rows of a batch are what answers mostly are.
            self._rows = self.array.reshape(len(self.array), -1).tolist()
        return self._encode(self._rows[first])


def _check_shape(tensor: _Tensor, given: Any) -> int:
    """How many numbers the input holds."""
    if given.datatype != tensor.datatype:
        raise Malformed(
            f"input {tensor.name!r} has the datatype {given.datatype[:20]!r}; it must be {tensor.datatype}"
        )
    shape = given.shape
    fits = len(shape) == len(tensor.shape)
    count = 1
    if fits:
        for size, wanted in zip(shape, tensor.shape, strict=True):
            if (size != wanted) if wanted is not None else size < 0:
                fits = False
                break
            count *= size
    if not fits:
        raise Malformed(f"input {tensor.name!r} has the shape {shape[:16]}; it must be {tensor.wire_shape}")
    return count


def _read_binary(
    tensor: _Tensor, given: Any, count: int, body: bytes, offset: int
) -> tuple[NDArray[Any], int]:
    """The tensor at the offset, and the offset after it."""
    size = given.parameters["binary_data_size"]
    wanted = count * tensor.dtype.itemsize
    if given.data:
        raise Malformed(f"input {tensor.name!r} has both data and binary_data_size; give one")
    if isinstance(size, bool) or size != wanted:
        raise Malformed(
            f"input {tensor.name!r} has binary_data_size {size!r}; {given.shape} of {tensor.datatype} are {wanted} bytes"
        )
    if offset + wanted > len(body):
        raise Malformed(
            f"input {tensor.name!r} needs {wanted} bytes after the JSON document; {len(body) - offset} are left"
        )
    stored = np.dtype(np.uint8) if tensor.dtype.kind == "b" else tensor.dtype.newbyteorder("<")
    array = np.frombuffer(body, stored, count, offset).reshape(given.shape)
    return (array != 0 if tensor.dtype.kind == "b" else array), offset + wanted


def _read_numbers(tensor: _Tensor, given: Any, count: int) -> NDArray[Any]:
    """The tensor from JSON numbers, flat or nested in any way."""
    data = given.data
    if given.__class__ is _Input:
        if given.parameters and "shared_memory_region" in given.parameters:
            raise Malformed(
                f"input {tensor.name!r} is in shared memory, which is not supported; send the data"
            )
        if not isinstance(data, list):
            raise Malformed(f"input {tensor.name!r} has no data; give a list of {count} numbers")
        data = list(_flat(data, tensor))
    if len(data) != count:
        raise Malformed(
            f"input {tensor.name!r} has {len(data)} numbers; the shape {given.shape} needs {count}"
        )
    try:
        array: NDArray[Any] = np.array(data, tensor.dtype)
    except OverflowError:
        raise Malformed(f"input {tensor.name!r} holds a number that {tensor.datatype} cannot") from None
    return array.reshape(given.shape)


def _flat(data: list[Any], tensor: _Tensor) -> Iterator[Any]:
    """The numbers of nested lists in order, each of the kind that the tensor holds."""
    kinds: tuple[type, ...] = {"f": (float, int), "b": (bool,)}.get(tensor.dtype.kind, (int,))
    pending = [iter(data)]
    while pending:
        for value in pending[-1]:
            if type(value) in kinds:
                yield value
            elif type(value) is list:
                pending.append(iter(value))
                break
            else:
                raise Malformed(
                    f"input {tensor.name!r} holds {str(value)[:40]!r}, which is no {tensor.datatype} number"
                )
        else:
            pending.pop()
