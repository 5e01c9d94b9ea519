"""What units are tuned to: gratings, uniform colour, and the first kernels themselves, beside two controls."""

from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the network.")]) -> None:
    """Write data/probe/NETWORK."""
    from receptive.params.reading import load_params

    params = load_params()
    params.recipe(network)

    import pandas as pd
    from tqdm import tqdm

    from receptive.io import artifacts
    from receptive.methods.selectivity import conditions, in_pixels, kernel_strength, measures
    from receptive.networks.layers import layers
    from receptive.parallel.device import pick_device

    settings = params.selectivity
    device = pick_device(params.device)
    units, filters, tuning = [], [], {}
    nets, normalisation, description = states(params, network)
    size, channels = description["image_size"], description["channels"]
    known = [layer for layer in layers(nets["trained"], size, channels) if layer.kind == "conv" and layer.readable]
    shown = conditions(settings.orientations, settings.frequencies, settings.colour_orientations, channels)
    matrix = normalisation.matrix.numpy()
    with tqdm(total=len(nets) * len(shown), desc=f"probe {network}", unit="stimulus") as bar:
        for state, net in nets.items():
            found = answers(net, normalisation, known, shown, size, channels, settings, device, bar.update)
            for layer in known:
                strengths, rates, modulations = found[layer.name]
                units.append(
                    rows(state, layer, measures(shown, strengths, rates, modulations, settings.weakest), settings)
                )
                if state == "trained":
                    tuning[layer.name] = strengths, rates
            first = net.get_parameter(description["first_filters"]).detach().numpy()
            strengths = kernel_strength(in_pixels(first, matrix), shown, settings.amplitude)
            filters.append(rows(state, known[0], measures(shown, strengths, weakest=settings.weakest), settings))
    units, filters = (pd.concat(tables, ignore_index=True) for tables in (units, filters))
    folder = artifacts.write_probe(network, units, filters, shown, tuning)
    counted = units[units["state"] == "trained"][["selective", "single_opponent", "double_opponent"]].sum()
    print(f"{folder}: " + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counted.items()))


def states(params, network: str) -> tuple:
    """The network trained, untrained, and with shuffled kernels, on the CPU; its normalisation; its description.

    The shuffled one has the trained weights, the places of every kernel permuted, and batch-norm statistics measured
    anew on training images, as the untrained one has.
    """
    import copy

    from torch import nn

    from receptive.io import artifacts
    from receptive.loading import read_split
    from receptive.methods.selectivity import shuffled_pixels
    from receptive.seeds import generator
    from receptive.training.loop import before_training

    trained, normalisation, description = artifacts.read_network(network)
    untrained, _, _ = artifacts.read_network(network, trained=False)
    shuffled = copy.deepcopy(trained)
    for name, module in shuffled.named_modules():
        if isinstance(module, nn.Conv2d):
            chance = generator(params.seed, "probe", network, "shuffled", name)
            module.weight.data = shuffled_pixels(module.weight.data, chance)
    split = read_split(artifacts.read_images(params, network), "train")
    chance = generator(params.seed, "probe", network, "statistics")
    shuffled.load_state_dict(before_training(shuffled, normalisation, split, 16, chance))
    return {"trained": trained, "untrained": untrained, "shuffled": shuffled}, normalisation, description


def answers(net, normalisation, known, shown, size: int, channels: int, settings, device, tell) -> dict:
    """Layer to (strengths, rates, modulations), each condition x unit, of the units at the middle of its map."""
    import numpy as np
    import torch

    from receptive.methods.capture import for_inference
    from receptive.methods.selectivity import centre_responses, gratings, modulation, over_phases, rate, strength

    net, seen = for_inference(net).to(device), normalisation.to(device)
    names = [layer.name for layer in known]

    def responses(images: torch.Tensor) -> dict:
        found = centre_responses(net, seen(images.to(device, memory_format=torch.channels_last)), names)
        return {name: response.cpu().numpy() for name, response in found.items()}

    grey = responses(torch.full((1, channels, size, size), settings.background))
    parts = {name: [] for name in names}
    together = max(1, settings.batch_size // settings.phases)  # conditions
    for start in range(0, len(shown), together):
        batch = shown[start : start + together]
        images = gratings(batch, settings.phases, size, settings.amplitude, settings.background, channels)
        for name, response in responses(images.flatten(0, 1)).items():
            parts[name].append(response.reshape(len(batch), settings.phases, -1))
        tell(len(batch))
    found = {}
    for name in names:
        cycle = over_phases(np.concatenate(parts[name]))
        found[name] = tuple(measure(cycle, grey[name][0]) for measure in (strength, rate, modulation))
    return found


def rows(state: str, layer, columns: dict, settings):
    """One row a unit, with the verdicts that the thresholds give; NA where a unit has nothing to judge."""
    import numpy as np
    import pandas as pd

    from receptive.methods.selectivity import opponent

    single, double = opponent(columns, settings.colour_index, settings.colour_modulation, settings.uniform)
    table = pd.DataFrame(columns)
    heading = {"state": state, "layer": layer.name, "alias": layer.alias, "depth": layer.depth, "kind": layer.kind}
    for place, (name, value) in enumerate({**heading, "unit": np.arange(len(table))}.items()):
        table.insert(place, name, value)
    judged = {"selective": (table["osi"] >= settings.osi, "osi")}
    judged |= {"single_opponent": (single, "colour_index"), "double_opponent": (double, "colour_index")}
    for name, (verdict, measured) in judged.items():
        table[name] = pd.array(verdict, dtype="boolean")
        table.loc[table[measured].isna(), name] = pd.NA
    table["colour_axis"] = table["colour_axis"].astype("string")
    return table


if __name__ == "__main__":
    run(main)
