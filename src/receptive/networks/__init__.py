"""The networks by name: which there are, which file of ``networks.families`` builds each, and ``build``.

``build("resnet34", classes=10, width=0.5)`` gives the module alone. Its input is normalised images
(image x channel x y x x), its output the class scores before the softmax. Importing this package imports neither
torch nor torchvision; ``build`` imports the family of the network that it builds, and no other.

A colon and a dot cannot stand in the names of DVC's stages. So in params.yaml, in folders and in tables
``torchvision:vgg16`` is ``torchvision-vgg16`` and ``timm:resnet18.a1_in1k`` is ``timm-resnet18-a1_in1k``. Every
function here takes both spellings, and the name of a further training ("resnet34-2") as the network that it trains.
Neither library has a hyphen in its names. Nobody else reads a network out of a name: ``params.trainings`` says which
network a training trains.
"""

import difflib
import importlib
import inspect
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from receptive.errors import ReceptiveError

if TYPE_CHECKING:
    from torch import nn

_DEPTHS = (18, 34, 50, 101, 152)
STUDIED = ("resnet34", "plainnet34", "alexcnn", "vggcnn", "digitcnn", "fivecnn")
LIBRARIES = ("torchvision", "timm")
"""The libraries whose networks can be named, as ``<library>:<name>``."""
FAMILIES = {
    "resnet": r"(resnet|plainnet)\d+",
    "alexcnn": "alexcnn",
    "vggcnn": "vggcnn",
    "smallnets": "digitcnn|fivecnn",
    "foreign": f"({'|'.join(LIBRARIES)})-.*",
}
"""The file of ``networks.families`` that builds a network, by a pattern of its name (conf/hydra_plugins repeats it)."""

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
    """Side in px, and number of channels, of the images that the papers show to ``name``."""
    return (28, 1) if name == "digitcnn" else (224, 3)


def slug(name: str) -> str:
    """The spelling of a network's name that can stand in folders and in the names of DVC's stages."""
    return re.sub(r"[:.]", "-", name) if re.match(f"({'|'.join(LIBRARIES)}):", name) else name


def base_name(name: str) -> str:
    """The network that a user means by ``name``: "resnet34" by "resnet34" and by its second training "resnet34-2"."""
    return re.sub(r"-[1-9][0-9]*$", "", slug(name))


def in_library(name: str) -> tuple[str, str] | None:
    """Library and name there of a network that is not ours: ("timm", "resnet18.a1_in1k"). None for networks of ours."""
    library, _, rest = base_name(name).partition("-")
    return (library, rest.replace("-", ".")) if library in LIBRARIES else None


def family_of(name: str) -> str:
    """The file of ``networks.families`` that builds ``name``; "unknown" where ``name`` is no network."""
    base = base_name(name)
    return next((family for family, pattern in FAMILIES.items() if re.fullmatch(pattern, base)), "unknown")


def check_name(name: str) -> None:
    """Refuses what is no network, naming the networks that there are.

    Raises:
        ReceptiveError: ``name`` is no network of ours and names no library.
    """
    base = base_name(name)
    if in_library(base) or base in names():
        return
    near = difflib.get_close_matches(base, names(), 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ReceptiveError(
        f"unknown network '{base}': {hint}choose one of {', '.join(names())}, or torchvision:<name>, or timm:<name>"
    )


def check_pretrained(name: str, width: float = 1.0) -> None:
    """Refuses networks that nobody has trained on ImageNet, as far as name and width tell.

    Raises:
        ReceptiveError: there are no such weights of the network, or not of this width.
    """
    base = base_name(name)
    if in_library(base) is None and not re.fullmatch(r"resnet\d+", base):
        raise ReceptiveError(
            f"there are no pretrained weights of {base}: choose resnet34, torchvision:<name> or timm:<name>, or set "
            f"train.{base}.weights to ours or to a file"
        )
    if width != 1:
        raise ReceptiveError(
            f"pretrained weights of {base} are of width 1, and train.{base}.width is {width}: set it to 1.0, or choose "
            "profile=paper"
        )


def build(
    name: str, classes: int = 1000, image_size: int = 224, channels: int = 3, **options: float | None
) -> "nn.Module":
    """The network ``name`` with fresh weights, as a torch module.

    Args:
        name: one of ``names()``, ``torchvision:<name>`` or ``timm:<name>``, or a further training of one.
        classes: number of scores.
        image_size: side of the square images in px; the fully connected layers of the chains depend on it.
        channels: input channels, 1 or 3.
        **options: ``width`` (1.0 as published), and where the family has them ``batch_norm``, ``dropout``,
            ``conv_stride``. Options at None keep the family's default.

    Raises:
        ReceptiveError: there is no such network, it does not have an option, or the images are too small for it.
    """
    check_name(name)
    base = base_name(name)
    given = {key: value for key, value in options.items() if value is not None}
    family = importlib.import_module(f"receptive.networks.families.{family_of(base)}")
    library = in_library(base)
    if library:
        return family.build_foreign(*library, classes, channels, given)
    builder: Callable[..., nn.Module] = family.BUILDERS[base]
    takes = [parameter for parameter in inspect.signature(builder).parameters if parameter not in ("depth", "residual")]
    for option in given:
        if option not in takes:
            raise ReceptiveError(
                f"{base} has no option '{option}': it takes "
                + ", ".join(p for p in takes if p not in ("classes", "channels", "image_size"))
            )
    size = {"image_size": image_size} if "image_size" in takes else {}
    return builder(classes=classes, channels=channels, **size, **given)


def outline(
    name: str, classes: int = 1000, image_size: int = 224, channels: int = 3, **options: float | None
) -> "nn.Module":
    """The network ``name`` for its layers alone: without weights, on torch's meta device, in no time.

    A few networks compute with tensors while they are built (RegNet: the widths of its blocks), which the meta device
    cannot do. They are built whole, on the CPU.
    """
    torch = importlib.import_module("torch")
    try:
        with torch.device("meta"):
            return build(name, classes, image_size, channels, **options)
    except (NotImplementedError, RuntimeError):  # torch names no error of its own for values that are not there
        return build(name, classes, image_size, channels, **options)
