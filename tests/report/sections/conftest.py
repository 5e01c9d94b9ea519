"""Every section is built in an empty folder."""

import pytest
from studies import Kept


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write(tmp_path) -> Kept:
    return Kept(tmp_path / "reports")
