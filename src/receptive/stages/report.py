"""The report: figures, tables, the page and the headline metrics."""

from receptive.stages import run


def main() -> None:
    """Write reports/: index.html, figures/, maps/, tables/ and metrics.json."""
    from receptive.params.reading import load_params

    params = load_params()  # first, so that a mistake in params.yaml is told at once

    from receptive.report.contents import write_report

    print(f"{write_report(params)}")


if __name__ == "__main__":
    run(main)
