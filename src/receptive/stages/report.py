"""The report: figures, tables, the page and the headline metrics."""

from receptive.stages import run


def main() -> None:
    """Write reports/: index.html, figures/, tables/ and metrics.json."""
    from receptive.io.params import load_params

    params = load_params()

    from receptive import networks
    from receptive.io import artifacts
    from receptive.networks.sites import layers
    from receptive.report import page, sections, tables

    known = {}
    for network in params.models:
        description = artifacts.read_description(network)
        net = networks.build(
            description["network"],
            len(description["classes"]),
            description["image_size"],
            description["channels"],
            **description["options"],
        )
        known[network] = layers(net, description["image_size"], description["channels"])
    with artifacts.writing(artifacts.REPORTS / "new") as folder:
        write = sections.Writer(folder)
        sparsity, by_layer, units = sections.sparseness(params, write)
        parts = [
            sections.images(params, write),
            sections.learning(params, write),
            sections.fields(params, known, write),
            sections.preferred(params, known, write),
            sparsity,
        ]
        facts = {
            "Networks": ", ".join(params.models),
            "Data": f"{params.dataset} ({', '.join(params.datasets)})",
            "Profile": f"{params.profile}, seed {params.seed}",
        }
        (folder / "index.html").write_text(page.render("Receptive: the report", facts, parts))
        metrics = {network: artifacts.read_network_metrics(network) for network in params.models}
        artifacts.write_json(folder / "metrics.json", tables.headline(metrics, by_layer, units))
    artifacts.move_report(artifacts.REPORTS / "new")
    print(f"{artifacts.REPORTS / 'index.html'}")


if __name__ == "__main__":
    run(main)
