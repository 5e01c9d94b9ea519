"""Log this run of the pipeline to MLflow: what ran, what was restored, numbers, curves and the report."""

from receptive.stages import run


def main() -> None:
    """Log this run of the pipeline to MLflow; what is logged already stays as it is."""
    from receptive.params.reading import load_params
    from receptive.tracking.runs import log_pipeline

    name, logged = log_pipeline(load_params())
    print(f"{logged} new runs logged under '{name}': see them with 'make mlflow'")


if __name__ == "__main__":
    run(main)
