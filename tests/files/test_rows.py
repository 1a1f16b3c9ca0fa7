"""Tables of text come back as they went, and what is no table is refused in one line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.domain.errors import InputError
from tradewind.files import rows

CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=20))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "table.csv"
    written = [{"one": first, "two": second} for first, second in cells]
    rows.write(path, ("one", "two"), written)
    header, found = rows.read(path)
    assert header == ("one", "two")
    assert found == written


def test_gzip_is_unpacked_and_short_rows_are_filled(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"a,b,c\n1,2\n"))
    assert rows.read(path) == (("a", "b", "c"), [{"a": "1", "b": "2", "c": ""}])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no header"),
        (b"a,a\n1,2\n", "column a stands 2 times"),
        (b"a,b\n1,2,3\n", ":2: 3 cells under 2 columns"),
        (b"a\n\xff\xfe\n", "not UTF-8 text at byte 2"),
        (b'a\n"open\n', "not CSV"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        rows.read(path)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        rows.read(tmp_path / "nothing.csv")
    with pytest.raises(InputError, match="is a folder"):
        rows.read(tmp_path)
    broken = tmp_path / "table.csv.gz"
    broken.write_bytes(b"no gzip")
    with pytest.raises(InputError, match="not a whole gzip file"):
        rows.read(broken)
