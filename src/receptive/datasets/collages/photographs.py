"""The photographs that scikit-image and scikit-learn ship, cut into motifs that do not overlap; no download."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import PIL.Image

from receptive.errors import ReceptiveError


@dataclass(frozen=True)
class Source:
    """Where a motif comes from.

    Attributes:
        package, file: The installed package and the file's path in it.
        box_px: The part used, (left, top, right, bottom) in the file's pixels; None for all of it. Motifs of one
            file do not overlap. Parts that show little are left out: empty sky, the void around the retina.
        turnable: Whether the motif has no upright position. It is then also shown upside down and turned by 90
            degrees.
        credit: Author, origin and licence as the package states them.
    """

    package: str
    file: str
    credit: str
    box_px: tuple[int, int, int, int] | None = None
    turnable: bool = False


_ASTRONAUT = ("skimage", "data/astronaut.png", "Eileen Collins, NASA; public domain")
_CAT = ("skimage", "data/chelsea.png", "Chelsea, Stefan van der Walt; CC0")
_COFFEE = ("skimage", "data/coffee.png", "Rachel Michetti, Pikolo Espresso Bar; CC0")
_FLOWER = ("sklearn", "datasets/images/flower.jpg", "vultilion, flickr.com/photos/vultilion/6056698931; CC BY 2.0")
_CHINA = (
    "sklearn",
    "datasets/images/china.jpg",
    "danielbuechele, flickr.com/photos/danielbuechele/6061409035; CC BY 2.0",
)
_ROCKET = ("skimage", "data/rocket.jpg", "DSCOVR on Falcon 9, SpaceX; public domain")
_TISSUE = (
    "skimage",
    "data/ihc.png",
    "Center for Microscopy and Molecular Imaging; no known copyright restrictions",
)
_CAMERA = ("skimage", "data/camera.png", "Lav Varshney; CC0")
_COINS = ("skimage", "data/coins.png", "Brooklyn Museum; no known copyright restrictions")

PHOTOGRAPHS: dict[str, Source] = {
    "brick": Source("skimage", "data/brick.png", "CC0Textures; CC0", (0, 252, 260, 512), turnable=True),
    "cameraman": Source(*_CAMERA, (120, 50, 385, 300)),
    "cat": Source(*_CAT, (100, 10, 451, 300)),
    "coins": Source(*_COINS, turnable=True),
    "cup": Source(*_COFFEE, (165, 0, 400, 200)),
    "dahlia": Source(*_FLOWER, (160, 70, 450, 360)),
    "face": Source(*_ASTRONAUT, (145, 5, 295, 170)),
    "flag": Source(*_ASTRONAUT, (0, 0, 90, 200)),
    "galaxies": Source(
        "skimage", "data/hubble_deep_field.jpg", "Hubble eXtreme Deep Field, NASA; public domain", turnable=True
    ),
    "gravel": Source("skimage", "data/gravel.png", "CC0Textures; CC0", turnable=True),
    "helmet": Source(*_ASTRONAUT, (270, 340, 512, 512)),
    "pagoda": Source(*_CHINA, (150, 20, 430, 330)),
    "retina": Source(
        "skimage",
        "data/retina.jpg",
        "Mikael Häggström, Wikimedia Commons; CC0",
        (100, 300, 1250, 1110),
        turnable=True,
    ),
    "rocket": Source(*_ROCKET, (215, 110, 415, 427)),
    "shuttle": Source(*_ASTRONAUT, (346, 0, 512, 290)),
    "tissue": Source(*_TISSUE, turnable=True),
    "cell": Source("skimage", "data/cell.png", "Müller et al., Optics Express 26, 2018; CC0", turnable=True),
    "clock": Source("skimage", "data/clock_motion.png", "Stefan van der Walt; public domain"),
    "foliage": Source(*_CHINA, (440, 200, 640, 427)),
    "fur": Source(*_CAT, (0, 0, 100, 300)),
    "grass": Source("skimage", "data/grass.png", "linolafett, DeviantArt; CC0", turnable=True),
    "leaves": Source(*_FLOWER, (0, 0, 155, 427)),
    "mast": Source(*_ROCKET, (0, 0, 150, 300)),
    "spoon": Source(*_COFFEE, (270, 220, 430, 370)),
    "suit": Source(*_ASTRONAUT, (60, 215, 265, 512)),
    "text": Source("skimage", "data/text.png", "Wikipedia, Corner.png; public domain"),
    "tripod": Source(*_CAMERA, (250, 310, 450, 512)),
    "wood": Source(*_COFFEE, (0, 230, 120, 400)),
}
"""By name: first the sixteen that are classes by default, then those that only fill leaves and backgrounds."""

CLASSES = tuple(PHOTOGRAPHS)[:16]


def read_photographs(names: Iterable[str] = tuple(PHOTOGRAPHS)) -> dict[str, np.ndarray]:
    """Pixels of motifs by name, uint8, height x width x 3, cut to their ``box_px``.

    Only the files inside the installed packages are read. Neither package is imported, so scikit-image's
    downloader cannot start. Grey photographs get three equal channels.

    Raises:
        ReceptiveError: A package or one of its files is missing or damaged.
    """
    pixels, opened = {}, {}
    for name in names:
        source = PHOTOGRAPHS[name]
        package = find_spec(source.package)
        library = {"skimage": "scikit-image", "sklearn": "scikit-learn"}[source.package]
        if package is None or package.submodule_search_locations is None:
            raise ReceptiveError(f"{library}, which ships '{name}', is not installed: pip install {library}")
        path = Path(package.submodule_search_locations[0]) / source.file
        try:
            if path not in opened:  # several motifs share a file
                with PIL.Image.open(path) as photograph:
                    opened[path] = photograph.convert("RGB")
            pixels[name] = np.asarray(opened[path].crop(source.box_px))
        except OSError as error:
            raise ReceptiveError(f"photograph '{name}' cannot be read ({error}): reinstall {library}") from error
    return pixels
