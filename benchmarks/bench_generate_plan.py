"""Plans of language models that answer, over the shipped catalogue: how fast, how many, and what they say.

Three tables: how the time grows with offers and accelerators, what looking at every candidate takes (nothing excluded)
and whether it finds the same, and for each device what an hour and what a million answered tokens cost. Times are the
least of several runs in one process with one thread, by the clock and by the processor (a busy machine stretches the
first).

    python benchmarks/bench_generate_plan.py [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

TODAY = "2026-11-25"
OFFERS = (1_000, 10_000, 50_000, 146_400, 292_800)
ACCELERATORS = (64, 256, 1024, 4096)
MODELS = ("Llama 3 8B", "Llama 3 70B", "Mixtral 8x7B", "DeepSeek V3")
ALL_PURCHASES = ("on_demand", "spot", "commit_1y", "commit_3y")
_CHUNK = 100_000


def main() -> None:
    """Prints the tables."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    offers = _offers(_goal())
    print(f"catalogue {offers.snapshot}: {len(offers):,} offers in all\n")
    _growth(offers, options.rounds)
    _everything(offers)
    _tokens()


def _goal(model: str = "Llama 3 70B", accelerators: int = 1024, rate: float = 5.0, **given: Any) -> Any:
    from tradewind.domain.generating import Generate, GenerateGoal
    from tradewind.domain.goal import Load

    wish = {
        "load": Load(rate_rps=rate),
        "prompt": 1024,
        "output": 256,
        "first_token_p99_s": 2.0,
        "token_p99_s": 0.1,
        "precisions": ("bf16", "fp8", "int8", "int4"),
    }
    fields: dict[str, Any] = {
        "name": "chat",
        "model": model,
        "generate": Generate(**(wish | {name: given.pop(name) for name in list(given) if name in wish})),
        "budget_usd_per_month": 1e7,
        "purchase": ALL_PURCHASES,
        "accelerators_at_most": accelerators,
    }
    return GenerateGoal(**(fields | given))


def _offers(goal: Any) -> Any:
    from tradewind.decide import catalog
    from tradewind.run import market

    return catalog.offers(goal, market.load_catalog(), TODAY)


def _plan(goal: Any, offers: Any) -> tuple[Any, float, float]:
    from tradewind.decide.planning.generation import plan_generation
    from tradewind.decide.prediction import default_calibration
    from tradewind.files.sheets import architectures, devices

    begun, busy = time.perf_counter(), time.process_time()
    found = plan_generation(
        goal, offers, default_calibration(), devices=devices(), architectures=architectures(), today=TODAY
    )
    return found, time.perf_counter() - begun, time.process_time() - busy


