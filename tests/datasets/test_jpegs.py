"""Images in a file of JPEGs: Pillow, another library, tells what each of them is."""

import io
import multiprocessing
import zlib

import numpy as np
import pytest
from PIL import Image

from receptive.datasets import jpegs
from receptive.datasets.jpegs import JpegImages, encode, write_jpegs
from receptive.errors import ReceptiveError

SIDE, COUNT = 24, 37


def smooth(count=COUNT, side=SIDE):
    """Pictures with colours that run into each other, and an edge."""
    random = np.random.default_rng(0)
    made = np.empty((count, side, side, 3), np.uint8)
    for image in made:
        coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        image[:] = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))
        image[:, side // 2 :] = 255 - image[:, side // 2 :]
    return made


def by_pillow(made):
    return np.stack([np.asarray(Image.open(io.BytesIO(jpeg))) for jpeg in made])


@pytest.fixture(scope="module")
def made():
    return [encode(image, 90) for image in smooth()]


@pytest.fixture(scope="module")
def expected(made):
    return by_pillow(made)


@pytest.fixture
def written(tmp_path, made):
    file = tmp_path / "images.jpegs"
    return file, write_jpegs(file, [made[:10], made[10:]], SIDE)


@pytest.fixture(params=[1, 2, 5, 100])
def images(written, monkeypatch, request):
    """Decoded by some number of threads."""
    monkeypatch.setattr(jpegs, "threads", lambda: request.param)
    return JpegImages(*written, "make it anew")


def test_a_file_is_its_jpegs_one_after_the_other(written, made):
    file, index = written
    assert file.read_bytes() == b"".join(made)
    offsets = [0]
    for jpeg in made:
        offsets.append(offsets[-1] + len(jpeg))
    assert index["offsets"].tolist() == offsets
    assert index["checksums"].tolist() == [zlib.crc32(jpeg) for jpeg in made]
    assert index["side"] == SIDE


def test_pixels_are_those_that_pillow_decodes(images, expected):
    assert (images.shape, images.dtype, images.ndim, len(images)) == (expected.shape, expected.dtype, 4, COUNT)
    np.testing.assert_array_equal(images[:], expected)
    np.testing.assert_array_equal(np.asarray(images), expected)
    assert images[3:9].flags.writeable


@pytest.mark.parametrize(
    "key",
    [
        *(0, -1, np.int64(5)),
        *(slice(3, 30), slice(None, None, -2), slice(5, 5)),
        *([7, 2, 9], [4, 4, 1, 4], np.array([36, 0, -1]), np.array([], dtype=np.int64)),
        np.arange(COUNT) % 3 == 1,
    ],
    ids=str,
)
def test_an_index_takes_what_an_arrays_index_takes(images, expected, key):
    np.testing.assert_array_equal(images[key], expected[key])
    np.testing.assert_array_equal(images[:, 3:-3, 4:20][key], expected[:, 3:-3, 4:20][key])


def test_a_part_of_every_image_is_cut_when_it_is_decoded(images, expected):
    view = images[:, 2:22, 2:22]
    assert view.shape == (COUNT, 20, 20, 3)
    again = view[:, 5:, :-5]
    assert again.shape == (COUNT, 15, 15, 3)
    np.testing.assert_array_equal(again[:], expected[:, 7:22, 2:17])
    np.testing.assert_array_equal(images[4], expected[4])  # the whole is as it was


@pytest.mark.parametrize(
    "key", [(3, slice(None)), (slice(None), 3), (slice(2), slice(3), slice(3)), (slice(None),) * 4]
)
def test_other_indices_are_no_indices(written, key):
    with pytest.raises(TypeError, match="of JPEGs take"):
        JpegImages(*written, "")[key]


def test_an_image_that_is_not_there(written):
    with pytest.raises(IndexError):
        JpegImages(*written, "")[[0, COUNT]]


@pytest.mark.parametrize("quality", [50, 90, 95])
def test_a_jpeg_loses_what_its_quality_says(quality):
    """Colours at full resolution, libjpeg's tables; the error of each coefficient is at most half its step.

    The transform keeps squares (Parseval), so the mean square of the luminance's error is at most that of half the
    steps, but for rounding to bytes on the way there and back.
    """
    image = smooth(1, 64)[0]
    with Image.open(io.BytesIO(encode(image, quality))) as opened:
        assert [component[1:3] for component in opened.layer] == [(1, 1)] * 3
        steps = np.array(opened.quantization[0], dtype=float)
        standard = io.BytesIO()
        Image.new("RGB", (8, 8)).save(standard, "JPEG", quality=quality)
        assert opened.quantization == Image.open(standard).quantization
        decoded = np.asarray(opened)
    luminance = (decoded.astype(float) - image) @ [0.299, 0.587, 0.114]
    assert 0 < (luminance**2).mean() < ((steps / 2) ** 2).mean() + 1


# Damage


def test_a_byte_that_changed_is_told_where_the_image_is_read(written):
    file, index = written
    content = bytearray(file.read_bytes())
    content[index["offsets"][12] + 300] ^= 1
    file.write_bytes(content)
    images = JpegImages(file, index, "make it anew")
    assert images[:12].shape[0] == 12
    with pytest.raises(ReceptiveError) as caught:
        images[:]
    assert str(caught.value) == f"{file} is damaged (image 12: its bytes have changed): make it anew"


def test_what_is_no_jpeg_is_told(written):
    """Also where its checksum is right."""
    file, index = written
    first, stop = index["offsets"][12:14]
    content = bytearray(file.read_bytes())
    content[first:stop] = bytes(stop - first)
    file.write_bytes(content)
    index["checksums"][12] = zlib.crc32(bytes(stop - first))
    with pytest.raises(ReceptiveError, match=r"is damaged \(image 12: .*\): make it anew$"):
        JpegImages(file, index, "make it anew")[12]


def test_a_file_cut_short_is_told_at_once(written):
    file, index = written
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"it has \d+ bytes where its index says \d+"):
        JpegImages(file, index, "")
    file.unlink()
    with pytest.raises(FileNotFoundError):
        JpegImages(file, index, "")


def test_an_index_of_something_else_is_told(written):
    file, index = written
    for wrong in ({"checksums": index["checksums"][1:]}, {"offsets": np.roll(index["offsets"], 1)}):
        with pytest.raises(ValueError, match="its index is no index of JPEGs"):
            JpegImages(file, index | wrong, "")


def test_a_decoder_that_gives_other_pixels_is_refused(written):
    file, index = written
    assert index["pixels"] == zlib.crc32(np.asarray(Image.open(io.BytesIO(file.read_bytes()))).tobytes())
    with pytest.raises(ReceptiveError, match=r"gives other pixels than simplejpeg .*: install the version of requirem"):
        JpegImages(file, index | {"pixels": index["pixels"] + 1}, "")


# Threads and processes


def test_processes_that_train_together_share_the_cores(monkeypatch):
    monkeypatch.setattr(jpegs, "cores", lambda: 16)
    assert jpegs.threads() == 16
    for processes, each in ((8, 2), (5, 3), (32, 1)):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
        assert jpegs.threads() == each


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_decodes_with_threads_of_its_own(written, expected, monkeypatch):
    monkeypatch.setattr(jpegs, "threads", lambda: 3)
    images = JpegImages(*written, "")
    images[:]  # the parent's pool

    def child(connection):
        connection.send((images[:] == expected).all())

    receiver, sender = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(sender,))
    process.start()
    try:
        assert receiver.poll(20)
        assert receiver.recv()
    finally:
        process.kill()
        process.join()
