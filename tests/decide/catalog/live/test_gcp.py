from __future__ import annotations

import json
from typing import Any

import pytest

from tradewind.decide.catalog.lists.origin import price
from tradewind.decide.catalog.live.gcp import (
    Parts,
    Shape,
    billing_catalog,
    compose,
    page,
    read_parts,
    shapes,
    untold,
)
from tradewind.decide.catalog.reading import Read
from tradewind.decide.catalog.rows import InstanceRow
from tradewind.domain.errors import CodecError

DAY = "2026-11-25"
HERE = "us-central1"
GROUPS = {"core": "CPU", "cpu": "CPU", "ram": "RAM", "gpu": "GPU"}


def sku(description: str, usd: float, usage: str = "OnDemand", **changes: Any) -> dict[str, Any]:
    words = description.lower()
    group = "TPU" if "tpu" in words else "LocalSSD" if "local s" in words else ""
    group = group or next((GROUPS[word] for word in words.split() if word in GROUPS), "GPU")
    unit = {"RAM": "GiBy.h", "LocalSSD": "GiBy.mo"}.get(group, "h")
    units, nanos = divmod(round(usd * 1e9), 10**9)
    return {
        "name": "services/6F81-5844-456A/skus/04C3-5B71-D137",
        "skuId": "04C3-5B71-D137",
        "description": description,
        "category": {
            "serviceDisplayName": "Compute Engine",
            "resourceFamily": changes.pop(
                "family", "Storage" if words.startswith("ssd backed") else "Compute"
            ),
            "resourceGroup": group,
            "usageType": usage,
        },
        "serviceRegions": changes.pop("regions", [HERE]),
        "pricingInfo": [
            {
                "summary": "",
                "pricingExpression": {
                    "usageUnit": changes.pop("unit", unit),
                    "displayQuantity": 1,
                    "tieredRates": [
                        *changes.pop("before", []),
                        {
                            "startUsageAmount": 0,
                            "unitPrice": {
                                "currencyCode": changes.pop("currency", "USD"),
                                "units": str(units),
                                "nanos": nanos,
                            },
                        },
                    ],
                },
                "currencyConversionRate": 1,
                "effectiveTime": "2026-11-25T10:50:40.206Z",
            }
        ],
        "serviceProviderName": "Google",
        **changes,
    }


def sent(*skus: dict[str, Any]) -> bytes:
    return json.dumps({"skus": skus, "nextPageToken": ""}).encode()


def parts(*skus: dict[str, Any]) -> Parts:
    return read_parts([page(sent(*skus))], DAY)


def known(*skus: dict[str, Any]) -> dict[tuple[str, str], float]:
    """(purchase option, part) -> price."""
    return {(purchase, part): usd for (_, purchase, part), usd in parts(*skus).usd_per_hour.items()}


def shape(
    name: str, vcpus: int, gib: float, accelerator: str | None = None, count: float = 0.0, disk: float = 0.0
) -> Shape:
    return Shape(name, vcpus, gib, accelerator, count, disk)


def composed(shaped: Shape, *skus: dict[str, Any]) -> Read:
    return compose(parts(*skus), {shaped.instance_type: shaped}, [(HERE, shaped.instance_type)], DAY)


