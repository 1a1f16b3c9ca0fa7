"""The texts that go with a snapshot: under which terms its files may be used, and where its facts are from."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.publishers import PUBLISHERS, VENDOR, publisher_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SPECS_LICENCE", "notice"]

SPECS_LICENCE: Final = """\
instance_specs.parquet is licensed apart from the rest of this software and of this folder.

It is adapted from data of Spare Cores:

    Spare Cores, sc-data-dumps, dump of 2026-01-31
    https://github.com/SpareCores/sc-data-dumps
    https://sparecores.com

and is licensed, as they are, under the Creative Commons Attribution-ShareAlike 4.0 International License
(CC BY-SA 4.0). The text of the license is at

    https://creativecommons.org/licenses/by-sa/4.0/legalcode

You may share and adapt the file, also commercially, if you give appropriate credit to Spare Cores, provide
a link to the license, indicate if changes were made, and distribute your contributions to it under the
same license. The file comes without warranties, as section 5 of the license says.

What was changed: the machine types of AWS, Azure and Google Cloud were selected, and of their fields those
about processor, memory, GPUs, local disk and network; sizes were converted to bytes; instruction sets were
put into other words; an architecture without a known processor was left out; prices are not included.

No other file of this folder contains data of Spare Cores. The files are joined when they are loaded.
"""


def notice(snapshot: str, sources: Mapping[str, Mapping[str, int]]) -> str:
    """NOTICE.md: the snapshot, its sources with their licences, and how many rows stem from each.

    `sources` maps a file to its sources, each with its number of rows.
    """
    lines = [
        f"# Catalogue {snapshot}",
        "",
        "Prices and data sheets of AWS, Azure and Google Cloud, rewritten in the project's own tables. They are",
        "facts that the publishers below collected; each row names its source and its day. A row that breaks an",
        "invariant is in `quarantine.parquet` with the reason and is not used. Prices are without warranty: the",
        "invoice of the cloud decides.",
        "",
        "`instance_specs.parquet` is under CC BY-SA 4.0, see `LICENSE.instance_specs`. The other files are part of",
        "the software and under its licence, Apache-2.0.",
        "",
        "| collected by | under | gave | rows |",
        "|---|---|---|---:|",
    ]
    counted: Counter[str] = Counter()
    for file in sources.values():
        for source, count in file.items():
            counted[publisher_of(source)[0]] += count
    for publisher in PUBLISHERS:
        name = publisher.word.partition(":")[0]
        if counted[name]:
            lines.append(f"| {name} | {publisher.licence} | {publisher.gave} | {counted.pop(name)} |")
    others = sum(count for name, count in counted.items() if name != "(none)")
    lines.append(
        f"| pages of vendors and magazines | {VENDOR} | data sheets, capabilities, limits | {others} |"
    )
    lines += ["", "## Sources in their own words", "", "| file | source | rows |", "|---|---|---:|"]
    lines += [
        f"| {file} | {source.replace('|', '/')} | {count} |"
        for file in sorted(sources)
        for source, count in sorted(sources[file].items())
    ]
    return "\n".join(lines) + "\n"
