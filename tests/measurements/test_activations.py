"""Tables of all responses: against hooks of their own and numpy, in one process and shared among several."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from graph import PROJECT, stages
from studies import parameters, write_images, write_small_network
from subjects import noisy_images, subject_of, validation_views

from receptive import networks
from receptive.artifacts.activations import COLUMNS
from receptive.artifacts.checkpoints import source_files
from receptive.errors import ReceptiveError
from receptive.measurements.activations import CODE, measure, measure_shards, merge_shards, shard_rows, shards_folder
from receptive.measurements.subject import Subject
from receptive.methods.response_histogram import histogram_edges
from receptive.networks.parts.blocks import initialise
from receptive.networks.parts.normalisation import Normalisation
from receptive.parallel.workers import ALONE, Workers
from receptive.params.sections import Extract

SIDE, IMAGES, CONTROL = 8, 7, 3
SETTINGS = Extract(top=8, hits_per_image=1, control_images=CONTROL, batch_size=2, shards=1)


def network(seed: int):
    made = networks.build("digitcnn", 2, SIDE, 3, width=0.125)
    initialise(made, torch.Generator().manual_seed(seed))
    return made


@pytest.fixture(scope="module")
def prepared():
    return noisy_images(SIDE, [0, 1] * 5, training=3)


@pytest.fixture(scope="module")
def normalisation(prepared):
    return Normalisation.fit("whiten", prepared.mean, prepared.std, prepared.covariance, prepared.mean_image)


@pytest.fixture(scope="module")
def subject(prepared, normalisation):
    return subject_of(network(0), prepared, normalisation, "digitcnn")


@pytest.fixture(scope="module")
def untrained(prepared, normalisation):
    return subject_of(network(1), prepared, normalisation, "digitcnn")


@pytest.fixture(scope="module")
def numbers(prepared):
    """Numbers of the validation images."""
    return prepared.labels["image"].to_numpy()[3:]


def responses_of(subject) -> dict[str, np.ndarray]:
    """Every layer's responses to all validation images, image x unit x y x x (or image x unit x 1 x 1)."""
    responses = {}
    handles = [
        subject.network.get_submodule(layer.name).register_forward_hook(
            lambda _, inputs, output, layer=layer: responses.update(
                {layer.name: output.detach().numpy().reshape(-1, layer.units, *layer.map_size)}
            )
        )
        for layer in subject.layers
    ]
    subject.network(validation_views(subject))
    for handle in handles:
        handle.remove()
    return responses


@pytest.fixture(scope="module")
def activations(subject, untrained):
    return measure(subject, untrained, SETTINGS)


@pytest.fixture(scope="module")
def responses(subject):
    return responses_of(subject)


def test_units_say_what_each_unit_does(activations, subject, responses):
    assert tuple(activations.units) == COLUMNS["units.parquet"]
    rows = activations.units.itertuples()
    for layer in subject.layers:
        flat = responses[layer.name].reshape(IMAGES, layer.units, -1)
        for unit in range(layer.units):
            row = next(rows)
            assert (row.network, row.layer, row.alias) == ("digitcnn", layer.name, layer.alias)
            assert (row.depth, row.kind, row.unit) == (layer.depth, layer.kind, unit)
            assert (row.images, row.positions) == (IMAGES, flat.shape[2])
            assert row.mean == pytest.approx(flat[:, unit].mean(dtype=np.float64), rel=1e-5, abs=1e-7)
            assert row.max == pytest.approx(flat[:, unit].max(), rel=1e-5)
            assert row.zero_fraction == (flat[:, unit] == 0).mean()
            assert row.positive_images == (flat[:, unit].max(1) > 0).sum()
    assert next(rows, None) is None


