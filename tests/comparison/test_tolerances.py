"""Every quantity has a tolerance with a reason, and the one that is meant."""

from receptive.comparison.tolerances import OTHERWISE, TOLERANCES, tolerance


def test_the_first_pattern_that_fits_holds():
    assert tolerance("networks.parameters").limit(5, 5) == 0
    assert tolerance("networks.validation.top1").allows(0.75, 0.7509)
    assert not tolerance("networks.validation.top1").allows(0.75, 0.752)
    assert tolerance("claim 5.agreement, p1") is TOLERANCES["claim 5.*"]
    assert tolerance("claim 11.colour") is TOLERANCES["claim *"]
    assert tolerance("maximization.ok").allows(9, 10)
    assert tolerance("a stage to come.number") is OTHERWISE


def test_the_limit_grows_with_the_values():
    assert OTHERWISE.limit(-200.0, 100.0) == 1e-6 + 200 * 1e-5
    assert all(allowed.reason for allowed in TOLERANCES.values())
