"""Verdicts keep their promise over all claims: null worlds are seldom decided, planted effects are found."""

from types import SimpleNamespace

import numpy as np
import planted
import pytest

from receptive.claims import registry
from receptive.claims.row import across_trainings, measured, not_measured, overall
from receptive.claims.smallest_effects import BY_CLAIM, Smallest, of_claim
from receptive.claims.verdicts import (
    LEVEL,
    SETTINGS,
    counted_by,
    flips,
    judged,
    standard_error,
    steadiness,
    what_would_decide,
    with_smallest,
)
from receptive.methods.inference import bootstrap, difference_of_shares, over_trainings


def row(value: float, half: float, smallest: float | None = 0.1, over: str = "images", **more):
    return measured("it", (value, value - half, value + half), over, smallest=smallest, images=100, units=7, **more)


def verdicts(*rows, **setting) -> list[str]:
    return [each.verdict for each in judged({1: list(rows)}, **setting)[1]]


def test_a_row_is_supported_contradicted_equivalent_or_undecided():
    assert verdicts(row(0.5, 0.1)) == ["supported"]
    assert verdicts(row(-0.5, 0.1)) == ["contradicted"]
    assert verdicts(row(0.0, 0.05)) == ["equivalent"]
    assert verdicts(row(0.0, 0.2)) == ["undecided"]
    assert verdicts(row(0.5, 0.1, threshold=0.45)) == ["undecided"]
    assert verdicts(row(0.5, 0.02, threshold=0.48)) == ["equivalent"]


def test_a_difference_that_does_not_matter_supports_nothing():
    assert verdicts(row(0.05, 0.01)) == ["equivalent"]
    assert verdicts(row(0.05, 0.01, smallest=None)) == ["supported"]
    assert verdicts(row(0.05, 0.01), size=0.5) == ["supported"]


def test_verdicts_allow_for_the_number_of_rows_of_all_claims():
    alone = row(0.5, 0.45)
    others = [row(0.0, 0.2, smallest=None) for _ in range(9)]
    assert verdicts(alone) == ["supported"]  # p is 0.029
    assert judged({1: [alone], 2: others})[1][0].verdict == "undecided"
    beside = [row(0.0, 0.2, decides=False) for _ in range(9)]
    assert judged({1: [alone], 2: beside})[1][0].verdict == "supported"
    missing = [not_measured("it", "none") for _ in range(9)]
    assert judged({1: [alone], 2: missing}) == {1: judged({1: [alone]})[1], 2: missing}


def test_rows_beside_keep_the_verdict_of_their_interval():
    beside = row(0.05, 0.01, decides=False)
    assert judged({1: [beside, row(0.0, 0.2)]})[1][0] is beside


def test_corrected_ps_are_those_of_the_verdict():
    (found,) = judged({1: [row(0.0, 0.05)]})[1]
    assert found.p_equivalent < LEVEL
    assert found.p_different == 1
    (without,) = judged({1: [measured("it", (1.0, np.nan, np.nan), "images")]})[1]
    assert (without.p_different, without.p_equivalent, without.verdict) == (None, None, "undecided")


def test_other_settings_are_tried_and_flips_counted():
    rows = judged({1: [row(0.5, 0.45)], 2: [row(0.5, 0.01)]})
    found = steadiness(rows)
    assert list(found[1]) == [setting.name for setting in SETTINGS]
    assert found[2] == dict.fromkeys(found[2], "supported")
    assert flips(rows)[2] == 0
    narrow = judged({1: [row(0.0, 0.07)]})
    assert overall(narrow[1]) == "equivalent"
    assert steadiness(narrow)[1]["half the smallest effects"] == "undecided"
    assert flips(narrow) == {1: 1}
    weak = judged({1: [row(0.5, 0.45)]})
    assert steadiness(weak)[1] == {
        "level 0.01": "undecided", "level 0.10": "supported", "half the smallest effects": "supported",
        "twice the smallest effects": "supported",
    }  # fmt: skip


def test_what_an_interval_is_over_is_what_would_decide():
    assert counted_by(row(0, 1, over="images, paired")) == ("images", 100)
    assert counted_by(row(0, 1, over="units")) == ("units", 7)
    assert counted_by(row(0, 1, over="classes")) == ("classes", 7)
    assert counted_by(row(0, 1, over="first filters, dealt at random")) == ("filters", 7)
    several = [planted_training(name, value) for name, value in (("a", 0.0), ("a-2", 0.3), ("a-3", 0.1))]
    assert counted_by(across_trainings(several)) == ("trainings", 3)


def planted_training(name: str, value: float):
    return row(value, 0.1, networks=("a",), trainings=(name,))


def test_the_standard_error_is_that_of_the_values():
    values = np.random.default_rng(0).normal(size=8)
    found = measured("it", over_trainings(values), "images")
    assert standard_error(found) == pytest.approx(values.std(ddof=1) / 8**0.5)
    assert standard_error(not_measured("it", "none")) is None


