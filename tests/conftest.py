"""Set before torch is imported: threads that wait idly keep timings steady and leave the cores to others."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
