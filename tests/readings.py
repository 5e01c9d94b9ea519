"""Responses taken into running statistics by the reference."""

from receptive.methods.response_pass import reference


def take_in(statistics, responses):
    """One batch of responses, image x unit x position."""
    statistics.begin(responses)
    statistics.add(reference.read(responses, statistics.counts))
