"""``python -m receptive`` is the command ``receptive``."""

from receptive.cli import main

main()
