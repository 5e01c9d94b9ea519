"""The normalisation of pixels, against numpy and scipy on random correlated colours."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from receptive.errors import ReceptiveError
from receptive.networks.parts.normalisation import MODES, Normalisation, pixels
from receptive.networks.torchvision_loader import import_torchvision


@pytest.fixture(scope="module")
def images():
    """Pixels in [0, 1], image x y x x x channel, with correlated channels of unequal contrast, on a gradient."""
    generator = np.random.default_rng(5)
    mix = np.array([[0.10, 0.00, 0.02], [0.07, 0.06, 0.00], [0.02, 0.05, 0.03]])
    slope = np.linspace(0, 0.2, 9)[None, :, None, None]
    return (generator.standard_normal((400, 9, 7, 3)) @ mix.T + [0.4, 0.5, 0.3] + slope).clip(0, 1)


def fit(mode, images):
    """``Normalisation.fit`` on numpy's statistics."""
    flat = images.reshape(-1, images.shape[-1])
    covariance = np.cov(flat.T, bias=True).reshape(flat.shape[1], flat.shape[1])
    return Normalisation.fit(mode, flat.mean(0), flat.std(0), covariance, images.mean(0))


def apply(normalisation, images):
    """Normalised images, image x y x x x channel, float64."""
    seen = normalisation(torch.from_numpy(images).permute(0, 3, 1, 2).float())
    return seen.permute(0, 2, 3, 1).double().numpy()


def test_standardise(images):
    seen = apply(fit("standardise", images), images)
    flat = images.reshape(-1, 3)
    np.testing.assert_allclose(seen, (images - flat.mean(0)) / flat.std(0), atol=2e-5)
    np.testing.assert_allclose(seen.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(seen.std((0, 1, 2)), 1, atol=1e-5)


def test_whiten(images):
    normalisation = fit("whiten", images)
    seen = apply(normalisation, images).reshape(-1, 3)
    np.testing.assert_allclose(seen.mean(0), 0, atol=2e-5)
    np.testing.assert_allclose(np.cov(seen.T, bias=True), np.eye(3), atol=1e-4)
    # of all matrices that decorrelate, ZCA is the symmetric one: the inverse root of the covariance
    matrix = normalisation.matrix.double().numpy()
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-5)
    root = np.linalg.inv(sqrtm(np.cov(images.reshape(-1, 3).T, bias=True)))
    np.testing.assert_allclose(matrix, root, rtol=1e-5, atol=1e-5)


def test_whiten_is_applied_across_channels(images):
    normalisation = fit("whiten", images)
    flat = images.reshape(-1, 3)
    expected = np.stack([normalisation.matrix.double().numpy() @ (p - flat.mean(0)) for p in flat[:50]])
    np.testing.assert_allclose(apply(normalisation, images).reshape(-1, 3)[:50], expected, atol=1e-4)


def test_matrix_that_is_not_symmetric():
    """Which index is summed over shows only where the matrix and its transpose differ."""
    matrix = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 4.0]])
    normalisation = Normalisation(torch.zeros(3, 1, 1), matrix)
    pixel = torch.tensor([1.0, 10.0, 100.0])[None, :, None, None]
    assert normalisation(pixel).flatten().tolist() == [21, 10, 400]
    assert normalisation.inverse(normalisation(pixel)).flatten().tolist() == [1, 10, 100]


def test_subtract_mean_image(images):
    seen = apply(fit("subtract_mean_image", images), images)
    # one common scale, the root of the mean variance, so that the colours keep their proportions
    common = np.sqrt(images.reshape(-1, 3).var(0).mean())
    np.testing.assert_allclose(seen, (images - images.mean(0)) / common, atol=2e-5)
    np.testing.assert_allclose(seen.mean(0), 0, atol=1e-5)


def test_scale(images):
    np.testing.assert_array_equal(apply(fit("scale", images), images), np.float32(images))


@pytest.mark.parametrize("mode", MODES)
def test_inverse(images, mode):
    normalisation = fit(mode, images)
    some = torch.from_numpy(images[:9]).permute(0, 3, 1, 2).float()
    torch.testing.assert_close(normalisation.inverse(normalisation(some)), some, rtol=0, atol=1e-5)
    noise = torch.randn(9, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(normalisation(normalisation.inverse(noise)), noise, rtol=0, atol=1e-4)


FITTED = [mode for mode in MODES if mode != "imagenet"]


def test_imagenets_is_torchvisions_whatever_the_images(images):
    transforms = import_torchvision().transforms
    theirs = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    some = torch.from_numpy(images[:9]).permute(0, 3, 1, 2).float()
    torch.testing.assert_close(fit("imagenet", images)(some), theirs(some), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(fit("imagenet", images / 2)(some), theirs(some), rtol=1e-5, atol=1e-6)
    with pytest.raises(ReceptiveError, match="normalisation imagenet is for 3 channels, not 1"):
        fit("imagenet", images[..., :1])


@pytest.mark.parametrize("mode", FITTED)
def test_channel_without_contrast_stays_at_its_shift(images, mode):
    grey = images.copy()
    grey[..., 1] = 0.25
    normalisation = fit(mode, grey)
    seen = apply(normalisation, grey)
    assert np.isfinite(seen).all()
    np.testing.assert_allclose(seen[..., 1], 0.25 if mode == "scale" else 0, atol=1e-3)
    if mode in ("standardise", "whiten"):
        np.testing.assert_allclose(seen[..., ::2].std((0, 1, 2)), 1, atol=1e-4)
    assert torch.isfinite(normalisation.inverse(normalisation(torch.rand(1, 3, 9, 7)))).all()


@pytest.mark.parametrize("mode", FITTED)
def test_one_channel(images, mode):
    one = images[..., :1]
    seen = apply(fit(mode, one), one)
    expected = {
        "standardise": (one - one.mean()) / one.std(),
        "whiten": (one - one.mean()) / one.std(),
        "subtract_mean_image": (one - one.mean(0)) / one.std(),
        "scale": one,
    }
    np.testing.assert_allclose(seen, expected[mode], atol=2e-5)


@pytest.mark.parametrize("mode", MODES)
def test_state_dict_says_all(images, mode):
    fitted = fit(mode, images)
    state = fitted.state_dict()
    assert set(state) == {"shift", "matrix"}
    again = Normalisation(state["shift"], state["matrix"])
    some = torch.from_numpy(images[:3]).permute(0, 3, 1, 2).float()
    assert torch.equal(again(some), fitted(some))


def test_an_unknown_mode_is_refused(images):
    with pytest.raises(ValueError, match="unknown normalisation 'zca': choose one of standardise, whiten"):
        fit("zca", images)


def test_pixels_of_bytes():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (2, 4, 5, 3)).astype(np.uint8)
    images[0, 0, 0] = [0, 255, 51]
    seen = pixels(torch.from_numpy(images))
    assert seen.shape == (2, 3, 4, 5)
    assert seen.dtype == torch.float32
    assert seen[0, :, 0, 0].tolist() == [0, 1, np.float32(0.2)]
    np.testing.assert_array_equal(seen.numpy(), images.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255))
    assert seen.is_contiguous(memory_format=torch.channels_last)