def test_preferred_are_the_greatest_responses_and_their_boxes(activations, subject, responses, numbers):
    assert tuple(activations.preferred) == COLUMNS["preferred.parquet"]
    rows = activations.preferred.itertuples()
    for layer in subject.layers:
        maps = responses[layer.name]
        for unit in range(layer.units):
            best = sorted(
                # (-response, image, position) of the best position of each image; the last of 8 ranks stays empty
                min((-maps[image, unit, y, x], image, y, x) for y, x in np.ndindex(*layer.map_size))
                for image in range(IMAGES)
            )
            for rank, (value, image, y, x) in enumerate(best):
                row = next(rows)
                assert (row.network, row.layer, row.unit, row.rank) == ("digitcnn", layer.name, unit, rank)
                assert (row.image, row.y, row.x) == (numbers[image], y, x)
                assert row.activation == pytest.approx(-value, rel=1e-5, abs=1e-6)
                box = (row.top_px, row.left_px, row.bottom_px, row.right_px)
                if layer.field.whole_image:
                    assert box == (0, 0, SIDE, SIDE)
                else:
                    top, left = (layer.field.start + at * layer.field.stride for at in (y, x))
                    assert box == (top, left, top + layer.field.size, left + layer.field.size)
    assert next(rows, None) is None


def test_zeros_say_which_image_left_how_many_in_which_state(activations, subject, untrained, responses, numbers):
    assert tuple(activations.zeros) == COLUMNS["zeros.parquet"]
    rows = activations.zeros.itertuples()
    before = responses_of(untrained)
    for layer in subject.layers:
        for state, maps, images in (("trained", responses, IMAGES), ("untrained", before, CONTROL)):
            for image in range(images):
                row = next(rows)
                assert (row.network, row.layer, row.alias) == ("digitcnn", layer.name, layer.alias)
                assert (row.state, row.depth, row.kind) == (state, layer.depth, layer.kind)
                assert (row.image, row.zero_fraction) == (numbers[image], (maps[layer.name][image] == 0).mean())
    assert next(rows, None) is None


def test_histograms_count_every_response(activations, subject, responses):
    assert list(activations.histograms) == ["edges", *(layer.name for layer in subject.layers)]
    edges = activations.histograms["edges"]
    np.testing.assert_array_equal(edges, histogram_edges())
    for layer in subject.layers:
        counts, maps = activations.histograms[layer.name], responses[layer.name]
        assert counts.shape == (layer.units, len(edges) - 1)
        zero = (len(edges) - 1) // 2  # the bin of exact zeros
        for unit in range(layer.units):
            assert counts[unit].sum() == maps[:, unit].size
            assert counts[unit, zero] == (maps[:, unit] == 0).sum()
            assert counts[unit, zero + 1 :].sum() == (maps[:, unit] > 0).sum()


class Second(Workers):
    """The second of two processes: what it has gathered is kept."""

    states: list = []  # noqa: RUF012
    of_first = None

    def sum(self, numbers):
        return self.of_first

    def gather(self, state):
        self.states.append(state)
        return iter(())


class First(Workers):
    """The first of two processes, which runs when the second has ended."""

    def sum(self, numbers):
        assert numbers.equal(Second.of_first)  # what the second was told
        return numbers

    def gather(self, state):
        received = Second.states.pop(0)
        return iter([received] if received else [])  # as ``Workers.gather``: who has seen no image sends nothing


def test_two_processes_measure_what_one_does(activations, subject, untrained):
    assert measure(subject, untrained, SETTINGS, workers=Second(1, 2)) is None
    assert len(Second.states) == 2
    assert_same(measure(subject, untrained, SETTINGS, workers=First(0, 2)), activations)


def assert_same(activations, others):
    for name in ("units", "preferred", "zeros"):
        pd.testing.assert_frame_equal(getattr(activations, name), getattr(others, name), check_exact=True)
    assert list(activations.histograms) == list(others.histograms)
    for layer, counts in others.histograms.items():
        np.testing.assert_array_equal(activations.histograms[layer], counts)


# Shards: four batches of the images, two of the control's


def sharded(shards: int) -> Extract:
    return SETTINGS.model_copy(update={"shards": shards})


@pytest.mark.parametrize("shards", [1, 2, 3, 4, 7])
def test_shards_are_to_the_bit_what_one_pass_is(activations, subject, untrained, tmp_path, shards):
    assert_same(measure(subject, untrained, sharded(shards), kept=tmp_path), activations)
    assert len(list(tmp_path.iterdir())) == shards


