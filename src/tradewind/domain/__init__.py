"""The nouns that travel through the system, their units and errors, and the codec of their files.

In: text that people and programs wrote. Out: frozen facts. Nothing here decides, and nothing here
imports more than msgspec until it is asked to read YAML or to make columns.
"""
