"""Weights that are not trained here; a training loads this room only where its recipe asks for such weights."""
