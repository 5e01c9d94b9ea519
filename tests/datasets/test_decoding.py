"""Image files of every kind as bytes, against torchvision's transforms, numpy and Pillow."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageOps
from trees import Deadly

from receptive.artifacts.image_store import ImageStore
from receptive.datasets.decoding import BLOCK_IMAGES, decode, read_image
from receptive.errors import ReceptiveError
from receptive.networks.torchvision_loader import import_torchvision

import_torchvision()
from torchvision.transforms import CenterCrop, Compose, Resize  # noqa: E402


def colours(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def centre_square(image, side):
    """What torchvision makes of an RGB image."""
    return np.asarray(Compose([Resize(side), CenterCrop(side)])(image))


@pytest.mark.parametrize("shape", [(40, 30), (30, 40), (33, 33), (31, 97), (16, 17), (9, 8), (200, 16)])
@pytest.mark.parametrize("side", [16, 17])
def test_square_is_torchvisions(tmp_path, shape, side):
    image = Image.fromarray(colours(*shape))
    image.save(tmp_path / "a.png")
    seen = read_image(tmp_path / "a.png", side)
    assert seen.dtype == np.uint8
    np.testing.assert_array_equal(seen, centre_square(image, side))


@pytest.mark.parametrize("shape", [(2, 33), (33, 2), (300, 3), (3, 300), (1, 40), (17, 600)])
@pytest.mark.parametrize("side", [16, 17, 64])
def test_very_long_pictures_differ_by_rounding_only(tmp_path, shape, side):
    image = Image.fromarray(colours(*shape))
    image.save(tmp_path / "a.png")
    seen = read_image(tmp_path / "a.png", side)
    assert seen.shape == (side, side, 3)
    np.testing.assert_allclose(seen.astype(int), centre_square(image, side).astype(int), atol=1)


@pytest.mark.parametrize("shape", [(2, 32), (32, 2), (10, 160), (375, 500), (500, 333)])
def test_up_to_sixteen_to_one_not_even_rounding_differs(tmp_path, shape):
    image = Image.fromarray(colours(*shape))
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", 64), centre_square(image, 64))


@pytest.mark.parametrize("shape", [(2, 30000), (30000, 2)])
def test_very_long_pictures_need_little_memory(tmp_path, shape):
    """In a process of its own, whose greatest size is known; resized as a whole they would take 3 GB."""
    Image.fromarray(colours(*shape)).save(tmp_path / "a.png")
    code = (
        "import sys, pathlib, resource; from receptive.datasets.decoding import read_image\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "read_image(pathlib.Path(sys.argv[1]), 256)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.png"], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000  # kB


def test_jpeg(tmp_path):
    Image.fromarray(colours(40, 50)).save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as opened:
        np.testing.assert_array_equal(read_image(tmp_path / "a.jpg", 24), centre_square(opened, 24))


def test_grey_and_palette_have_three_equal_or_their_own_colours(tmp_path):
    pixels = colours(20, 20)
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png", 20), np.repeat(pixels[..., :1], 3, 2))
    few = (pixels // 128) * 255
    Image.fromarray(few).convert("P", palette=Image.Palette.ADAPTIVE, colors=8).save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_image(tmp_path / "palette.png", 20), few)
    Image.fromarray(pixels[..., 0] > 127).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(read_image(tmp_path / "bits.png", 20)[..., 1], (pixels[..., 0] > 127) * 255)


def test_transparent_pixels_lie_on_white(tmp_path):
    pixels, alpha = colours(20, 20), colours(20, 20, 1)[..., :1]
    alpha[:5], alpha[5:10] = 0, 255
    Image.fromarray(np.concatenate([pixels, alpha], 2)).save(tmp_path / "a.png")
    share = alpha / 255
    seen = read_image(tmp_path / "a.png", 20)
    assert (seen[:5] == 255).all()
    np.testing.assert_array_equal(seen[5:10], pixels[5:10])
    np.testing.assert_allclose(seen, pixels * share + 255 * (1 - share), atol=1)
    grey = np.concatenate([pixels[..., :1], alpha], 2)
    Image.fromarray(grey).save(tmp_path / "la.png")
    np.testing.assert_allclose(
        read_image(tmp_path / "la.png", 20)[..., 2:], grey[..., :1] * share + 255 * (1 - share), atol=1
    )


def test_transparent_palette(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [2, 0]], dtype=np.uint8), mode="P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.save(tmp_path / "a.png", transparency=1)
    seen = read_image(tmp_path / "a.png", 2)
    np.testing.assert_array_equal(seen, [[[255, 0, 0], [255, 255, 255]], [[0, 0, 255], [255, 0, 0]]])


def test_cmyk(tmp_path):
    """Red, green and blue are white less cyan, magenta and yellow, each times what black leaves."""
    inks = np.random.default_rng(0).integers(0, 256, (4, 4, 4)).astype(np.uint8)
    big = inks.repeat(8, 0).repeat(8, 1)  # one colour a block of the JPEG, which then keeps it
    Image.fromarray(big, mode="CMYK").save(tmp_path / "a.jpg", quality=100, subsampling=0)
    seen = read_image(tmp_path / "a.jpg", 32)
    expected = (255.0 - big[..., :3]) * (255.0 - big[..., 3:]) / 255
    np.testing.assert_allclose(seen[4::8, 4::8], expected[4::8, 4::8], atol=4)


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_sixteen_bits(tmp_path, kind):
    grey = np.random.default_rng(0).integers(0, 65536, (20, 20)).astype(np.uint16)
    grey[0, :4] = [0, 128, 129, 65535]
    Image.fromarray(grey).save(tmp_path / f"a.{kind}")
    seen = read_image(tmp_path / f"a.{kind}", 20)
    expected = np.floor(grey / 65535 * 255 + 0.5)
    np.testing.assert_array_equal(seen, np.repeat(expected[..., None], 3, 2))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_pictures_stand_upright(tmp_path, orientation, kind):
    """The eight orientations of the EXIF standard, undone by numpy; and as Pillow's own exif_transpose."""
    undone = {
        1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).swapaxes(0, 1), 8: lambda a: np.rot90(a, 1),
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{kind}"
    Image.fromarray(colours(24, 36)).save(path, exif=exif, quality=95)
    with Image.open(path) as opened:
        stored = np.asarray(opened.convert("RGB"))
        turned = ImageOps.exif_transpose(opened).convert("RGB")
    upright = Image.fromarray(np.ascontiguousarray(undone[orientation](stored)))
    np.testing.assert_array_equal(read_image(path, 16), centre_square(upright, 16))
    np.testing.assert_array_equal(read_image(path, 16), centre_square(turned, 16))


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_a_range_are_refused(tmp_path, mode):
    pixels = np.array([[0.0, 1.5], [2, 70000]]).astype({"F": np.float32, "I": np.int32}[mode])
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="no known range"):
        read_image(tmp_path / "a.tif", 2)