def _growth(offers: Any, rounds: int) -> None:
    from tradewind.domain.goal import Hour, Load

    day = Load(profile=tuple(Hour(rate_rps=rate) for rate in [1.0] * 7 + [4.0] * 4 + [6.0] * 8 + [2.0] * 5))
    print(
        "| model | load | offers | with accelerators | accelerators at most | considered | evaluated | clock | processor"
        " | considered a second | choice | usd a month |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    cases = [(_goal(), count) for count in OFFERS]
    cases += [(_goal(accelerators=most), len(offers)) for most in ACCELERATORS if most != 1024]
    cases += [(_goal(model), len(offers)) for model in MODELS if model != "Llama 3 70B"]
    cases += [(_goal(load=day), len(offers))]
    for goal, count in cases:
        some = _resized(offers, count)
        runs = [_plan(goal, some) for _ in range(rounds)]
        found, clock, busy = runs[0][0], min(run[1] for run in runs), min(run[2] for run in runs)
        choice, layout = found.choice, found.choice.layout
        kept = "" if found.meets_goal else " (nearest)"
        print(
            f"| {goal.model} | {'a day' if goal.generate.load.profile else f'{goal.generate.load.rate_rps:g} rps'}"
            f" | {len(some):,} | {found.priced:,} | {goal.accelerators_at_most:,} | {found.considered:,}"
            f" | {found.evaluated:,} | {clock:.2f} s | {busy:.2f} s | {found.considered / busy:,.0f}"
            f" | {choice.machines} x {choice.offer.key}, {layout.tensor} x {layout.pipeline} in {layout.weights}{kept}"
            f" | {choice.cost_usd_per_month:,.0f} |",
            flush=True,
        )


def _resized(offers: Any, count: int) -> Any:
    """A sample of the offers in their order; or all of them, and the same machines in regions that do not exist."""
    import numpy as np

    chance = np.random.default_rng(0)
    if count <= len(offers):
        return offers.take(np.sort(chance.choice(len(offers), size=count, replace=False)))
    copies = -(-count // len(offers))
    rows = np.tile(np.arange(len(offers)), copies)[:count]
    copy = np.repeat(np.arange(copies), len(offers))[:count]
    found = offers.take(rows)
    codes, names = found.coded("region")
    regions = tuple(f"{name}-{number}" if number else name for number in range(copies) for name in names)
    prices = found["price_usd_per_hour"] * (1.0 + 0.01 * copy)
    return found.replace({"price_usd_per_hour": prices}, {"region": (codes + copy * len(names), regions)})


def _space(goal: Any, offers: Any) -> tuple[Any, Any]:
    """The space of a goal and its question."""
    from tradewind.decide.planning.generation import generator_of, spread_of
    from tradewind.decide.planning.generation_search import Asked, Space
    from tradewind.decide.prediction import default_calibration
    from tradewind.decide.prediction.answering import bounds_of
    from tradewind.decide.prediction.fitted import with_defaults
    from tradewind.domain.plan import LoadCurve
    from tradewind.files.sheets import architectures, devices

    known = with_defaults(default_calibration())
    constants = {name: one.value for name, one in known.constants.items()}
    network = generator_of(goal.model, architectures())
    load = LoadCurve.flat(goal.generate.load.rate_rps)
    space = Space(network, goal, offers, load, devices(), known, constants)
    return space, Asked(bounds_of(goal.generate), spread_of(known).factor(goal.confidence))


def _everything(offers: Any) -> None:
    """Every way, every most of requests and every number of machines of every kind is looked at, nothing excluded."""
    import numpy as np

    goal = _goal()
    begun, busy = time.perf_counter(), time.process_time()
    space, asked = _space(goal, offers)
    tables_s = time.process_time() - busy
    servers, ways = space.servers, space.ways
    rate = goal.generate.load.rate_rps
    begins = np.searchsorted(servers.way, np.arange(len(ways.ways) + 1))
    looked, best, busy = 0, np.inf, time.process_time()
    priced = 0
    for kind in range(len(space.kinds.kinds)):
        pairs = np.arange(ways.first[kind], ways.first[kind + 1])
        mine = [np.arange(begins[ways.way[pair]], begins[ways.way[pair] + 1]) for pair in pairs]
        server = np.concatenate(mine) if mine else np.zeros(0, dtype=int)
        pair = np.repeat(pairs, [len(one) for one in mine])
        numbers = np.arange(1, space.most // int(space.per[kind]) + 1)
        server, pair = np.repeat(server, len(numbers)), np.repeat(pair, len(numbers))
        machines = np.tile(numbers, len(server) // len(numbers))
        per, over = ways.per_machine[pair], ways.machines[pair]
        whole = (per > 0) | (machines % over == 0)
        replicas = np.where(per > 0, machines * per, machines // over)[whole]
        server, machines = server[whole], machines[whole]
        suffices = np.zeros(space.most + 1, dtype=bool)
        for start in range(0, len(server), _CHUNK):
            part = slice(start, start + _CHUNK)
            kept = servers.answers(server[part], rate / replicas[part], asked.slow).keep(asked.bounds)
            suffices[np.unique(machines[part][kept])] = True
        looked += len(server)
        rows = space.kinds.of(kind)
        for number in np.nonzero(suffices)[0]:
            priced += len(rows)
            best = min(best, float(np.min(space.shop.alone_usd(rows, np.array([number])))))
    spent = time.process_time() - busy
    found = space.cheapest(asked)
    print(
        f"\nEvery candidate of {goal.model} on up to {space.most} accelerators, nothing excluded: tables {tables_s:.2f} s;"
        f" then {looked:,} candidates (way, most of requests, machines) with all latencies and {priced:,} prices in"
        f" {spent:.2f} s of the processor, {looked / spent:,.0f} a second, or {looked / (spent + tables_s):,.0f} with"
        f" the tables ({time.perf_counter() - begun:.2f} s by the clock). Cheapest: {best:,.2f} usd a month; the search"
        f" says {found.usd_per_month:,.2f}.\n"
    )


def _tokens() -> None:
    """For each device its cheapest machine by the hour, and what a million answered tokens cost on it at full load."""
    import numpy as np

    goal = _goal("Llama 3 8B", purchase=("on_demand",), precisions=("bf16", "fp8"), rate=1.0)
    offers = _offers(goal)
    space, asked = _space(goal, offers)
    most, _ = space.bearable(asked)
    rows = []
    for kind, one in enumerate(space.kinds.kinds):
        mine = space.kinds.of(kind)
        pairs = np.arange(space.ways.first[kind], space.ways.first[kind + 1])
        if not len(mine) or not len(pairs):
            continue
        over = np.where(space.ways.per_machine[pairs] > 0, 1, space.ways.machines[pairs])
        per = np.where(space.ways.per_machine[pairs] > 0, space.ways.per_machine[pairs], 1)
        each = most[space.ways.way[pairs]] * per / over
        best = int(np.argmax(each))
        prices = offers["price_usd_per_hour"][mine]
        row = int(mine[np.argmin(prices)])
        if each[best] > 0.0:
            usd_per_hour = float(np.min(prices))
            tokens = each[best] * goal.generate.output * 3600.0
            way = space.ways.ways[int(space.ways.way[pairs[best]])]
            rows.append(
                (
                    one.device.name,
                    offers.offer(row).key,
                    usd_per_hour,
                    each[best],
                    usd_per_hour / tokens * 1e6,
                    way,
                )
            )
    print(
        "Llama 3 8B, 1024 + 256 tokens, p99 2 s to the first and 100 ms a token, confidence 90 %, on demand:\n"
    )
    print("| device | machine | usd an hour | requests a second | usd a million tokens | way |")
    print("|---|---|---|---|---|---|")
    seen: set[str] = set()
    for name, key, usd, rps, each, way in sorted(rows, key=lambda one: one[4]):
        if name not in seen:
            seen.add(name)
            print(
                f"| {name} | {key} | {usd:.3f} | {rps:.1f} | {each:.3f} | {way.tensor} x {way.pipeline} in {way.precision} |"
            )


if __name__ == "__main__":
    main()
