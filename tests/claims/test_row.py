"""Rows are judged by their intervals alone, put together over trainings, and judged together."""

import numpy as np
import pytest
from scipy import stats

from receptive.claims.row import (
    Row,
    across_trainings,
    beyond_untrained,
    decide,
    measured,
    not_measured,
    overall,
    speaks_of,
)
from receptive.methods.inference import Estimate, over_trainings


def of(training: str, row: Row) -> Row:
    """The row as ``Study.across`` marks it."""
    networks = tuple(name.partition("-")[0] for name in training.split(" "))
    return Row(**{**vars(row), "networks": networks, "trainings": tuple(training.split(" "))})


@pytest.mark.parametrize(
    ("low", "high", "threshold", "verdict"),
    [
        (0.1, 0.3, 0, "supported"),
        (-0.3, -0.1, 0, "contradicted"),
        (-0.1, 0.1, 0, "undecided"),
        (0.0, 0.1, 0, "undecided"),  # touches
        (0.1, 0.3, 0.2, "undecided"),
        (0.1, 0.3, 0.05, "supported"),
        (0.1, 0.3, 0.35, "contradicted"),
        (None, None, 0, "undecided"),
        (float("nan"), float("nan"), 0, "undecided"),
    ],
)
def test_the_verdict_is_that_of_the_interval(low, high, threshold, verdict):
    assert decide(low, high, threshold) == verdict


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ("", "not measured"),
        ("n", "not measured"),
        ("s", "supported"),
        ("ss", "supported"),
        ("sn", "undecided"),
        ("su", "undecided"),
        ("sc", "mixed"),
        ("se", "mixed"),
        ("ce", "mixed"),
        ("scu", "undecided"),
        ("sen", "undecided"),
        ("c", "contradicted"),
        ("cc", "contradicted"),
        ("cu", "undecided"),
        ("cn", "undecided"),
        ("ee", "equivalent"),
        ("eu", "undecided"),
        ("un", "undecided"),
    ],
)
def test_a_claim_is_judged_by_the_rows_that_decide(verdicts, whole):
    words = {
        "s": "supported", "c": "contradicted", "e": "equivalent", "u": "undecided", "n": "not measured"
    }  # fmt: skip
    rows = [Row(quantity="q", what="q", layer=str(i), verdict=words[letter]) for i, letter in enumerate(verdicts)]
    beside = [Row(quantity="q", what="q", layer="beside", verdict=word, decides=False) for word in words.values()]
    assert overall(rows + beside) == whole


def test_a_row_holds_no_nan_and_says_its_quantity_where_no_words_are_given():
    row = measured("share", (1, np.nan, np.inf), "units", control=np.nan)
    assert (row.value, row.low, row.high, row.control, row.what) == (1, None, None, None, "share")
    assert np.isnan(row.estimate[1:]).all()
    assert measured("share", (1, 0, 2), "units", what="share of units").what == "share of units"
    assert not_measured("share", "no data").verdict == "not measured"


def test_a_row_names_networks_and_counts_their_trainings():
    row = Row(quantity="q", what="q", networks=("a", "b"), trainings=("a", "b", "a-2", "b-2", "a-3", "b-3"))
    assert (row.network, row.repeats) == ("a - b", 3)
    assert Row(quantity="q", what="q").repeats == 0


def test_one_training_stays_as_it_is():
    row = of("resnet34", measured("it", (2, 1, 3), "images"))
    assert across_trainings([row]) is row


def test_several_trainings_give_an_interval_over_trainings():
    spread = 4.3027 / 3**0.5  # Student's t, two degrees of freedom, standard deviation 1
    for over, within in (("images", 5), ("units", 5 / 3**0.5)):  # images are shared, units each training's own
        rows = [
            of(
                name,
                measured("it", (value, value - 5, value + 5), over, control=0.5, images=9, published=7.0, layer="c"),
            )
            for name, value in (("resnet34", 1), ("resnet34-2", 2), ("resnet34-3", 3))
        ]
        assert {row.verdict for row in rows} == {"undecided"}
        row = across_trainings(rows)
        assert (row.networks, row.trainings) == (("resnet34",), ("resnet34", "resnet34-2", "resnet34-3"))
        assert (row.over, row.repeats, row.value, row.layer) == (f"trainings and {over}", 3, 2, "c")
        assert (row.low, row.high) == pytest.approx((2 - np.hypot(spread, within), 2 + np.hypot(spread, within)), 1e-4)
        assert row.verdict == "undecided"
        assert (row.images, row.published, row.control) == (9, 7.0, 0.5)


def test_trainings_that_agree_by_chance_promise_nothing():
    rows = [of(name, measured("it", (0.1, -0.2, 0.3), "units")) for name in ("a", "a-2")]
    row = across_trainings(rows)
    assert (row.low, row.high) == pytest.approx((0.1 - 0.3 / 2**0.5, 0.1 + 0.2 / 2**0.5))
    assert row.verdict == "undecided"


