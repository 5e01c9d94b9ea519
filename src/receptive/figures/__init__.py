"""The figures: one function each, from tables and arrays to a matplotlib Figure; nothing is read or saved here."""