def test_shards_may_be_measured_in_any_order_and_again(activations, subject, untrained, tmp_path, monkeypatch):
    measured = []
    views = Subject.views
    monkeypatch.setattr(
        Subject, "views", lambda self, *a, **k: measured.append(k["numbers"].tolist()) or views(self, *a, **k)
    )
    work = (subject, untrained, sharded(4), "auto", ALONE, tmp_path)
    for shard in (2, 0):
        measure_shards(*work, [shard])
    assert measured == [[15, 17], [], [7, 9], [7, 9]]
    first, third = (tmp_path / f"shard-{shard}.npz" for shard in (0, 2))
    before = third.read_bytes()
    first.write_bytes(first.read_bytes()[:-100])  # what a full disk leaves
    (tmp_path / ".shard-1.npz-elsewhere-7").write_bytes(b"half")  # what a killed process leaves
    measured.clear()
    assert_same(measure(*work[:5], kept=tmp_path), activations)
    assert measured == [[7, 9], [7, 9], [11, 13], [11], [19], []]
    assert third.read_bytes() == before
    measured.clear()
    assert_same(merge_shards(subject, sharded(4), tmp_path), activations)
    assert measured == []
    first.unlink()
    with pytest.raises(ReceptiveError, match=r"shard-0\.npz is gone or damaged: run the same command again$"):
        merge_shards(subject, sharded(4), tmp_path)


def test_two_processes_share_each_shard(activations, subject, untrained, tmp_path):
    Second.of_first = torch.tensor([1, 1, 1])
    work = (subject, untrained, sharded(3), "auto")
    assert measure(*work, Second(1, 2), tmp_path / "second") is None
    assert not (tmp_path / "second").exists()
    assert_same(measure(*work, First(0, 2), tmp_path), activations)
    assert Second.states == []


@pytest.mark.parametrize(("images", "batch_size", "shards"), [(7, 2, 1), (7, 2, 3), (50_000, 100, 16), (10, 4, 5)])
def test_shards_are_whole_batches(images, batch_size, shards):
    rows = [range(images)[rows] for rows in shard_rows(images, batch_size, shards)]
    assert len(rows) == shards
    assert [image for shard in rows for image in shard] == list(range(images))
    assert all(shard.start % batch_size == 0 for shard in rows if shard)
    batches = [-(-len(shard) // batch_size) for shard in rows]
    assert max(batches) - min(batches) <= 1


def test_a_number_that_is_no_shards_is_refused():
    sharded(3).check_shard(2)
    with pytest.raises(ReceptiveError, match=r"^extract.shards is 3: a shard is one of 0 to 2, not 3$"):
        sharded(3).check_shard(3)
    with pytest.raises(ReceptiveError, match=r"^extract.shards is 1, so there are no shards: 'receptive compose"):
        SETTINGS.check_shard(0)


def test_the_code_of_shards_is_that_of_the_graph():
    """What ``dvc.yaml`` names of stage extract, but for what writes the result of the merge."""
    deps = {dep for dep in stages()["extract"]["deps"] if dep.startswith("src/") and "${" not in dep}
    deps -= {f"src/receptive/{path}" for path in WRITES}
    named = {path for code in CODE for path in source_files([code])}
    assert named == {file for dep in deps for file in files_of(PROJECT / dep)}


WRITES = ("artifacts/activations.py", "artifacts/files.py", "stages/extract.py")


def files_of(path):
    return path.rglob("*.py") if path.is_dir() else [path]


def test_other_work_has_another_folder(subject, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_images("digits")
    write_small_network("digitcnn")
    params = parameters("digitcnn", data="digits")
    found = {shards_folder(params, subject)}
    assert found == {shards_folder(params, subject)}
    for section, changes in (("extract", {"shards": 2}), ("extract", {"top": 3}), ("scale", {"compile": True})):
        changed = getattr(params, section).model_copy(update=changes)
        found.add(shards_folder(params.model_copy(update={section: changed}), subject))
    found.add(shards_folder(params, replace(subject, device=torch.device("cuda"))))
    for path in (Path("data/networks/digitcnn/untrained.safetensors"), Path("data/networks/digitcnn/network.json")):
        path.write_bytes(path.read_bytes() + b" ")
        found.add(shards_folder(params, subject))
    stats = Path("data/prepared/digits/stats.json")
    stats.write_text(stats.read_text().replace('"digest": "', '"digest": "other '))
    found.add(shards_folder(params, subject))
    assert len(found) == 8
    workers = params.workers.model_copy(update={"devices": 2})  # how many processes share it does not matter
    assert shards_folder(params.model_copy(update={"workers": workers}), subject) in found
