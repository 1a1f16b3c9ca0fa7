"""What the probe of a machine, and the user's own runs, say about the constants of the performance model.

In: a Calibration, and what was measured. Out: a Calibration for that machine, or for that kind of work, alone. A
measurement is what a constant would have to be for the model to meet it; constant and measurement are then weighed by
their errors, on the logarithm, because all of them are factors (the precision-weighted mean of two normal quantities).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from tradewind.decide.prediction import collectives, kernels
from tradewind.decide.prediction.devices import columns_of, device_of
from tradewind.decide.prediction.fitted import with_defaults
from tradewind.decide.prediction.processors import identify
from tradewind.domain.device import Device
from tradewind.domain.errors import InputError
from tradewind.domain.estimate import Calibration, Constant
from tradewind.domain.host import Product

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tradewind.decide.prediction.devices import DeviceColumns
    from tradewind.decide.prediction.published import Kind, Prediction
    from tradewind.domain.host import Host, Reduction, Stream

__all__ = ["device_at_hand", "observed_name", "rescaled", "tightened", "with_observations"]

# ---- The machine at hand as a device

_NARROW: Final = (
    ("amx_bf16", {"bf16": 32.0, "int8": 64.0}),
    ("avx512_bf16", {"bf16": 2.0, "int8": 4.0}),
    ("avx512_vnni", {"int8": 4.0}),
    ("i8mm", {"bf16": 4.0, "int8": 8.0}),
)
"""How much faster than fp32 vectors of the same core, by instruction set: the makers' manuals."""
_CACHE_BYTES_PER_CORE: Final = 4.0 * 2**20
"""Of the last level: Zen 3 to 5 have 4 MiB a core, Sapphire Rapids 2, Emerald Rapids 5."""
_PROCESSOR_YEAR: Final = 2022
"""Where a processor's generation is all that is known: of the machines that clouds let, the middle."""


def device_at_hand(host: Host, devices: Sequence[Device]) -> Device:
    """The accelerator of a host as its data sheet describes it; without one, its cores as a device.

    `devices` are the data sheets. A host has often a part of a processor, so that its cores are described by the
    facts of their generation, and its memory by the share that so many cores can draw.
    """
    for name in (*(gpu.name for gpu in host.gpus), *host.accelerators):
        found = device_of(name, devices)
        if found is not None and found.kind != "cpu":
            return found
    processor, certainty = identify(
        vendor=host.cpu_vendor, architecture=host.cpu_architecture, model=host.cpu_model, isa=host.isa
    )
    cores = max(1, host.physical_cores)
    rate = 1e9 * processor.clock_ghz * processor.flops_per_cycle * cores
    gains = next((gains for word, gains in _NARROW if word in host.isa), {})
    # A core's own limit and its share of the socket add like resistances, as in the model of machines.
    drawn = 1.0 / processor.core_bandwidth_bytes_per_s + cores / processor.socket_bandwidth_bytes_per_s
    return Device(
        name=host.cpu_model,
        vendor=host.cpu_vendor,
        kind="cpu",
        generation=processor.name.lower(),
        year=_PROCESSOR_YEAR,
        units=cores,
        clock_ghz=processor.clock_ghz,
        memory_bytes=host.memory_bytes,
        memory_bandwidth_bytes_per_s=cores / drawn,
        cache_bytes=host.cache_bytes or _CACHE_BYTES_PER_CORE * cores,
        peak_flops_per_s={"fp32": rate, **{name: gain * rate for name, gain in gains.items()}},
        devices_per_machine=1,
        source=f"{cores} cores of {processor.name}, known by its {certainty}",
        as_of="2026-11-25",
        confidence="B" if certainty == "model" else "C",
    )


# ---- What a probe says

