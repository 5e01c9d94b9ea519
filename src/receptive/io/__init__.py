"""For the move only."""
