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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from receptive.errors import ReceptiveError

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from receptive.datasets.prepared import Prepared
    from receptive.io.params import Params
    from receptive.methods.extraction import Extraction
    from receptive.methods.zero_fractions import ZeroFractions
    from receptive.networks.normalisation import Normalisation
    from receptive.networks.sites import Layer

PREPARED = Path("data/prepared")
NETWORKS = Path("data/networks")
ACTIVATIONS = Path("data/activations")
STIMULI = Path("data/stimuli")
SPARSITY = Path("data/sparsity")
ABLATION = Path("data/ablation")
FILTERS = Path("data/filters")
FEATURE_MAPS = Path("data/feature_maps")
MAXIMIZATION = Path("data/maximization")
DECONVOLUTION = Path("data/deconvolution")
IDENTITY = Path("data/identity")
EMBEDDING = Path("data/embedding")
PROBE = Path("data/probe")
CLAIMS = Path("data/claims")
REPORTS = Path("reports")

# What must be in files that many stages read; they are refused in one line when read, not where it is missed.
_DESCRIPTION = ("network", "classes", "image_size", "channels", "options", "first_filters")
_UNITS = (
    *("network", "layer", "alias", "depth", "kind", "unit"),
    *("images", "positions", "mean", "max", "zero_fraction", "positive_images"),
)
_ZEROS = ("network", "state", "layer", "alias", "depth", "kind", "image", "zero_fraction")
_PREFERRED = (
    *("network", "layer", "unit", "rank", "image", "y", "x", "activation"),
    *("top_px", "left_px", "bottom_px", "right_px"),
)


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


def read_table(path: Path, made_by: str, columns: Iterable[str] = ()) -> "pd.DataFrame":
    """A parquet table that has at least ``columns``; ``made_by`` is the stage that writes it, for the error message."""
    import pandas as pd

    with _reading(path, made_by):
        table = pd.read_parquet(path)
        _check_has(table, columns)
        return table


def _read_arrays(path: Path, made_by: str) -> dict[str, np.ndarray]:
    """All arrays of an .npz file; ``made_by`` as for ``read_table``."""
    with _reading(path, made_by), np.load(path) as arrays:
        return dict(arrays)


def _check_has(found: "dict | pd.DataFrame", names: Iterable[str]) -> None:
    """For use within ``_reading``: ValueError where the table or the JSON lacks one of ``names``."""
    lacking = [name for name in names if name not in found]
    if lacking:
        raise ValueError(f"it lacks {', '.join(lacking)}")


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


def raw_folder(dataset: str, path: str | None) -> Path:
    """Where the user's own files of a data set are: ``path``, else the variable, else ``data/raw/<dataset>``.

    The variable is ``RECEPTIVE_`` and the data set's name in capitals. Relative places start from the project's
    own folder, also in the temporary copies that DVC makes for experiments.
    """
    chosen = path or os.environ.get(f"RECEPTIVE_{dataset.upper()}") or f"data/raw/{dataset}"
    return project_root() / Path(chosen).expanduser()


def write_prepared(prepared: "Prepared", folder: Path | None = None) -> Path:
    """``data/prepared/<dataset>``: images, labels, statistics, mean image and, where known, subject masks.

    A set decoded from files (``prepared.origin``) leaves also ``files.parquet`` and ``damaged.parquet``; its
    images are moved, not copied, and with all that surrounds the views (``view_px`` in stats.json).
    """
    folder = folder or PREPARED / prepared.name
    origin = prepared.origin
    facts = {}
    if prepared.surround is not None:
        facts["view_px"] = prepared.images.shape[1]
    if prepared.folders:
        facts["folders"] = list(prepared.folders)
    with writing(folder) as new:
        images = new / "images.npy"
        if origin is None:
            np.save(images, prepared.images if prepared.surround is None else prepared.surround)
        else:
            images = origin.decoded
            write_table(new / "files.parquet", origin.files)
            write_table(new / "damaged.parquet", origin.damaged)
            facts["sources"] = {"files": len(origin.files) + len(origin.damaged), "digest": origin.digest}
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
                "digest": _digest_files(images, new / "labels.parquet"),
                **facts,
            },
        )
        if origin is not None:  # last: whatever fails before leaves hours of decoding where they are
            shutil.move(images, new / "images.npy")
    return folder


