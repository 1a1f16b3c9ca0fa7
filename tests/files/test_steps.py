import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.domain.noun import Rejected
from tradewind.files.steps import Progress, Steps, content_key

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def made(text):
    return Rejected(name=text, reason="r")


@given(PLAIN, PLAIN)
def test_equal_content_has_equal_keys_and_different_content_different_ones(one, other):
    same = repr(one) == repr(other)
    if same:
        assert content_key(one) == content_key(other)
    elif content_key(one) == content_key(other):
        # Only what JSON itself cannot tell apart may share a key: the order of the keys of a dict.
        assert one == other


def test_work_is_done_once_and_again_when_what_it_read_changed(tmp_path):
    calls = []

    def work():
        calls.append(1)
        return made("x")

    for reads in ({"a": 1}, {"a": 1}, {"a": 2}, {"a": 1}):
        assert Steps(tmp_path, version="1").do("step", reads, Rejected, work) == made("x")
    assert len(calls) == 2
    Steps(tmp_path, version="2").do("step", {"a": 1}, Rejected, work)
    assert len(calls) == 3


def test_a_step_that_failed_is_done_again_and_inner_results_are_kept(tmp_path):
    inner_calls = []

    def inner():
        inner_calls.append(1)
        return made("inner")

    def outer(steps, fail):
        kept = steps.do("inner", 1, Rejected, inner)
        if fail:
            raise RuntimeError("killed here")
        return kept

    first = Steps(tmp_path, version="1")
    with pytest.raises(RuntimeError):
        first.do("outer", 1, Rejected, lambda: outer(first, True))
    second = Steps(tmp_path, version="1")
    assert second.do("outer", 1, Rejected, lambda: outer(second, False)) == made("inner")
    assert len(inner_calls) == 1


@pytest.mark.parametrize("damage", [b"", b"{", b'{"result": {"name": 1}}', b"\xff\xfe", b"[]", b"null"])
def test_a_damaged_record_is_no_result(tmp_path, damage):
    steps = Steps(tmp_path, version="1")
    steps.do("step", 1, Rejected, lambda: made("x"))
    (record,) = tmp_path.iterdir()
    record.write_bytes(damage)
    assert steps.do("step", 1, Rejected, lambda: made("y")) == made("y")


def test_progress_says_what_happens_and_how_deep(tmp_path):
    said: list[Progress] = []
    steps = Steps(tmp_path, version="1", listener=said.append)

    def outer():
        steps.tell("half", 0.5)
        return steps.do("inner", 1, Rejected, lambda: made("i"))

    steps.do("outer", 1, Rejected, outer)
    steps.do("outer", 1, Rejected, outer)
    assert [(p.step, p.state, p.depth) for p in said] == [
        ("outer", "started", 0),
        ("outer", "working", 0),
        ("inner", "started", 1),
        ("inner", "done", 1),
        ("outer", "done", 0),
        ("outer", "reused", 0),
    ]


def test_a_kept_result_whose_files_are_gone_is_made_again(tmp_path):
    steps = Steps(tmp_path, version="1")
    steps.do("step", 1, Rejected, lambda: made("x"))
    assert steps.do("step", 1, Rejected, lambda: made("y"), valid=lambda kept: False) == made("y")
