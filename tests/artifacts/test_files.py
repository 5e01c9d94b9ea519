"""Files that are written whole or not at all, and what reading says of those that are missing or damaged."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from damages import BINARY, JSON, files, message_of_damage

from receptive.artifacts.files import digest_files, read_arrays, read_json, read_table, write_json, write_table, writing
from receptive.errors import ReceptiveError


def test_writing_moves_the_whole_folder(tmp_path):
    target = tmp_path / "deep" / "target"
    with writing(target) as new:
        assert not target.exists()
        assert new.parent == target.parent  # the same disk, so that it can be moved at once
        (new / "a").write_text("1")
    assert files(tmp_path) == {"deep/target/a": b"1"}
    with writing(target) as new:
        (new / "b").write_text("2")
        assert files(target) == {"a": b"1"}
    assert files(tmp_path) == {"deep/target/b": b"2"}


@pytest.mark.parametrize("error", [OSError(28, "no space"), KeyboardInterrupt(), ReceptiveError("no")])
def test_writing_keeps_the_old_folder_after_an_error(tmp_path, error):
    def fill(text, error=None):
        with writing(tmp_path / "target") as new:
            (new / "a").write_text(text)
            (new / "deeper").mkdir()
            if error:
                raise error

    with pytest.raises(type(error)):
        fill("1", error)
    assert list(tmp_path.iterdir()) == []
    fill("2")
    with pytest.raises(type(error)):
        fill("3", error)
    assert files(tmp_path) == {"target/a": b"2"}
    assert list(tmp_path.iterdir()) == [tmp_path / "target"]


def test_writing_starts_afresh_after_a_kill(tmp_path):
    (tmp_path / ".target.part").mkdir()
    (tmp_path / ".target.part" / "left over").write_text("half")
    with writing(tmp_path / "target") as new:
        (new / "a").write_text("1")
    assert files(tmp_path) == {"target/a": b"1"}


def test_json_is_sorted_and_read_back(tmp_path):
    path = tmp_path / "a.json"
    value = {"b": [1, 2.5, None], "a": {"d": "ä", "c": True}}
    write_json(path, value)
    assert read_json(path, "x") == value
    other = tmp_path / "b.json"
    write_json(other, {"a": {"c": True, "d": "ä"}, "b": [1, 2.5, None]})
    assert other.read_bytes() == path.read_bytes()


# Reading

PATH = Path("data/x")


@pytest.fixture
def written(tmp_path, monkeypatch):
    """One file of each kind, in data/x of the working folder."""
    monkeypatch.chdir(tmp_path)
    write_table(PATH / "a.parquet", pd.DataFrame({"one": [1, 2], "two": ["a", "b"]}, index=[7, 5]))
    write_json(PATH / "a.json", {"one": 1, "two": 2})
    np.savez(PATH / "a.npz", one=np.arange(3), two=np.ones((2, 2), np.uint8))


READERS = {"a.parquet": read_table, "a.json": read_json, "a.npz": read_arrays}


def test_tables_and_arrays_are_read_back(written):
    assert read_table(PATH / "a.parquet", "x", ["two"]).to_dict("list") == {"one": [1, 2], "two": ["a", "b"]}
    arrays = read_arrays(PATH / "a.npz", "x")
    assert {name: array.tolist() for name, array in arrays.items()} == {"one": [0, 1, 2], "two": [[1, 1], [1, 1]]}
    assert arrays["two"].dtype == np.uint8


@pytest.mark.parametrize("name", READERS)
def test_missing_files_are_named_with_the_cure(written, name):
    (PATH / name).unlink()
    with pytest.raises(ReceptiveError) as caught:
        READERS[name](PATH / name, "make@x")
    assert str(caught.value) == f"data/x/{name} is missing: run 'dvc repro make@x'"


@pytest.mark.parametrize(
    ("name", "damage"),
    [(name, damage) for name in READERS for damage in (JSON if name.endswith("json") else BINARY)],
)
def test_damaged_files_are_named_with_the_cure(written, name, damage):
    damage(PATH / name)
    with pytest.raises(ReceptiveError) as caught:
        READERS[name](PATH / name, "make@x")
    assert message_of_damage(PATH / name, "make@x", str(caught.value))


@pytest.mark.parametrize("name", ["a.parquet", "a.json"])
def test_what_lacks_a_name_is_refused(written, name):
    with pytest.raises(ReceptiveError) as caught:
        READERS[name](PATH / name, "make@x", ["one", "three", "four"])
    assert str(caught.value).startswith(f"data/x/{name} is damaged (it lacks three, four): remove it and run")


def test_digests_are_of_the_contents_in_order(tmp_path):
    (tmp_path / "a").write_bytes(b"ab")
    (tmp_path / "b").write_bytes(b"c")
    # NIST's example of SHA-256
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest_files(tmp_path / "a", tmp_path / "b") == expected
    assert digest_files(tmp_path / "b", tmp_path / "a") == hashlib.sha256(b"cab").hexdigest()
