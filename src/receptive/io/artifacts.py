"""Every path and file format of the project: the data contracts, written and read in one place.

Tables are parquet, arrays npy or npz, weights safetensors, small numbers JSON; nothing is pickled, and no
file holds a time, a path or a run's name: the same inputs give the same bytes. (The one exception
is the column ``images_per_s`` of a training history.) A folder is written beside its place and moved
there when it is whole, so that nothing half-written is ever read.
"""

import hashlib
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from receptive.errors import ReceptiveError

if TYPE_CHECKING:
    import pandas as pd

    from receptive.datasets.prepared import Prepared
    from receptive.io.params import Params
    from receptive.methods.extraction import Extraction
    from receptive.networks.normalisation import Normalisation
    from receptive.networks.sites import Layer

PREPARED = Path("data/prepared")
NETWORKS = Path("data/networks")
ACTIVATIONS = Path("data/activations")
STIMULI = Path("data/stimuli")
SPARSITY = Path("data/sparsity")
REPORTS = Path("reports")


def project_root() -> Path:
    """The project's own folder, also inside the temporary copies that DVC makes for experiments."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


@contextmanager
def writing(folder: Path) -> Iterator[Path]:
    """A new folder to fill, moved to ``folder`` when the block ends well and removed when it does not."""
    beside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(beside, folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def write_json(path: Path, value: dict) -> None:
    """Small numbers, sorted by key."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path, made_by: str) -> dict:
    """Small numbers; ``made_by`` is the stage that writes them, for the error message."""
    with _reading(path, made_by):
        value = json.loads(path.read_text())
        if not isinstance(value, dict):
            raise ValueError("it holds no table of names and values")
        return value


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """A table as parquet, without its index."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path, index=False)


def read_table(path: Path, made_by: str) -> "pd.DataFrame":
    """A parquet table; ``made_by`` is the stage that writes it, for the error message."""
    import pandas as pd

    with _reading(path, made_by):
        return pd.read_parquet(path)


@contextmanager
def _reading(path: Path, made_by: str) -> Iterator[None]:
    """Turns the errors of missing and damaged files into one line that says how to get them back."""
    try:
        yield
    except FileNotFoundError:
        raise ReceptiveError(f"{path} is missing: run 'dvc repro {made_by}'") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:200]
        raise ReceptiveError(
            f"{path} is damaged ({reason}): remove it and run 'dvc checkout', or 'dvc repro {made_by}'"
        ) from None


@contextmanager
def _reading_weights(path: Path, made_by: str) -> Iterator[None]:
    """The same for weights, whose library raises an error of its own."""
    from safetensors import SafetensorError

    with _reading(path, made_by):
        try:
            yield
        except SafetensorError as error:
            raise ValueError(error) from None


# ---------------------------------------------------------------- prepared images


def write_prepared(prepared: "Prepared", folder: Path | None = None) -> Path:
    """``data/prepared/<dataset>``: images, labels, statistics, mean image and, where known, subject masks."""
    folder = folder or PREPARED / prepared.name
    with writing(folder) as new:
        np.save(new / "images.npy", prepared.images)
        write_table(new / "labels.parquet", prepared.labels)
        np.save(new / "mean_image.npy", prepared.mean_image)
        if prepared.subject_mask is not None:
            np.save(new / "subject_mask.npy", prepared.subject_mask)
        write_json(
            new / "stats.json",
            {
                "name": prepared.name,
                "classes": list(prepared.classes),
                "images": len(prepared.images),
                "mean": prepared.mean.tolist(),
                "std": prepared.std.tolist(),
                "covariance": prepared.covariance.tolist(),
                "digest": _digest_files(new / "images.npy", new / "labels.parquet"),
            },
        )
    return folder


def read_prepared(dataset: str, folder: Path | None = None) -> "Prepared":
    """The prepared set; its images stay on the disk and are read where they are used.

    Raises:
        ReceptiveError: the folder is missing, a file of it is, or they do not belong together.
    """
    from receptive.datasets.prepared import Prepared, check

    folder = folder or PREPARED / dataset
    made_by = f"prepare@{dataset}"
    stats = read_json(folder / "stats.json", made_by)
    arrays = {}
    for name in ("images", "mean_image", "subject_mask"):
        path = folder / f"{name}.npy"
        if name == "subject_mask" and not path.exists():
            arrays[name] = None
            continue
        with _reading(path, made_by):
            arrays[name] = np.load(path, mmap_mode="r")
    labels = read_table(folder / "labels.parquet", made_by)
    with _reading(folder, made_by):
        prepared = Prepared(
            name=stats["name"],
            labels=labels,
            classes=tuple(stats["classes"]),
            mean=np.array(stats["mean"]),
            std=np.array(stats["std"]),
            covariance=np.array(stats["covariance"]),
            **arrays,
        )
        if len(prepared.images) != stats["images"]:
            raise ValueError(f"{len(prepared.images)} images where stats.json says {stats['images']}")
        try:
            check(prepared)
        except ReceptiveError as error:
            raise ValueError(error) from None
    return prepared


def read_images(params: "Params", network: str) -> "Prepared":
    """The prepared images that ``network`` sees, reduced to its five classes where it learns five."""
    from receptive.datasets.prepared import select_classes

    prepared = read_prepared(params.dataset_of(network))
    classes = params.classes_of(network)
    return prepared if classes is None else select_classes(prepared, classes)


def prepared_digest(dataset: str) -> str:
    """A digest of the images and labels, as ``write_prepared`` recorded it."""
    path, made_by = PREPARED / dataset / "stats.json", f"prepare@{dataset}"
    with _reading(path, made_by):
        return read_json(path, made_by)["digest"]


# ---------------------------------------------------------------- trained networks


def write_network(
    name: str,
    network,
    normalisation: "Normalisation",
    description: dict,
    history: list[dict],
    metrics: dict,
    folder: Path | None = None,
) -> Path:
    """``data/networks/<network>``: weights, how to rebuild it, history and final metrics.

    Args:
        description: ``classes`` (names by label), ``image_size`` (px), ``channels``, ``options`` for
            ``networks.build``, and what else the reader should know.
        history: the rows of ``training.train``.
    """
    import pandas as pd
    from safetensors.torch import save_file

    folder = folder or NETWORKS / name
    with writing(folder) as new:
        save_file(_contiguous(network.state_dict()), new / "weights.safetensors")
        save_file(_contiguous(normalisation.state_dict()), new / "normalisation.safetensors")
        write_json(new / "network.json", {"network": name, **description})
        write_table(new / "history.parquet", pd.DataFrame(history))
        write_json(new / "metrics.json", metrics)
    return folder


def read_network(name: str, folder: Path | None = None):
    """The trained network in evaluation mode on the CPU, its normalisation, and its description.

    Returns:
        (network, normalisation, description): the modules and the content of network.json.

    Raises:
        ReceptiveError: the folder or a file is missing or damaged, or the weights do not fit.
    """
    from safetensors.torch import load_file

    from receptive import networks
    from receptive.networks.normalisation import Normalisation

    folder = folder or NETWORKS / name
    made_by = f"train@{name}"
    description = read_json(folder / "network.json", made_by)
    weights = {}
    for part in ("weights", "normalisation"):
        path = folder / f"{part}.safetensors"
        with _reading_weights(path, made_by):
            weights[part] = load_file(path)
    with _reading(folder / "network.json", made_by):
        network = networks.build(
            description["network"],
            classes=len(description["classes"]),
            image_size=description["image_size"],
            channels=description["channels"],
            **description["options"],
        )
        normalisation = Normalisation(weights["normalisation"]["shift"], weights["normalisation"]["matrix"])
    try:
        network.load_state_dict(weights["weights"])
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ReceptiveError(
            f"{folder}/weights.safetensors does not fit {name} ({reason}): run 'dvc repro train@{name}'"
        ) from None
    return network.eval(), normalisation, description


def read_layers(name: str) -> "list[Layer]":
    """The layers of a trained network, without reading its weights."""
    from receptive import networks
    from receptive.networks.sites import layers

    description = read_description(name)
    size, channels = description["image_size"], description["channels"]
    classes = len(description["classes"])
    network = networks.build(description["network"], classes, size, channels, **description["options"])
    return layers(network, size, channels)


def read_history(name: str) -> "pd.DataFrame":
    """The training history: ``epoch, split, loss, top1, top5, lr, images_per_s``, two rows an epoch."""
    return read_table(NETWORKS / name / "history.parquet", f"train@{name}")


def read_network_metrics(name: str) -> dict:
    """``train`` and ``validation`` (each ``loss, top1, top5``) after the last epoch, and ``parameters``."""
    return read_json(NETWORKS / name / "metrics.json", f"train@{name}")


def read_description(name: str) -> dict:
    """network.json: how to rebuild the network, without building it."""
    return read_json(NETWORKS / name / "network.json", f"train@{name}")


def _contiguous(state: dict) -> dict:
    return {key: value.detach().cpu().contiguous() for key, value in state.items()}


# ---------------------------------------------------------------- responses and stimuli


def write_activations(network: str, layers: "list[Layer]", extraction: "Extraction") -> Path:
    """``data/activations/<network>``: units.parquet, preferred.parquet and histograms.npz.

    histograms.npz holds the bins' ``edges`` (``methods.unit_statistics.histogram_edges``) and, under each
    layer's name, counts of all responses, unit x bin.
    """
    import pandas as pd

    from receptive.methods.unit_statistics import histogram_edges

    units, preferred, histograms = [], [], {"edges": histogram_edges()}
    for layer in layers:
        statistics, top = extraction.statistics[layer.name], extraction.top[layer.name]
        heading = {
            "network": network,
            "layer": layer.name,
            "alias": layer.alias,
            "depth": layer.depth,
            "kind": layer.kind,
        }
        units.append(pd.DataFrame({**heading, **statistics.columns()}))
        histograms[layer.name] = statistics.histogram.cpu().numpy()
        value, image, position = (t.cpu().numpy() for t in (top.value, top.image, top.position))
        unit, rank = np.nonzero(np.isfinite(value))  # fewer images than ranks leave the last ones empty
        y, x = np.divmod(position[unit, rank], layer.map_size[1])
        box = layer.field.box(y, x)
        preferred.append(
            pd.DataFrame(
                {
                    "network": network,
                    "layer": layer.name,
                    "unit": unit,
                    "rank": rank,
                    "image": image[unit, rank],
                    "y": y,
                    "x": x,
                    "activation": value[unit, rank],
                    **dict(zip(("top_px", "left_px", "bottom_px", "right_px"), box, strict=True)),
                }
            )
        )
    folder = ACTIVATIONS / network
    with writing(folder) as new:
        write_table(new / "units.parquet", pd.concat(units, ignore_index=True))
        write_table(new / "preferred.parquet", pd.concat(preferred, ignore_index=True))
        np.savez(new / "histograms.npz", **histograms)
    return folder


def read_units(network: str) -> "pd.DataFrame":
    """One row a (layer, unit): what it does over the validation images."""
    return read_table(ACTIVATIONS / network / "units.parquet", f"extract@{network}")


def read_preferred(network: str) -> "pd.DataFrame":
    """One row a (layer, unit, rank), best first: image, position, activation and the patch's box."""
    return read_table(ACTIVATIONS / network / "preferred.parquet", f"extract@{network}")


