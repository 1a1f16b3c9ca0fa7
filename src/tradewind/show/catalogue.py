"""The catalogue in a terminal: offers that were found, a machine with its prices as bars, machines side by side.

In: what the market answers. Out: things that rich can print, made for 100 columns and readable without colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.text import Text

from tradewind.show import blocks, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

    from tradewind.decide.catalog.explaining import Explanation
    from tradewind.decide.catalog.likeness import Machine
    from tradewind.decide.catalog.rows import AcceleratorRow, EfficiencyRow, PriceRow, QuarantineRow
    from tradewind.domain.noun import Purchase
    from tradewind.run.market.asking import Alike, Compared, Found, FoundOffer, Shown
    from tradewind.run.market.build import BuildReport
    from tradewind.run.market.checking import CheckReport
    from tradewind.run.market.diff import Diff, Move
    from tradewind.run.market.refresh import RefreshReport

__all__ = ["built", "checked", "compared", "diffed", "explained", "found", "refreshed", "shown"]

BRIEF: Final[dict[Purchase, str]] = {
    "on_demand": "on demand",
    "spot": "spot",
    "commit_1y": "1 year",
    "commit_3y": "3 years",
}
"""Purchase options as headings of columns."""

CONFIDENCE: Final = "A vendor's list, B derived from it, C old, second-hand or unverified"


def found(answer: Found, sort: str) -> RenderableType:
    """The offers that were looked for, one a line."""
    offers = answer.offers
    first = (
        f"the first {len(offers):,} of {answer.total:,}" if len(offers) < answer.total else f"{len(offers):,}"
    )
    order = {"price": "cheapest first"}.get(sort, f"by {sort.replace('-', ' ')}")
    note = f"{first}, {order}; prices in usd an hour"
    has_accelerators = any(offer.accelerator for offer in offers)
    extra = {
        "price-per-vcpu": ("a vCPU", lambda offer: _usd(offer.usd_per_vcpu_hour)),
        "carbon": ("g CO2e/kWh", lambda offer: _known(offer.grid_gco2e_per_kwh, "{:,.0f}")),
    }.get(sort)

    def drawn(*, brief: bool) -> Table:
        columns: list[tuple[str, str, Callable[[FoundOffer], str]]] = [
            ("region", "left", lambda offer: f"{offer.cloud} {offer.region}{_at(offer.zone)}"),
            ("machine type", "left", lambda offer: offer.instance_type),
        ]
        if not brief:
            columns += [
                ("vCPUs", "right", lambda offer: _known(offer.vcpus, "{:,}")),
                ("memory", "right", lambda offer: _memory(offer.memory_bytes)),
            ]
        if has_accelerators:
            columns.append(
                ("accelerators", "left", lambda o: _accelerators(o.accelerator, o.accelerator_count))
            )
        columns += [
            ("purchase", "left", lambda offer: BRIEF[offer.purchase]),
            ("usd/h", "right", lambda offer: _usd(offer.price_usd_per_hour)),
        ]
        if has_accelerators:
            columns.append(("each", "right", lambda offer: _usd(offer.usd_per_accelerator_hour)))
        if extra:
            columns.append((extra[0], "right", extra[1]))
        columns.append(("", "left", lambda offer: offer.confidence))
        columns.append(("age", "right", lambda offer: _age(offer.age_days)))
        grid = blocks.table("")
        grid.columns.clear()
        for heading, justify, _ in columns:
            folds = brief and heading in ("region", "machine type")
            grid.add_column(heading, justify=justify, no_wrap=not folds, overflow="fold")  # type: ignore[arg-type]
        for offer in offers:
            blocks.add(grid, *(read(offer) for _, _, read in columns))
        grid.padding = (0, 1, 0, 0)
        return grid

    legend = f"each: for one accelerator; {CONFIDENCE}" if has_accelerators else CONFIDENCE
    return blocks.section(
        "Offers",
        note,
        Group(blocks.Fitting(drawn(brief=False), drawn(brief=True)), Text(legend, style="dim")),
    )


def shown(answer: Shown) -> RenderableType:
    """What a machine is, what it costs where, and which prices of it are not used."""
    machine = answer.machine
    parts: list[RenderableType] = [_facts(answer)]
    if answer.prices:
        parts += [Text(), *_prices(answer)]
    else:
        parts += [Text(), Text("No price of it can be used.")]
    if answer.quarantine:
        parts += [Text(), _quarantined(answer.quarantine)]
    sold = "" if machine.active is not False else "no longer sold"
    note = ", ".join(
        word for word in (machine.cloud, f"family {machine.family}" if machine.family else "", sold) if word
    )
    return blocks.section(machine.instance_type, note, Group(*parts))


def _facts(answer: Shown) -> Table:
    machine = answer.machine
    grid = blocks.facts()
    for name, fact in (
        ("processor", _processor(machine)),
        ("memory", _main_memory(machine)),
        ("accelerator", _accelerator(machine, answer.accelerator)),
        ("peak", _peaks(answer.accelerator)),
        ("reached", _reached(answer.efficiency) if answer.accelerator else ""),
        ("network", _network(machine)),
        ("disk inside", _disk(machine)),
        *(
            (row.service, f"asks {row.ratio:.3g} x the bare price, as of {row.as_of}")
            for row in answer.surcharges
        ),
        ("known from", "; ".join(name for name in (machine.shape_source, machine.spec_source) if name)),
    ):
        if fact:
            blocks.add(grid, name, fact)
    return grid


def _processor(machine: Machine) -> str:
    if machine.vcpus is None:
        return ""
    cores = (
        f" on {words.counted(machine.physical_cores, 'core', 'cores')}"
        if machine.physical_cores is not None
        else ""
    )
    said = [f"{words.counted(machine.vcpus, 'vCPU', 'vCPUs')}{cores}"]
    said.append(" ".join(word for word in (machine.cpu_vendor, machine.cpu_model) if word))
    said.append(machine.cpu_architecture or "")
    said.append(f"{words.digits(machine.cpu_ghz)} GHz as the cloud states it" if machine.cpu_ghz else "")
    said.append(" ".join(machine.isa or ()))
    said.append("shared with others: not for a sustained load" if machine.shared_cpu else "")
    return ", ".join(word for word in said if word)


def _main_memory(machine: Machine) -> str:
    if machine.memory_bytes is None:
        return ""
    kind = machine.memory_generation or ""
    speed = f"{machine.memory_mt_per_s:,.0f} MT/s" if machine.memory_mt_per_s else ""
    return ", ".join(
        word for word in (_memory(machine.memory_bytes), " ".join(w for w in (kind, speed) if w)) if word
    )


def _accelerator(machine: Machine, sheet: AcceleratorRow | None) -> str:
    if machine.accelerator is None:
        return ""
    name = _accelerators(machine.accelerator, machine.accelerator_count)
    if sheet is None:
        return name
    said = [f"{name} by {sheet.vendor}"]
    said.append(" ".join(word for word in (_memory(sheet.memory_bytes), sheet.memory_type) if word))
    said.append(
        f"{sheet.memory_bandwidth_bytes_per_s / 1e9:,.0f} GB/s" if sheet.memory_bandwidth_bytes_per_s else ""
    )
    said.append(f"joined by {machine.accelerator_link}" if machine.accelerator_link else "")
    said.append(f"{sheet.power_w:,.0f} W" if sheet.power_w else "")
    each = " each" if machine.accelerator_count > 1 else ""
    return ", ".join(word for word in said if word) + each


def _peaks(sheet: AcceleratorRow | None) -> str:
    """The dense peaks of one accelerator by its data sheet."""
    if sheet is None:
        return ""
    peaks = [
        (name, getattr(sheet, f"{name}_flops_per_s")) for name in ("fp32", "tf32", "fp16", "bf16", "fp8")
    ]
    known = [f"{name} {words.digits(value / 1e12)}" for name, value in peaks if value]
    said = [f"{', '.join(known)} TFLOP/s"] if known else []
    if sheet.int8_ops_per_s:
        said.append(f"int8 {words.digits(sheet.int8_ops_per_s / 1e12)} TOP/s")
    return f"{'; '.join(said)}; dense, by the data sheet" if said else ""


_FIGURES: Final = {
    "host_to_device": "host to device",
    "peer_to_peer": "one to another",
    "memory_bandwidth": "memory",
}


def _reached(rows: Sequence[EfficiencyRow]) -> str:
    """How much of the data sheet measurements have reached."""
    said = []
    for row in rows:
        size, unit = (1e9, "GB/s") if row.figure in _FIGURES else (1e12, "TFLOP/s")
        share = f"{words.percent(row.fraction)}, " if row.fraction is not None else ""
        where = f" on {row.machine}" if row.machine else ""
        name = _FIGURES.get(row.figure, f"{row.figure} matrix products")
        said.append(f"{name} {share}{words.digits(row.measured / size)} {unit}{where} ({row.confidence})")
    return "; ".join(said) or "no measurement of it is known"


def _network(machine: Machine) -> str:
    if machine.network_gbps is None and machine.network_peak_gbps is None:
        return ""
    said = [f"{words.digits(machine.network_gbps)} Gbit/s"] if machine.network_gbps is not None else []
    if machine.network_peak_gbps is not None and machine.network_peak_gbps != machine.network_gbps:
        said.append(f"bursts to {words.digits(machine.network_peak_gbps)} Gbit/s")
    return ", ".join([*said, *(["EFA"] if machine.efa else [])])


def _disk(machine: Machine) -> str:
    if not machine.local_disk_bytes:
        return "" if machine.local_disk_bytes is None else "none"
    kind = f", {machine.local_disk_kind}" if machine.local_disk_kind else ""
    return f"{machine.local_disk_bytes / 1e9:,.0f} GB{kind}"


def _prices(answer: Shown) -> list[RenderableType]:
    """A line a region with its prices and their bars, and the numbered sources below."""
    prices = _Prices(answer)
    listed = blocks.facts()
    for number, (source, as_of) in enumerate(prices.sources, start=1):
        day = "" if as_of in source else f", as of {as_of}"
        blocks.add(listed, _raised(number), Text(f"{source}{day}", style="dim"))
    return [prices, Text(), listed]


class _Prices:
    """Regions down, the cheapest first; purchase options across, and a bar that takes what room is left.

    Where there is little room, the places go first, then the bars; a price or a region is never cut.
    """

    BAR: Final = (10, 44)
    """Characters of a bar, at least and at most."""
    PLACE: Final = 18

    def __init__(self, answer: Shown) -> None:
        self._places = answer.places
        self._options: list[Purchase] = [
            option for option in BRIEF if any(price.purchase == option for price in answer.prices)
        ]
        self._regions: dict[str, dict[Purchase, list[PriceRow]]] = {}
        for price in answer.prices:
            self._regions.setdefault(price.region, {}).setdefault(price.purchase, []).append(price)
        self._decimals = _decimals(price.price_usd_per_hour for price in answer.prices)
        full = {region: self._least(region, "on_demand") for region in self._regions}
        self._end = max((usd for usd in full.values() if usd is not None), default=None)
        self._order = sorted(full, key=lambda region: (full[region] is None, full[region] or 0.0, region))
        ordered = (
            price for region in self._order for prices in self._regions[region].values() for price in prices
        )
        self.sources = list(dict.fromkeys((price.source, price.as_of) for price in ordered))
        """Source and day of every price, in the order in which they are first seen."""

    def _least(self, region: str, option: Purchase) -> float | None:
        prices = self._regions[region].get(option, ())
        return min((price.price_usd_per_hour for price in prices), default=None)

    def _cell(self, region: str, option: Purchase) -> Text:
        prices = self._regions[region].get(option, ())
        if not prices:
            return Text()
        cheapest = min(prices, key=lambda price: price.price_usd_per_hour)
        number = _raised(self.sources.index((cheapest.source, cheapest.as_of)) + 1)
        # Of several zones the cheapest stands here, and how many there are stands with it.
        zones = f" of {len(prices)} zones" if len(prices) > 1 else ""
        usd = f"{cheapest.price_usd_per_hour:.{self._decimals}f}"
        width = len(str(len(self.sources)))
        return Text.assemble(usd, (f" {cheapest.confidence}{number:<{width}}{zones}", "dim"))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        cells = {region: [self._cell(region, option) for option in self._options] for region in self._order}
        widths = [
            max(len(BRIEF[option]), *(cells[region][at].cell_len for region in self._order))
            for at, option in enumerate(self._options)
        ]
        taken = max(len("region"), *(len(region) for region in self._order)) + 2 + sum(w + 2 for w in widths)
        place = min(self.PLACE, max(len(self._places.get(region, "")) for region in self._order))
        least, most = self.BAR
        has_places = place > 0 and options.max_width - taken - place - 2 >= least
        taken += place + 2 if has_places else 0
        bar = min(most, options.max_width - taken) if self._end and options.max_width - taken >= least else 0
        grid = blocks.table(
            "region", *([""] if has_places else []), *(BRIEF[option] for option in self._options)
        )
        if bar:
            grid.add_column("", width=bar)
        for column in grid.columns:
            column.no_wrap = True
        if has_places:
            grid.columns[1].justify, grid.columns[1].width, grid.columns[1].overflow = (
                "left",
                place,
                "ellipsis",
            )
        for region in self._order:
            row: list[RenderableType] = [Text(region)]
            row += [Text(self._places.get(region, ""), style="dim")] if has_places else []
            row += cells[region]
            if bar and self._end:
                row.append(
                    _bar(self._least(region, "on_demand"), self._least(region, "spot"), self._end, bar)
                )
            grid.add_row(*row)
        yield grid
        marks = "  ◆ spot" if "spot" in self._options else ""
        scale = f";  █ on demand{marks}, from 0 to {self._end:.{self._decimals}f}" if bar else ""
        yield Text(f"usd an hour{scale}", style="dim")
        yield Text(CONFIDENCE, style="dim")


def _bar(value: float | None, mark: float | None, end: float, width: int) -> Text:
    """A horizontal bar from zero to a value, with a mark on it; `end` is the value of the whole width.

    >>> _bar(0.5, 0.1, 1.0, 8).plain, _bar(None, None, 1.0, 4).plain
    ('◆███    ', '    ')
    """
    drawn = _eighths((value or 0.0) / end, width)
    if mark is None:
        return Text(drawn, style="cyan")
    at = min(width - 1, int(mark / end * width))
    return Text.assemble((drawn[:at], "cyan"), ("◆", "bold"), (drawn[at + 1 :], "cyan"))


def _eighths(share: float, width: int) -> str:
    """A share of a width in blocks, to an eighth of a character.

    >>> _eighths(0.5, 4), _eighths(0.28, 4)
    ('██  ', '█▏  ')
    """
    eighths = round(8 * width * min(1.0, max(0.0, share)))
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width)


MOST_QUARANTINED: Final = 8
"""Lines of prices that are not used; --json has them all."""


def _quarantined(rows: Sequence[QuarantineRow]) -> RenderableType:
    """The prices that are not used; those that break a rule for the same reason stand together."""
    alike: dict[tuple[str, str], list[QuarantineRow]] = {}
    for row in rows:
        alike.setdefault((row.invariant, _without_numbers(row)), []).append(row)
    grid = blocks.table("not used", "purchase", "usd/h", "because")
    grid.columns[1].justify = grid.columns[3].justify = "left"
    grid.columns[3].ratio = 1
    for (invariant, _), found in list(alike.items())[:MOST_QUARANTINED]:
        regions = sorted({row.region for row in found})
        where = regions[0] if len(regions) == 1 else f"{regions[0]} and {len(regions) - 1} more"
        present = {row.purchase for row in found}
        options = [name for option, name in BRIEF.items() if option in present]
        prices = [row.price_usd for row in found if row.price_usd is not None]
        usd = _usd(min(prices, default=None))
        if prices and max(prices) > min(prices):
            usd += f" to {_usd(max(prices))}"
        blocks.add(grid, where, ", ".join(options), usd, f"{invariant}: {found[0].reason}")
    left = sum(len(found) for found in list(alike.values())[MOST_QUARANTINED:])
    parts: list[RenderableType] = [grid]
    if left:
        parts.append(Text(f"{left:,} more with --json", style="dim"))
    return Group(*parts)


def _without_numbers(row: QuarantineRow) -> str:
    """A reason without what differs from region to region."""
    return "".join(sign for sign in row.reason.replace(row.region, "") if not sign.isdigit())


def compared(answer: Compared) -> RenderableType:
    """A machine and the most similar one of each cloud, a column each."""
    like = answer.like
    others = [one for one in answer.clouds if one.machine != like.machine]
    columns = [like, *others]
    grid = blocks.table("", *(one.machine.cloud for one in columns))
    for column in grid.columns[1:]:
        column.justify = "left"
        column.ratio = 1
        column.header_style = "dim"
    rows: list[tuple[str, list[str | Text]]] = [
        ("machine type", [Text(one.machine.instance_type, style="bold") for one in columns]),
        ("accelerators", [_accelerators_of(one.machine) for one in columns]),
        *_accelerator_rows(like.machine, columns),
        ("vCPUs", [_beside(one.machine.vcpus, like.machine.vcpus, _count) for one in columns]),
        (
            "memory",
            [_beside(one.machine.memory_bytes, like.machine.memory_bytes, _memory) for one in columns],
        ),
        ("processor", [_short_processor(one.machine) for one in columns]),
        *_price_rows(like, columns),
        ("to the internet", [_transfer(one) for one in columns]),
        ("storage", [_storage(one) for one in columns]),
        ("next alike", ["\n".join(other.instance_type for other in one.others) for one in columns]),
    ]
    for name, cells in rows:
        if any(str(cell) for cell in cells):
            blocks.add(grid, Text(name, style="dim"), *cells)
    legend = Text(
        f"cheapest price in usd an hour and its region; x: against {like.machine.instance_type}; {CONFIDENCE}",
        style="dim",
    )
    missing = "" if len(columns) > 1 else "; no other cloud has a machine with a price there"
    return blocks.section(
        f"Most like {like.machine.instance_type}", f"of each cloud{missing}", Group(grid, Text(), legend)
    )


def _accelerators_of(machine: Machine) -> str:
    return _accelerators(machine.accelerator, machine.accelerator_count) or "none"


def _accelerator_rows(like: Machine, columns: Sequence[Alike]) -> list[tuple[str, list[str | Text]]]:
    if not any(one.machine.accelerator for one in columns):
        return []

    def row(
        name: str, read: Callable[[Machine], float | None], shown: Callable[[float], str]
    ) -> tuple[str, list[str | Text]]:
        return name, [_beside(read(one.machine), read(like), shown) for one in columns]

    return [
        row(
            "  16-bit peak",
            lambda m: (m.accelerator_flops_per_s or 0.0) * m.accelerator_count or None,
            lambda value: f"{words.digits(value / 1e12)} TFLOP/s",
        ),
        row(
            "  bandwidth",
            lambda m: (m.accelerator_bandwidth_bytes_per_s or 0.0) * m.accelerator_count or None,
            lambda value: f"{value / 1e9:,.0f} GB/s",
        ),
        row(
            "  memory",
            lambda m: (m.accelerator_memory_bytes or 0.0) * m.accelerator_count or None,
            _memory,
        ),
    ]


def _beside(value: float | None, reference: float | None, shown: Callable[[float], str]) -> Text:
    """A size, and how many times that of the machine that it is compared with."""
    if value is None:
        return Text("" if reference is None else "unknown", style="dim")
    if not reference or abs(value / reference - 1.0) < 0.005:
        return Text(shown(value))
    return Text.assemble(shown(value), (f"  {_times(value / reference)}", "bold"))


def _short_processor(machine: Machine) -> str:
    return " ".join(
        word for word in (machine.cpu_vendor, machine.cpu_model, machine.cpu_architecture) if word
    )


def _price_rows(like: Alike, columns: Sequence[Alike]) -> list[tuple[str, list[str | Text]]]:
    return [(BRIEF[option], [_price_beside(one, like, option) for one in columns]) for option in BRIEF]


def _price_beside(one: Alike, like: Alike, option: Purchase) -> Text:
    price, reference = one.prices.get(option), like.prices.get(option)
    if price is None:
        return Text()
    said = Text.assemble(f"{_usd(price.price_usd_per_hour)} ", (price.confidence, "dim"))
    if reference is not None and one is not like:
        said.append(f"  {_times(price.price_usd_per_hour / reference.price_usd_per_hour)}", "bold")
    return said.append(f"\n{price.region}{_at(price.zone)}", "dim")


def _transfer(one: Alike) -> str:
    return f"{one.transfer.usd_per_gb:.3g} usd/GB" if one.transfer is not None else "unknown"


def _storage(one: Alike) -> Text:
    if one.storage is None:
        return Text("unknown", style="dim")
    near = one.prices.get("on_demand")
    elsewhere = near is None or near.region != one.storage.region
    where = f"\nof {one.storage.region}; unknown there" if elsewhere else ""
    return Text.assemble(f"{one.storage.usd:.3g} usd/GB a month", (where, "dim"))


def explained(answers: Sequence[Explanation]) -> RenderableType:
    """Where prices come from, step by step."""
    sections: list[RenderableType] = []
    for one in answers:
        if one.price_usd_per_hour is not None:
            price = f"{one.price_usd_per_hour:.10g} usd/h"
        elif one.usd is not None:
            price = f"{one.usd:.6g} usd/{one.unit}"
        else:
            price = "" if one.key.startswith("surcharge/") else "not used"
        grid = blocks.facts()
        for step in one.steps:
            name, _, said = step.partition(": ")
            blocks.add(grid, name, said)
        sections.append(blocks.section(one.key, price, grid))
    return Group(*sections)


def checked(answer: CheckReport) -> RenderableType:
    """Whether a snapshot is sound, what stands in quarantine by rule, and the rows."""
    facts = blocks.facts()
    blocks.add(facts, "files", f"✓ {answer.files} of {answer.files} are as the index says")
    if answer.broken:
        count = words.counted(len(answer.broken), "price breaks", "prices break")
        blocks.add(facts, Text("rules", style="red"), Text(f"✕ {count} a rule now", style="red"))
    else:
        blocks.add(facts, "rules", f"✓ {answer.prices:,} prices keep every rule, held to them again just now")
    age = f"newest price of {answer.as_of}, {_age(answer.age_days)} old"
    advice = "; tradewind catalog refresh asks for today's"
    blocks.add(facts, "age", f"! {age}{advice}" if answer.warning else f"✓ {age}")
    parts: list[RenderableType] = [blocks.section(f"Snapshot {answer.snapshot}", answer.path, facts)]
    if answer.broken:
        parts.append(blocks.section("Broken now", "prices that must not be used", _rows(answer.broken)))
    clouds = sorted({cloud for rule in answer.rules for cloud in rule.by_cloud})
    grid = blocks.table("rule", "rows", *clouds, "what it holds")
    grid.columns[-1].justify = "left"
    grid.columns[0].no_wrap = True
    for rule in answer.rules:
        counts = [f"{rule.by_cloud[cloud]:,}" if cloud in rule.by_cloud else "" for cloud in clouds]
        blocks.add(grid, rule.invariant, f"{rule.rows:,}", *counts, Text(rule.about, style="dim"))
    total = sum(rule.rows for rule in answer.rules)
    parts.append(blocks.section("Quarantine by rule", f"{total:,} rows: kept apart and not used", grid))
    if answer.caught:
        left = answer.total - len(answer.caught)
        note = f"the first {len(answer.caught):,} of {answer.total:,}" if left else f"{answer.total:,}"
        body: RenderableType = _rows(answer.caught)
        if left:
            more = "narrow them with --invariant and --cloud, or see more with --limit N (0 is all) or --json"
            body = Group(body, Text(f"{left:,} more: {more}", style="dim"))
        parts.append(blocks.section("Rows in quarantine", note, body))
    return Group(*parts)


def _rows(rows: Iterable[QuarantineRow]) -> Table:
    grid = blocks.table("region", "item", "purchase", "usd", "because")
    for place in (1, 2, 4):
        grid.columns[place].justify = "left"
    grid.columns[4].ratio = 1
    for row in rows:
        blocks.add(
            grid,
            f"{row.cloud} {row.region}{_at(row.zone)}",
            row.item,
            BRIEF.get(row.purchase, row.purchase),  # type: ignore[call-overload]
            _usd(row.price_usd),
            Text.assemble((f"{row.invariant}: ", "dim"), row.reason),
        )
    return grid


def built(answer: BuildReport) -> RenderableType:
    """What a build made: the tables with their rows, and what each rule has caught."""
    tables = blocks.table("table", "rows")
    for name, rows in answer.tables.items():
        blocks.add(tables, name, f"{rows:,}")
    caught = blocks.table("rule", "rows in quarantine")
    for name, rows in sorted(answer.caught.items(), key=lambda one: (-one[1], one[0])):
        blocks.add(caught, name, f"{rows:,}")
    left = blocks.table("in order, but without a place", "rows")
    for name, rows in answer.left_out.items():
        blocks.add(left, name, f"{rows:,}")
    size = f"newest price of {answer.as_of}, {answer.size_bytes / 2**20:.1f} MiB"
    parts: list[RenderableType] = [tables, Text(), caught]
    if answer.left_out:
        parts += [Text(), left]
    return blocks.section(f"Snapshot {answer.snapshot}", size, Group(*parts))


def refreshed(answer: RefreshReport) -> RenderableType:
    """What became of each cloud's prices."""
    grid = blocks.facts()
    for cloud in answer.clouds:
        if cloud.reason is not None:
            blocks.add(grid, f"✕ {cloud.cloud}", f"the old prices stay: {cloud.reason}")
        else:
            said = [f"{cloud.prices:,} fresh prices"]
            said += [f"{cloud.stay:,} older ones stay, of which nothing was told"] if cloud.stay else []
            said += [f"{cloud.caught:,} broke a rule of their list"] if cloud.caught else []
            blocks.add(grid, f"✓ {cloud.cloud}", "; ".join(said))
        for note in cloud.notes:
            blocks.add(grid, "", Text(note, style="dim"))
        asked = (
            f"{words.counted(cloud.asked, 'answer', 'answers')} asked for, {cloud.reused:,} kept from before"
        )
        blocks.add(grid, "", Text(asked, style="dim"))
    changed = answer.snapshot != answer.before
    title = f"Snapshot {answer.snapshot}" if changed else "Nothing has changed"
    return blocks.section(title, f"before: {answer.before}" if changed else answer.before, grid)


