"""People: nouns become text, tables and pages.

In: nouns that other rooms made. Out: what a person reads: the command line (`cli`), tables in a terminal
(`tables`) and the page that explains a whole run (`report`). Nothing here decides;
numbers are put into words (`words`), charts and columns.
"""
