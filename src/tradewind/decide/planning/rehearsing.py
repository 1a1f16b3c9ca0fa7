"""The plan on the machine at hand: one replica, at the load that makes it as busy as it will be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewind.decide.prediction.estimating import Tables, estimate, replica_of
from tradewind.decide.prediction.service import service_on, work_of
from tradewind.domain import units
from tradewind.domain.layout import Layout
from tradewind.domain.plan import Candidate, Rehearsal

if TYPE_CHECKING:
    from tradewind.domain.estimate import Calibration
    from tradewind.domain.goal import Serve
    from tradewind.domain.host import Host
    from tradewind.domain.profile import Profile

__all__ = ["rehearsal_of"]


def rehearsal_of(
    profile: Profile, choice: Candidate, host: Host, calibration: Calibration, serve: Serve
) -> Rehearsal:
    """One replica with one thread here, so that a core is left for the load generator.

    The share of its largest throughput at which each replica of the choice runs sets the load.
    """
    threads = min(point.threads for point in profile.curve)
    tables = Tables()
    away = service_on(
        profile, work_of(profile, choice.layout.threads, calibration), choice.offer, calibration
    )
    here = service_on(profile, work_of(profile, threads, calibration, disturbed=True), host, calibration)
    assert not isinstance(away, str), away
    assert not isinstance(here, str), here
    batch = choice.layout.max_batch
    there = replica_of(away, batch, calibration, tables)
    replica = replica_of(here, batch, calibration, tables)
    largest_away = there.queue.max_rate_rps / there.unit_s
    largest_here = replica.queue.max_rate_rps / replica.unit_s
    rate_away = choice.estimate.load_rps / choice.layout.replicas
    share = rate_away / largest_away
    load_rps = share * largest_here
    layout = Layout(instances=1, replicas_per_instance=1, threads=threads, max_batch=batch)
    return Rehearsal(
        load_rps=load_rps,
        layout=layout,
        estimate=estimate(profile, host, replica, layout, calibration, load_rps=load_rps, serve=serve),
        because=f"each replica of the plan runs at {share:.0%} of its largest throughput"
        f" ({units.show(rate_away, 'rate')} of {units.show(largest_away, 'rate')}); one replica here reaches"
        f" {units.show(largest_here, 'rate')} with {threads} of {host.physical_cores} cores, so it gets"
        f" {units.show(load_rps, 'rate')}",
    )