def diffed(answer: Diff, limit: int) -> RenderableType:
    """What changed between two snapshots: how much, and the largest moves first."""
    totals = blocks.table("cloud", "purchase", "other price", "new", "gone", "same")
    totals.columns[1].justify = "left"
    for total in answer.totals:
        counts = (total.changed, total.added, total.removed, total.same)
        blocks.add(totals, total.cloud, BRIEF[total.purchase], *(f"{count:,}" for count in counts))
    parts: list[RenderableType] = [totals]
    for heading, moves in (
        ("other price", answer.changed),
        ("new", answer.added),
        ("gone", answer.removed),
    ):
        if moves:
            parts += [Text(), _moves(heading, moves[:limit])]
            if len(moves) > limit:
                parts.append(Text(f"{len(moves) - limit:,} more with --limit N (0 is all)", style="dim"))
    return blocks.section("What changed", f"from {answer.before} to {answer.after}", Group(*parts))


def _moves(heading: str, moves: Sequence[Move]) -> Table:
    grid = blocks.table(heading, "machine type", "purchase", "before", "after", "")
    for place in (1, 2):
        grid.columns[place].justify = "left"
    for move in moves:
        blocks.add(
            grid,
            f"{move.cloud} {move.region}{_at(move.zone)}",
            move.instance_type,
            BRIEF[move.purchase],
            _usd(move.before_usd_per_hour),
            _usd(move.after_usd_per_hour),
            "" if move.ratio is None else f"{move.ratio - 1.0:+.1%}".replace("-", "−"),
        )
    return grid


