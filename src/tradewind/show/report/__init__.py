"""The report: a whole run on one page that works offline and can be sent to anybody.

In: a story, that is what a run has produced so far (`domain.story`). Out: one HTML document with its style,
script and data inside. It decides nothing: numbers come from the nouns.
"""

from tradewind.show.report.page import explanation_page, render, render_explained, write

__all__ = ["explanation_page", "render", "render_explained", "write"]
