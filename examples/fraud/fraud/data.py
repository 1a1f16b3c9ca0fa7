"""Card transactions with known fraud, generated; features; splits by time.

The method is the one that the Fraud Detection Handbook publishes (Le Borgne, Siblini, Lebichot, Bontempi:
Reproducible Machine Learning for Credit Card Fraud Detection, 2022, chapters 3 and 4). Customers buy at the
terminals near them, each with habits of their own; three scenarios make fraud of some of what they do. The
channels are ours. No row knows anything that was not known when its transaction took place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

DAY_S: Final = 86_400
WINDOW_DAYS: Final = (1, 7, 30)
LABEL_DELAY_DAYS: Final = 7
"""How long it takes until a fraud is found out: a terminal's risk looks no closer than that."""
LARGE_AMOUNT_CENTS: Final = 220_00
CONTACTLESS_LIMIT_CENTS: Final = 50_00
CHANNELS: Final = np.array(["chip", "contactless", "online"])
AMOUNT_BANDS: Final = np.array(["under_20", "20_to_60", "over_60"])
FEATURES: Final = (
    "amount",
    "weekend",
    "night",
    *(f"customer_{what}_{days}d" for days in WINDOW_DAYS for what in ("count", "mean_amount")),
    *(f"terminal_{what}_{days}d" for days in WINDOW_DAYS for what in ("count", "risk")),
)


@dataclass(frozen=True)
class Population:
    """Who buys where and for how long. The same values give the same transactions."""

    customers: int = 1_500
    terminals: int = 1_200
    radius: float = 5.0
    """How far a customer goes to a terminal, on a map of 100 by 100."""
    days: int = 114
    seed: int = 7


SPLIT_DAYS: Final = {
    "train": (37, 87),  # before day 37 the longest delayed window is not yet full
    "calibration": (94, 100),  # a week later, when the labels of the training days have become known
    "test": (100, 114),
}


@dataclass(frozen=True)
class Transactions:
    """One array element a transaction, in order of time. Day 0 is a Monday."""

    time_s: np.ndarray
    customer: np.ndarray
    terminal: np.ndarray
    amount_cents: np.ndarray
    channel: np.ndarray
    scenario: np.ndarray
    """0 for a genuine transaction, else the number of the scenario that made it a fraud."""

    @property
    def day(self) -> np.ndarray:
        """The day on which each transaction took place."""
        return self.time_s // DAY_S

    @property
    def fraud(self) -> np.ndarray:
        """Whether each transaction is a fraud."""
        return self.scenario > 0


def load() -> dict[str, dict[str, object]]:
    """The splits `train`, `calibration` and `test`: each lies wholly after the one before."""
    transactions = generate(Population())
    columns = features(transactions)
    bands = AMOUNT_BANDS[np.digitize(transactions.amount_cents, [20_00, 60_00])]
    splits: dict[str, dict[str, object]] = {}
    for name, (first_day, end_day) in SPLIT_DAYS.items():
        rows = slice(*np.searchsorted(transactions.time_s, [first_day * DAY_S, end_day * DAY_S]))
        splits[name] = {
            "inputs": {"features": columns[rows]},
            "labels": transactions.fraud[rows].astype(np.int64),
            "slices": {"channel": CHANNELS[transactions.channel[rows]], "amount_band": bands[rows]},
        }
    return splits


def fingerprint() -> str:
    """What the data depend on besides this code: equal text, equal data."""
    return f"{Population()} {SPLIT_DAYS}"


