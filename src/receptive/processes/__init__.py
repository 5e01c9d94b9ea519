"""How processes are started, joined and ended; nothing here has a say in results."""