class TestParts:
    @pytest.mark.parametrize(
        ("description", "usage", "part"),
        [
            ("N1 Predefined Instance Core running in Americas", "OnDemand", ("on_demand", "N1 core")),
            ("N1 Predefined Instance Ram running in Americas", "OnDemand", ("on_demand", "N1 memory")),
            ("Spot Preemptible A3 Instance Core running in Americas", "Preemptible", ("spot", "A3 core")),
            ("Preemptible N2 Instance Ram running in Americas", "Preemptible", ("spot", "N2 memory")),
            ("N2D AMD Instance Core running in Belgium", "OnDemand", ("on_demand", "N2D core")),
            ("C4A Arm Instance Ram running in Belgium", "OnDemand", ("on_demand", "C4A memory")),
            ("Compute optimized Core running in Americas", "OnDemand", ("on_demand", "C2 core")),
            ("Compute optimized Instance Core running in Tokyo", "OnDemand", ("on_demand", "C2 core")),
            ("Memory-optimized Instance Core running in Americas", "OnDemand", ("on_demand", "M1 core")),
            ("M3 Memory-optimized Instance Ram running in Americas", "OnDemand", ("on_demand", "M3 memory")),
            ("A3Plus Instance Core running in Americas", "OnDemand", ("on_demand", "A3-MEGAGPU core")),
            ("A3Ultra Instance Core running in Americas", "OnDemand", ("on_demand", "A3-ULTRAGPU core")),
            (
                "M4Ultramem224 Instance Core running in Americas",
                "OnDemand",
                ("on_demand", "M4-ULTRAMEM-224 core"),
            ),
            ("Commitment v1: Cpu in Americas for 1 Year", "Commit1Yr", ("commit_1y", "N1 core")),
            ("Commitment v1: Ram in Americas for 3 Year", "Commit3Yr", ("commit_3y", "N1 memory")),
            ("Commitment v1: C3 Cpu in Americas for 3 Years", "Commit3Yr", ("commit_3y", "C3 core")),
            (
                "Commitment: Compute optimized Core running in Americas for 1 Year",
                "Commit1Yr",
                ("commit_1y", "C2 core"),
            ),
            ("Nvidia Tesla T4 GPU running in Americas", "OnDemand", ("on_demand", "T4")),
            ("Nvidia Tesla V100 GPU running in Americas", "OnDemand", ("on_demand", "V100-16GB")),
            (
                "Nvidia Tesla T4 GPU attached to Spot Preemptible VMs running in Americas",
                "Preemptible",
                ("spot", "T4"),
            ),
            ("Commitment v1: Nvidia L4 GPU running in Americas for 1 Year", "Commit1Yr", ("commit_1y", "L4")),
            ("Nvidia Tesla A100 GPU running in Americas", "OnDemand", ("on_demand", "A100-40GB")),
            ("Nvidia Tesla A100 80GB GPU running in Americas", "OnDemand", ("on_demand", "A100-80GB")),
            ("Nvidia H100 80GB GPU running in Americas", "OnDemand", ("on_demand", "H100-SXM")),
            (
                "Nvidia H100 80GB Mega GPU running in Americas",
                "OnDemand",
                ("on_demand", "H100-SXM of a3-megagpu"),
            ),
            (
                "Nvidia H100 80GB Plus GPU running in Americas",
                "OnDemand",
                ("on_demand", "H100-SXM of a3-megagpu"),
            ),
            ("H200 141GB GPU running in Netherlands", "OnDemand", ("on_demand", "H200-SXM")),
            ("RTX 6000 96GB running in Belgium", "OnDemand", ("on_demand", "RTX-PRO-6000-BSE")),
            ("A4 Nvidia B200 (1 gpu slice) running in Americas", "OnDemand", ("on_demand", "B200 slice")),
            # Filed under OnDemand, but the description is right.
            (
                "Spot Preemptible A4 Nvidia B200 (1 gpu slice) running in Americas",
                "OnDemand",
                ("spot", "B200 slice"),
            ),
            ("TpuV5e running in Delhi", "OnDemand", ("on_demand", "TPU-v5e chip")),
            ("TPU7x running in Americas", "OnDemand", ("on_demand", "TPU-v7x chip")),
            (
                "TpuV6e attached to Spot Preemptible VMs running in Americas",
                "Preemptible",
                ("spot", "TPU-v6e chip"),
            ),
            (
                "Commitment v1: TpuV5p running in Netherlands for 3 Years",
                "Commit3Yr",
                ("commit_3y", "TPU-v5p chip"),
            ),
        ],
    )
    def test_what_a_description_prices(self, description: str, usage: str, part: tuple[str, str]) -> None:
        assert known(sku(description, 0.5, usage)) == {part: 0.5}

    @pytest.mark.parametrize(
        ("description", "kind"),
        [
            ("N1 Predefined Instance Core Sole Tenancy running in Americas", "sole tenancy"),
            ("Reserved A3 Instance Core in Americas", "reserved capacity"),
            (
                "Memory Optimized Upgrade Premium for Memory-optimized Instance Core running in Americas",
                "premiums on top of other prices",
            ),
            ("N2 Custom Instance Core running in Americas", "custom shapes"),
            ("N2 Custom Extended Instance Ram running in Americas", "custom shapes"),
            ("N2 Instance suspended Ram running in Americas", "suspended machines"),
            (
                "DWS Calendar Mode A4 Nvidia B200 (1 gpu slice) running in Americas",
                "capacity by the calendar (DWS Calendar Mode)",
            ),
            (
                "DWS Defined Duration A3 Instance Core running in Americas",
                "capacity of a defined duration (DWS)",
            ),
            ("Nvidia L4 Virtual Workstation GPU running in Americas", "virtual workstations"),
            ("Tpu-v4 Pod Accelerator USA", "TPU pods, which have prices of their own"),
            ("Licensing Fee for Windows Server 2019 (CPU cost)", "what is no part of a machine"),
            ("Micro Instance with burstable CPU running in Americas", "parts of unknown machines, such as"),
        ],
    )
    def test_what_is_no_part_is_left_out_and_counted(self, description: str, kind: str) -> None:
        found = parts(sku(description, 0.5))
        assert found.usd_per_hour == {}
        assert found.caught == ()
        [(counted, times)] = found.left_out.items()
        assert counted.startswith(f"Cloud Billing Catalog: {kind}")
        assert times == 1

    def test_whole_units_count_beside_nanos(self) -> None:
        assert known(sku("Nvidia H100 80GB GPU running in Americas", 11.06)) == {
            ("on_demand", "H100-SXM"): pytest.approx(11.06)
        }

    def test_memory_may_be_priced_by_the_gigabyte(self) -> None:
        ram = sku("C4D Instance Ram running in Americas", 0.003, unit="GBy.h")
        assert known(ram)["on_demand", "C4D memory"] == pytest.approx(0.003 * 2**30 / 1e9)

    @pytest.mark.parametrize(
        ("description", "usage", "part"),
        [
            ("SSD backed Local Storage", "OnDemand", ("on_demand", "local disk")),
            (
                "SSD backed Local Storage attached to Spot Preemptible VMs",
                "Preemptible",
                ("spot", "local disk"),
            ),
            ("Commitment v1: Local SSD In Netherlands for 1 Year", "Commit1Yr", ("commit_1y", "local disk")),
            ("C4 Instance Local SSD running in Americas", "OnDemand", ("on_demand", "C4 local disk")),
            (
                "Spot Preemptible C4D Instance Local SSD running in Americas",
                "Preemptible",
                ("spot", "C4D local disk"),
            ),
        ],
    )
    def test_local_disk_is_priced_by_the_month_of_730_hours(
        self, description: str, usage: str, part: tuple[str, str]
    ) -> None:
        assert known(sku(description, 0.08, usage)) == {part: pytest.approx(0.08 / 730.0)}

    def test_v2_and_v3_are_priced_by_the_device_of_four_chips(self) -> None:
        assert known(sku("TPU-v2 Accelerator USA", 4.5)) == {("on_demand", "TPU-v2 chip"): 1.125}

    def test_what_is_free_in_a_month_is_not_the_price(self) -> None:
        free = {"startUsageAmount": 0, "unitPrice": {"currencyCode": "USD", "units": "0", "nanos": 0}}
        assert (
            known(sku("E2 Instance Core running in Americas", 0.02, before=[free]))["on_demand", "E2 core"]
            == 0.02
        )

    def test_a_part_at_nothing_is_no_price(self) -> None:
        found = parts(sku("Nvidia Tesla A100 GPU running in Americas", 0.0))
        assert found.usd_per_hour == {}
        assert list(found.left_out) == ["Cloud Billing Catalog: parts at 0, which stand for no price"]

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [({"unit": "mo"}, "priced by mo"), ({"currency": "EUR"}, "priced in EUR")],
    )
    def test_another_unit_or_currency_is_caught(self, changes: dict[str, str], reason: str) -> None:
        found = parts(sku("N2 Instance Core running in Americas", 0.03, **changes))
        assert found.usd_per_hour == {}
        assert reason in found.caught[0].reason

    def test_two_prices_for_one_part_are_caught_both_and_the_same_twice_is_one(self) -> None:
        core = "N2 Instance Core running in Americas"
        assert len(known(sku(core, 0.03), sku(core, 0.03))) == 1
        found = parts(sku(core, 0.03), sku(core, 0.04))
        assert found.usd_per_hour == {}
        assert [row.price_usd for row in found.caught] == [0.03, 0.04]

    @pytest.mark.parametrize(
        "field",
        [
            "skus",
            "description",
            "category",
            "usageType",
            "serviceRegions",
            "pricingInfo",
            "tieredRates",
            "unitPrice",
        ],
    )
    def test_a_renamed_field_is_a_change_of_form(self, field: str) -> None:
        with pytest.raises(CodecError, match=f"its form has changed: .*`{field}`"):
            page(
                sent(sku("N2 Instance Core running in Americas", 1.0)).replace(
                    f'"{field}"'.encode(), b'"renamed"'
                )
            )


