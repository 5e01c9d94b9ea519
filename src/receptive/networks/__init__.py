"""The networks by name.

``build("resnet34", classes=10, width=0.5)`` gives the module alone; its input is normalised images
(image x channel x y x x), its output the class scores before the softmax. Importing this package does
not import torchvision; ``torchvision:<name>`` does, when such a network is asked for (``networks.foreign``).

A colon and a dot cannot stand in the names of DVC's stages, so in params.yaml, in folders and in tables
``torchvision:vgg16`` is ``torchvision-vgg16`` and ``timm:resnet18.a1_in1k`` is ``timm-resnet18-a1_in1k``; both
spellings are understood everywhere. Neither library has a hyphen in its names.
"""

import difflib
import importlib
import inspect
import re
from collections.abc import Callable
from functools import partial

from receptive.errors import ReceptiveError

_DEPTHS = (18, 34, 50, 101, 152)
STUDIED = ("resnet34", "plainnet34", "alexcnn", "vggcnn", "digitcnn", "fivecnn")
LIBRARIES = ("torchvision", "timm")
"""Whose networks can be named, as ``<library>:<name>``."""

DESCRIPTIONS = {
    "resnet34": "ResNet-34, basic blocks 3-4-6-3 (KS 2.1)",
    "plainnet34": "ResNet-34 with every skip connection removed (KS 2.1)",
    "alexcnn": "5 convolutions, 3 fully connected, no response normalisation (YU 3.1)",
    "vggcnn": "VGG-16: 13 convolutions 3x3, 3 fully connected (YU 3.1)",
    "digitcnn": "2 convolutions, 2 fully connected, for digits (TG 2.1)",
    "fivecnn": "4 convolutions, 2 fully connected, for five classes (TG 4.1)",
}


def names() -> list[str]:
    """Every network that can be built by its bare name: the six studied ones first."""
    family = [f"{prefix}{depth}" for prefix in ("resnet", "plainnet") for depth in _DEPTHS]
    return [*STUDIED, *(name for name in family if name not in STUDIED)]


def default_image(name: str) -> tuple[int, int]:
    """Side in px and channels of the images that the papers show to ``name``."""
    return (28, 1) if name == "digitcnn" else (224, 3)


def slug(name: str) -> str:
    """The spelling of a network's name that can stand in folders and in the names of DVC's stages."""
    return re.sub(r"[:.]", "-", name) if re.match(f"({'|'.join(LIBRARIES)}):", name) else name


def in_library(name: str) -> tuple[str, str] | None:
    """Library and the name there, ("timm", "resnet18.a1_in1k"), of a network that is not ours; None of ours."""
    library, _, rest = base_name(name).partition("-")
    return (library, rest.replace("-", ".")) if library in LIBRARIES else None


def base_name(name: str) -> str:
    """The network that ``name`` is one of: ``resnet34`` of ``resnet34``, and of its second training ``resnet34-2``."""
    return re.sub(r"-[1-9][0-9]*$", "", slug(name))


def family_of(name: str) -> str:
    """The file of ``networks.families`` that builds ``name``; "unknown" where ``name`` is no network."""
    base = base_name(name)
    if in_library(base):
        return "foreign"
    if re.fullmatch(r"(resnet|plainnet)\d+", base):
        return "resnet"
    return {"alexcnn": "alexcnn", "vggcnn": "vggcnn", "digitcnn": "smallnets", "fivecnn": "smallnets"}.get(
        base, "unknown"
    )


def check_name(name: str) -> None:
    """Raises ReceptiveError, naming what there is, when ``name`` is no network."""
    name = base_name(name)
    if in_library(name) or name in names():
        return
    near = difflib.get_close_matches(name, names(), 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ReceptiveError(
        f"unknown network '{name}': {hint}choose one of {', '.join(names())}, or torchvision:<name>, or timm:<name>"
    )


def check_pretrained(name: str, width: float = 1.0) -> None:
    """Raises ReceptiveError when nobody has pretrained weights of a network (of this width), as its name shows it."""
    base = base_name(name)
    if in_library(name) is None and not re.fullmatch(r"resnet\d+", base):
        raise ReceptiveError(
            f"there are no pretrained weights of {base}: choose resnet34, torchvision:<name> or timm:<name>, or set "
            f"train.{base}.weights to ours or to a file"
        )
    if width != 1:
        raise ReceptiveError(
            f"pretrained weights of {base} are of width 1, and train.{base}.width is {width}: set it to 1.0, or choose "
            "profile=paper"
        )


def build(name: str, classes: int = 1000, image_size: int = 224, channels: int = 3, **options):
    """The network ``name`` with fresh weights, as a torch module.

    Args:
        name: one of ``names()``, ``torchvision:<name>`` or ``timm:<name>``; ``-2`` and so on at its end, for a further
            training of the same network (``seeds``), changes nothing here.
        classes: number of scores.
        image_size: side of the square images in px; the fully connected layers of the chains depend on it.
        channels: input channels, 1 or 3.
        **options: ``width`` (1.0 as published), and where the family has them ``batch_norm``,
            ``dropout``, ``conv_stride``. Options at None keep the family's default.

    Raises:
        ReceptiveError: unknown network, an option that the network does not have, or images too small.
    """
    check_name(name)
    name = base_name(name)
    options = {key: value for key, value in options.items() if value is not None}
    if in_library(name):
        foreign = importlib.import_module("receptive.networks.families.foreign")
        return foreign.build_foreign(*in_library(name), classes, channels, options)
    builder = _builder(name)
    known = [p for p in inspect.signature(builder).parameters if p not in ("depth", "residual")]
    for option in options:
        if option not in known:
            raise ReceptiveError(
                f"{name} has no option '{option}': it takes "
                + ", ".join(p for p in known if p not in ("classes", "channels", "image_size"))
            )
    size = {"image_size": image_size} if "image_size" in known else {}
    return builder(classes=classes, channels=channels, **size, **options)


def outline(name: str, classes: int = 1000, image_size: int = 224, channels: int = 3, **options):
    """The network ``name`` without weights (on torch's meta device): enough for its layers, in no time."""
    torch = importlib.import_module("torch")
    with torch.device("meta"):
        return build(name, classes, image_size, channels, **options)


def _builder(name: str) -> Callable:
    """The constructor of a network of ours; only its own family is imported, so that only its networks depend on it."""
    family = importlib.import_module(f"receptive.networks.families.{family_of(name)}")
    if family_of(name) != "resnet":
        return getattr(family, name)
    prefix = "resnet" if name.startswith("resnet") else "plainnet"
    return partial(family.ResNet, int(name.removeprefix(prefix)), residual=prefix == "resnet")
