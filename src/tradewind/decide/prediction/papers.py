"""What a network that is known on paper is expected to do on an offer: a training step, answers, or plain calls.

In: a Profile of origin "predicted", an Offer with accelerators, a layout. Out: an Estimate with an interval, for the
machines that the layout takes. No queue is solved for plain calls: their latency is that of a full batch.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from tradewind.decide.prediction import counted
from tradewind.decide.prediction.answering import BATCHES, Way, calls_of, servers_of
from tradewind.decide.prediction.constants import LEVEL
from tradewind.decide.prediction.devices import columns_of, device_of
from tradewind.decide.prediction.fitted import with_defaults
from tradewind.decide.prediction.intervals import widen
from tradewind.decide.prediction.layouts import layout_columns
from tradewind.decide.prediction.memory import memory_setting, training_memory
from tradewind.decide.prediction.money import accelerators_w, host_w
from tradewind.decide.prediction.training import TrainingSetting, step_times
from tradewind.decide.prediction.transformers import transformer_columns
from tradewind.domain import units
from tradewind.domain.architecture import Transformer
from tradewind.domain.errors import InputError
from tradewind.domain.estimate import Estimate
from tradewind.domain.generating import GenerationLayout
from tradewind.domain.layout import Layout, TrainingLayout
from tradewind.domain.noun import Range
from tradewind.domain.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.decide.prediction.devices import DeviceColumns
    from tradewind.domain.architecture import Architecture
    from tradewind.domain.device import Device
    from tradewind.domain.estimate import Calibration
    from tradewind.domain.generating import Generate
    from tradewind.domain.offer import Offer
    from tradewind.domain.profile import Profile

__all__ = ["predict_on_paper"]

OUTPUT_TOKENS: Final = 128.0
"""Of an answer, where no wish says it: as in published tables of language models."""
_RACK: Final = 16
"""GPUs that are joined by their link beyond this number are joined across machines (NVL72), whatever one machine has."""
_OPERAND_BYTES: Final = {"fp32": 4.0, "tf32": 4.0, "fp8": 1.0, "int8": 1.0, "fp4": 0.5}
_HALF: Final = ("fp32", "tf32", "fp16")


def predict_on_paper(
    profile: Profile,
    offer: Offer,
    layout: TrainingLayout | GenerationLayout | Layout,
    calibration: Calibration,
    devices: Sequence[Device],
    *,
    wish: Generate | None = None,
    load_rps: float = 0.0,
) -> Estimate:
    """What a network derived from its architecture is expected to do on as many machines as the layout takes.

    - `TrainingLayout`: a step, with `tokens` of the profile in a sample; the rates are of samples.
    - `GenerationLayout`: answers of a language model. `wish` says prompt, answer and, if `load_rps` does not, the load;
      without it prompts have the profile's tokens and answers 128. Without a load: one request after the other.
    - `Layout`: calls of a full batch on one accelerator for each replica.

    Cost, energy and carbon are those of the machines at the offer's price, per month as if they ran all of it.

    Errors: InputError where the offer has no known accelerator, where the layout is not one for the network or needs a
    share of a machine, or where the network does not fit.

    >>> from tradewind.decide.prediction.constants import default_calibration
    >>> from tradewind.decide.prediction.architectures import architecture_of
    >>> from tradewind.decide.prediction.paper import profile_of
    >>> from tradewind.domain.offer import Offer
    >>> from tradewind.files.sheets import architectures, devices
    >>> p5 = Offer(cloud="aws", region="us-east-1", instance_type="p5.48xlarge", purchase="on_demand",
    ...     price_usd_per_hour=55.04, vcpus=192, memory_bytes=2048 * 2.0**30, accelerator="H100", accelerator_count=8.0,
    ...     network_gbps=3200.0, source="AWS price list", as_of="2026-11-01", confidence="A")
    >>> llama = profile_of(architecture_of("Llama 3 8B", architectures()), tokens=8192)
    >>> layout = TrainingLayout(data=8, zero_stage=3, micro_batch=1, accumulation=4, checkpointing="selective")
    >>> found = predict_on_paper(llama, p5, layout, default_calibration(), devices())
    >>> 30_000 < found.tokens_per_s.likely < 120_000  # 8 x 5,762 (torchtitan, H100 of 500 W) up to 63 % of the peak
    True
    >>> found.memory_bytes.high < 80 * 2.0**30
    True
    """
    if profile.architecture is None:
        raise InputError(
            f"{profile.variant.name}: the profile holds no architecture; derive it by profile_of"
        )
    device = device_of(offer.accelerator or "", devices)
    per = offer.accelerator_count
    if device is None or per < 1.0 or per != round(per):
        named = f"{per:g} x {offer.accelerator}" if offer.accelerator else "no accelerator"
        raise InputError(
            f"{offer.key} has {named}: what is known on paper is predicted on whole accelerators whose data sheet is"
            " known; choose another offer, or measure the network on processors"
        )
    known = with_defaults(calibration)
    asked = _Asked(profile, profile.architecture, offer, device, int(per), known, devices)
    if isinstance(layout, TrainingLayout):
        return asked.step(layout)
    if isinstance(layout, GenerationLayout):
        return asked.answers(layout, wish, load_rps)
    return asked.calls(layout, load_rps)


class _Asked:
    """A network on an offer."""

    def __init__(
        self,
        profile: Profile,
        network: Architecture,
        offer: Offer,
        device: Device,
        per_machine: int,
        calibration: Calibration,
        devices: Sequence[Device],
    ) -> None:
        self.profile, self.network, self.offer, self.device = profile, network, offer, device
        self.per, self.calibration, self.devices = per_machine, calibration, devices
        self.constants = {name: one.value for name, one in calibration.constants.items()}
        rack = device.kind == "gpu" and device.devices_per_machine > _RACK
        self.domain = device.devices_per_machine if rack else per_machine
        gbps = offer.network_gbps
        self.network_bytes_per_s = None if gbps is None else gbps * 1.25e8 / per_machine

    @property
    def tokens(self) -> float:
        """Of a sample of the profile."""
        shape = self.profile.variant.inputs[0].shape
        return float(shape[1] or 1) if len(shape) > 1 else 1.0

    def machines(self, devices: int) -> int:
        """Machines of so many devices. Errors: InputError where one would be shared with others."""
        if devices > self.per and devices % self.per:
            raise InputError(
                f"the layout takes {devices} accelerators, {self.offer.instance_type} has {self.per}: choose a layout of"
                f" whole machines, such as {-(-devices // self.per) * self.per}"
            )
        return max(1, devices // self.per)

    def columns(self, precision: str) -> DeviceColumns:
        """The device at a precision, with the offer's network and as many peers as the machine has."""
        found = columns_of([self.device], [precision])
        network = self.network_bytes_per_s
        return replace(
            found,
            devices_per_machine=np.array([float(self.domain)]),
            network_bytes_per_s=found.network_bytes_per_s if network is None else np.array([network]),
        )

    def factors(self, kind: str) -> tuple[float, float]:
        """What a predicted time of a kind may be multiplied with, low and high."""
        low, high = widen(np.ones(1), [kind], np.ones(1), self.calibration, LEVEL)
        return float(low[0]), float(high[0])

    def priced(self, estimate: Estimate, machines: int, busy: float) -> Estimate:
        """With dollars, energy and carbon of a month."""
        offer = self.offer
        host = host_w(self.calibration, offer.vcpus, offer.memory_bytes, _maker(offer), 0.5 * busy)
        chips = accelerators_w(self.device.power_w or 400.0, self.per, busy)
        pue = self.calibration[f"pue_{offer.cloud}_ratio"].value
        kwh = float(host + chips) * pue * machines * HOURS_PER_MONTH / 1e3
        grid = offer.grid_gco2e_per_kwh
        usd = offer.price_usd_per_hour * (offer.managed_ratio or 1.0) * machines * HOURS_PER_MONTH
        return msgspec.structs.replace(
            estimate,
            cost_usd_per_month=Range.exactly(usd),
            energy_kwh_per_month=Range.exactly(kwh),
            carbon_kgco2e_per_month=None if grid is None else Range.exactly(kwh * grid / 1e3),
        )

    def fits(self, held: float, words: str) -> None:
        """Errors: InputError where a device has less memory than is held."""
        if held > self.device.memory_bytes:
            raise InputError(
                f"{self.network.name} needs {units.show(held, 'bytes')} of each {self.device.name}, which has"
                f" {units.show(self.device.memory_bytes, 'bytes')}: {words}"
            )

    # ---- Training

    def step(self, layout: TrainingLayout) -> Estimate:
        """One step, and what a month of steps costs."""
        if isinstance(self.network, Transformer):
            seconds, held, shares, kind = self._transformer_step(self.network, layout)
        else:
            seconds, held, shares, kind = self._counted_step(layout)
        self.fits(held.low, "shard or split more, recompute more, or take a smaller micro-batch")
        machines = self.machines(layout.devices)
        low, high = self.factors(kind)
        batch = layout.global_batch
        per_step = self.offer.price_usd_per_hour * (self.offer.managed_ratio or 1.0) * machines / 3600.0
        step = _scaled(seconds, low, high)
        tokens = batch * self.tokens if isinstance(self.network, Transformer) else 0.0
        estimate = Estimate(
            load_rps=0.0,
            latency_s={},
            throughput_rps=_rate(batch, step),
            memory_bytes=held,
            step_s=step,
            cost_usd_per_step=_scaled(per_step * seconds, low, high),
            tokens_per_s=_rate(tokens, step) if tokens else None,
            level=LEVEL,
            because=(
                f"a step of {batch} samples on {layout.devices} {self.device.name}: {shares}",
                f"{per_step * 86400.0:,.0f} usd a day for {machines} x {self.offer.instance_type}",
                self._within(low, high),
            ),
        )
        return self.priced(estimate, machines, 1.0)

    def _within(self, low: float, high: float) -> str:
        return f"times lie within {low:.2f} and {high:.2f} of what is likely in {LEVEL:.0%} of cases; nothing was run"

    def _transformer_step(
        self, network: Transformer, layout: TrainingLayout
    ) -> tuple[float, Range, str, str]:
        one, half = np.ones(1), layout.precision if layout.precision in _HALF else "bf16"
        columns, lay, c = transformer_columns([network]), layout_columns([layout]), self.constants
        convention = _convention(layout)
        # As planned jobs run: fused kernels, attention without its scores, gradients summed in 32 bits.
        setting = TrainingSetting(
            tokens=self.tokens * one,
            flash=one,
            compiled=one,
            async_tensor=0.0 * one,
            graphs=0.0 * one,
            gradient_bytes=4.0 * one,
            products_again=0.5 * one,
            operand_bytes=_OPERAND_BYTES.get(layout.precision, 2.0) * one,
        )
        keeping = memory_setting(
            [convention],
            tokens=self.tokens * one,
            flash=one,
            compiled=one,
            fused_loss=0.0 * one,
            loss_chunks=one,
            dropout=0.0 * one,
            kept_gradients=np.array([float(layout.accumulation > 1)]),
        )
        times = step_times(columns, self.columns(layout.precision), self.columns(half), lay, setting, c)
        held = training_memory(columns, lay, keeping, c)
        shares = ", ".join(f"{share:.0%} {name}" for name, share in times.shares(0) if share >= 0.02)
        parts = (held.low, held.total, held.high)
        low, likely, high = (float(np.ravel(part)[0]) for part in parts)
        seconds = float(np.ravel(times.total_s)[0])
        return seconds, Range(low=low, likely=likely, high=high), shares, "training"

    def _counted_step(self, layout: TrainingLayout) -> tuple[float, Range, str, str]:
        spread = {"tensor": layout.tensor, "pipeline": layout.pipeline, "context": layout.context}
        if max(spread.values()) > 1 or layout.zero_stage > 0:
            raise InputError(
                f"{self.network.name} is known by its counts, not by its layers: only data parallelism is predicted;"
                " set the other degrees to 1"
            )
        calls = self._read(layout.micro_batch, layout.precision, training=True)
        device, c = self.columns(layout.precision), self.constants
        alone = float(counted.training_step_s(calls, device, c, devices=np.ones(1))[0])
        last = float(counted.training_step_s(calls, device, c, devices=np.array([float(layout.data)]))[0])
        held = float(counted.training_memory_bytes(calls, c)[0])
        seconds = (layout.accumulation - 1) * alone + last
        shares = (
            f"{(last - alone) / seconds:.0%} reduction of gradients, the rest forward, backward and optimizer"
        )
        return seconds, self._held(held), shares, "counted_step"

    def _read(self, batch: int, precision: str, *, training: bool) -> counted.Calls:
        row = {
            "model": self.network.name,
            "device": self.device.name,
            "batch": str(batch),
            "precision": "amp" if training and precision in ("bf16", "fp16") else precision,
            "framework": "pytorch 2 compile",
            "notes": "training" if training else "",
        }
        read = counted.calls_of([row], self.devices, (self.network,))
        if read.reasons:
            raise InputError(f"{self.network.name}: {next(iter(read.reasons.values()))}")
        return read.calls

    def _held(self, likely: float) -> Range:
        error = 2.0 * self.constants["memory_counted_error_ratio"]
        return Range(low=likely / (1.0 + error), likely=likely, high=likely * (1.0 + error))

    # ---- Answers of language models

    def answers(self, layout: GenerationLayout, wish: Generate | None, load_rps: float) -> Estimate:
        """First and further tokens at a load, and what the replicas bear."""
        network = self.network
        if not isinstance(network, Transformer) or not network.causal:
            raise InputError(f"{network.name} does not generate text: give a Layout")
        prompt, output = (wish.prompt, wish.output) if wish else (self.tokens, OUTPUT_TOKENS)
        load = load_rps or (wish.load.rate_rps if wish else 0.0)
        spans = layout.tensor * layout.pipeline > self.per
        way = Way(
            device=self.device,
            domain=self.domain,
            network_bytes_per_s=self.network_bytes_per_s if spans else None,
            precision=layout.weights,
            tensor=layout.tensor,
            pipeline=layout.pipeline,
            apart=layout.attention_apart,
        )
        calls = calls_of(network, prompt, output, [way])
        calls = replace(calls, cache_bytes=np.array([1.0 if layout.cache == "fp8" else 2.0]))
        longest = float(wish.longest if wish else prompt + output)
        sizes = np.unique(np.append(BATCHES, max(1, layout.max_batch // way.processes)))
        servers = servers_of(calls, longest, self.constants, sizes)
        if not (len(servers) and (servers.batch == layout.max_batch).any()):
            fitting = int(np.max(servers.batch, initial=0))
            raise InputError(
                f"{network.name} in {layout.weights} on {layout.tensor} x {layout.pipeline} {self.device.name}: "
                + (f"at most {fitting} requests fit together" if fitting else "not even one request fits")
                + "; take fewer, a narrower precision, or more devices"
            )
        server = np.nonzero(servers.batch == layout.max_batch)[0]
        rate = np.array([load / layout.replicas])
        low, high = self.factors("generation_serving")
        found = [servers.answers(server, rate, slow) for slow in (low, 1.0, high)]
        most = float(servers.most_rps[server[0]]) * layout.replicas
        bears = Range(low=most / high, likely=most, high=most / low)
        done = Range(low=min(load, bears.low), likely=min(load, bears.likely), high=min(load, bears.high))
        running = float(found[1].running[0])
        machines = self.machines(layout.devices)
        names = ("p50", "p99")
        estimate = Estimate(
            load_rps=load,
            latency_s={},
            throughput_rps=done,
            capacity_rps=bears,
            utilization=_sorted([min(1.0, load / one) for one in (bears.low, bears.likely, bears.high)]),
            memory_bytes=self._serving_bytes(
                servers.memory_bytes(0, layout.max_batch, longest, self.constants)
            ),
            tokens_per_s=Range(low=done.low * output, likely=done.likely * output, high=done.high * output),
            first_token_s={
                n: _sorted([float(getattr(one, f"first_token_{n}")[0]) for one in found]) for n in names
            },
            token_s={n: _sorted([float(getattr(one, f"token_{n}")[0]) for one in found]) for n in names},
            level=LEVEL,
            because=(
                f"{layout.replicas} replicas on {layout.tensor} x {layout.pipeline} {self.device.name}, each"
                f" {running:.3g} requests together on average, at most {layout.max_batch}; together they bear"
                f" {units.show(most, 'rate')} of {prompt:.0f} + {output:.0f} tokens",
                self._within(low, high),
            ),
        )
        return self.priced(estimate, machines, 1.0 - math.exp(-running) if running else 0.0)

    def _serving_bytes(self, likely: float) -> Range:
        error = self.calibration["decode_runtime_bytes"].standard_error
        return Range(low=likely - error, likely=likely, high=likely + error)

    # ---- Plain calls

    def calls(self, layout: Layout, load_rps: float) -> Estimate:
        """Calls of a full batch, one accelerator for each replica."""
        if isinstance(self.network, Transformer) and self.network.causal:
            raise InputError(f"{self.network.name} generates text: give a GenerationLayout")
        if layout.replicas_per_instance > self.per:
            raise InputError(
                f"{layout.replicas_per_instance} replicas on a machine of {self.per} accelerators: give each its own"
            )
        row = {
            "model": self.network.name,
            "device": self.device.name,
            "batch": str(layout.max_batch),
            "precision": self.profile.variant.runtime.precision,
            "framework": "pytorch 2 compile",
            "seq": f"{self.tokens:.0f}" if isinstance(self.network, Transformer) else "",
        }
        answer = counted.predict_rows([row], self.devices, (self.network,), self.constants)
        seconds = float(answer.seconds[0])
        if not math.isfinite(seconds):
            raise InputError(f"{self.network.name}: {answer.reasons[0]}")
        held = self._held(float(answer.memory_bytes[0])) if answer.memory_bytes[0] > 0 else None
        if held is not None:
            self.fits(held.low, "take a smaller batch")
        low, high = self.factors(answer.kinds[0])
        latency = _scaled(seconds, low, high)
        bears = _rate(layout.max_batch * layout.replicas, latency)
        load = load_rps or bears.likely
        done = Range(low=min(load, bears.low), likely=min(load, bears.likely), high=min(load, bears.high))
        estimate = Estimate(
            load_rps=load,
            latency_s={"p50": latency},
            throughput_rps=done,
            capacity_rps=bears,
            utilization=_sorted([min(1.0, load / one) for one in (bears.low, bears.likely, bears.high)]),
            memory_bytes=held,
            level=LEVEL,
            because=(
                f"{layout.replicas} replicas on one {self.device.name} each take {units.show(seconds, 'time')} for a"
                f" batch of {layout.max_batch}; no queue is solved: the latency is that of a full batch",
                *((answer.reasons[0],) if answer.reasons[0] else ()),
                self._within(low, high),
            ),
        )
        return self.priced(estimate, layout.instances, min(1.0, load / bears.likely))


def _convention(layout: TrainingLayout) -> str:
    """How what would run the layout holds weights: a name of `memory.CONVENTIONS`."""
    if layout.zero_stage >= 2:
        return "fsdp"
    split = layout.tensor * layout.pipeline * layout.context * layout.expert > 1
    return "megatron" if layout.zero_stage == 1 or split else "autocast"


def _maker(offer: Offer) -> str:
    vendor = (offer.cpu_vendor or "").lower()
    return "arm" if offer.cpu_architecture == "arm64" else "amd" if "amd" in vendor else "intel"


def _scaled(value: float, low: float, high: float) -> Range:
    return Range(low=value * low, likely=value, high=value * high)


def _rate(work: float, time: Range) -> Range:
    return Range(low=work / time.high, likely=work / time.likely, high=work / time.low)


def _sorted(values: list[float]) -> Range:
    low, likely, high = sorted(values)
    return Range(low=low, likely=likely, high=high)
