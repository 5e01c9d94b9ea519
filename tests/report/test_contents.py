"""The report's contents: every section once, pictures of the first trainings only."""

import pkgutil

import pandas as pd
import pytest
from studies import Kept, parameters, repeated, write_small_network

from receptive.report import contents, sections
from receptive.report.page import Section


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_small_network("fivecnn")
    params = repeated(parameters("fivecnn"), "fivecnn", 2)
    table = pd.DataFrame({"network": ["fivecnn", "fivecnn-2"], "value": [1, 2]})
    return contents._jobs(params, table, table, Kept(tmp_path))


def test_every_section_stands_in_the_report_once(jobs):
    drawn = [section.__module__.rpartition(".")[2] for _, section, _ in jobs]
    modules = {info.name for info in pkgutil.iter_modules(sections.__path__)}
    parts = {"embedding_maps", "selectivity_card"}  # of the sections embedding and selectivity
    assert sorted(drawn) == sorted(modules - parts)
    assert drawn[:3] == ["prepared", "claims", "training"]
    assert [number for number, *_ in jobs] == list(range(13))


def test_pictures_show_the_first_training_of_each_network(jobs):
    tables = [value for _, _, given in jobs for value in given if isinstance(value, pd.DataFrame)]
    assert len(tables) == 4
    for table in tables:
        assert table["network"].tolist() == ["fivecnn"]


def test_a_section_is_drawn_with_its_place():
    number, section = contents._draw((7, lambda title: Section("anchor", title, "text"), ("Title",)))
    assert (number, section.title) == (7, "Title")


def test_the_head_counts_trainings():
    facts = contents._facts(repeated(parameters("fivecnn"), "fivecnn", 3))
    assert (facts["Networks"], facts["Trainings of each network"]) == ("fivecnn", "3")
    assert facts["Data"] == "collages (collages)"
