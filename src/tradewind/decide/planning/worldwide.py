"""Users in several parts of the world: each share of the load is served where that is cheapest for its users.

What the network takes from the users to a region and back is taken off their bound, so a far region must be
quicker than a near one, or cannot serve them at all. Shares do not share machines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tradewind.decide.catalog.places import GROUPS, place_group
from tradewind.decide.planning.distances import round_trip_s
from tradewind.decide.planning.search import Answer, Question, Search
from tradewind.domain.errors import InputError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tradewind.domain.estimate import Calibration
    from tradewind.domain.goal import Goal, Serve
    from tradewind.domain.offer import Offers
    from tradewind.domain.plan import LoadCurve
    from tradewind.domain.profile import Profile

__all__ = ["Share", "nearby", "shares_of"]


@dataclass(frozen=True)
class Share:
    """Users of one part of the world, where they are best served."""

    users: str
    share: float
    round_trip_s: float
    """To the region that serves them."""
    search: Search
    """Over the offers as far away as the chosen one, for a goal with their part of the load and of the bound."""
    answer: Answer | None
    """The cheapest; None when no offer keeps their bound, even among those nearby."""


def shares_of(
    goal: Goal,
    profiles: Sequence[Profile],
    offers: Offers,
    calibration: Calibration,
    today: str,
    curve: LoadCurve,
) -> list[Share]:
    """The shares of a goal that names its users, the largest first. Data are stored once, for the first of them.

    Errors: InputError for users of a part of the world that is not known.
    """
    for name in goal.users:
        if name not in GROUPS:
            guess = nearest(name, list(GROUPS))
            hint = f"did you mean {guess}? " if guess else ""
            raise InputError(f"users: {name} is not known; {hint}known: {', '.join(GROUPS)}")
    shares: list[Share] = []
    for users, share in sorted(goal.users.items(), key=lambda item: (-item[1], item[0])):
        mine = _goal_of(goal, share, stores=not shares)
        load = curve.at_peak(share * curve.peak_rps)
        best: Share | None = None
        for trip_s, among in nearby(offers, users):
            left_s = goal.serve.latency_s - trip_s
            if left_s <= 0.0 and best is not None:
                break
            # Where even the nearest are too far, they are asked for all that is left: hardly anything.
            bounded = msgspec.structs.replace(mine, serve=_bounded(mine.serve, max(left_s, 1e-4)))
            search = Search(bounded, profiles, among, calibration, today, curve=load)
            question = Question(bounded.serve, goal.confidence)
            least_usd = best.answer.sized.usd_per_month if best and best.answer else np.inf
            if (
                best
                and search.eligible
                and float(search.costs(question).usd.min(initial=np.inf)) >= least_usd
            ):
                continue
            answer = search.answer(question) if search.eligible else None
            if best is None or (answer and answer.sized.usd_per_month < least_usd):
                best = Share(users, share, trip_s, search, answer)
        if best is None:
            raise InputError(
                f"no offers for the users in {users}; allow more regions, clouds or purchase options"
            )
        shares.append(best)
    return shares


def nearby(offers: Offers, users: str) -> Iterator[tuple[float, Offers]]:
    """The offers by their round trip to users, the nearest first."""
    clouds, cloud_names = offers.coded("cloud")
    regions, region_names = offers.coded("region")
    trips_s = np.array(
        [
            [round_trip_s(users, place_group(cloud, region)) for region in region_names]
            for cloud in cloud_names
        ]
    )[clouds, regions]
    for trip_s in np.unique(trips_s).tolist():
        yield trip_s, offers.take(np.nonzero(trips_s == trip_s)[0])


def _goal_of(goal: Goal, share: float, *, stores: bool) -> Goal:
    load = msgspec.structs.replace(
        goal.serve.load,
        rate_rps=share * goal.serve.load.rate_rps,
        profile=tuple(
            msgspec.structs.replace(hour, rate_rps=share * hour.rate_rps) for hour in goal.serve.load.profile
        ),
    )
    data = goal.data_at
    if data is not None and not stores:
        data = msgspec.structs.replace(data, size_bytes=None)
    serve = msgspec.structs.replace(goal.serve, load=load)
    return msgspec.structs.replace(goal, serve=serve, data_at=data)


def _bounded(serve: Serve, latency_s: float) -> Serve:
    return msgspec.structs.replace(serve, **{f"{serve.percentile}_s": latency_s})
