import json

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.domain import codec
from tradewind.domain.errors import CodecError
from tradewind.domain.goal import CLOUDS, PERCENTILES, DataAt, Goal, Load, Quality, Serve
from tradewind.domain.noun import Range

GOAL = """
name: fraud
model: fraud.model:build
data: fraud.data:load
metric: average_precision
quality: {max_drop: 0.005, slices: [channel]}
serve: {p99: 20 ms, load: 2000 rps}
budget: 500 usd/month
data_at: s3://acme-eu/transactions
"""

POSITIVE = st.floats(min_value=1e-6, max_value=1e12)
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co")), min_size=1, max_size=20)


@st.composite
def goals(draw):
    percentile = draw(st.sampled_from(PERCENTILES))
    return Goal(
        name=draw(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)),
        model=draw(WORDS),
        data=draw(WORDS),
        metric=draw(WORDS),
        serve=Serve(load=Load(rate_rps=draw(POSITIVE)), **{f"{percentile}_s": draw(POSITIVE)}),
        budget_usd_per_month=draw(st.just(0.0) | POSITIVE),
        quality=Quality(
            max_drop=draw(st.floats(0, 1)),
            slices=tuple(draw(st.lists(WORDS, max_size=3))),
            minimum=draw(st.none() | st.floats(-10, 10)),
        ),
        confidence=draw(st.floats(0.51, 0.99)),
        clouds=tuple(draw(st.lists(st.sampled_from(CLOUDS), min_size=1, max_size=3))),
        regions=tuple(draw(st.lists(WORDS, min_size=1, max_size=3))),
        data_at=draw(
            st.none()
            | st.builds(DataAt, uri=WORDS, region=st.none() | WORDS, size_bytes=st.none() | POSITIVE)
        ),
        seed=draw(st.integers(0, 2**31)),
    )


@given(goals())
def test_a_goal_survives_its_file(goal):
    encoded = codec.encode(goal)
    assert codec.decode(encoded, Goal, source="goal") == goal
    jsonschema.validate(
        {k: v for k, v in json.loads(encoded).items() if v is not None}, codec.json_schema(Goal)
    )


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats(-1e300, 1e300) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_json_is_yaml(value):
    # YAML 1.2 is a superset of JSON, so the YAML reader must read what a JSON writer wrote.
    document = {"value": value}
    text = json.dumps(document, ensure_ascii=False)
    assert codec.parse_yaml(text, source="x") == codec.parse_json(text, source="x") == document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2e6", 2e6),
        ("no", "no"),
        ("off", "off"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("2026-11-01", "2026-11-01"),
        ("010", 10),
        ("0o10", 8),
        ("0x10", 16),
        ("1_000", "1_000"),
        ("true", True),
        ("~", None),
        ("null", None),
        (".5", 0.5),
        ("1.", 1.0),
        ("<<", "<<"),
        ("0b1", "0b1"),
    ],
)
def test_yaml_core_schema(text, value):
    read = codec.parse_yaml(f"key: {text}", source="x")["key"]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("budget", "budgett"), r"goal.yaml: budgett: unknown key; did you mean budget\?"),
        (("slices", "slicess"), r"goal.yaml: quality.slicess: unknown key; did you mean slices\?"),
        (("20 ms", "20"), r"goal.yaml: serve.p99: 20 has no unit; write it like 20 ms"),
        (("20 ms", "20 GiB"), r"serve.p99: '20 GiB' is a bytes, not a time"),
        (("20 ms", "0 ms"), r"serve: p99 is 0"),
        (("0.005", "-1"), r"quality.max_drop: expected a number >= 0.0, got -1"),
        (("0.005", ".nan"), r"line 6: .nan is not a number that can be used"),
        (("0.005", ".inf"), r"line 6: .inf is not a number that can be used"),
        (("p99: 20 ms, ", ""), r"serve: write exactly one of p50, p90, p95, p99, got none"),
        (("p99: 20 ms", "p99: 20 ms, p50: 5 ms"), r"write exactly one of .*, got p50 and p99"),
        (("metric: average_precision\n", ""), r"goal.yaml: metric: missing; add this key"),
        (("name: fraud", "name: fraud\nname: other"), r"line 3: name: this key stands twice"),
        (("name: fraud", "name: Fraud!"), r"name: .*got 'Fraud!'"),
        (("name: fraud", "1: 2"), r"the key 1 is not text"),
        (("budget", "clouds: [aws, gpc]\nbudget"), r"clouds\[1\]: 'gpc' is not known; did you mean gcp\?"),
        (("budget", "clouds: aws\nbudget"), r"clouds: expected a list in \[brackets\], got 'aws'"),
        (("budget", "seed: 1.5\nbudget"), r"seed: expected a whole number, got 1.5"),
        (("name: fraud", "name: ["), r"goal.yaml: line"),
        ((GOAL, ""), r"the document: expected keys and values, got nothing"),
        ((GOAL, "[1]"), r"the document: expected keys and values, got a list"),
        ((GOAL, "a: " + "[" * 5000), r"goal.yaml: "),
    ],
)
def test_refusals_are_one_line_with_the_path(change, says):
    with pytest.raises(CodecError, match=says) as refusal:
        codec.decode(GOAL.replace(*change), Goal, source="goal.yaml")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": Infinity}', '{"a": 1e999}', '{"a": 1, "a": 2}', "{"])
def test_json_refuses_what_yaml_refuses(text):
    with pytest.raises(CodecError, match="x: "):
        codec.parse_json(text, source="x")


@pytest.mark.parametrize("text", ['{"name": "\\ud800"}', 'name: "\\ud800"'])
def test_half_a_character_is_refused(text):
    with pytest.raises(CodecError, match="half of a surrogate pair"):
        codec.decode(text, Goal, source="x")


def test_aliases_that_expand_into_each_other_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 10) + "]" for i in range(1, 9)]
    with pytest.raises(CodecError, match="more than"):
        codec.parse_yaml("\n".join(lines), source="bomb")


def test_nouns_are_frozen_and_refuse_unknown_fields():
    interval = Range(low=1.0, likely=2.0, high=3.0)
    with pytest.raises(AttributeError):
        interval.low = 0.0
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"low": 1, "likely": 2, "high": 3, "mean": 2}, Range)


def test_shorthands_stand_for_their_one_key():
    goal = codec.decode(GOAL, Goal, source="goal.yaml")
    assert goal.data_at == DataAt(uri="s3://acme-eu/transactions")
    assert goal.data_at.cloud == "aws"
    longer = GOAL.replace("data_at: s3://acme-eu/transactions", "data_at: {uri: 's3://acme-eu/transactions'}")
    assert codec.decode(longer, Goal, source="goal.yaml") == goal
