"""The user's network, data and metric, and the original variant.

In: a Goal and the folder of its file. Out: checked arrays, a metric, and the network as a Variant that
no longer needs the user's source code. `fingerprint` says what all of it was made from, without
importing any of it. Importing this room loads no tensor library.
"""

from __future__ import annotations

from tradewind.lab.models.artifact import keep_variant, tensor_specs, variant_id
from tradewind.lab.models.data import Data, Split, load_data
from tradewind.lab.models.fingerprints import data_fingerprint, fingerprint
from tradewind.lab.models.metrics import METRICS, Metric, load_metric
from tradewind.lab.models.network import load_network
from tradewind.lab.models.original import original

__all__ = [
    "METRICS",
    "Data",
    "Metric",
    "Split",
    "data_fingerprint",
    "fingerprint",
    "keep_variant",
    "load_data",
    "load_metric",
    "load_network",
    "original",
    "tensor_specs",
    "variant_id",
]
