"""Where networks are loaded, measured and changed.

In: references to the user's code, and facts about what was asked. Out: variants, profiles and the
measured front, as nouns. Only rooms below this one import tensor libraries, and only when they are used.
"""
