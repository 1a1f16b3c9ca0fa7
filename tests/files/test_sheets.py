"""The shipped data sheets against themselves, against physics, and against the shipped catalogue."""

import math

import pytest

from tradewind.domain.architecture import Counted, Recommender, Transformer
from tradewind.domain.device import Device
from tradewind.domain.errors import InputError
from tradewind.files import sheets
from tradewind.files.sheets import architectures, devices
from tradewind.run import market

BY_NAME = {device.name: device for device in devices()}
CATALOGUE_RATES = {
    "fp32": "fp32_flops_per_s",
    "tf32": "tf32_flops_per_s",
    "fp16": "fp16_flops_per_s",
    "bf16": "bf16_flops_per_s",
    "fp8": "fp8_flops_per_s",
    "int8": "int8_ops_per_s",
}


@pytest.fixture(scope="module")
def catalogue() -> list[dict[str, object]]:
    found = market.sql("select * from accelerators")
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def test_every_accelerator_of_the_catalogue_has_a_sheet_of_the_same_name(
    catalogue: list[dict[str, object]],
) -> None:
    assert {row["name"] for row in catalogue} <= set(BY_NAME)


def test_figures_agree_with_the_catalogue(catalogue: list[dict[str, object]]) -> None:
    apart = []
    for row in catalogue:
        device = BY_NAME[str(row["name"])]
        pairs = [
            ("memory", device.memory_bytes, row["memory_bytes"]),
            ("bandwidth", device.memory_bandwidth_bytes_per_s, row["memory_bandwidth_bytes_per_s"]),
            ("power", device.power_w, row["power_w"]),
            ("link", device.link_bytes_per_s, row["interconnect_bytes_per_s"]),
            *(
                (name, device.peak_flops_per_s.get(name), row[column])
                for name, column in CATALOGUE_RATES.items()
            ),
        ]
        for what, ours, theirs in pairs:
            if theirs is None:
                continue
            assert isinstance(theirs, float)
            if ours is None or not math.isclose(ours, theirs, rel_tol=1e-6):
                apart.append(f"{device.name} {what}: sheet {ours}, catalogue {theirs}")
    assert not apart, "\n".join(apart)


@pytest.mark.parametrize("device", devices(), ids=lambda device: device.name)
def test_a_sheet_is_physically_possible(device: Device) -> None:
    rates = device.peak_flops_per_s
    assert rates, "no rate at all"
    assert all(0.0 < rate < 1e17 for rate in rates.values())
    assert 2010 <= device.year <= 2027
    assert device.devices_per_machine >= 1
    assert device.confidence in ("A", "B", "C")
    assert device.source
    assert device.generation == device.generation.lower()
    # Narrower numbers are never slower to multiply (int8 apart, whose units were cut in 2025).
    order = [rates[name] for name in ("fp32", "tf32", "bf16", "fp8", "fp4") if name in rates]
    assert order == sorted(order)
    # Operations for each byte of memory at 16 bits or wider: 9 on Kepler, 1200 on Inferentia, 560 on TPU v6e.
    widest = max(rate for name, rate in rates.items() if name not in ("fp8", "fp4", "int8"))
    assert 5.0 < widest / device.memory_bandwidth_bytes_per_s < 1500.0
    if device.network_bytes_per_s and device.link_bytes_per_s and device.link != "network":
        assert device.network_bytes_per_s <= device.link_bytes_per_s


@pytest.mark.parametrize(
    "device", [d for d in devices() if d.vendor == "NVIDIA" and d.kind == "gpu"], ids=lambda d: d.name
)
def test_the_fp32_rate_follows_from_units_and_clock(device: Device) -> None:
    """A fused multiply-add a clock in each of 192 (Kepler), 128, or 64 lanes (the chips for computing before Hopper)."""
    assert device.units
    assert device.clock_ghz
    lanes = device.peak_flops_per_s["fp32"] / (2.0 * device.units * device.clock_ghz * 1e9)
    nearest = min((64.0, 128.0, 192.0), key=lambda n: abs(math.log(lanes / n)))
    # 8 % on H100, whose rate without matrix units is stated at a higher clock; 20 % on H20.
    assert abs(lanes / nearest - 1.0) < (0.21 if device.name == "H20" else 0.09)


