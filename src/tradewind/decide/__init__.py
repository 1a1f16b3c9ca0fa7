"""Facts in, decisions out.

Nothing here touches a file, a socket, a clock or unseeded chance: dates, seeds and tables are arguments,
so the same inputs give the same plan.
Inside, imports point down: diagnosis → planning → control → prediction → catalog.
"""
