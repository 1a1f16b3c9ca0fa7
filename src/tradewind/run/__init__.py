"""A plan becomes something that runs; and the market, where plans find what they may rent.

In: plans, variants, price lists. Out: processes that serve and drive load, and the catalogue as it was on
its day. Nothing here decides what is better: that is `decide`.
"""
