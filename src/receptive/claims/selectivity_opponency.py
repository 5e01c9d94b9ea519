"""Claim 2: ResNet has double-opponent colour neurons."""

from receptive.claims.row import Row
from receptive.claims.selectivity_orientation import CONTROL as CONTROL  # the same two controls
from receptive.claims.selectivity_orientation import share_rows
from receptive.claims.study import Study

NUMBER = 2
TITLE = "Double-opponent colour units"
STATEMENT = "ResNet has double-opponent colour neurons: opponent in colour and in space."
SOURCE = "KS, abstract and section 4 (conclusion)"
STATISTIC = (
    "The share of double-opponent units of the trained network, less that of a control, with intervals as in claim 1. "
    "Double opponent: isoluminant colour moves the unit at least selectivity.colour_index times as much as "
    "luminance, it tells the ends of the colour axis apart, and uniform colour moves it at most selectivity.uniform "
    "times as much as the best colour grating (Johnson et al. 2001; Shapley & Hawken 2011). Silent units are left out; "
    "the interval takes units for independent."
)
RULE = (
    "Decided by the low layers of resnet34 (receptive field within the image) against both controls. Single "
    "layers, high layers and other networks are shown beside."
)


def measure(study: Study) -> list[Row]:
    """Shares of double-opponent units against both controls."""
    return share_rows(study, "double_opponent")
