"""One module a published list: its own words become rows, with who states them.

Nothing is judged here but what only that list gets wrong; the rest is for `invariants`.
"""
