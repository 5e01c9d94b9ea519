"""Planted differences of every class are called what they are, and chance alone is not called a difference."""

import math
from dataclasses import replace

import numpy as np
import pytest
from kept import results, row
from scipy import stats

from receptive.claims.row import not_measured
from receptive.comparison.comparing import LEVEL, chance, changes, compare, holm
from receptive.comparison.pages import headline, markdown, plain
from receptive.comparison.quantities import Quantity
from receptive.errors import ReceptiveError

STAGE = ("sparsity", "vggcnn", "zero_fraction.c1")


def outcomes(first, second):
    return {row.name.quantity: row.outcome for row in compare(first, second).rows}


def one(values, others):
    """The outcome of one number of a stage with these trainings."""
    return outcomes(results({}, {STAGE: values}), results({}, {STAGE: others}))[STAGE[2]]


def test_each_planted_difference_is_called_what_it_is():
    assert one([0.25], [0.25]) == "same"
    assert one([0.25], [0.25 + 9e-6]) == "within rounding"  # the stated tolerance is 1e-5
    assert one([0.25], [0.25 + 2e-5]) == "different"  # one training each: nobody knows the spread
    assert one([0.24, 0.25, 0.26], [0.262]) == "within training spread"
    assert one([0.24, 0.25, 0.26], [0.8]) == "different"
    assert one([0.25], [0.24, 0.25, 0.27]) == "within training spread"
    assert one([0.25, 0.26], [0.25, 0.26]) == "same"


def test_a_row_is_judged_by_its_own_interval_and_called_so():
    def called(value, half, trainings=1):
        planted = {7: [row("vggcnn", value, half, trainings)]}
        return outcomes(results({7: [row("vggcnn", 0.5, 0.1)]}, {}), results(planted, {}))["rise"]

    assert called(0.5, 0.1) == "same"
    assert called(0.50005, 0.1) == "within rounding"
    assert called(0.6, 0.1) == "within its interval"  # 0.1 apart, each known to within 0.1: z = 1.39
    assert called(0.9, 0.1) == "different"
    assert called(0.6, 0.1, trainings=3) == "within training spread"


def test_what_is_missing_counts_and_what_is_new_does_not():
    whole = results({7: [row("vggcnn", 0.5, 0.1)]}, {STAGE: [0.25]})
    part = results({7: [not_measured("rise", "no data", networks=("vggcnn",), trainings=("vggcnn",))]}, {STAGE: [0.25]})
    assert outcomes(whole, part)["rise"] == "missing"
    assert not compare(whole, part).agree
    assert outcomes(part, whole)["rise"] == "new"
    assert compare(part, whole).agree
    assert outcomes(part, part)["rise"] == "same"
    other = results({}, {("sparsity", "alexcnn", "zero_fraction.c1"): [0.25]})
    with pytest.raises(ReceptiveError, match=r"^A and B have no quantity in common: they are of other networks$"):
        compare(whole, other)


def test_a_claim_whose_verdict_flipped_comes_first_and_counts():
    first = results({7: [row("vggcnn", 0.05, 0.06)]}, {STAGE: [0.25]}, {7: "undecided", 8: "supported"})
    second = results({7: [row("vggcnn", 0.07, 0.06)]}, {STAGE: [0.25]}, {7: "supported", 8: "supported"})
    comparison = compare(first, second, ("here", "there"))
    assert comparison.flips == [(7, "Title 7", "undecided", "supported")]
    assert comparison.counts["different"] == 0
    assert not comparison.agree
    text = markdown(comparison, 20)
    assert text.index("7. Title 7") < text.index("## Rows of claims") < text.index("## All quantities")
    assert "1 claims with another verdict" in headline(comparison)


# The test of chance, against other ways of computing it


def test_one_training_beside_several_is_the_prediction_interval():
    values = np.array([0.61, 0.64, 0.58, 0.66])
    half = stats.t.ppf(0.975, 3) * values.std(ddof=1) * math.sqrt(1 + 1 / 4)
    for sign in (-1, 1):
        edge = chance(Quantity(tuple(values), 4), Quantity((values.mean() + sign * half,), 1))
        assert edge.p == pytest.approx(0.05)
        assert edge.of == "4 and 1 trainings"