A2 = (
    sku("A2 Instance Core running in Americas", 0.031611),
    sku("A2 Instance Ram running in Americas", 0.004237),
)
A100 = sku("Nvidia Tesla A100 GPU running in Americas", 2.933908)
N1 = (
    sku("N1 Predefined Instance Core running in Americas", 0.031611),
    sku("N1 Predefined Instance Ram running in Americas", 0.004237),
)
SSD = sku("SSD backed Local Storage", 0.08)


class TestMachines:
    def test_a_machine_is_the_sum_of_its_parts_and_the_parts_are_told(self) -> None:
        read = composed(shape("a2-highgpu-1g", 12, 85.0, "A100-40GB", 1.0), *A2, A100)
        [row] = read.prices
        assert row.price_usd_per_hour == pytest.approx(12 * 0.031611 + 85 * 0.004237 + 2.933908)
        assert (row.stated_unit, row.confidence, row.cloud) == ("parts", "B", "gcp")
        assert {(p.part, p.quantity, p.unit) for p in read.parts} == {
            ("A2 core", 12.0, "vCPU"),
            ("A2 memory", 85.0, "GiB of memory"),
            ("A100-40GB", 1.0, "accelerator"),
        }
        assert sum(p.quantity * p.usd_per_unit_hour for p in read.parts) == row.price_usd_per_hour
        assert {p.instance_type for p in read.parts} == {"a2-highgpu-1g"}

    def test_a_host_without_its_gpu_has_no_price(self) -> None:
        """A published list has a2-highgpu-1g at 0.74 to 0.94, the price of the host alone."""
        read = composed(shape("a2-highgpu-1g", 12, 85.0, "A100-40GB", 1.0), *A2)
        assert (read.prices, read.parts) == ((), ())
        assert (
            read.left_out["Cloud Billing Catalog: machines not composed, no on_demand price of A100-40GB"]
            == 1
        )

    @pytest.mark.parametrize(
        "name", ["a2-highgpu-1g", "g2-standard-4", "n1-standard-8+t4x1", "ct5lp-hightpu-4t"]
    )
    def test_a_machine_of_which_it_is_not_known_which_accelerator_it_has_has_no_price(
        self, name: str
    ) -> None:
        skus = [
            sku(f"{f} Instance {r} running in Americas", 0.01)
            for f in ("A2", "G2", "N1")
            for r in ("Core", "Ram")
        ]
        read = composed(shape(name, 12, 85.0), *skus)
        assert read.prices == ()
        assert (
            read.left_out[
                "Cloud Billing Catalog: machines not composed, not known is which accelerator it has"
            ]
            == 1
        )

    def test_gpus_attached_to_n1(self) -> None:
        t4 = sku("Nvidia Tesla T4 GPU running in Americas", 0.35)
        read = composed(shape("n1-standard-8+t4x2", 8, 30.0, "T4", 2.0), *N1, t4)
        assert [row.price_usd_per_hour for row in read.prices] == [
            pytest.approx(8 * 0.031611 + 30 * 0.004237 + 0.7)
        ]

    def test_a_slice_covers_the_whole_machine(self) -> None:
        b200 = sku("A4 Nvidia B200 (1 gpu slice) running in Americas", 16.11)
        read = composed(shape("a4-highgpu-8g", 224, 3968.0, "B200", 8.0, 12000.0), b200)
        assert [row.price_usd_per_hour for row in read.prices] == [pytest.approx(8 * 16.11)]

    def test_tpus_cost_their_chips(self) -> None:
        read = composed(
            shape("ct5lp-hightpu-4t", 112, 192.0, "TPU-v5e", 4.0), sku("TpuV5e running in Americas", 1.2)
        )
        assert [row.price_usd_per_hour for row in read.prices] == [pytest.approx(4.8)]

    def test_the_same_h100_has_another_price_in_a3_megagpu(self) -> None:
        skus = [
            *(
                sku(f"{f} Instance {r} running in Americas", 0.01)
                for f in ("A3", "A3Plus")
                for r in ("Core", "Ram")
            ),
            sku("Nvidia H100 80GB GPU running in Americas", 9.0),
            sku("Nvidia H100 80GB Mega GPU running in Americas", 10.0),
            SSD,
        ]
        disk = 6000 * 0.08 / 730
        for name, gpu in (("a3-highgpu-8g", 9.0), ("a3-megagpu-8g", 10.0)):
            read = composed(shape(name, 208, 1872.0, "H100-SXM", 8.0, 6000.0), *skus)
            assert [row.price_usd_per_hour for row in read.prices] == [pytest.approx(20.8 + 8 * gpu + disk)]

    def test_a_disk_that_comes_with_the_machine_is_paid_and_without_its_size_there_is_no_price(self) -> None:
        c3 = [
            sku(f"C3 Instance {r} running in Americas", usd) for r, usd in (("Core", 0.034), ("Ram", 0.00456))
        ]
        name = "c3-standard-4-lssd"
        read = composed(shape(name, 4, 16.0, disk=375.0), *c3, SSD)
        assert [row.price_usd_per_hour for row in read.prices] == [
            pytest.approx(4 * 0.034 + 16 * 0.00456 + 375 * 0.08 / 730)
        ]
        assert composed(shape(name, 4, 16.0), *c3, SSD).prices == ()
        assert composed(shape(name, 4, 16.0, disk=375.0), *c3).prices == ()

    def test_c4_disks_have_a_price_of_their_own(self) -> None:
        c4 = [sku(f"C4 Instance {r} running in Americas", 0.01) for r in ("Core", "Ram")]
        machine = shape("c4-standard-4-lssd", 4, 15.0, disk=375.0)
        assert composed(machine, *c4, SSD).prices == ()
        own = sku("C4 Instance Local SSD running in Americas", 0.16)
        assert len(composed(machine, *c4, SSD, own).prices) == 1

    def test_each_purchase_option_is_the_sum_of_parts_of_its_own(self) -> None:
        spot = [
            sku("Spot Preemptible A2 Instance Core running in Americas", 0.01, "Preemptible"),
            sku("Spot Preemptible A2 Instance Ram running in Americas", 0.001, "Preemptible"),
        ]
        committed = [
            sku("Commitment v1: A2 Cpu in Americas for 1 Year", 0.02, "Commit1Yr"),
            sku("Commitment v1: A2 Ram in Americas for 1 Year", 0.002, "Commit1Yr"),
            sku("Commitment v1: Nvidia Tesla A100 GPU running in Americas for 1 Year", 2.0, "Commit1Yr"),
        ]
        read = composed(shape("a2-highgpu-1g", 12, 85.0, "A100-40GB", 1.0), *A2, A100, *spot, *committed)
        assert [row.purchase for row in read.prices] == ["on_demand", "commit_1y"], "spot has no GPU"
        assert read.prices[1].price_usd_per_hour == pytest.approx(12 * 0.02 + 85 * 0.002 + 2.0)
        assert read.prices[1].terms == "committed use of resources, paid by the month"

    def test_priced_is_not_offered(self) -> None:
        machine = shape("n1-standard-8", 8, 30.0)
        skus = [
            sku(f"N1 Predefined Instance {r} running in Africa", 0.01, regions=[HERE, "africa-south1"])
            for r in ("Core", "Ram")
        ]
        read = compose(parts(*skus), {"n1-standard-8": machine}, [(HERE, "n1-standard-8")], DAY)
        assert {row.region for row in read.prices} == {HERE}

    @pytest.mark.parametrize(
        ("name", "unknown"),
        [
            ("e2-medium", "which share of a core it has"),  # two vCPUs, billed for one
            ("f1-micro", "which share of a core it has"),
            ("g1-small", "which share of a core it has"),
            ("m2-ultramem-208", "what it costs over the family that its SKUs name"),
            ("custom-2-8192", "what it costs over the family that its SKUs name"),
            ("n2-custom-2-8192", "what it costs over the family that its SKUs name"),
        ],
    )
    def test_machines_that_are_billed_otherwise_are_not_composed(self, name: str, unknown: str) -> None:
        families = ("E2", "F1", "G1", "M2", "N2", "Memory-optimized")
        skus = [sku(f"{f} Instance {r} running in Americas", 0.01) for f in families for r in ("Core", "Ram")]
        read = composed(shape(name, 2, 4.0), *skus)
        assert read.prices == ()
        assert read.left_out[f"Cloud Billing Catalog: machines not composed, not known is {unknown}"] == 1

    def test_a_type_without_a_shape_is_counted(self) -> None:
        read = compose(parts(*N1), {}, [(HERE, "n1-standard-8")], DAY)
        assert read.left_out["Cloud Billing Catalog: machines not composed, not known is its shape"] == 1

    def test_what_was_caught_and_left_out_among_the_parts_is_handed_on(self) -> None:
        bad = sku("N2 Instance Core running in Americas", 0.03, unit="mo")
        read = composed(shape("n1-standard-8", 8, 30.0), *N1, bad, sku("N2 Custom Instance Core", 0.1))
        assert len(read.caught) == 1
        assert read.left_out["Cloud Billing Catalog: custom shapes"] == 1