def generate(population: Population) -> Transactions:
    """All transactions of a population, in order of time."""
    random = np.random.default_rng(population.seed)
    customers, terminals, days = population.customers, population.terminals, population.days

    home = random.uniform(0.0, 100.0, (customers, 2))
    shop = random.uniform(0.0, 100.0, (terminals, 2))
    mean_amount = random.uniform(5.0, 100.0, customers)
    per_day = random.uniform(0.0, 4.0, customers)
    online_share = random.beta(2.0, 5.0, customers)

    distance = np.hypot(home[:, None, 0] - shop[None, :, 0], home[:, None, 1] - shop[None, :, 1])
    near_customer, near_terminal = np.nonzero(distance < population.radius)
    choices = np.bincount(near_customer, minlength=customers)
    first_choice = np.cumsum(choices) - choices

    # One element a transaction from here on. Times that fall outside their day are dropped, and so is
    # all that customers without a terminal near them would buy.
    counts = random.poisson(per_day[:, None] * (choices > 0)[:, None], (customers, days))
    customer, day = (index.repeat(counts.ravel()) for index in np.indices(counts.shape).reshape(2, -1))
    second = random.normal(DAY_S / 2, 20_000.0, len(customer)).astype(np.int64)
    kept = np.flatnonzero((second > 0) & (second < DAY_S))
    kept = kept[np.argsort(day[kept] * DAY_S + second[kept], kind="stable")]
    customer, day, second = customer[kept], day[kept], second[kept]
    rows = len(kept)

    mean = mean_amount[customer]
    amount = random.normal(mean, mean / 2.0)
    amount = np.where(amount < 0.0, random.uniform(0.0, 2.0 * mean), amount)
    amount_cents = np.rint(amount * 100.0).astype(np.int64)
    pick = (random.random(rows) * choices[customer]).astype(np.int64)
    terminal = near_terminal[first_choice[customer] + pick]

    # Scenario 1: what is very dear. Scenario 2: all that passes a compromised terminal. Scenario 3: a
    # third of what a customer whose card data leaked seems to buy, at five times the amount, online.
    taken_over = struck(random, days, terminals, a_day=2, for_days=28)[day, terminal]
    leaked = struck(random, days, customers, a_day=3, for_days=14)[day, customer]
    leaked &= random.random(rows) < 1.0 / 3.0
    scenario = np.select([leaked, taken_over, amount_cents > LARGE_AMOUNT_CENTS], [3, 2, 1], 0)
    amount_cents = np.where(leaked, amount_cents * 5, amount_cents)

    online = leaked | (random.random(rows) < online_share[customer])
    contactless = (amount_cents <= CONTACTLESS_LIMIT_CENTS) & (random.random(rows) < 0.8)
    channel = np.select([online, contactless], [2, 1], 0)
    return Transactions(day * DAY_S + second, customer, terminal, amount_cents, channel, scenario)


def struck(random: np.random.Generator, days: int, size: int, *, a_day: int, for_days: int) -> np.ndarray:
    """(day, entity) -> whether it is struck: every day strikes `a_day` entities, each for `for_days` days."""
    struck = np.zeros((days, size), dtype=bool)
    for day in range(days):
        struck[day : day + for_days, random.choice(size, a_day, replace=False)] = True
    return struck


def features(transactions: Transactions) -> np.ndarray:
    """One float32 row of `FEATURES` for every transaction; amounts in whole currency units."""
    hour = transactions.time_s % DAY_S // 3_600
    customer, terminal = transactions.customer, transactions.terminal
    columns: list[np.ndarray] = [
        transactions.amount_cents / 100.0,
        transactions.day % 7 >= 5,
        hour < 6,
    ]
    for days in WINDOW_DAYS:
        count, cents = window_sums(customer, transactions.time_s, transactions.amount_cents, days)
        columns += [count, cents / 100.0 / count]
    for days in WINDOW_DAYS:
        count, frauds = window_sums(terminal, transactions.time_s, transactions.fraud, days, LABEL_DELAY_DAYS)
        columns += [count, frauds / np.maximum(count, 1)]
    return np.stack(columns, axis=1).astype(np.float32)


def window_sums(
    entity: np.ndarray, time_s: np.ndarray, value: np.ndarray, days: int, delay_days: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """For every row: how many rows of its entity lie in the window before it, and the sum of their values.

    The window is `days` long and ends `delay_days` before the row; without a delay it includes the row
    itself. Rows come in order of time. Whole numbers are summed, so the result is exact.
    """
    order = np.argsort(entity, kind="stable")
    # On one time line for all entities, so far apart that no window reaches into another's stretch.
    stretch_s = int(time_s[-1]) + (days + delay_days + 1) * DAY_S
    line_s = entity[order] * stretch_s + time_s[order]
    start = np.searchsorted(line_s, line_s - (days + delay_days) * DAY_S, side="right")
    if delay_days:
        end = np.searchsorted(line_s, line_s - delay_days * DAY_S, side="right")
    else:
        end = np.arange(1, len(order) + 1)
    total = np.concatenate([[0], np.cumsum(value[order], dtype=np.int64)])
    count, summed = np.empty_like(order), np.empty_like(order)
    count[order] = end - start
    summed[order] = total[end] - total[start]
    return count, summed
