"""Where regions are by law: the country that a region stands in, and the bodies of law that hold there.

| word of the goal | means |
|---|---|
| `de`, `us`, ... | the country, by its ISO 3166-1 code in lower case |
| `eu` | a member of the European Union |
| `eea` | the European Economic Area: `eu` with Iceland, Liechtenstein and Norway |
| `gdpr` | `eea`, where the General Data Protection Regulation holds, with the United Kingdom and Switzerland |
| `us_gov` | a region of the United States that is kept for their government and its contractors |

The law is that of the place of the machine. It does not say who owns the machine: a cloud's home country may have
its own claims to the data. Geography is another matter: London and Zurich are in the group `europe` of `places`
and not in `eu`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from tradewind.decide.catalog.dates import is_day
from tradewind.decide.catalog.rows import QuarantineRow
from tradewind.domain.errors import InputError, nearest
from tradewind.domain.goal import CLOUDS
from tradewind.domain.noun import Cloud, Noun

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from tradewind.decide.catalog.texts import Row

__all__ = [
    "EEA",
    "EU",
    "GDPR",
    "JURISDICTIONS",
    "PLACE_COLUMNS",
    "RegionPlace",
    "jurisdictions_of",
    "read_region_places",
    "stands_in",
]

# Treaty on European Union, Article 52; the United Kingdom left on 2020-01-31.
# fmt: off
EU: Final = frozenset({
    "AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE",
    "IT", "LV", "LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE",
})
# fmt: on
"""The 27 members of the European Union."""

# Agreement on the European Economic Area, Article 2: the members, and three of the four EFTA states.
EEA: Final = EU | {"IS", "LI", "NO"}
"""The European Economic Area."""

# The Regulation (EU) 2016/679 holds in the EEA by Joint Committee decision 154/2018. The two others have laws of
# their own that the Commission finds adequate under its Article 45: Switzerland by decision 2000/518/EC, upheld
# in January 2024; the United Kingdom by decision (EU) 2021/1772, renewed in December 2025 until 2031-12-27.
GDPR: Final = EEA | {"GB", "CH"}
"""The European Economic Area, and the two neighbours to which personal data flow as if they were in it."""

JURISDICTIONS: Final[dict[str, str]] = {
    "eu": "the European Union",
    "eea": "the European Economic Area: eu with Iceland, Liechtenstein and Norway",
    "gdpr": "eea, with the United Kingdom and Switzerland, whose laws the Commission finds adequate",
    "us_gov": "regions kept for the government of the United States",
}
"""The words that are not countries, and what they mean."""

_US_GOVERNMENT: Final[dict[str, tuple[str, ...]]] = {"aws": ("us-gov-",), "azure": ("usgov", "usdod")}
"""Beginnings of region names, by cloud."""

PLACE_COLUMNS: Final = ("cloud", "region", "country", "place", "source", "as_of")


class RegionPlace(Noun, frozen=True, kw_only=True):
    """Where a region is, as its vendor says."""

    cloud: Cloud
    region: str
    country: str
    """ISO 3166-1 alpha-2 code, such as DE."""
    place: str
    """City, state or country."""
    source: str
    as_of: str

    @property
    def jurisdictions(self) -> tuple[str, ...]:
        """The bodies of law that it stands under."""
        return jurisdictions_of(self.country, self.cloud, self.region)


def jurisdictions_of(country: str, cloud: str = "", region: str = "") -> tuple[str, ...]:
    """The bodies of law that hold in a country, the country itself first.

    `gdpr` is a promise about data protection only: in the 30 states of the EEA the Regulation (EU) 2016/679 is
    law; the United Kingdom and Switzerland have laws of their own, which the European Commission finds adequate
    under its Article 45, so that personal data flow there without further safeguards. Other countries with such
    a decision (Japan, Israel, Canada for companies, ...) are left out: their laws differ more. The decision for the
    United Kingdom ends on 2031-12-27 unless it is renewed. `us_gov` needs the region's name.

    Source: https://commission.europa.eu/law/law-topic/data-protection/international-dimension-data-protection/adequacy-decisions_en

    >>> jurisdictions_of("DE"), jurisdictions_of("NO"), jurisdictions_of("CH")
    (('de', 'eu', 'eea', 'gdpr'), ('no', 'eea', 'gdpr'), ('ch', 'gdpr'))
    >>> jurisdictions_of("US", "aws", "us-gov-west-1")
    ('us', 'us_gov')
    """
    words = [country.lower()]
    words += [word for word, members in (("eu", EU), ("eea", EEA), ("gdpr", GDPR)) if country in members]
    if region.startswith(_US_GOVERNMENT.get(cloud, ())):
        words.append("us_gov")
    return tuple(words)


def stands_in(asked: Sequence[str], jurisdictions: Collection[str], known: Collection[str]) -> bool:
    """Whether a region with these jurisdictions is in one of those asked for; in none when its law is unknown.

    `known` are the words that any region of the catalogue has. Asking for nothing asks for no law.

    Errors: InputError for a word that is no jurisdiction of any region, with the nearest one.

    >>> stands_in(["eu"], ("de", "eu", "eea", "gdpr"), {"de", "eu", "eea", "gdpr", "us"})
    True
    """
    words = sorted({*known, *JURISDICTIONS})
    for word in asked:
        if word not in words:
            alike = nearest(word.lower(), words)
            hint = (
                f"the nearest is {alike!r}"
                if alike
                else f"write {', '.join(JURISDICTIONS)} or a country like de"
            )
            raise InputError(f"jurisdiction: no region of the catalogue stands in {word!r}; {hint}")
    return not asked or any(word in jurisdictions for word in asked)


def read_region_places(
    rows: Iterable[Row],
) -> tuple[dict[tuple[Cloud, str], RegionPlace], list[QuarantineRow]]:
    """Where each region is, by cloud and name, sorted; caught: no country or place, no source, twice."""
    found: dict[tuple[Cloud, str], RegionPlace] = {}
    caught: list[QuarantineRow] = []
    for row in sorted(rows, key=lambda row: (row["cloud"], row["region"])):
        key = (cast("Cloud", row["cloud"]), row["region"])
        problem = _problem(row)
        if key in found:
            problem = "a second row for the same region"
        if problem:
            caught.append(
                QuarantineRow(
                    of_table="regions",
                    cloud=row["cloud"],
                    region=row["region"],
                    item="country",
                    purchase="",
                    price_usd=None,
                    invariant="place_is_sourced",
                    reason=problem,
                    source=row["source"],
                    as_of=row["as_of"],
                )
            )
            continue
        found[key] = RegionPlace(
            cloud=key[0],
            region=key[1],
            country=row["country"],
            place=row["place"],
            source=row["source"],
            as_of=row["as_of"],
        )
    return found, caught


def _problem(row: Row) -> str:
    country = row["country"]
    if row["cloud"] not in CLOUDS:
        return f"cloud is {row['cloud']!r}; write {', '.join(CLOUDS)}"
    if not row["region"].strip():
        return "no region"
    if not (len(country) == 2 and country.isascii() and country.isalpha() and country.isupper()):
        return f"country is {country!r}; write an ISO 3166-1 code of two capitals such as DE"
    if not row["place"].strip():
        return "no place"
    if not row["source"].strip():
        return "no source"
    return "" if is_day(row["as_of"]) else f"as_of is {row['as_of']!r}; write a day such as 2026-11-25"
