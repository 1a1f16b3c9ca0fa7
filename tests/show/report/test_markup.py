from __future__ import annotations

import json
import math
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from tradewind.show.report.markup import (
    TALL,
    Cell,
    Column,
    Html,
    badge,
    badges,
    element,
    gauge,
    json_script,
    table,
    text,
)


class Seen(HTMLParser):
    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[dict[str, str | None]] = []
        self.text = ""
        self.feed(document)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append(dict(attrs))

    def handle_data(self, data):
        self.text += data


# A parser makes one line end of all kinds, and no document may hold NUL or a lone surrogate.
TEXT = st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]))


@given(content=TEXT, value=TEXT)
def test_text_comes_back_as_it_went_in_and_makes_no_element(content, value):
    seen = Seen(element("td", {"title": value}, content))

    assert seen.tags == ["td"]
    assert seen.text == content
    assert seen.attributes == [{"title": value}]


def test_html_is_not_escaped_twice():
    inner = element("b", {}, "a & b")

    assert text("<", inner) == "&lt;<b>a &amp; b</b>"


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(plain=PLAIN)
def test_data_come_back_and_cannot_close_their_element(plain):
    script = json_script("story", plain)
    opening, _, rest = script.partition(">")
    data = rest.removesuffix("</script>")

    assert opening == '<script type="application/json" id="story"'
    assert "<" not in data
    assert json.loads(data) == plain


def test_what_is_not_finite_becomes_null():
    data = json_script("story", {"a": math.inf, "b": [math.nan, 1.0], "c": (-math.inf,)})

    assert '{"a":null,"b":[null,1.0],"c":[null]}' in data


def test_badges_stand_once_each_in_a_fixed_order():
    assert badges(["quoted", "measured", "quoted"]) == badge("measured") + badge("quoted")


def test_a_badge_says_its_word_to_those_who_cannot_see_it():
    assert Seen(badge("assumed")).text == "A (assumed)"


@given(
    start=st.floats(allow_nan=True, allow_infinity=True), width=st.floats(allow_nan=True, allow_infinity=True)
)
def test_a_mark_never_leaves_its_gauge(start, width):
    style = Seen(gauge("label", [("bar", start, width)], [("note", start)])).attributes[1]["style"]
    assert style is not None
    left, right = (float(part.partition(":")[2].rstrip("%")) for part in style.split(";"))

    assert 0.0 <= left <= 100.0
    assert 0.0 <= right <= 100.0
    assert left + right <= 100.01


def test_a_table_heads_its_rows_and_says_its_order_and_its_name():
    drawn = table(
        caption=text("All ", badge("measured")),
        columns=(Column("name"), Column("latency", "number")),
        rows=[("chosen", ("a < b", Cell("1 ms", 0.001)))],
        abilities="sort",
    )
    seen = Seen(drawn)

    assert isinstance(drawn, Html)
    assert '<th scope="row" class="words">a &lt; b</th>' in drawn
    assert '<td class="number" data-order="0.001">1 ms</td>' in drawn
    assert seen.attributes[seen.tags.index("table")]["aria-label"] == "All M (measured)"


def test_a_long_table_scrolls_in_a_window_of_its_own():
    rows = [("", (str(number),)) for number in range(TALL + 1)]

    assert '"scroll tall"' in table(caption="", columns=(Column("n"),), rows=rows, abilities="")
    assert '"scroll"' in table(caption="", columns=(Column("n"),), rows=rows[:-1], abilities="")
