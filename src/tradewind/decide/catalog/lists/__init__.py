"""One module a published list: its own words become rows, with who states them; nothing is judged here but
what only that list gets wrong. Judging is for `invariants`.
"""
