"""AWS: the bulk price files, which need no credentials, and spot prices, which do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tradewind.decide.catalog.live import aws
from tradewind.decide.catalog.reading import Read, together
from tradewind.domain.errors import CodecError, MissingExtra
from tradewind.run.market.live.source import Gathered, prices_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.domain.noun import Noun
    from tradewind.run.market.live.answers import Answers

__all__ = ["AwsPrices"]

_OFFERS: Final = "/offers/v1.0/aws/AmazonEC2/"
_FILE_BYTES: Final = 2 * 2**30
"""The largest price file, that of us-east-1, has about 400 MB."""


@dataclass(frozen=True)
class AwsPrices:
    """The prices of AWS. `regions`: only these; without any, all that the catalogue has.

    Credentials for spot prices are those that boto3 finds (environment, profile, role); they need
    ec2:DescribeSpotPriceHistory and ec2:DescribeAvailabilityZones.
    """

    url: str = "https://pricing.us-east-1.amazonaws.com"
    ec2_url: str = "https://ec2.{region}.amazonaws.com"
    regions: tuple[str, ...] = ()

    def gather(self, answers: Answers, tables: Mapping[str, Sequence[Noun]]) -> Gathered:
        """On-demand, reserved and, with credentials, spot prices by zone. Errors: ResourceError, CodecError.

        A region that refuses spot prices (one that must be opted into, say) is noted, and the others go on.
        """
        regions = self.regions or tuple(sorted({row.region for row in prices_of("aws", tables)}))
        listed = answers.get(f"{self.url}{_OFFERS}current/region_index.json", aws.read_regions)
        reads: list[Read] = []
        notes: list[str] = []
        read_regions = [region for region in regions if region in listed]
        notes += [f"aws has no price list of {region}" for region in regions if region not in listed]
        for region in read_regions:
            if not listed[region].startswith(_OFFERS):
                raise CodecError(
                    f"AWS price list: {listed[region]!r} is no path of a price file under {_OFFERS}"
                )
            read = answers.get(
                self.url + listed[region],
                lambda answer: aws.read_region(answer, answers.day),
                limit_bytes=_FILE_BYTES,
            )
            reads.append(read)
        spot, spot_notes = self._spot(answers, read_regions)
        return Gathered(
            read=together([*reads, *spot.values()]),
            origins=(aws.price_list(answers.day), aws.spot_history(answers.day)),
            untold=lambda row: row.region not in (spot if row.purchase == "spot" else read_regions),
            notes=(*notes, *spot_notes),
        )

    def _spot(self, answers: Answers, regions: Sequence[str]) -> tuple[dict[str, Read], list[str]]:
        """Spot prices by region, and a note for each region that has none to give."""
        if find_spec("boto3") is None:
            return {}, [f"spot prices of aws are not asked for: {MissingExtra('boto3', extra='aws')}"]
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        session = boto3.Session()
        if session.get_credentials() is None:
            return {}, [
                "spot prices of aws are not asked for: no credentials; set a profile, or AWS_ACCESS_KEY_ID"
            ]
        found: dict[str, Read] = {}
        notes: list[str] = []
        for region in regions:
            client = session.client(
                "ec2", region_name=region, endpoint_url=self.ec2_url.format(region=region)
            )
            try:
                read = _spot_of(client, region, answers)
            except (BotoCoreError, ClientError) as error:
                notes.append(f"no spot prices of aws in {region}: {' '.join(str(error).split())}")
                continue
            if read.prices:
                found[region] = read
            else:
                notes.append(f"no spot prices of aws in {region}: the answer has none for Linux")
        return found, notes


def _spot_of(client: Any, region: str, answers: Answers) -> Read:
    zones = answers.ask(
        f"ec2:DescribeAvailabilityZones {region}",
        lambda answer: msgspec.json.decode(answer, type=dict[str, str]),
        lambda: msgspec.json.encode(
            {
                zone["ZoneName"]: zone["ZoneId"]
                for zone in client.describe_availability_zones()["AvailabilityZones"]
            }
        ),
    )
    # From midnight on: what held then, and every change since; the newest of each zone is taken.
    since = datetime.fromisoformat(answers.day).replace(tzinfo=UTC)

    def fetch(token: str) -> bytes:
        answer = client.describe_spot_price_history(
            ProductDescriptions=["Linux/UNIX"], StartTime=since, **({"NextToken": token} if token else {})
        )
        history = {"SpotPriceHistory": answer["SpotPriceHistory"], "NextToken": answer.get("NextToken", "")}
        return msgspec.json.encode(history)

    def ask(token: str) -> tuple[aws.SpotPage, str]:
        page = answers.ask(
            f"ec2:DescribeSpotPriceHistory {region} {token}", aws.spot_page, lambda: fetch(token)
        )
        return page, page.next_token

    return aws.read_spot(answers.follow(ask, f"EC2 spot price history, {region}"), region, answers.day, zones)