def write_stimuli(folder: Path, layer: "Layer", preferred: "pd.DataFrame", patches: np.ndarray, means: dict) -> None:
    """``data/stimuli/<network>/<layer>.npz``: top patches and mean preferred stimuli of one layer.

    Args:
        preferred: the layer's rows of preferred.parquet; patches: their patches, uint8, row x y x x x channel.
        means: mode to (mean, count, baseline) of ``MeanStimulus.result``.
    """
    arrays = {
        "patches": patches,
        "unit": preferred["unit"].to_numpy(),
        "rank": preferred["rank"].to_numpy(),
        "box": preferred[["top_px", "left_px", "bottom_px", "right_px"]].to_numpy(),
        "activation": preferred["activation"].to_numpy(),
    }
    for mode, (mean, count, baseline) in means.items():
        # the channel last, as pictures are stored; empty where the mode has no position
        arrays[f"mean_{mode}"] = mean.movedim(1, -1).cpu().numpy() if mean.dim() == 4 else mean.numpy()
        arrays[f"count_{mode}"] = count.cpu().numpy()
        arrays[f"baseline_{mode}"] = baseline.movedim(0, -1).cpu().numpy() if baseline.dim() == 3 else baseline.numpy()
    np.savez(folder / f"{layer.name}.npz", **arrays)


