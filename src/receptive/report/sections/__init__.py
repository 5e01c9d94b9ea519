"""The sections of the report, one file each: what is shown, in which order, and the words around it.

Each has a function ``section`` that reads what the stages left and returns a ``page.Section``.
"""
