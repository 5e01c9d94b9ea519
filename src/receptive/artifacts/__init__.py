"""The data contracts: one module per folder of ``data/``, each with what it writes and reads."""