def _usd(value: float | None) -> str:
    """A price with four significant digits, and at least four decimals below 10.

    >>> _usd(0.8048), _usd(98.32), _usd(0.000684), _usd(None)
    ('0.8048', '98.32', '0.000684', '')
    """
    if value is None:
        return ""
    if abs(value) >= 100.0:
        return f"{value:,.1f}"
    if abs(value) >= 10.0:
        return f"{value:.2f}"
    return f"{value:.4f}" if abs(value) >= 0.01 or value == 0.0 else f"{value:.6f}".rstrip("0")


def _times(ratio: float) -> str:
    """How many times, close to one more exactly.

    >>> _times(0.882), _times(1.033), _times(2.5), _times(27.5)
    ('0.88×', '1.03×', '2.5×', '28×')
    """
    return f"{ratio:.2f}×" if ratio < 2.0 else f"{ratio:.1f}×" if ratio < 10.0 else f"{ratio:,.0f}×"


def _decimals(values: Iterable[float]) -> int:
    """The decimals with which a column of prices says enough and lines up."""
    least = min(values, default=1.0)
    return 2 if least >= 100.0 else 3 if least >= 10.0 else 4 if least >= 0.01 else 6


def _known(value: float | None, pattern: str) -> str:
    return "" if value is None else pattern.format(value)