_PRODUCT_ERROR: Final = 0.08
"""Relative scatter of the time of one shape round the model: half of what lies between the 10th and the 90th percentile
of large products of vidur@7d47513, 0.07 to 0.11, over 1.28."""
_STREAM_ERROR: Final = 0.04
_LATENCY_ERROR: Final = 0.15
"""The work of networks finds its kernels less ready than a loop that repeats one."""
_REDUCTION_ERROR: Final = 0.08
_START_ERROR: Final = 0.3
"""Small all-reduces of one machine differ by up to 2 from one size to the next (vidur@7d47513)."""
_SHARED_ERROR: Final = 0.02
"""What several measurements on one machine miss together."""
_LAUNCH_ERROR: Final = 0.3
_BARE_LAUNCH_SHARE: Final = 0.4
"""Assumed: of the time in which a training step launches a kernel; the rest is modules and the autograd graph."""
_WIDEST: Final = math.log(30.0)
"""No probe moves a constant by more than this."""
_LEAST_SENSITIVITY: Final = 0.1
"""A time that changes by less than a tenth of what the constant does is no measurement of it."""
_OUT_BYTES: Final = {"fp8": 2.0, "int8": 4.0}
_ELEMENT_BYTES: Final = {"bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0}
_ON_PROCESSORS: Final = ("fp32",)
"""On processors, one constant scales all precisions, and it is meant for the arithmetic that all have."""
_LARGE: Final = {"cpu": 512, "gpu": 2048}
"""Rows and columns of a product from which on its arithmetic is what counts."""
_SMALL_BYTES: Final = 2**18
_LARGE_BYTES: Final = 2**25
"""All-reduces up to here tell their start, and from here on their rate."""
_PASSES: Final = 3
"""Over all constants, each with the others as they are by then: they explain parts of the same times."""
_SLIVER: Final = 0.5
"""Fewer of a processor's cores than this share do not tell how fast its memory is."""


@dataclass(frozen=True)
class _Sign:
    """One measured time and how the model predicts it: what it says about a constant."""

    constant: str
    seconds: float
    predicted: Callable[[Mapping[str, float]], Any]
    error: float
    """Relative, of the measured time."""
    what: str


def tightened(calibration: Calibration, host: Host, device: Device) -> Calibration:
    """The calibration for the machine at hand: what the probe measured of `device` there moves what it can.

    For predictions of that device in that machine; other devices keep the calibration they had. Each constant lies
    afterwards between what it was and what the measurement alone says, its error is smaller than both, and
    `fitted_on` says by how much the measurement had surprised. A host that measured nothing changes nothing; the same probe twice would be believed twice.

    >>> from tradewind.decide.prediction.fitted import assumed
    >>> from tradewind.domain.host import Gpu, Host
    >>> from tradewind.files.sheets import devices
    >>> t4 = device_of("T4", devices())
    >>> gpu = Gpu(name="Tesla T4", memory_bytes=2**34, kernel_latency_s=2.4e-6)
    >>> host = Host(cpu_model="", cpu_vendor="Intel", cpu_architecture="x86_64", physical_cores=4, logical_cores=8,
    ...             ghz=None, isa=(), memory_bytes=2**34, memory_bandwidth_bytes_per_s=1e10,
    ...             gemm_flops_per_s_per_core=1e11, gpus=(gpu,))
    >>> constant = tightened(assumed(), host, t4)["kernel_latency_s"]
    >>> round(constant.value * 1e6, 2), constant.fitted_on
    (2.25, 'probe of Tesla T4: a recorded kernel took +33 % against the prediction; 1.8e-06 before')
    """
    before = with_defaults(calibration).constants
    where = host.cpu_model if device.kind == "cpu" else _gpu_name(host, device)
    if where is None:
        return calibration
    signs = _signs(host, device)
    changed: dict[str, Constant] = {}
    for _ in range(_PASSES):
        for name in _ORDER:
            values = {other: changed.get(other, one).value for other, one in before.items()}
            own = [sign for sign in signs if sign.constant == name]
            if moved := _weighed(name, before[name], values, own, where):
                changed[name] = moved
    return msgspec.structs.replace(calibration, constants={**calibration.constants, **changed})


_ORDER: Final = (
    "kernel_latency_s",
    "training_launch_s",
    "memory_bandwidth_ratio",
    "cache_speedup",
    "product_bandwidth_ratio",
    "matrix_peak_ratio",
    "processor_peak_ratio",
    "quick_start_s",
    "collective_bandwidth_ratio",
    "collective_start_s",
)


def _gpu_name(host: Host, device: Device) -> str | None:
    """The measured GPU that a data sheet means."""
    found = (gpu.name for gpu in host.gpus if device_of(gpu.name, [device]) is device)
    return next(found, None)


def _signs(host: Host, device: Device) -> list[_Sign]:
    return _of_processor(host, device) if device.kind == "cpu" else _of_gpu(host, device)


def _of_processor(host: Host, device: Device) -> list[_Sign]:
    cores = max(1, host.physical_cores)
    products = [one for one in host.products if one.cores == cores and one.precision in _ON_PROCESSORS]
    streams = [one for one in host.streams if one.cores == cores]
    if not products:
        # The quick probe's product of 512 rows and columns, on one core.
        seconds = 2.0 * 512.0**3 / host.gemm_flops_per_s_per_core
        products = [Product(precision="fp32", cores=1, rows=512, inner=512, columns=512, seconds=seconds)]
    found = _of_products(products, device, "processor_peak_ratio")
    if device.units is None or cores >= _SLIVER * device.units:
        found += _of_streams(streams, device)
    else:
        found = [sign for sign in found if sign.constant != "product_bandwidth_ratio"]
    return found + _of_reductions([one for one in host.reductions if one.library == "gloo"], device)


def _of_gpu(host: Host, device: Device) -> list[_Sign]:
    gpu = next(gpu for gpu in host.gpus if device_of(gpu.name, [device]) is device)
    found = _of_products(gpu.products, device, "matrix_peak_ratio") + _of_streams(gpu.streams, device)
    if gpu.kernel_latency_s:
        found.append(
            _Sign(
                "kernel_latency_s",
                gpu.kernel_latency_s,
                lambda c: c["kernel_latency_s"],
                _LATENCY_ERROR,
                "a recorded kernel",
            )
        )
    if gpu.kernel_launch_s:
        found.append(
            _Sign(
                "training_launch_s",
                gpu.kernel_launch_s,
                lambda c: _BARE_LAUNCH_SHARE * c["training_launch_s"],
                _LAUNCH_ERROR,
                "launching a kernel",
            )
        )
    return found + _of_reductions([one for one in host.reductions if one.library == "nccl"], device)


def _of_products(products: Sequence[Product], device: Device, peak: str) -> list[_Sign]:
    """Large products tell the arithmetic; those of few rows how fast weights are read."""
    large = _LARGE["cpu" if device.kind == "cpu" else "gpu"]
    found = []
    for precision in sorted({one.precision for one in products}):
        if precision not in device.peak_flops_per_s and precision != "fp32":
            continue
        same = [one for one in products if one.precision == precision]
        big = [one for one in same if min(one.rows, one.inner, one.columns) >= large]
        if device.kind == "cpu" and big:
            # Others may use the processor too: the fastest is the least disturbed.
            big = [max(big, key=lambda one: one.flops_per_s)]
        found += [_product_sign(one, device, peak) for one in big]
        thin = [one for one in same if 16 * one.rows <= min(one.inner, one.columns)]
        found += [_product_sign(one, device, "product_bandwidth_ratio") for one in thin]
    return found


def _product_sign(product: Product, device: Device, constant: str) -> _Sign:
    what = f"a {product.precision} product of {product.rows} rows"
    columns = columns_of([_portion(device, product.cores)], [product.precision])
    element = _ELEMENT_BYTES.get(product.precision, 4.0)

    def predicted(c: Mapping[str, float]) -> Any:
        return kernels.gemm_s(
            float(product.rows),
            float(product.inner),
            float(product.columns),
            columns,
            c,
            bytes_a=element,
            bytes_b=element,
            bytes_c=_OUT_BYTES.get(product.precision, element),
        )

    return _Sign(constant, product.seconds, predicted, _PRODUCT_ERROR, what)


def _of_streams(streams: Sequence[Stream], device: Device) -> list[_Sign]:
    """The largest copy tells the memory; one that fits into the last cache twice over tells the cache."""
    columns = columns_of([device], ["fp32"])
    copies = sorted((one for one in streams if one.what == "copy"), key=lambda one: one.bytes_in_use)
    cache = float(columns.cache_bytes[0])
    found = []
    if copies and copies[-1].bytes_in_use > 2.0 * cache:
        found.append(_stream_sign(copies[-1], columns, "memory_bandwidth_ratio"))
    cached = [one for one in copies if one.bytes_in_use <= 0.5 * cache]
    if cached:
        found.append(_stream_sign(cached[-1], columns, "cache_speedup"))
    return found


def _stream_sign(stream: Stream, columns: DeviceColumns, constant: str) -> _Sign:
    seconds = stream.bytes_in_use / stream.bytes_per_s
    what = f"copying within {stream.bytes_in_use / 2**20:.0f} MiB"
    size = float(stream.bytes_in_use)
    return _Sign(constant, seconds, lambda c: kernels.memory_bound_s(size, columns, c), _STREAM_ERROR, what)


def _of_reductions(reductions: Sequence[Reduction], device: Device) -> list[_Sign]:
    """Small ones tell the start of their way, large ones the rate, and those between the start of a ring."""
    columns = columns_of([device], ["fp32"])
    # All together, as training uses them; some of them may be joined better than all are.
    most = max((one.members for one in reductions), default=0)
    return [_reduction_sign(one, columns) for one in reductions if one.members == most]


def _reduction_sign(reduction: Reduction, columns: DeviceColumns) -> _Sign:
    size, members = float(reduction.bytes_each), float(reduction.members)
    constant, error = "collective_start_s", _START_ERROR
    if size <= _SMALL_BYTES:
        constant = "quick_start_s"
    elif size >= _LARGE_BYTES:
        constant, error = "collective_bandwidth_ratio", _REDUCTION_ERROR
    return _Sign(
        constant,
        reduction.seconds,
        lambda c: collectives.all_reduce_s(size, members, members, columns, c),
        error,
        f"an all-reduce of {size / 2**20:.3g} MiB among {members:.0f}",
    )


def _portion(device: Device, cores: int) -> Device:
    """So many cores of a processor; any other device as it is."""
    if device.kind != "cpu" or not device.units or not 0 < cores < device.units:
        return device
    share = cores / device.units
    return msgspec.structs.replace(
        device,
        units=cores,
        peak_flops_per_s={name: share * rate for name, rate in device.peak_flops_per_s.items()},
        power_w=None if device.power_w is None else share * device.power_w,
        cache_bytes=None if device.cache_bytes is None else share * device.cache_bytes,
    )


# ---- Weighing


def _weighed(
    name: str, constant: Constant, values: Mapping[str, float], signs: Sequence[_Sign], where: str
) -> Constant | None:
    """The constant after its signs, with the others at `values`; None where they say nothing about it."""
    values = {**values, name: constant.value}
    found = []
    for sign in signs:
        move = _needed(sign, values)
        if move is not None and (sensitivity := _sensitivity(sign, values, move)) >= _LEAST_SENSITIVITY:
            found.append((move, sign.error / sensitivity, sign))
    prior = _relative(name, constant)
    if not found or prior <= 0.0:
        return None
    found.sort(key=lambda one: one[0])
    # The median is safe from an outlier.
    move = float(np.median([one[0] for one in found]))
    own = math.hypot(float(np.median([one[1] for one in found])) / math.sqrt(len(found)), _SHARED_ERROR)
    middle = found[len(found) // 2][2]
    surprise = math.exp(math.log(middle.seconds) - _log_s(middle, values, 0.0)) - 1.0
    others = f" and {len(found) - 1} more" if len(found) > 1 else ""
    error = 1.0 / math.sqrt(1.0 / prior**2 + 1.0 / own**2)
    value = constant.value * math.exp(_gain(move, prior, own) * move)
    return msgspec.structs.replace(
        constant,
        value=value,
        standard_error=error if name.endswith("_ratio") else error * value,
        fitted_on=(
            f"probe of {where}: {middle.what}{others} took {100.0 * surprise:+.0f} % against the prediction;"
            f" {constant.value:.4g} before"
        ),
        residuals=(*constant.residuals, move),
    )


def _gain(move: float, prior: float, own: float) -> float:
    """How far towards the measurement, 0 to 1. A surprise far beyond the errors says that the prior's was too small."""
    doubt = max(1.0, move**2 / (prior**2 + own**2))
    return doubt * prior**2 / (doubt * prior**2 + own**2)


def _needed(sign: _Sign, values: Mapping[str, float]) -> float | None:
    """The logarithm of the factor on the constant by which the prediction meets the measurement.

    None where no factor does: then the surprise has another cause.
    """
    aim = math.log(sign.seconds)
    if _log_s(sign, values, 0.0) == aim:
        return 0.0
    low, high = -_WIDEST, _WIDEST
    ends = _log_s(sign, values, low), _log_s(sign, values, high)
    if not min(ends) <= aim <= max(ends):
        return None
    rising = ends[0] < ends[1]
    for _ in range(60):
        middle = 0.5 * (low + high)
        if (_log_s(sign, values, middle) < aim) == rising:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _sensitivity(sign: _Sign, values: Mapping[str, float], move: float) -> float:
    """How much of a change of the constant the time follows, on the way to the measurement."""
    step = move if abs(move) > 0.05 else 0.05
    return abs(_log_s(sign, values, step) - _log_s(sign, values, 0.0)) / abs(step)


def _log_s(sign: _Sign, values: Mapping[str, float], move: float) -> float:
    """The logarithm of the predicted time with the constant moved by a factor."""
    moved = {**values, sign.constant: values[sign.constant] * math.exp(move)}
    return math.log(float(np.ravel(sign.predicted(moved))[0]))


def _relative(name: str, constant: Constant) -> float:
    return constant.standard_error if name.endswith("_ratio") else constant.standard_error / constant.value


# ---- What the user's own runs say

_UNOBSERVED_ERROR: Final = 0.2
"""Relative error of a prediction for a network of one's own before anything of it was seen: half the p90 of published
predictors that did not profile the machine."""
_OBSERVATION_ERROR: Final = 0.08
"""Relative error that stays between settings (batch, layout) of one network, once its mean is known."""
_LEAST_ERROR: Final = 0.02
"""A scale is never known better: runs on the same machine differ by this."""
_DEGREES: Final = 4.0
"""Of freedom of Student's t: so heavy tails that one run which went wrong moves nothing (Lange et al. 1989)."""


def observed_name(kind: Kind) -> str:
    """The constant that scales a kind of prediction to the user's own work.

    >>> observed_name("training")
    'observed_training_ratio'
    """
    return f"observed_{kind}_ratio"


def with_observations(
    calibration: Calibration, predictions: Sequence[Prediction], measured: Sequence[float]
) -> Calibration:
    """The calibration after measured seconds (n,) of the user's own steps or calls, predicted by it (n,).

    Each kind of work gets a scale, `observed_name(kind)`: measured times over predicted ones, shrunk towards what was
    known before by its count (after n the error is about sigma / sqrt(n), and never below that of measuring); runs
    that are far from all others weigh little. `predictions` hold the scale that the calibration had (`rescaled`), so
    that observations may come in one batch or in many. Pairs without a prediction or a measurement change nothing.

    Errors: InputError where the lengths differ.
    """
    if len(predictions) != len(measured):
        raise InputError(
            f"{len(predictions)} predictions and {len(measured)} measurements: one measurement for each prediction"
        )
    misses: dict[Kind, list[float]] = {}
    for one, seconds in zip(predictions, measured, strict=True):
        if one.kind is not None and 0.0 < one.seconds < math.inf and 0.0 < seconds < math.inf:
            misses.setdefault(one.kind, []).append(math.log(seconds / one.seconds))
    constants = dict(calibration.constants)
    for kind, found in misses.items():
        name = observed_name(kind)
        before = constants.get(name)
        held = math.log(before.value) if before else 0.0
        residuals = (*(before.residuals if before else ()), *(held + miss for miss in found))
        centre, error = _centre(np.array(residuals))
        constants[name] = Constant(
            value=math.exp(centre),
            standard_error=error,
            fitted_on=(
                f"{len(residuals)} measured {'time' if len(residuals) == 1 else 'times'} of {kind}:"
                f" {100.0 * math.expm1(float(np.median(residuals))):+.0f} % against the prediction"
            ),
            residuals=residuals,
        )
    return msgspec.structs.replace(calibration, constants=constants)


def rescaled(predictions: Sequence[Prediction], calibration: Calibration) -> list[Prediction]:
    """Predictions (n,) that do not know the user's own runs yet, scaled by what these say; intervals narrow likewise.

    What was never observed stays as it is.
    """
    found = []
    for one in predictions:
        scale = calibration.constants.get(observed_name(one.kind)) if one.kind else None
        if scale is None or not one.seconds > 0.0:
            found.append(one)
            continue
        seconds = scale.value * one.seconds
        narrower = math.hypot(scale.standard_error, _OBSERVATION_ERROR) / math.hypot(
            _UNOBSERVED_ERROR, _OBSERVATION_ERROR
        )
        found.append(
            replace(
                one,
                seconds=seconds,
                low=seconds * (one.low / one.seconds) ** narrower,
                high=seconds * (one.high / one.seconds) ** narrower,
            )
        )
    return found


def _centre(misses: np.ndarray) -> tuple[float, float]:
    """The likeliest scale on the logarithm, and its error: a normal prior at 0, misses (n,) of Student's t.

    With heavy tails there may be two likely places, the prior and what most runs say; the likelier wins. From each,
    every miss is weighed again by how far it lies until nothing moves.
    """
    spread, prior = _OBSERVATION_ERROR, _UNOBSERVED_ERROR

    def weights(centre: float) -> np.ndarray:
        return (_DEGREES + 1.0) / (_DEGREES + ((misses - centre) / spread) ** 2)

    def unlikely(centre: float) -> float:
        tails = np.log1p(((misses - centre) / spread) ** 2 / _DEGREES)
        return float(0.5 * (centre / prior) ** 2 + 0.5 * (_DEGREES + 1.0) * np.sum(tails))

    places = []
    for centre in (0.0, float(np.median(misses))):
        for _ in range(100):
            weight = weights(centre) / spread**2
            centre = float(np.sum(weight * misses) / (np.sum(weight) + prior**-2.0))
        places.append(centre)
    centre = min(places, key=unlikely)
    # Beyond the normal's weight of one a miss tells no more.
    told = float(np.sum(np.minimum(weights(centre), 1.0)))
    return centre, max(_LEAST_ERROR, (prior**-2.0 + told * spread**-2.0) ** -0.5)
