"""The model observer is right about planted units, guesses about shuffled ones, and equals a slow re-implementation."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from skimage import data

from receptive.methods.choices import CELLS, PIXELS, RIDGE, SIDE, features, gabors, right_choices


def scenes(count: int, side: int, seed: int = 0) -> torch.Tensor:
    """Patches of three photographs at a quarter of their size, in [0, 1], from the photographs in turn."""
    chance = np.random.default_rng(seed)
    photographs = [np.asarray(picture)[::4, ::4] / 255 for picture in (data.astronaut(), data.chelsea(), data.coffee())]
    patches = []
    for number in range(count):
        photograph = photographs[number % 3]
        top, left = (int(chance.integers(length - side + 1)) for length in photograph.shape[:2])
        patches.append(photograph[top : top + side, left : left + side])
    return torch.from_numpy(np.stack(patches)).movedim(-1, 1).float()


def planted(patches: torch.Tensor, units: int, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Responses of rectified Gabor filters (simple cells) and of Gabor energies (complex cells) to patches."""
    chance, side = np.random.default_rng(seed), patches.shape[-1]
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    grey = patches.mean(1).flatten(1).numpy()
    simple, complex_ = [], []
    for _ in range(units):
        turn, wavelength, phase = chance.uniform(0, math.pi), chance.uniform(0.3, 0.6) * side, chance.uniform(0, 6)
        window = np.exp(-(x**2 + y**2) / (2 * (side / 5) ** 2))
        along = 2 * math.pi * (x * math.cos(turn) + y * math.sin(turn)) / wavelength
        waves = [window * np.cos(along + shift) for shift in (phase, phase + math.pi / 2)]
        even, odd = (grey @ (wave - window * wave.sum() / window.sum()).ravel() for wave in waves)
        simple.append(np.maximum(even, 0))
        complex_.append(np.hypot(even, odd))
    return torch.from_numpy(np.array(simple).T).float(), torch.from_numpy(np.array(complex_).T).float()


@pytest.fixture(scope="module")
def pool():
    """2,000 patches, what the observer sees of them, and their halves."""
    patches = scenes(2000, 13)
    return patches, features(patches), torch.arange(2000) % 2 == 0


def test_planted_gabor_units_are_predicted(pool):
    patches, seen, half = pool
    for responses in planted(patches, 20):
        right = right_choices(seen, responses, half, references=8, held_out=16)
        assert right.mean() >= 0.95
        assert right.min() >= 0.8


def test_shuffled_units_are_guessed(pool):
    patches, seen, half = pool
    (responses, _), chance = planted(patches, 20), torch.Generator().manual_seed(0)
    shuffled = [responses[torch.randperm(len(responses), generator=chance)] for _ in range(20)]
    right = right_choices(seen, torch.cat(shuffled, 1), half, references=8, held_out=16)
    assert len(right) == 400
    assert abs(float(right.mean()) - 0.5) <= 0.02


def test_units_that_tell_no_patches_apart_have_no_share(pool):
    _, seen, half = pool
    responses = torch.zeros(2000, 3)
    responses[:20, 1] = 1.0  # ten patches of each half are answered
    responses[:80, 2] = torch.arange(80.0)
    right = right_choices(seen, responses, half, references=8, held_out=16)
    assert right.isnan().tolist() == [True, True, False]
    assert right_choices(seen, responses, half, references=16, held_out=4)[1].isnan()
    assert right_choices(seen[:40], responses[:40], half[:40], 8, 16).isnan().all()  # too few patches for both ends


def test_patches_that_look_alike_are_guessed():
    right = right_choices(torch.ones(80, 5), torch.arange(80.0)[:, None], torch.arange(80) % 2 == 0, 8, 16)
    assert right.tolist() == [0.5]


def test_choices_one_by_one(pool):
    """The discriminant solved for one unit at a time by numpy, every pair compared in a loop."""
    _, seen, half = pool
    chance = np.random.default_rng(3)
    values, first = seen[:80].double().numpy()[:, :20], half[:80].numpy()
    responses = chance.normal(size=(80, 4)).round(1)  # with ties, which go by the order
    right = right_choices(torch.from_numpy(values), torch.from_numpy(responses), torch.from_numpy(first), 3, 5)
    for unit in range(4):
        shares = []
        for learning in (first, ~first):
            ranked, others = (np.argsort(responses[part, unit], kind="stable") for part in (learning, ~learning))
            known, asked = values[learning], values[~learning]
            covariance = np.cov(known.T, bias=True)
            covariance += RIDGE * np.trace(covariance) / 20 * np.eye(20)
            weights = np.linalg.inv(covariance) @ (known[ranked[-3:]].mean(0) - known[ranked[:3]].mean(0))
            pairs = list(product(others[-5:], others[:5]))
            shares.append(np.mean([float(asked[high] @ weights > asked[low] @ weights) for high, low in pairs]))
        assert float(right[unit]) == pytest.approx(np.mean(shares))


def test_gabors_come_in_pairs_and_ignore_uniform_patches():
    bank = gabors()
    assert bank.shape == (16, 1, 13, 13)
    np.testing.assert_allclose(bank.sum((1, 2, 3)), 0, atol=1e-5)
    even, odd = bank[:8, 0], bank[8:, 0]
    np.testing.assert_allclose((even * odd).sum((1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(even, even.flip(1, 2), atol=1e-6)
    np.testing.assert_allclose(odd, -odd.flip(1, 2), atol=1e-6)
    uniform = features(torch.full((2, 3, 9, 9), 0.3))
    energies = uniform[:, 3 * PIXELS**2 :]
    assert energies.shape == (2, 3 * 8 * CELLS**2)
    assert energies.abs().max() < 1e-5
    np.testing.assert_allclose(uniform[:, : PIXELS**2], 0.3, atol=1e-6)


def test_colour_is_seen_along_two_axes_beside_luminance():
    red = torch.tensor([0.9, 0.3, 0.0])[None, :, None, None].expand(1, 3, 9, 9)
    pixels = features(red)[0, : 3 * PIXELS**2].unflatten(0, (3, -1))
    torch.testing.assert_close(pixels, torch.tensor([0.4, 0.6, 0.6])[:, None].expand(3, PIXELS**2))


def test_an_energy_is_greatest_for_its_own_orientation_and_the_same_for_every_phase():
    y, x = np.mgrid[:SIDE, :SIDE]
    for turn in range(4):
        angle = math.pi * turn / 4
        along = 2 * math.pi * (x * math.cos(angle) + y * math.sin(angle)) / 4
        waves = torch.from_numpy(np.stack([0.5 + 0.4 * np.sin(along + phase) for phase in (0.0, 1.0, 2.0)])).float()
        energies = features(waves[:, None])[:, PIXELS**2 :].reshape(3, 2, 4, CELLS**2).mean(-1)
        assert (energies[:, 0].argmax(1) == turn).all()
        assert float(energies[:, 0, turn].std() / energies[:, 0, turn].mean()) < 0.1
