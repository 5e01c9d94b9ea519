"""Controls as distributions: networks of the same build with other fresh weights, measured before any training."""

from receptive.stages import run


def main() -> None:
    """Write data/untrained."""
    from tqdm import tqdm

    from receptive.artifacts.untrained import write_untrained
    from receptive.measurements.untrained import measure, measured_networks
    from receptive.params.reading import load_params

    params = load_params()
    drawn = len(measured_networks(params)) * params.untrained.draws
    with tqdm(total=drawn, desc="untrained", unit="network") as bar:
        content = measure(params, bar.update)
    print(f"{write_untrained(content)}: {drawn} networks")


if __name__ == "__main__":
    run(main)