@pytest.mark.parametrize(
    "device",
    [d for d in devices() if d.name.startswith("RTX-") and d.name[4:8].isdigit()],
    ids=lambda d: d.name,
)
def test_geforce_cards_state_products_that_are_summed_in_fp32(device: Device) -> None:
    """Twice (Ampere and later) or four times (Turing) the fp32 rate; with fp16 sums they would be twice as fast."""
    if device.name.endswith("-Ada"):
        pytest.skip("a card for professionals, which sums in fp32 at the full rate")
    ratio = device.peak_flops_per_s["fp16"] / device.peak_flops_per_s["fp32"]
    assert ratio == pytest.approx(4.0 if device.generation == "turing" else 2.0, rel=0.02)


@pytest.mark.parametrize(
    ("whole", "part", "count"),
    [
        ("MI250X-module", "MI250X", 2),
        ("MI250-module", "MI250", 2),
        ("Max-1550", "Max-1550-tile", 2),
        ("Inferentia", "NeuronCore-v1", 4),
        ("Trainium", "NeuronCore-v2", 2),
        ("Trainium2", "NeuronCore-v3", 8),
        ("Trainium3", "NeuronCore-v4", 8),
    ],
)
def test_parts_add_up_to_their_whole(whole: str, part: str, count: int) -> None:
    chip, core = BY_NAME[whole], BY_NAME[part]
    assert core.memory_bytes * count == pytest.approx(chip.memory_bytes)
    assert core.memory_bandwidth_bytes_per_s * count == pytest.approx(
        chip.memory_bandwidth_bytes_per_s, rel=0.01
    )
    assert set(core.peak_flops_per_s) == set(chip.peak_flops_per_s)
    for name, rate in core.peak_flops_per_s.items():
        assert rate * count == pytest.approx(chip.peak_flops_per_s[name], rel=0.01)


def test_names_and_aliases_mean_one_device() -> None:
    names = [name.lower() for device in devices() for name in (device.name, *device.aliases)]
    assert len(names) == len(set(names))


def test_rows_are_sorted_by_name() -> None:
    names = [device.name for device in devices()]
    assert names == sorted(names), "keep the rows sorted, so that a change is one line"


def test_a_table_with_another_column_is_refused(tmp_path, monkeypatch) -> None:
    (tmp_path / "facts").mkdir()
    (tmp_path / "facts" / "devices.csv").write_text("name,colour\nX,red\n")
    monkeypatch.setattr(sheets, "package_data", lambda name: tmp_path / name)
    with pytest.raises(InputError, match="colour"):
        sheets.devices.__wrapped__()


def test_a_wrong_figure_names_its_row(tmp_path, monkeypatch) -> None:
    shipped = sheets.package_data("facts") / "devices.csv"
    (tmp_path / "facts").mkdir()
    text = shipped.read_text().replace(",80,3350,", ",eighty,3350,", 1)
    (tmp_path / "facts" / "devices.csv").write_text(text)
    monkeypatch.setattr(sheets, "package_data", lambda name: tmp_path / name)
    with pytest.raises(InputError, match=r"H\d00.*eighty"):
        sheets.devices.__wrapped__()


def test_architectures_are_read_once_and_have_names() -> None:
    found = architectures()
    assert found is architectures()
    assert all(isinstance(one, Transformer | Counted | Recommender) for one in found)
    assert len({one.name for one in found}) == len(found)


def test_architectures_are_refused_where_they_are_wrong(tmp_path, monkeypatch) -> None:
    (tmp_path / "facts").mkdir()
    (tmp_path / "facts" / "architectures.json").write_text('[{"kind": "transformer", "nmae": "X"}]')
    monkeypatch.setattr(sheets, "package_data", lambda name: tmp_path / name)
    with pytest.raises(InputError, match=r"architectures\.json"):
        sheets.architectures.__wrapped__()
