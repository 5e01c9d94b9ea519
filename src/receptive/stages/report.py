"""The report: figures, tables, the page and the headline metrics."""

from receptive.stages import run


def main() -> None:
    """Write reports/: index.html, figures/, tables/ and metrics.json."""
    from receptive.io.params import load_params

    params = load_params()

    import gc

    import pandas as pd

    from receptive.io import artifacts
    from receptive.report import page, tables
    from receptive.report.sections import (
        ablation,
        accuracy,
        claims,
        deconvolution,
        embedding,
        feature_maps,
        fields,
        images,
        maximization,
        preferred,
        selectivity,
        sparsity,
        virtual_filters,
    )
    from receptive.report.writer import Writer

    gc.freeze()  # figures are many small objects: their collection need not walk through all imported modules, too
    known = {network: artifacts.read_layers(network) for network in params.models}
    everywhere = pd.concat([artifacts.read_sparsity(name) for name in params.replicas], ignore_index=True)
    every_unit = pd.concat([artifacts.read_units(name) for name in params.replicas], ignore_index=True)
    # pictures show the first training of each network
    by_layer = everywhere[everywhere["network"].isin(params.models)]
    units = every_unit[every_unit["network"].isin(params.models)]
    with artifacts.writing(artifacts.REPORTS / "new") as folder:
        write = Writer(folder)
        parts = [
            images.section(params, write),
            claims.section(params, write),
            accuracy.section(params, write),
            fields.section(params, known, write),
            preferred.section(params, known, write),
            maximization.section(params, known, write),
            deconvolution.section(params, known, write),
            embedding.section(params, known, write),
            selectivity.section(params, known, write),
            sparsity.section(by_layer, units, write),
            feature_maps.section(params, units, write),
            virtual_filters.section(params, known, units, write),
            ablation.section(params, write),
        ]
        facts = {
            "Networks": ", ".join(params.models),
            "Data": f"{params.dataset} ({', '.join(params.datasets)})",
            "Profile": f"{params.profile}, seed {params.seed}",
            "Trainings of each network": str(len(params.replicas) // len(params.models)),
        }
        (folder / "index.html").write_text(page.render("Receptive: the report", facts, parts))
        metrics = {name: artifacts.read_network_metrics(name) for name in params.replicas}
        artifacts.write_json(folder / "metrics.json", tables.headline(metrics, everywhere, every_unit))
    artifacts.move_report(artifacts.REPORTS / "new")
    print(f"{artifacts.REPORTS / 'index.html'}")


if __name__ == "__main__":
    run(main)
