"""On-demand price lists that the Karpenter providers generate from the vendors' own price interfaces."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.lists.origin import Origin, price, quarantined
from tradewind.decide.catalog.reading import Read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewind.decide.catalog.rows import PriceRow, QuarantineRow

__all__ = ["AWS", "AZURE", "read_aws", "read_azure"]

AZURE: Final = Origin(
    source="Azure/karpenter-provider-azure zz_generated.pricing.go (2026-06-18)",
    publisher="karpenter-provider-azure",
    as_of="2026-06-18",
    as_of_precision="day",
    licence="Apache-2.0",
    confidence="A",
    file="raw/azure_ondemand_2026-06-18_karpenter-azure.json",
    locator="{region} -> {instance_type}",
    read_as="US dollars an hour on demand, Linux; taken as stated",
)

AWS: Final = Origin(
    source="aws/karpenter-provider-aws zz_generated.pricing_aws.go (2026-07-20)",
    publisher="karpenter-provider-aws",
    as_of="2026-07-20",
    as_of_precision="day",
    licence="Apache-2.0",
    confidence="A",
    file="raw/aws_us-east-1_ondemand_2026-07-20_karpenter-aws.json",
    locator="{instance_type}",
    read_as="US dollars an hour on demand in us-east-1, Linux; taken as stated",
)

_VIRTUAL_MACHINES: Final = ("Standard_", "Basic_")


def read_azure(found: Mapping[str, Mapping[str, object]]) -> Read:
    """The on-demand prices of every region. Caught: names that are dedicated hosts or no machines at all."""
    prices: list[PriceRow] = []
    caught: list[QuarantineRow] = []
    for region in sorted(found):
        for name in sorted(found[region]):
            row = price(AZURE, "azure", region, name, "on_demand", found[region][name])
            if name.startswith(_VIRTUAL_MACHINES):
                prices.append(row)
            else:
                reason = (
                    f"{name} is a dedicated host or a placeholder, not a virtual machine of shared tenancy"
                )
                caught.append(quarantined(row, "machine_is_virtual", reason))
    return Read(prices=tuple(prices), caught=tuple(caught))


def read_aws(found: Mapping[str, object]) -> Read:
    """The on-demand prices of us-east-1."""
    rows = tuple(price(AWS, "aws", "us-east-1", name, "on_demand", found[name]) for name in sorted(found))
    return Read(prices=rows, left_out=Counter())