def read_prepared(dataset: str, folder: Path | None = None) -> "Prepared":
    """The prepared set; its images stay on the disk and are read where they are used.

    Raises:
        ReceptiveError: the folder is missing, a file of it is, or they do not belong together.
    """
    from receptive.datasets.prepared import Prepared, centre_view, check

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
        if "view_px" in stats:
            arrays["surround"] = arrays["images"]
            arrays["images"] = centre_view(arrays["images"], stats["view_px"])
        prepared = Prepared(
            name=stats["name"],
            folders=tuple(stats.get("folders", ())),
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


def prepared_sources(dataset: str) -> str | None:
    """The digest of the files that a prepared set was decoded from; None where there is no such set."""
    path = PREPARED / dataset / "stats.json"
    return read_json(path, f"prepare@{dataset}").get("sources", {}).get("digest") if path.exists() else None


# ---------------------------------------------------------------- trained networks


def write_network(
    name: str,
    network,
    normalisation: "Normalisation",
    description: dict,
    history: list[dict],
    metrics: dict,
    untrained: dict,
    folder: Path | None = None,
) -> Path:
    """``data/networks/<network>``: weights, how to rebuild it, history and final metrics.

    Args:
        untrained: the state of the same network before training (``training.before_training``).
        description: ``classes`` (names by label), ``image_size`` (px), ``channels``, ``options`` for
            ``networks.build``, and what else the reader should know.
        history: the rows of ``training.train``.
    """
    import pandas as pd
    from safetensors.torch import save_file

    folder = folder or NETWORKS / name
    with writing(folder) as new:
        save_file(_contiguous(network.state_dict()), new / "weights.safetensors")
        save_file(_contiguous(untrained), new / "untrained.safetensors")
        save_file(_contiguous(normalisation.state_dict()), new / "normalisation.safetensors")
        write_json(new / "network.json", {"network": name, **description})
        write_table(new / "history.parquet", pd.DataFrame(history))
        write_json(new / "metrics.json", metrics)
    return folder


def read_network(name: str, folder: Path | None = None, trained: bool = True):
    """The trained network in evaluation mode on the CPU, its normalisation, and its description.

    Args:
        trained: False gives the same network before training, the control of many claims.

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
    description = read_description(name, folder)
    state = "weights" if trained else "untrained"
    weights = {}
    for part in (state, "normalisation"):
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
        network.load_state_dict(weights[state])
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ReceptiveError(
            f"{folder}/{state}.safetensors does not fit {name} ({reason}): run 'dvc repro train@{name}'"
        ) from None
    return network.eval(), normalisation, description


def read_normalisation(name: str) -> "Normalisation":
    """What is done to pixels before the network sees them, without the network."""
    from safetensors.torch import load_file

    from receptive.networks.normalisation import Normalisation

    path = NETWORKS / name / "normalisation.safetensors"
    with _reading_weights(path, f"train@{name}"):
        state = load_file(path)
        return Normalisation(state["shift"], state["matrix"])


def read_state(path: str) -> "tuple[dict[str, Tensor], str]":
    """A user's file of weights: the state dict, and the file's SHA-256.

    Args:
        path: a .safetensors file, or what ``torch.save`` wrote of a state dict (also within a checkpoint, under
            "state_dict" or "model"); one that is not absolute is meant from the project's folder.

    Raises:
        ReceptiveError: the file is missing, may not be read, or holds no weights or such as are not finite. Nothing in
            it is executed.
    """
    import warnings

    import torch
    from safetensors.torch import load_file

    from receptive.networks.weights import check_finite

    file = project_root() / Path(path).expanduser()
    if not file.is_file():
        raise ReceptiveError(
            f"there is no file of weights '{path}': give a .safetensors or .pt file, or weights: ours or pretrained"
        )
    try:
        if file.suffix == ".safetensors":
            state = load_file(file)
        else:
            with warnings.catch_warnings(action="ignore"):  # torch's, of what is refused below
                state = torch.load(file, map_location="cpu", weights_only=True)
        for key in ("state_dict", "model"):
            state = state.get(key, state) if isinstance(state, dict) else state
        if not all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()):
            raise ValueError
    except MemoryError:
        raise
    except PermissionError:
        raise ReceptiveError(f"'{path}' may not be read: change the file's permissions") from None
    except Exception:  # a damaged file makes the libraries raise nearly anything, with advice that is not for our users
        raise ReceptiveError(
            f"'{path}' cannot be read as weights: it holds no state dict of tensors (damaged, or a whole pickled "
            "module): save model.state_dict() with torch.save, or as .safetensors"
        ) from None
    check_finite(state, f"the weights of '{path}'")  # ``fitted`` would not know the file
    # what a network in DataParallel saves
    return {name.removeprefix("module."): value for name, value in state.items()}, _digest_files(file)


def read_layers(name: str) -> "list[Layer]":
    """The layers of a trained network, without reading its weights."""
    from receptive import networks
    from receptive.networks.sites import layers

    description = read_description(name)
    with _reading(NETWORKS / name / "network.json", f"train@{name}"):
        size, channels = description["image_size"], description["channels"]
        classes = len(description["classes"])
        network = networks.outline(description["network"], classes, size, channels, **description["options"])
    return layers(network, size, channels)


def read_history(name: str) -> "pd.DataFrame":
    """The training history: ``epoch, split, loss, top1, top5, lr, images_per_s``, two rows an epoch."""
    return read_table(NETWORKS / name / "history.parquet", f"train@{name}")


def read_network_metrics(name: str) -> dict:
    """``train`` and ``validation`` (each ``loss, top1, top5``) after the last epoch, and ``parameters``."""
    return read_json(NETWORKS / name / "metrics.json", f"train@{name}")


def network_digest(name: str) -> str:
    """A digest of the trained network: its weights, its normalisation, and how it is built."""
    folder, files = NETWORKS / name, ("weights.safetensors", "normalisation.safetensors", "network.json")
    with _reading(folder, f"train@{name}"):
        return _digest_files(*(folder / file for file in files))


def read_description(name: str, folder: Path | None = None) -> dict:
    """network.json: how to rebuild the network, without building it."""
    path, made_by = (folder or NETWORKS / name) / "network.json", f"train@{name}"
    with _reading(path, made_by):
        description = read_json(path, made_by)
        _check_has(description, _DESCRIPTION)
        return description


def _contiguous(state: dict) -> dict:
    return {key: value.detach().cpu().contiguous() for key, value in state.items()}


# ---------------------------------------------------------------- responses and stimuli


def write_activations(
    network: str, layers: "list[Layer]", extraction: "Extraction", untrained: "dict[str, ZeroFractions]"
) -> Path:
    """``data/activations/<network>``: units.parquet, preferred.parquet, zeros.parquet and histograms.npz.

    zeros.parquet has one row a state ("trained", "untrained"), layer and image: ``network, state, layer, alias, depth,
    kind, image, zero_fraction``; the untrained network has seen the first of the images only.

    histograms.npz holds the bins' ``edges`` (``methods.unit_statistics.histogram_edges``) and, under each
    layer's name, counts of all responses, unit x bin.

    Args:
        untrained: the zeros of each layer before training.
    """
    import pandas as pd

    from receptive.methods.unit_statistics import histogram_edges

    units, preferred, zeros, histograms = [], [], [], {"edges": histogram_edges()}
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
        for state, counted in (("trained", extraction.zeros[layer.name]), ("untrained", untrained[layer.name])):
            numbers, fractions = counted.result()
            zeros.append(pd.DataFrame({**heading, "state": state, "image": numbers, "zero_fraction": fractions}))
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
        write_table(new / "zeros.parquet", pd.concat(zeros, ignore_index=True)[list(_ZEROS)])
        np.savez(new / "histograms.npz", **histograms)
    return folder


def read_units(network: str) -> "pd.DataFrame":
    """One row a (layer, unit): what it does over the validation images."""
    return read_table(ACTIVATIONS / network / "units.parquet", f"extract@{network}", _UNITS)


def read_zeros(network: str) -> "pd.DataFrame":
    """One row a state, layer and image: its share of zero responses, trained and untrained."""
    return read_table(ACTIVATIONS / network / "zeros.parquet", f"extract@{network}", _ZEROS)


def read_preferred(network: str) -> "pd.DataFrame":
    """One row a (layer, unit, rank), best first: image, position, activation and the patch's box."""
    return read_table(ACTIVATIONS / network / "preferred.parquet", f"extract@{network}", _PREFERRED)


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


def is_mined(network: str, layer: str) -> bool:
    """Whether the layer's stimuli are there: of layers that see more than ``mine.largest_field`` they are not."""
    return (STIMULI / network / f"{layer}.npz").exists()


def read_stimuli(network: str, layer: str) -> dict[str, np.ndarray]:
    """The arrays of ``write_stimuli``."""
    return _read_arrays(STIMULI / network / f"{layer}.npz", f"mine@{network}")


def read_sparsity(network: str) -> "pd.DataFrame":
    """One row a layer: its share of zero responses."""
    return read_table(SPARSITY / network / "layers.parquet", f"sparsity@{network}")


def read_first_pool(network: str) -> "pd.DataFrame":
    """The rows of units.parquet of the network's first pooling layer, unit by unit.

    Raises:
        ReceptiveError: the network has none.
    """
    units = read_units(network)
    layers = units.loc[units["kind"] == "pool", "layer"]
    if layers.empty:
        raise ReceptiveError(f"{network} has no pooling layer: leave it out of models")
    return units[units["layer"] == layers.iloc[0]].sort_values("unit", ignore_index=True)


def write_ablation(network: str, found: dict) -> Path:
    """``data/ablation/<network>``: inactive.json (``methods.ablation.ablate``) and, for MLflow, metrics.json."""
    folder = ABLATION / network
    headline = {name: found[name] for name in ("delta_loss", "delta_loss_random") if found[name] is not None}
    with writing(folder) as new:
        write_json(new / "inactive.json", found)
        write_json(new / "metrics.json", {"inactive_units": len(found["inactive_units"]), **headline})
    return folder


def read_ablation(network: str) -> dict:
    """inactive.json: the inactive units of the first pool, the changes of loss, the control and the sweep."""
    return read_json(ABLATION / network / "inactive.json", f"ablate@{network}")


def read_histograms(network: str) -> dict[str, np.ndarray]:
    """Bin ``edges`` and, by layer, counts of all natural responses (unit x bin)."""
    return _read_arrays(ACTIVATIONS / network / "histograms.npz", f"extract@{network}")


def write_maximization(network: str, results: "pd.DataFrame", images: dict[str, np.ndarray], metrics: dict) -> Path:
    """``data/maximization/<network>``: results.parquet, images.npz and, for MLflow, metrics.json.

    Args:
        results: one row a result, group by group: ``network, layer, alias, unit, objective, preset, initialisation,
            status, activation, quantile, natural_max, iterations, seed`` and the box of what is shown,
            ``top_px, left_px, bottom_px, right_px`` (half-open, may leave the image).
        images: by ``maximization_group`` the pixels of its rows in their order, float32, row x y x x x channel: the
            part of the box inside the image; values leave [0, 1] where no real image lies.
    """
    folder = MAXIMIZATION / network
    with writing(folder) as new:
        write_table(new / "results.parquet", results)
        np.savez(new / "images.npz", **images)
        write_json(new / "metrics.json", metrics)
    return folder


def maximization_group(layer: str, objective: str, preset: str, initialisation: str) -> str:
    """The name under which the images of such results lie."""
    return "/".join((layer, objective, preset, initialisation))


def read_maximization(network: str) -> "tuple[pd.DataFrame, dict[str, np.ndarray]]":
    """results.parquet, and the pixels of every group."""
    folder, made_by = MAXIMIZATION / network, f"maximize@{network}"
    results = read_table(folder / "results.parquet", made_by)
    with _reading(folder / "images.npz", made_by), np.load(folder / "images.npz") as arrays:
        return results, dict(arrays)


def write_deconvolution(
    network: str,
    images: "pd.DataFrame",
    representations: dict[str, np.ndarray],
    energy: "pd.DataFrame | None",
    predictions: "pd.DataFrame",
    units: "pd.DataFrame",
    patches: dict[str, np.ndarray],
) -> Path:
    """``data/deconvolution/<network>``: what was carried back to the pixels, signed, in normalised space.

    - images.parquet: one row an image shown, ``image, label, class_name``; representations.npz: under each
      layer's name, in the order of depth, image x y x x x channel, float32, in the same order.
    - energy.parquet: one row a state ("trained", "untrained"), layer and image, ``network, state, layer, alias, depth,
      kind, image, label, energy`` (sum of squares), ``energy_outside_fraction, area_outside_fraction,
      image_energy_outside_fraction``; only where the subject's mask is known.
    - predictions.parquet: one row an image and rank, ``network, image, label, class_name, rank, predicted,
      probability``.
    - units.parquet: one row a patch, the columns of preferred.parquet with the box that was cut, and ``alias, depth,
      response, peak``; units.npz: under each layer's name, patch x y x x x channel, float16, in the same
      order; times ``peak`` they are the reconstructions. A unit without a row is dead, a layer of dead units
      has no patches.
    """
    folder = DECONVOLUTION / network
    with writing(folder) as new:
        write_table(new / "images.parquet", images)
        np.savez(new / "representations.npz", **representations)
        predictions.insert(0, "network", network)
        write_table(new / "predictions.parquet", predictions)
        write_table(new / "units.parquet", units)
        np.savez_compressed(new / "units.npz", **patches)  # most patches are 0 in most places
        if energy is not None:
            energy.insert(0, "network", network)
            write_table(new / "energy.parquet", energy)
            trained = energy[energy["state"] == "trained"]
            shares = trained.groupby("alias", sort=False)["energy_outside_fraction"].mean().dropna()
            write_json(new / "metrics.json", {f"energy_outside.{alias}": share for alias, share in shares.items()})
    return folder


def read_deconvolution(network: str, table: str) -> "pd.DataFrame":
    """One of the tables of ``write_deconvolution``: "images", "predictions" or "units"."""
    return read_table(DECONVOLUTION / network / f"{table}.parquet", f"deconvolve@{network}")


def read_energy(network: str) -> "pd.DataFrame | None":
    """The energies of the reconstructions outside the subject, trained and untrained; None where nobody knows it."""
    path = DECONVOLUTION / network / "energy.parquet"
    read_deconvolution(network, "images")  # that the folder is there at all
    return read_table(path, f"deconvolve@{network}") if path.exists() else None


def write_identity(
    network: str, units: "pd.DataFrame", tests: "pd.DataFrame", similarities: dict[str, np.ndarray], metrics: dict
) -> Path:
    """``data/identity/<network>``: how alike equal channels of two layers are.

    - units.parquet: one row a state ("trained", "untrained"), measure ("responses", "stimuli"), pair of layers and
      channel: ``network, state, measure, group, layer, alias, depth, other_layer, other_alias, other_depth, unit, own,
      others, share_less_similar`` (``methods.identity``); NaN where a channel has no similarity. Empty where the
      network has no two layers of as many channels on the same map.
    - tests.parquet: one row a state, measure and group, and one ("all") of all groups: ``network, state, measure,
      group, pairs, value, p_value, draws`` (``methods.identity.identity_test``).
    - similarities.npz: under ``identity_pair``'s names, channel x channel, float32.
    """
    folder = IDENTITY / network
    with writing(folder) as new:
        write_table(new / "units.parquet", units)
        write_table(new / "tests.parquet", tests)
        np.savez(new / "similarities.npz", **similarities)
        write_json(new / "metrics.json", metrics)
    return folder


def identity_pair(state: str, measure: str, layer: str, other_layer: str) -> str:
    """The name under which the similarities of two layers' channels lie."""
    return "/".join((state, measure, layer, other_layer))


def read_identity(network: str, table: str = "units") -> "pd.DataFrame":
    """One of the tables of ``write_identity``: "units" or "tests"."""
    return read_table(IDENTITY / network / f"{table}.parquet", f"identity@{network}")


def read_similarities(network: str) -> dict[str, np.ndarray]:
    """The channel x channel similarities of ``write_identity``."""
    return _read_arrays(IDENTITY / network / "similarities.npz", f"identity@{network}")


def read_representations(network: str) -> dict[str, np.ndarray]:
    """Layer to what its representation of each image shown was carried back to; shallow layers first."""
    return _read_arrays(DECONVOLUTION / network / "representations.npz", f"deconvolve@{network}")


def read_unit_patches(network: str, layer: str) -> "tuple[pd.DataFrame, np.ndarray] | None":
    """The rows of units.parquet of one layer and its deconvolved patches; None where it has none."""
    units = read_deconvolution(network, "units")
    path = DECONVOLUTION / network / "units.npz"
    with _reading(path, f"deconvolve@{network}"), np.load(path) as arrays:
        return (units[units["layer"] == layer], arrays[layer]) if layer in arrays else None


def write_embedding(
    network: str,
    layers: "pd.DataFrame",
    points: "dict[str, pd.DataFrame]",
    grids: dict[str, dict[str, np.ndarray]],
    regions: "pd.DataFrame",
    region_units: "pd.DataFrame",
    units: "pd.DataFrame",
    patches: dict[str, np.ndarray],
    purity: "pd.DataFrame",
    purity_images: "pd.DataFrame",
) -> Path:
    """``data/embedding/<network>``: maps of layers' representation spaces, and what every layer groups.

    - layers.parquet: one row a layer asked for, ``network, layer, alias, depth, kind, reason`` (empty, or why there is
      no map), ``points, images, coinciding`` (points left out because their vector came before) and the map's quality:
      the fields of ``methods.embedding.Map``, ``purity_space, purity_map`` and ``purity_chance`` (``methods.purity``).
    - <layer>.parquet: one row a point, ``image, y, x, label, class_name, e1, e2`` (its place in the plane), the box of
      its patch ``top_px, left_px, bottom_px, right_px`` (half-open, may leave the image; the whole image for layers
      that see more), and ``unit_1, activation_1, ...``, its strongest units (-1 and 0 where fewer are active).
    - <layer>.npz: rows of that table: ``grid_<cells>`` (row x column, the top row first), ``regions`` (region x row x
      column) and ``selected`` (region x patch, -1 where there is none).
    - regions.parquet: ``layer, region, chosen_by, left, low, side`` (in the plane's units), ``points, label,
      class_name, label_fraction``; region_units.parquet: ``layer, region, rank, unit, activation`` (mean over the
      region).
    - units.parquet and units.npz: top patches of those units, carried back to the pixels, as in
      ``write_deconvolution``.
    - purity.parquet: one row a state ("trained", "untrained", "pixels") and conv or pool layer, ``network, state,
      layer, alias, depth, kind, value, chance, points``; purity_images.parquet: ``network, state, layer, image, label,
      value``, the image's part in it.
    """
    folder = EMBEDDING / network
    quality = ["kl_divergence", "trustworthiness", "purity_space", "purity_map"]
    mapped = layers[layers["reason"] == ""]
    metrics = {f"{name}.{row['alias']}": row[name] for row in mapped.to_dict("records") for name in quality}
    trained = purity[purity["state"] == "trained"]
    metrics |= {f"purity.{alias}": value for alias, value in zip(trained["alias"], trained["value"], strict=True)}
    with writing(folder) as new:
        for name, table in (("layers", layers), ("purity", purity), ("purity_images", purity_images)):
            table.insert(0, "network", network)
            write_table(new / f"{name}.parquet", table)
        for layer, table in points.items():
            write_table(new / f"{layer}.parquet", table)
            np.savez(new / f"{layer}.npz", **grids[layer])
        write_table(new / "regions.parquet", regions)
        write_table(new / "region_units.parquet", region_units)
        write_table(new / "units.parquet", units)
        np.savez_compressed(new / "units.npz", **patches)
        finite = {name.replace(" ", "_"): value for name, value in metrics.items() if np.isfinite(value)}
        write_json(new / "metrics.json", finite)
    return folder


def read_embedding(network: str, table: str) -> "pd.DataFrame":
    """One of the tables of ``write_embedding``: "layers", "regions", "region_units", "purity", "purity_images", or the
    name of a layer that has a map, for its points."""
    return read_table(EMBEDDING / network / f"{table}.parquet", f"embed@{network}")


def read_grids(network: str, layer: str) -> dict[str, np.ndarray]:
    """The grids of a layer's map, rows of its table of points."""
    return _read_arrays(EMBEDDING / network / f"{layer}.npz", f"embed@{network}")


def read_region_patches(network: str) -> "tuple[pd.DataFrame, dict[str, np.ndarray]]":
    """The rows of units.parquet of the regions' units, and by layer their deconvolved patches, in the rows' order."""
    return read_embedding(network, "units"), _read_arrays(EMBEDDING / network / "units.npz", f"embed@{network}")


def write_probe(
    network: str, units: "pd.DataFrame", filters: "pd.DataFrame", shown: list, tuning: dict[str, tuple]
) -> Path:
    """``data/probe/<network>``: what every unit is tuned to.

    - units.parquet: one row a state ("trained", "untrained", "shuffled"), layer and unit: ``network, state, layer,
      alias, depth, kind, unit``, the columns of ``methods.selectivity.measures``, and ``selective, single_opponent,
      double_opponent``; NA where a unit answers nothing, or the images have no colour.
    - filters.parquet: the same of the first convolution, from its kernels alone.
    - stimuli.parquet: one row a condition, ``axis, orientation, frequency``; tuning.npz: under
      "strength/<layer>" and "rate/<layer>" those of the trained units, condition x unit, in the same order.
    """
    import pandas as pd

    folder = PROBE / network
    judged = ["selective", "single_opponent", "double_opponent"]
    metrics = {}
    for (state, alias), its in units.groupby(["state", "alias"], sort=False):
        shares = its[judged].astype("Float64").mean().dropna()
        metrics |= {f"{name}.{state}.{alias}".replace(" ", "_"): float(share) for name, share in shares.items()}
    with writing(folder) as new:
        for name, table in (("units", units), ("filters", filters)):
            table.insert(0, "network", network)
            write_table(new / f"{name}.parquet", table)
        write_table(new / "stimuli.parquet", pd.DataFrame(shown))
        arrays = {}
        for name, (strengths, rates) in tuning.items():
            arrays[f"strength/{name}"] = strengths.astype(np.float32)
            arrays[f"rate/{name}"] = rates.astype(np.float32)
        np.savez(new / "tuning.npz", **arrays)
        write_json(new / "metrics.json", metrics)
    return folder


def read_probe(network: str, table: str = "units") -> "pd.DataFrame":
    """One of the tables of ``write_probe``: "units", "filters" or "stimuli"."""
    return read_table(PROBE / network / f"{table}.parquet", f"probe@{network}")


def read_tuning(network: str) -> dict[str, np.ndarray]:
    """The arrays of tuning.npz, condition x unit, in the order of stimuli.parquet."""
    return _read_arrays(PROBE / network / "tuning.npz", f"probe@{network}")


def read_first_filters(network: str, trained: bool = True) -> np.ndarray:
    """Weights of the first convolution, unit x y x x x channel; ``trained=False`` gives those before training."""
    (weights,) = read_weights(network, [read_description(network)["first_filters"]], trained)
    return weights.transpose(0, 2, 3, 1)


def weight_shapes(network: str) -> dict[str, tuple[int, ...]]:
    """The shape of every weight of a trained network, by name; nothing is read but the file's head."""
    from safetensors import safe_open

    path = NETWORKS / network / "weights.safetensors"
    with _reading_weights(path, f"train@{network}"), safe_open(path, "np") as weights:
        return {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118


def read_weights(network: str, names: list[str], trained: bool = True) -> list[np.ndarray]:
    """Some weights of a network, without torch; ``trained=False`` gives those before training."""
    from safetensors import safe_open

    path = NETWORKS / network / ("weights.safetensors" if trained else "untrained.safetensors")
    with _reading_weights(path, f"train@{network}"), safe_open(path, "np") as weights:
        return [weights.get_tensor(name) for name in names]


def write_filters(network: str, arrays: dict[str, np.ndarray], names: dict, metrics: dict) -> Path:
    """``data/filters/<network>``: filters.npz, filters.json and metrics.json.

    Args:
        arrays: ``first`` (k x q x y x x), ``second`` (p x k x y x x), and of ``methods.virtual_filters`` ``virtual``,
            ``weights`` and ``places``.
        names: ``first`` and ``second``, the names of the weights, and ``folded``, of the batch norm or None.
    """
    folder = FILTERS / network
    with writing(folder) as new:
        np.savez(new / "filters.npz", **arrays)
        write_json(new / "filters.json", names)
        write_json(new / "metrics.json", metrics)
    return folder


def read_filters(network: str) -> tuple[dict[str, np.ndarray], dict]:
    """The arrays and names of ``write_filters``."""
    folder, made_by = FILTERS / network, f"filters@{network}"
    return _read_arrays(folder / "filters.npz", made_by), read_json(folder / "filters.json", made_by)


def write_feature_maps(
    network: str, image: np.ndarray, facts: dict, maps: dict[str, np.ndarray], metrics: dict
) -> Path:
    """``data/feature_maps/<network>``: maps.npz, image.json and metrics.json.

    Args:
        image: bytes, y x x x channel; facts: ``image`` (its number) and ``class``.
        maps: layer to its maps, unit x y x x, in the layers' order.
    """
    folder = FEATURE_MAPS / network
    with writing(folder) as new:
        np.savez(new / "maps.npz", image=image, **{f"layer {name}": values for name, values in maps.items()})
        write_json(new / "image.json", facts)
        write_json(new / "metrics.json", metrics)
    return folder


def read_feature_maps(network: str) -> tuple[np.ndarray, dict, dict[str, np.ndarray]]:
    """The image, facts and maps of ``write_feature_maps``."""
    path, made_by = FEATURE_MAPS / network / "maps.npz", f"feature_maps@{network}"
    with _reading(path, made_by), np.load(path) as arrays:
        maps = {name.removeprefix("layer "): arrays[name] for name in arrays.files if name != "image"}
        return arrays["image"], read_json(FEATURE_MAPS / network / "image.json", made_by), maps


def write_claims(rows: "pd.DataFrame", metrics: dict) -> Path:
    """``data/claims``: rows.parquet (``claims.table``) and, for MLflow, metrics.json."""
    with writing(CLAIMS) as new:
        write_table(new / "rows.parquet", rows)
        write_json(new / "metrics.json", metrics)
    return CLAIMS


def read_claims() -> "pd.DataFrame":
    """One row a measured number of a claim (``claims.table``)."""
    return read_table(CLAIMS / "rows.parquet", "claims")


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


def keep(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Arrays in a ``scratch`` folder, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}")
    with part.open("wb") as file:
        np.savez(file, **arrays)
    os.replace(part, path)


def read_kept(path: Path) -> dict[str, np.ndarray] | None:
    """What ``keep`` wrote; None where there is nothing that can be read."""
    try:
        with np.load(path) as arrays:
            return dict(arrays)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _digest_files(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()