def _memory(size_bytes: float | None) -> str:
    """A size of memory, which clouds count in GiB.

    >>> _memory(16 * 2.0**30), _memory(0.5 * 2.0**30), _memory(None)
    ('16 GiB', '0.5 GiB', '')
    """
    if size_bytes is None:
        return ""
    return f"{size_bytes / 2**30:,.2f}".rstrip("0").rstrip(".") + " GiB"


def _count(value: float) -> str:
    return f"{value:,.0f}"


_PARTS: Final = {1 / 8: "⅛", 1 / 6: "⅙", 1 / 4: "¼", 1 / 3: "⅓", 1 / 2: "½"}


def _accelerators(name: str | None, count: float | None) -> str:
    """How many accelerators of which kind.

    >>> _accelerators("L4", 1.0), _accelerators("A10", 0.5), _accelerators(None, 0.0)
    ('1 × L4', '½ × A10', '')
    """
    if name is None:
        return ""
    known = next((sign for share, sign in _PARTS.items() if abs(share - (count or 0.0)) < 0.01), None)
    return f"{known or f'{count or 0.0:g}'} × {name}"


def _age(days: int) -> str:
    """An age in days, or in years where days say nothing.

    >>> _age(118), _age(838)
    ('118 d', '2.3 y')
    """
    return f"{days} d" if days < 730 else f"{days / 365.25:.1f} y"


def _at(zone: str | None) -> str:
    return f" {zone}" if zone else ""


def _raised(number: int) -> str:
    """A number as a raised one.

    >>> _raised(12)
    '¹²'
    """
    return str(number).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