def read_stimuli(network: str, layer: str) -> dict[str, np.ndarray]:
    """The arrays of ``write_stimuli``."""
    path = STIMULI / network / f"{layer}.npz"
    with _reading(path, f"mine@{network}"), np.load(path) as arrays:
        return dict(arrays)


def read_sparsity(network: str) -> "pd.DataFrame":
    """One row a layer: its share of zero responses."""
    return read_table(SPARSITY / network / "layers.parquet", f"sparsity@{network}")


def read_first_filters(network: str) -> np.ndarray:
    """Weights of the first convolution, unit x y x x x channel."""
    from safetensors import safe_open

    made_by = f"train@{network}"
    with _reading(NETWORKS / network / "network.json", made_by):
        name = read_description(network)["first_filters"]
    path = NETWORKS / network / "weights.safetensors"
    with _reading_weights(path, made_by), safe_open(path, "np") as weights:
        return weights.get_tensor(name).transpose(0, 2, 3, 1)


def move_report(folder: Path) -> None:
    """Moves a finished report to ``reports/``, replacing what it replaces and nothing else."""
    for part in folder.iterdir():
        target = REPORTS / part.name
        if target.is_dir():
            shutil.rmtree(target)
        os.replace(part, target)
    folder.rmdir()


# ---------------------------------------------------------------- what a stage keeps between attempts


def scratch(stage: str, *parts: str) -> Path:
    """A folder for checkpoints of exactly this work, outside DVC's outputs (it need not exist yet).

    The name is a digest of ``parts`` (parameters, data, seed) and of the project's code that is loaded
    now, so a checkpoint is found again by the same work only, also from a temporary experiment folder.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    for name in sorted(m for m in sys.modules if m.partition(".")[0] == "receptive"):
        source = getattr(sys.modules[name], "__file__", None)
        if source:
            digest.update(name.encode() + b"\0" + Path(source).read_bytes())
    return project_root() / "scratch" / f"{stage}-{digest.hexdigest()[:16]}"


def _digest_files(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()
