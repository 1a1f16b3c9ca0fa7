from __future__ import annotations

import msgspec

from tradewind.show import readings


def test_a_call_at_rest_has_one_thread_and_the_smallest_batch(story):
    profile = story.FRONT.profiles[0]
    turned = msgspec.structs.replace(profile, curve=tuple(reversed(profile.curve)))

    assert readings.at_rest(turned) == profile.curve[0]


def test_no_measured_point_beats_the_best_throughput(story):
    for profile in story.FRONT.profiles:
        best = readings.best_throughput_rps(profile)
        assert all(point.batch / point.low_s <= best for point in profile.curve)


def test_candidates_are_each_listed_once_and_the_choice_first(story):
    listed = readings.candidates(story.UNMET.plan)

    assert listed[0] == story.UNMET.plan.choice
    assert len(listed) == len({(one.offer.key, one.variant_id, one.layout) for one in listed})
    assert {one.offer.key for one in story.UNMET.plan.nearest} <= {one.offer.key for one in listed}


def test_a_lost_variant_says_why_by_name_or_by_id(story):
    front = story.FRONT
    by_id = msgspec.structs.replace(
        front, lost=tuple(msgspec.structs.replace(one, name=story.identifier(one.name)) for one in front.lost)
    )

    for told in (front, by_id):
        assert readings.standing(told, front.profiles[0]) == ("lost", front.lost[0].reason)
    assert readings.standing(front, front.profiles[3])[0] == "front"
    bare = msgspec.structs.replace(front, lost=())
    assert readings.standing(bare, front.profiles[0])[0] == "lost"
