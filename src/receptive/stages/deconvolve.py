"""Deconvolution: what whole representations and single units' top responses come from (YU 4.2, figures 4, 5, 7)."""

from typing import Annotated

import typer

from receptive.stages import run

MOST_CONVS = 16
"""Networks with more convolutions show the units of every second one; VGGCNN's 13 are all shown (YU figure 7)."""

BOX = ["top_px", "left_px", "bottom_px", "right_px"]


def main(network: Annotated[str, typer.Argument(help="Name of the network.")]) -> None:
    """Write data/deconvolution/NETWORK."""
    from receptive.params.reading import load_params

    params = load_params()
    params.recipe(network)

    import numpy as np
    import pandas as pd
    import torch
    from tqdm import tqdm

    from receptive.io import artifacts
    from receptive.methods.capture import for_inference
    from receptive.networks.layers import layers
    from receptive.networks.parts.normalisation import pixels
    from receptive.parallel.device import pick_device

    settings = params.deconvolve
    prepared = artifacts.read_images(params, network)
    preferred = artifacts.read_preferred(network)
    net, normalisation, description = artifacts.read_network(network)
    size = description["image_size"]
    known = layers(net, size, description["channels"])
    device = pick_device(params.device)
    net, normalisation = for_inference(net).to(device), normalisation.to(device)

    def seen(numbers: np.ndarray) -> torch.Tensor:
        return normalisation(pixels(torch.from_numpy(np.ascontiguousarray(prepared.images[numbers])).to(device)))

    convs = [layer for layer in known if layer.kind == "conv"]
    shown = convs[::2] + [layer for layer in known if layer.kind == "fc"][-1:]
    by_unit = convs if len(convs) <= MOST_CONVS else convs[::2]
    measured = settings.energy_images if prepared.subject_mask is not None else 0
    images = in_turn(prepared.labels).head(max(settings.images, measured))
    control = images.head(measured)
    rows = preferred[
        preferred["layer"].isin([layer.name for layer in by_unit])
        & (preferred["unit"] < settings.units)
        & (preferred["rank"] < settings.patches)
        & (preferred["activation"] > 0)  # a unit without a row is dead
    ]
    steps = (len(images) + len(control)) * len(shown) + len(rows)
    with tqdm(total=steps, desc=f"deconvolve {network}", unit="image") as bar:
        pictures, kept, energy, predictions = whole_representations(
            net, seen, prepared, images, shown, settings, bar.update
        )
        if len(control):
            before = for_inference(artifacts.read_network(network, trained=False)[0]).to(device)
            untrained = energies(before, seen, prepared, control, shown, settings.batch_size, bar.update)
            energy = pd.concat([energy, untrained.assign(state="untrained")], ignore_index=True)
        largest = params.stimuli.largest_field * size
        units, patches = unit_patches(net, seen, rows, by_unit, size, largest, settings.batch_size, bar.update)
    apart = (units["response"] - units["activation"]).abs().gt(0.01 * units["activation"]).sum()
    if apart:
        print(f"warning: {apart} of {len(units)} responses are more than 1% off those that extract recorded")
    folder = artifacts.write_deconvolution(network, pictures, kept, energy, predictions, units, patches)
    print(f"{folder}: {len(shown)} layers of {min(len(images), settings.images)} images, {len(units)} patches")


def in_turn(labels):
    """The validation images, the first of each class, then the second of each, and so on."""
    rows = labels[labels["split"] == "validation"].sort_values(["label", "image"])
    return rows.assign(turn=rows.groupby("label").cumcount()).sort_values(["turn", "label"]).drop(columns="turn")


def whole_representations(net, seen, prepared, images, layers, settings, tell) -> tuple:
    """Each layer's representation of the images, carried back; its energy against the mask; and the predictions.

    Returns:
        (images, representations, energy, predictions), as ``artifacts.write_deconvolution`` takes them.
    """
    import numpy as np
    import pandas as pd
    import torch

    from receptive.methods.deconvolution import deconvolve

    representations, energy, predictions = {layer.name: [] for layer in layers}, [], []
    for start in range(0, len(images), settings.batch_size):
        batch = images.iloc[start : start + settings.batch_size]
        numbers = batch["image"].to_numpy()
        normalised = seen(numbers)
        found = deconvolve(net, normalised, [layer.name for layer in layers])
        shown = max(0, settings.images - start)  # of this batch in the figures
        for layer in layers:
            representations[layer.name].append(_channel_last(found[layer.name][:shown]))
            if prepared.subject_mask is not None:
                energy.append(_energy(prepared, batch, layer, found[layer.name], normalised))
            tell(len(batch))
        if shown:
            with torch.no_grad():
                probability, label = net(normalised[:shown]).softmax(1).topk(min(5, len(prepared.classes)))
            best = batch.head(shown)[["image", "label", "class_name"]]
            best = best.loc[best.index.repeat(label.shape[1])].assign(
                rank=np.tile(np.arange(label.shape[1]), len(best)),
                predicted=np.array(prepared.classes, dtype=object)[label.flatten().cpu().numpy()],
                probability=probability.flatten().cpu().numpy(),
            )
            predictions.append(best)
    columns = ["image", "label", "class_name"]
    return (
        images.head(settings.images)[columns].reset_index(drop=True),
        {name: np.concatenate(parts) for name, parts in representations.items()},
        pd.concat(energy, ignore_index=True).assign(state="trained") if energy else None,
        pd.concat(predictions, ignore_index=True),
    )