# Many files


@pytest.fixture
def files(tmp_path):
    """150 small files: two whole blocks and a part of one; 3 and 140 are damaged, 141 is not there."""
    names = []
    for i in range(150):
        names.append(f"{i:03d}.png")
        Image.fromarray(colours(10 + i % 5, 12, i)).save(tmp_path / names[-1])
    (tmp_path / "003.png").write_bytes(b"no image")
    whole = (tmp_path / "140.png").read_bytes()
    (tmp_path / "140.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "141.png").unlink()
    return names


def expected_rows(root, names, damaged):
    rows = np.zeros((len(names), 8, 8, 3), dtype=np.uint8)
    for i, name in enumerate(names):
        if i not in damaged:
            with Image.open(root / name) as opened:
                rows[i] = centre_square(opened.convert("RGB"), 8)
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_rows_are_the_files_whatever_the_number_of_processes(tmp_path, files, workers):
    store = ImageStore(tmp_path / "store", 150, 8)
    decode(tmp_path, files, 8, store, workers=workers)
    np.testing.assert_array_equal(store.images(), expected_rows(tmp_path, files, {3, 140, 141}))
    problems = store.problems()
    assert list(problems) == [3, 140, 141]
    assert problems[3] == "UnidentifiedImageError: cannot identify image file '003.png'"
    assert problems[140].startswith(("OSError", "SyntaxError"))
    assert problems[141] == "FileNotFoundError: [Errno 2] No such file or directory: '141.png'"


class Counting(ImageStore):
    """Notes which blocks are written; stops, as by Ctrl-C, before the one after ``stop``."""

    def __init__(self, *args, stop=99):
        super().__init__(*args)
        self.written, self.stop = [], stop

    def write(self, first, images):
        if len(self.written) == self.stop:
            raise KeyboardInterrupt
        self.written.append(first)
        super().write(first, images)


def test_an_interrupted_decoding_goes_on_where_it_stopped(tmp_path, files):
    folder = tmp_path / "store"
    first = Counting(folder, 150, 8, stop=1)
    with pytest.raises(KeyboardInterrupt):
        decode(tmp_path, files, 8, first, workers=1)
    with (folder / "blocks.jsonl").open("a") as journal:
        journal.write('{"first": 64, "dig')  # cut short
    second = Counting(folder, 150, 8)
    seen = []
    decode(tmp_path, files, 8, second, progress=lambda rows: (seen.append(i) or i for i in rows), workers=1)
    assert (first.written, second.written) == ([0], [BLOCK_IMAGES, 2 * BLOCK_IMAGES])
    assert seen == list(range(150))
    assert list(second.problems()) == [3, 140, 141]
    np.testing.assert_array_equal(second.images(), expected_rows(tmp_path, files, {3, 140, 141}))
    third = Counting(folder, 150, 8)
    decode(tmp_path, files, 8, third, workers=1)
    assert third.written == [64]  # the line that was cut short took the next one with it


def test_changed_files_are_decoded_again(tmp_path, files):
    decode(tmp_path, files, 8, ImageStore(tmp_path / "store", 150, 8), workers=1)
    Image.fromarray(colours(9, 9, 999)).save(tmp_path / "003.png")
    again = Counting(tmp_path / "store", 150, 8)
    decode(tmp_path, files, 8, again, workers=1)
    assert again.written == [0]
    assert list(again.problems()) == [140, 141]
    np.testing.assert_array_equal(again.images(), expected_rows(tmp_path, files, {140, 141}))


def test_another_shape_begins_anew(tmp_path, files):
    decode(tmp_path, files, 8, ImageStore(tmp_path / "store", 150, 8), workers=1)
    other = Counting(tmp_path / "store", 150, 10)
    decode(tmp_path, files, 10, other, workers=1)
    assert other.written == [0, 64, 128]


def test_a_killed_process_ends_in_one_line(tmp_path, files):
    with pytest.raises(ReceptiveError, match=r"was killed .* run again, it goes on where it stopped"):
        decode(tmp_path, files, 8, Deadly(tmp_path / "store", 150, 8), workers=2)


def test_no_room_is_said_beforehand(tmp_path):
    with pytest.raises(ReceptiveError, match=r"images of 256 px need 19660\.8 GB, and .* GB are free"):
        ImageStore(tmp_path / "store", 10**8, 256)
    assert not (tmp_path / "store" / "images.npy").exists()
