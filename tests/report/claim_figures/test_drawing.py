"""Every claim has a figure of its own, found by the claim's name, and no figure is without a claim."""

import pkgutil

import pytest

from receptive.claims import registry
from receptive.report import claim_figures
from receptive.report.claim_figures.drawing import has_figure


@pytest.mark.parametrize("claim", registry.claims(), ids=lambda claim: claim.__name__.rpartition(".")[2])
def test_every_claim_has_a_figure(claim):
    assert has_figure(claim)


def test_every_figure_has_its_claim():
    names = {info.name for info in pkgutil.iter_modules(claim_figures.__path__)} - {"drawing"}
    assert names == {claim.__name__.rpartition(".")[2] for claim in registry.claims()}
