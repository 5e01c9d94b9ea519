"""The house of docs/decisions.md: who may import whom."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "receptive"
MODULES = {path: ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}


def imports(path: Path) -> set[str]:
    """Full names of everything that a module imports anywhere, type-checking blocks apart."""
    found = set()
    for node in _nodes(MODULES[path]):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
    return found


def _nodes(tree):
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _nodes(node)


def under(*folders: str) -> list[Path]:
    return [path for path in MODULES if path.relative_to(SOURCE).parts[0] in folders]


def test_the_reading_of_imports_itself():
    assert "receptive.errors" in imports(SOURCE / "training.py")
    assert "torch" in imports(SOURCE / "networks" / "torchvision_loader.py")  # inside a function


@pytest.mark.parametrize("path", [p for p in MODULES if "stages" not in p.parts], ids=str)
def test_nothing_below_imports_stages(path):
    assert not any(name.startswith("receptive.stages") for name in imports(path))


@pytest.mark.parametrize("path", under("methods"), ids=str)
def test_methods_are_pure(path):
    allowed = ("receptive.errors", "receptive.methods")
    for name in imports(path):
        assert not name.startswith("receptive.") or name.startswith(allowed), name
        assert name.partition(".")[0] not in ("mlflow", "dvc", "hydra", "typer", "pathlib", "os", "json"), name


@pytest.mark.parametrize("path", under("datasets", "networks", "figures"), ids=str)
def test_parts_read_no_parameters_and_know_no_tracking(path):
    for name in imports(path):
        assert not name.startswith(("receptive.io", "receptive.report", "mlflow", "dvc")), name


@pytest.mark.parametrize("path", list(MODULES), ids=str)
def test_only_tracking_imports_mlflow(path):
    uses = any(name.partition(".")[0] == "mlflow" for name in imports(path))
    assert not uses or path == SOURCE / "io" / "tracking.py"


@pytest.mark.parametrize("path", under("datasets"), ids=str)
def test_datasets_need_no_torch(path):
    assert not any(name.partition(".")[0].startswith("torch") for name in imports(path))


@pytest.mark.parametrize("path", list(MODULES), ids=str)
def test_nothing_is_pickled_and_every_module_says_what_it_is(path):
    assert not {"pickle", "joblib", "dill"} & imports(path)
    assert ast.get_docstring(MODULES[path])