def test_trainings_without_a_number_are_named():
    rows = [
        of("a b", measured("it", (1, 0.5, 2), "images")),
        of("a-2 b-2", not_measured("it", "no unit")),
        of("a-3 b-3", measured("it", (1.2, 0.5, 2), "images")),
    ]
    row = across_trainings(rows)
    assert (row.network, row.trainings) == ("a - b", ("a", "b", "a-3", "b-3"))
    assert row.reason == "a-2 - b-2: no unit"
    alone = across_trainings(rows[:2])
    assert (alone.value, alone.trainings, alone.reason) == (1, ("a", "b"), "a-2 - b-2: no unit")
    none = across_trainings([rows[1], of("a-3 b-3", not_measured("it", "no unit"))])
    assert (none.network, none.verdict, none.value, none.repeats) == ("a - b", "not measured", None, 2)
    assert none.reason == "a-2 - b-2: no unit; a-3 - b-3: no unit"


def test_one_training_speaks_of_itself_alone():
    single = of("a", measured("it", (1, 0.5, 2), "images"))
    several = across_trainings([of(name, measured("so", (1, 0.5, 2), "images")) for name in ("a", "a-2")])
    beside, nothing = of("b", measured("it", (1, 0.5, 2), "units", decides=False)), not_measured("it", "no data")
    assert speaks_of([several, nothing, beside]) == "networks trained like these"
    assert speaks_of([several, single]) == "these trained networks alone"
    assert speaks_of([nothing, beside]) == ""


def test_untrained_draws_are_a_prediction_interval_beside_one_training():
    """A trained value without a spread of its own: is it one more draw (Student's t; s sqrt(1 + 1/n))?"""
    draws = [0.1, 0.3, 0.2, 0.4]
    row = across_trainings(
        [of("a", beyond_untrained("it", Estimate(1.0, 1.0, 1.0), draws, "units", beyond="untrained"))]
    )
    half = stats.t.ppf(0.975, 3) * np.std(draws, ddof=1) * (1 + 1 / 4) ** 0.5
    assert (row.value, row.low, row.high) == pytest.approx((0.75, 0.75 - half, 0.75 + half))
    assert (row.control, row.draws, row.over, row.beyond) == (
        0.25,
        (0.1, 0.3, 0.2, 0.4),
        "units and untrained draws",
        "untrained",
    )
    assert (row.control_low, row.control_high) == pytest.approx(over_trainings(draws)[1:])
    assert row.freedom == pytest.approx(3)
    assert row.verdict == "supported"


def test_the_trained_networks_own_interval_is_joined_with_the_spread_of_the_draws():
    draws = [0.0, 1.0]
    row = across_trainings([of("a", beyond_untrained("it", Estimate(5.0, 3.0, 9.0), draws, "images"))])
    half = stats.t.ppf(0.975, 1) * 0.5**0.5 * 1.5**0.5
    assert (row.low, row.high) == pytest.approx((4.5 - np.hypot(2, half), 4.5 + np.hypot(4, half)))
    same = across_trainings([of("a", beyond_untrained("it", Estimate(5.0, 3.0, 9.0), [1.0, 1.0], "images"))])
    assert (same.low, same.high) == (2.0, 8.0)  # draws that agree by chance take nothing away


def test_several_trainings_have_a_spread_of_their_own_beside_the_same_draws():
    draws = [0.1, 0.3, 0.2, 0.4]
    values = [1.0, 1.2, 1.4]
    rows = [
        of(name, beyond_untrained("it", Estimate(value, value, value), draws, "units"))
        for name, value in zip(("a", "a-2", "a-3"), values, strict=True)
    ]
    row = across_trainings(rows)
    own = stats.t.ppf(0.975, 2) * np.std(values, ddof=1) / 3**0.5
    of_draws = stats.t.ppf(0.975, 3) * np.std(draws, ddof=1) / 4**0.5
    assert (row.value, row.high - row.value) == pytest.approx((0.95, np.hypot(own, of_draws)))
    assert (row.control, row.draws, row.repeats) == (0.25, tuple(draws), 3)
    assert row.over == "trainings and units and untrained draws"


@pytest.mark.slow
@pytest.mark.parametrize(("trainings", "draws"), [(1, 5), (1, 20), (3, 5), (5, 20)])
def test_trained_networks_that_learned_nothing_are_seldom_told_from_untrained_ones(trainings, draws):
    """Networks differ (normal, 1) and images are shared (normal, 0.5): about 95% or more of intervals hold 0."""
    rng, inside, worlds = np.random.default_rng(0), 0, 1000
    for _ in range(worlds):
        error = 0.5 * rng.normal()  # of the images, of all trained networks
        values, control = rng.normal(size=trainings) + error, rng.normal(size=draws)
        rows = [
            of(
                f"a-{number}",
                beyond_untrained("it", Estimate(value, value - 0.98, value + 0.98), list(control), "images"),
            )
            for number, value in enumerate(values)
        ]
        row = across_trainings(rows)
        inside += row.low < 0 < row.high
    assert inside / worlds >= 0.93