def test_several_trainings_on_both_sides_are_students_test():
    first, second = np.array([0.61, 0.64, 0.58]), np.array([0.7, 0.66, 0.69, 0.65, 0.71])
    found = chance(Quantity(tuple(first), 3), Quantity(tuple(second), 5))
    assert found.p == pytest.approx(stats.ttest_ind(first, second).pvalue)


def with_interval(values) -> Quantity:
    """A row as the claims make one of several trainings: the mean with Student's interval."""
    mean = float(np.mean(values))
    half = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return Quantity((mean,), len(values), mean - half, mean + half, "trainings")


def test_rows_over_trainings_are_judged_as_if_their_values_were_known():
    values = [0.61, 0.64, 0.58, 0.66]
    known, of_mean = Quantity(tuple(values), 4), with_interval(values)
    other = Quantity((0.75,), 1, 0.7, 0.8, "images")
    assert chance(of_mean, other).p == pytest.approx(chance(known, replace(other)).p)
    assert chance(other, of_mean).p == pytest.approx(chance(known, other).p)
    second = [0.7, 0.66, 0.69, 0.65, 0.71]
    welch = stats.ttest_ind(values, second, equal_var=False).pvalue
    assert chance(of_mean, with_interval(second)).p == pytest.approx(welch)


def test_single_trainings_are_judged_by_the_facing_ends_of_their_intervals():
    low, high = Quantity((0.2,), 1, 0.0, 0.5, "units"), Quantity((0.6,), 1, 0.2, 0.65, "units")
    z = 0.4 / (math.hypot(0.3, 0.4) / 1.959964)
    assert chance(low, high).p == pytest.approx(2 * stats.norm.sf(z), rel=1e-5)
    assert chance(high, low).p == pytest.approx(chance(low, high).p)
    assert chance(low, high).of == "interval over units"
    alone = Quantity((0.6,))
    assert chance(alone, alone) is None
    assert chance(low, low).p == 1
    both = 0.4 / (math.sqrt(2) * 0.3 / 1.959964)  # an interval that one side lacks is taken to be as wide
    assert chance(low, alone).p == pytest.approx(2 * stats.norm.sf(both), rel=1e-5)


def test_trainings_that_all_agree_have_no_spread():
    assert one([0.25, 0.25, 0.25], [0.25]) == "same"
    assert one([0.25, 0.25, 0.25], [0.3]) == "different"


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_chance_alone_is_called_a_difference_in_one_study_of_twenty():
    """400 pairs of studies of 50 quantities, 4 trainings each, of the same distributions."""
    rng = np.random.default_rng(0)
    sides = rng.normal(size=(2, 400, 50, 4))
    p = stats.ttest_ind(*sides, axis=-1).pvalue
    wrong = np.mean([min(holm(study)) < LEVEL for study in p])
    assert wrong < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 400)
    quantity = [Quantity(tuple(side[0, 0]), 4) for side in sides]
    assert chance(*quantity).p == pytest.approx(p[0, 0])


def test_parameters_and_versions_that_differ_are_listed():
    first = {"seed": 0, "train": {"vggcnn": {"epochs": 3, "width": 1}}}
    second = {"seed": 0, "train": {"vggcnn": {"epochs": 4, "width": 1}}, "device": "cpu"}
    assert changes(first, second) == [("train.vggcnn.epochs", 3, 4), ("device", None, "cpu")]
    here = results({}, {STAGE: [0.25]}, params=first, versions={"python": "3.11"})
    there = results({}, {STAGE: [0.25]}, params=second, versions={"python": "3.12"})
    comparison = compare(here, there)
    assert comparison.agree  # the numbers are what counts
    assert "| train.vggcnn.epochs | 3" in markdown(comparison, 20)
    assert plain(comparison)["versions"] == {"python": {"first": "3.11", "second": "3.12"}}
    assert compare(here, there._replace(versions={})).versions == []  # not recorded is no difference


def test_long_tables_are_cut_and_say_so():
    many = {("sparsity", "vggcnn", f"q{number}"): [float(number)] for number in range(9)}
    other = {name: [values[0] + 1] for name, values in many.items()}
    comparison = compare(results({}, many), results({}, other))
    assert "7 more: --rows 0 shows all." in markdown(comparison, 2)
    assert "more:" not in markdown(comparison, 0)
    assert "9 of 9 quantities different" in headline(comparison)
    assert "trained once in both studies" in headline(comparison)
