"""Which part of the world a region is in, so that `europe-*` means Europe in every cloud.

| pattern in the goal | means every region, of any cloud asked, in |
|---|---|
| `europe-*` | Europe, with the United Kingdom, Switzerland and Norway |
| `us-*` | the United States |
| `northamerica-*` | Canada and Mexico (the United States are `us-*`) |
| `southamerica-*` | South America |
| `asia-*` | Asia from India to Japan, without China and the Middle East |
| `australia-*` | Australia and New Zealand |
| `africa-*` | Africa |
| `me-*` | the Middle East |
| `china-*` | China's mainland |

The names are those that GCP gives its regions. Any other pattern is matched against the clouds' own region
names with the shell's rules (`eu-west-?`, `*us*`). A place is geography, not law: `europe-*` holds London
and Zurich, which are outside the European Union; `jurisdictions` tells what law holds.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["GROUPS", "matches", "means", "place_group"]

GROUPS: Final[dict[str, str]] = {
    "europe": "Europe, with the United Kingdom, Switzerland and Norway",
    "us": "the United States",
    "northamerica": "Canada and Mexico (the United States are us)",
    "southamerica": "South America",
    "asia": "Asia from India to Japan, without China and the Middle East",
    "australia": "Australia and New Zealand",
    "africa": "Africa",
    "me": "the Middle East",
    "china": "China's mainland",
}
"""Group -> what it holds; `<group>-*` is its pattern."""

_PREFIXES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "aws": (
        ("ap-southeast-2", "australia"),  # Sydney
        ("ap-southeast-4", "australia"),  # Melbourne
        ("ap-southeast-6", "australia"),  # Auckland
        ("eu-", "europe"),
        ("eusc-", "europe"),
        ("us-", "us"),
        ("ca-", "northamerica"),
        ("mx-", "northamerica"),
        ("sa-", "southamerica"),
        ("ap-", "asia"),
        ("me-", "me"),
        ("il-", "me"),
        ("af-", "africa"),
        ("cn-", "china"),
    ),
    "gcp": (
        ("europe-", "europe"),
        ("us-", "us"),
        ("northamerica-", "northamerica"),
        ("southamerica-", "southamerica"),
        ("asia-", "asia"),
        ("australia-", "australia"),
        ("africa-", "africa"),
        ("me-", "me"),
    ),
    "azure": (("usgov", "us"), ("usdod", "us"), ("china", "china")),
}
"""Beginnings of region names; the first that fits decides."""

_AZURE: Final[dict[str, tuple[str, ...]]] = {
    "europe": (
        "austriaeast",
        "belgiumcentral",
        "denmarkeast",
        "finlandcentral",
        "francecentral",
        "francesouth",
        "germanynorth",
        "germanywestcentral",
        "italynorth",
        "northeurope",
        "norwayeast",
        "norwaywest",
        "polandcentral",
        "spaincentral",
        "swedencentral",
        "swedensouth",
        "switzerlandnorth",
        "switzerlandwest",
        "uksouth",
        "ukwest",
        "westeurope",
    ),
    "us": (
        "centralus",
        "eastus",
        "eastus2",
        "eastus3",
        "northcentralus",
        "southcentralus",
        "westcentralus",
        "westus",
        "westus2",
        "westus3",
    ),
    "northamerica": ("canadacentral", "canadaeast", "mexicocentral"),
    "southamerica": ("brazilsouth", "brazilsoutheast", "chilecentral"),
    "asia": (
        "centralindia",
        "eastasia",
        "indonesiacentral",
        "japaneast",
        "japanwest",
        "jioindiacentral",
        "jioindiawest",
        "koreacentral",
        "koreasouth",
        "malaysiawest",
        "southeastasia",
        "southindia",
        "westindia",
    ),
    "australia": (
        "australiacentral",
        "australiacentral2",
        "australiaeast",
        "australiasoutheast",
        "newzealandnorth",
    ),
    "africa": ("southafricanorth", "southafricawest"),
    "me": ("israelcentral", "qatarcentral", "uaecentral", "uaenorth"),
}
"""Azure's names follow no rule, so they are listed."""

_AZURE_GROUP: Final = {region: group for group, regions in _AZURE.items() for region in regions}


def place_group(cloud: str, region: str) -> str | None:
    """The key in `GROUPS` of the part of the world that the region is in; None when it is not known.

    >>> place_group("aws", "eu-west-1"), place_group("azure", "uksouth"), place_group("gcp", "europe-west4")
    ('europe', 'europe', 'europe')
    """
    if cloud == "azure" and region in _AZURE_GROUP:
        return _AZURE_GROUP[region]
    for prefix, group in _PREFIXES.get(cloud, ()):
        if region.startswith(prefix):
            return group
    return None


def matches(pattern: str, region: str, group: str | None) -> bool:
    """Whether a region pattern of the goal means this region.

    >>> matches("europe-*", "westeurope", "europe"), matches("eu-*", "westeurope", "europe")
    (True, False)
    """
    return pattern == f"{group}-*" or fnmatchcase(region, pattern)


def means(
    pattern: str,
    region: str,
    group: str | None,
    jurisdictions: Collection[str],
    asked_laws: Collection[str] = (),
) -> bool:
    """Whether a pattern means this region: a government's only if the pattern, or a law that is asked, names it.

    >>> means("us-*", "us-gov-west-1", "us", ("us", "us_gov")), means("us-gov-*", "us-gov-west-1", "us", ("us", "us_gov"))
    (False, True)
    """
    named = "gov" in pattern or "dod" in pattern or "us_gov" in asked_laws
    return matches(pattern, region, group) and (named or "us_gov" not in jurisdictions)
