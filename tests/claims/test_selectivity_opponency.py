"""Claim 2 where images have no colour; tests of claim 1 hold for both where they do."""

import planted
from planted import TUNED, tuned

from receptive.claims import selectivity_opponency, selectivity_orientation


def test_images_without_colour_have_no_opponency():
    shares = {"trained": 0.5, "untrained": 0.1, "shuffled": 0.1}
    made = {"resnet34": tuned(shares), "digitcnn": tuned(shares, colour=False)}
    study = planted.study(list(made), selectivity=made.__getitem__, layers=lambda training: TUNED)
    rows = [row for row in selectivity_opponency.measure(study) if row.network == "digitcnn"]
    assert len(rows) == 4  # low and high layers against both controls
    assert {(row.verdict, row.reason) for row in rows} == {("not measured", "its images have no colour")}
    oriented = [row for row in selectivity_orientation.measure(study) if row.network == "digitcnn"]
    assert len(oriented) == 4
    assert all(row.value is not None for row in oriented)


def test_it_is_double_opponent_units_that_are_counted():
    shares = {"trained": 0.5, "untrained": 0.1, "shuffled": 0.1}
    made = {"resnet34": tuned(shares).assign(selective=False)}
    study = planted.study(list(made), selectivity=made.__getitem__, layers=lambda training: TUNED)
    assert next(row for row in selectivity_opponency.measure(study) if row.decides).value > 0.3
    assert next(row for row in selectivity_orientation.measure(study) if row.decides).value == 0