def energies(net, seen, prepared, images, layers, batch_size: int, tell):
    """The energy of each layer's reconstructions against the mask, and nothing else of them."""
    import pandas as pd

    from receptive.methods.deconvolution import deconvolve

    tables = []
    for start in range(0, len(images), batch_size):
        batch = images.iloc[start : start + batch_size]
        normalised = seen(batch["image"].to_numpy())
        found = deconvolve(net, normalised, [layer.name for layer in layers])
        for layer in layers:
            tables.append(_energy(prepared, batch, layer, found[layer.name], normalised))
            tell(len(batch))
    return pd.concat(tables, ignore_index=True)


def _energy(prepared, batch, layer, reconstructions, normalised):
    """One row an image: the energy of a layer's reconstructions, and how much of it lies outside the subject."""
    import numpy as np
    import pandas as pd
    import torch

    from receptive.methods.deconvolution import energy_outside

    mask = torch.from_numpy(np.ascontiguousarray(prepared.subject_mask[batch["image"].to_numpy()]))
    mask = mask.to(normalised.device)
    measured = {
        "energy": reconstructions.double().square().sum((1, 2, 3)),
        "energy_outside_fraction": energy_outside(reconstructions, mask),
        "area_outside_fraction": 1 - mask.double().mean((1, 2)),
        "image_energy_outside_fraction": energy_outside(normalised, mask),
    }
    heading = {"state": "", "layer": layer.name, "alias": layer.alias, "depth": layer.depth, "kind": layer.kind}
    of_images = {name: batch[name].to_numpy() for name in ("image", "label")}
    return pd.DataFrame({**heading, **of_images, **{name: value.cpu().numpy() for name, value in measured.items()}})


def unit_patches(net, seen, rows, layers, size: int, largest: float, batch_size: int, tell) -> tuple:
    """Each response that ``rows`` of preferred.parquet name, carried back alone and cut to its receptive field.

    Layers that see more than ``largest`` px are cut to the whole image instead.

    Returns:
        (units, patches), as ``artifacts.write_deconvolution`` takes them.
    """
    import numpy as np
    import pandas as pd
    import torch

    from receptive.methods.deconvolution import deconvolve_units
    from receptive.methods.preferred_stimuli import cut_patches

    tables, patches = [], {}
    for layer in layers:
        table = rows[rows["layer"] == layer.name].assign(alias=layer.alias, depth=layer.depth)
        sides = (size, size) if layer.field.whole_image else (layer.field.y.size, layer.field.x.size)
        if max(sides) > largest:
            sides = (size, size)
            table[BOX] = (0, 0, size, size)
        cut, peaks, responses = [], [np.zeros(0, np.float32)], [np.zeros(0, np.float32)]
        for start in range(0, len(table), batch_size):
            batch = table.iloc[start : start + batch_size]
            images = seen(batch["image"].to_numpy())
            unit, y, x = (torch.from_numpy(batch[at].to_numpy().copy()).to(images.device) for at in ("unit", "y", "x"))
            found, response = deconvolve_units(net, images, layer.name, unit, y, x)
            peak = found.abs().amax((1, 2, 3))
            found = found / peak.clamp(min=torch.finfo(found.dtype).tiny)[:, None, None, None]
            cut.append(cut_patches(_channel_last(found).astype(np.float16), batch[BOX].to_numpy(), sides, outside=0))
            peaks.append(peak.cpu().numpy())
            responses.append(response.cpu().numpy())
            tell(len(batch))
        if cut:  # a layer of dead units has none
            patches[layer.name] = np.concatenate(cut)
        tables.append(table.assign(response=np.concatenate(responses), peak=np.concatenate(peaks)))
    return pd.concat(tables, ignore_index=True), patches


def _channel_last(images):
    return images.permute(0, 2, 3, 1).contiguous().cpu().numpy()


if __name__ == "__main__":
    run(main)