class TestUntold:
    def row(self, name: str, purchase: str = "on_demand") -> Any:
        return price(billing_catalog("2026-11-24"), "gcp", HERE, name, purchase, 1.0)  # type: ignore[arg-type]

    def test_a_machine_with_a_missing_part_keeps_what_was_known(self) -> None:
        shaped = {"a2-highgpu-1g": shape("a2-highgpu-1g", 12, 85.0, "A100-40GB", 1.0)}
        assert untold(parts(*A2), shaped, self.row("a2-highgpu-1g"))
        assert not untold(parts(*A2, A100), shaped, self.row("a2-highgpu-1g"))

    def test_a_machine_whose_parts_are_priced_elsewhere_is_not_sold_here_but_tpus_may_be(self) -> None:
        shaped = {
            "n1-standard-8": shape("n1-standard-8", 8, 30.0),
            "ct6e-standard-1t": shape("ct6e-standard-1t", 44, 176.0, "TPU-v6e", 1.0),
        }
        names = ("N1 Predefined Instance Core running in Tokyo", "TpuV6e running in Tokyo")
        elsewhere = parts(*(sku(name, 0.5, regions=["asia-northeast1"]) for name in names))
        assert not untold(elsewhere, shaped, self.row("n1-standard-8"))
        assert untold(elsewhere, shaped, self.row("ct6e-standard-1t"))

    def test_a_machine_whose_parts_are_priced_nowhere_keeps_what_was_known(self) -> None:
        """The words of their SKUs may have changed."""
        assert untold(
            parts(*A2, A100), {"n1-standard-8": shape("n1-standard-8", 8, 30.0)}, self.row("n1-standard-8")
        )

    def test_a_machine_that_nobody_describes_keeps_what_was_known(self) -> None:
        assert untold(parts(*N1), {}, self.row("n9-standard-8"))
        assert untold(parts(*N1), {"e2-medium": shape("e2-medium", 2, 4.0)}, self.row("e2-medium"))


def test_shapes_fill_from_specifications_what_lists_of_shapes_do_not_say() -> None:
    def listed(name: str, disk_bytes: float) -> InstanceRow:
        return InstanceRow(
            cloud="gcp",
            instance_type=name,
            family="c3",
            vcpus=4,
            memory_bytes=16 * 2.0**30,
            accelerator=None,
            accelerator_count=0.0,
            network_gbps=None,
            local_disk_bytes=disk_bytes,
            source="a list",
            as_of=DAY,
        )

    found = shapes([listed("c3-standard-4-lssd", 375e9), listed("c3-standard-8-lssd", 750 * 2.0**30)], [])
    assert found["c3-standard-4-lssd"] == shape("c3-standard-4-lssd", 4, 16.0, disk=375.0)
    assert found["c3-standard-8-lssd"].local_disk_gib == 750.0
