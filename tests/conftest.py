"""What holds for all tests: set before torch is imported, and before the methods are."""

import os

# threads that wait idly keep timings steady and leave the cores to others
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from jaxtyping import install_import_hook

# every call of a method is checked against its annotations: the types, and the shapes by the names of their axes
install_import_hook("receptive.methods", "typechecking.check")


def pytest_collection_modifyitems(items):
    for item in items:
        if "browser" in item.fixturenames:  # a process of its own
            item.add_marker("slow")
