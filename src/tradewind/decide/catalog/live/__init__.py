"""Answers of the clouds' price interfaces: each cloud's own form becomes rows, and is doubted as a whole.

In: answers as bytes, as they were sent. Out: a `Read` with prices (and the parts of composed ones), what
broke a rule of the source itself, and what has no place here, counted by kind. An answer that is cut off, or
has another form than it used to have, is a CodecError that names the place; one that decodes but cannot be
true is told by `believable`. Nothing here asks for anything: `run.market.live` does.
"""

from __future__ import annotations

from tradewind.decide.catalog.live.believing import believable

__all__ = ["believable"]