def test_undecided_rows_say_what_they_need_and_decided_ones_do_not():
    rows = judged({1: [row(0.0, 0.196), row(0.5, 0.1), row(0.055, 0.0539)]})
    first, last = what_would_decide(rows)[1]
    # three rows: (0.1 (z(1 - 0.05 / 6) + z(0.8)) / 0.1)^2 * 100 and (z(1 - 0.05 / 3) + z(0.9)), the greater
    assert (first.counted, first.count, first.number) == ("images", 100, 1163)
    assert "1,163 images instead of 100" in str(first)
    assert "the value lies between" in str(last)


def test_every_row_that_decides_has_a_smallest_effect_with_a_reason():
    for claim in registry.claims():
        smallest = of_claim(claim)
        for quantity, (size, reason) in smallest.items():
            assert size > 0
            assert len(reason) > 10, (claim.__name__, quantity)
        rows = with_smallest(claim, claim.measure(planted.study([])))
        assert [each.what for each in rows if each.decides and each.smallest is None] == [], claim.__name__
        quantities = {str(quantity) for quantity in getattr(claim, "Quantity", smallest)}
        assert set(smallest) <= quantities, claim.__name__
    assert set(BY_CLAIM) == {claim.__name__.rpartition(".")[2] for claim in registry.claims()}


def test_a_claim_may_state_its_own_smallest_effects():
    claim = SimpleNamespace(__name__="receptive.claims.new", SMALLEST={"it": Smallest(0.3, "because")})
    (found, beside) = with_smallest(claim, [row(0, 1, None), row(0, 1, None, decides=False)])
    assert (found.smallest, beside.smallest) == (0.3, None)


# ------------------------------------------------------------------ simulated studies

SMALLEST = 0.2


def world(rng: np.random.Generator, truth: float) -> dict[int, list]:
    """Rows as the claims make them: 12 of few units, 12 of shares, 12 of images; each differs by ``truth``."""
    few = [measured("it", over_trainings(rng.normal(truth, 0.5, 9)), "units") for _ in range(12)]
    shares = []
    for _ in range(12):
        first, second = rng.binomial(220, 0.15 + max(truth, 0)), rng.binomial(220, 0.15 + max(-truth, 0))
        shares.append(measured("it", difference_of_shares(first, 220, second, 220), "units"))
    images = []
    for _ in range(12):
        values = truth - 1 + rng.gamma(4, 1 / 4, 300)  # skewed
        images.append(measured("it", bootstrap(values, rng=rng, resamples=500), "images"))
    return {number: with_size(rows) for number, rows in enumerate((few, shares, images), 1)}


def with_size(rows: list) -> list:
    claim = SimpleNamespace(__name__="none", SMALLEST={"it": Smallest(SMALLEST, "planted")})
    return with_smallest(claim, rows)


def share_of_worlds(truth: float, wrong: set[str], worlds: int = 200) -> float:
    """In how many simulated studies any row has one of the verdicts ``wrong``."""
    hit = 0
    for seed in range(worlds):
        rows = judged(world(np.random.default_rng(seed), truth))
        hit += any(each.verdict in wrong for of_one in rows.values() for each in of_one)
    return hit / worlds


@pytest.mark.slow
def test_where_there_is_nothing_any_difference_is_seldom_found():
    assert share_of_worlds(0.0, {"supported", "contradicted"}) <= LEVEL + 3 * (LEVEL * (1 - LEVEL) / 200) ** 0.5


@pytest.mark.slow
def test_where_the_effect_just_matters_equivalence_is_seldom_found():
    assert share_of_worlds(SMALLEST, {"equivalent"}) <= LEVEL + 3 * (LEVEL * (1 - LEVEL) / 200) ** 0.5
    assert share_of_worlds(-SMALLEST, {"equivalent"}, 100) <= LEVEL + 3 * (LEVEL * (1 - LEVEL) / 100) ** 0.5


def test_planted_effects_are_found():
    rng = np.random.default_rng(0)
    found = judged({1: [row(1.0, 0.2) for _ in range(20)] + [row(0.0, 0.03) for _ in range(20)], 2: world(rng, 0.0)[1]})
    assert [each.verdict for each in found[1]] == ["supported"] * 20 + ["equivalent"] * 20
    large = judged(world(rng, 0.75))
    decided = [each.verdict for of_one in large.values() for each in of_one]
    assert decided.count("supported") >= 30
    assert "contradicted" not in decided
    assert "equivalent" not in decided


def test_the_docs_list_every_smallest_effect():
    page = (planted.ROOT / "docs/claims.md").read_text()
    rows = [line for line in page.splitlines() if line.count("|") == 5]
    for claim in registry.claims():
        for quantity, (size, reason) in of_claim(claim).items():
            assert f"| {claim.NUMBER} | {quantity} | {size:g} | {reason} |" in rows
