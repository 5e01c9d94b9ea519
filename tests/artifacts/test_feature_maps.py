"""data/feature_maps: one image and the maps of some layers, also of one that is called "image"."""

from pathlib import Path

import numpy as np
import pytest
from contracts import files, refuses_missing_and_damaged

from receptive.artifacts.feature_maps import FeatureMaps, read_feature_maps, write_feature_maps
from receptive.errors import ReceptiveError

FOLDER = Path("data/feature_maps/toy")
MADE = FeatureMaps(
    np.arange(12, dtype=np.uint8).reshape(2, 2, 3),
    {"image": 7, "class": "bee"},
    {"c1.relu": np.ones((4, 2, 2), np.float32), "image": np.zeros((5, 1, 1), np.float32)},
)


@pytest.fixture(autouse=True)
def _stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write_feature_maps("toy", MADE, {"silent_channels.c1": 0}) == FOLDER


def test_image_facts_and_maps_are_read_back():
    stored = read_feature_maps("toy")
    np.testing.assert_array_equal(stored.image, MADE.image)
    assert stored.facts == MADE.facts
    assert list(stored.maps) == ["c1.relu", "image"]
    for layer, values in MADE.maps.items():
        np.testing.assert_array_equal(stored.maps[layer], values)
    assert set(files(FOLDER)) == {"maps.npz", "image.json", "metrics.json"}


@pytest.mark.parametrize("file", ["maps.npz", "image.json"])
def test_missing_and_damaged_files_are_named_with_the_cure(file):
    refuses_missing_and_damaged(FOLDER / file, "feature_maps@toy", lambda: read_feature_maps("toy"))


def test_maps_without_their_image_are_refused():
    np.savez(FOLDER / "maps.npz", **{"layer c1.relu": np.zeros((1, 1, 1))})
    with pytest.raises(ReceptiveError, match=r"^data/feature_maps/toy/maps.npz is damaged \('image'\)"):
        read_feature_maps("toy")
