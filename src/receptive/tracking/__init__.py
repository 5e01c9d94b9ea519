"""The log of every run of the pipeline in MLflow: nothing here is a result."""
