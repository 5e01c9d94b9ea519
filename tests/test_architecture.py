"""The house rules: who may import whom, where imports stand, and how long files may be."""

import ast

import pytest
from graph import circles, file_of, imports, modules

MODULES = list(modules())

MAY_IMPORT = {
    "errors": [],
    "published": [],
    "seeds": ["errors"],
    "methods": ["errors"],
    "networks": ["errors", "methods"],
    "parallel": ["errors"],
    "processes": ["errors", "parallel"],
    "datasets": ["errors", "processes", "seeds"],
    "params": ["errors", "datasets", "networks"],
    "loading": ["errors", "datasets", "networks", "parallel"],
    "artifacts": ["errors", "datasets", "networks"],
    "training": ["errors", "seeds", "artifacts", "datasets", "loading", "networks", "parallel", "params"],
    "weights": ["errors", "artifacts", "datasets", "networks", "parallel", "params", "training"],
    "tracking": ["errors", "artifacts", "params"],
    "measurements": [
        *("errors", "seeds", "artifacts", "datasets", "loading", "methods", "networks", "parallel", "params"),
        "training",
    ],
    "claims": [
        *("errors", "seeds", "artifacts", "datasets", "loading", "measurements", "methods", "networks", "parallel"),
        *("params", "published"),
    ],
    "figures": ["methods"],
    "report": [
        *("errors", "seeds", "artifacts", "claims", "datasets", "figures", "measurements", "methods", "networks"),
        *("params", "processes", "published"),
    ],
    "stages": [
        *("errors", "seeds", "artifacts", "claims", "datasets", "loading", "measurements", "methods", "networks"),
        *("parallel", "params", "processes", "report", "tracking", "training", "weights"),
    ],
    "comparison": ["errors", "artifacts"],
    "cli": ["errors", "artifacts", "comparison", "datasets", "networks", "params"],
    "__main__": ["cli"],
}
"""Rooms of src/receptive, and the other rooms that each may import from: only rooms that stand above it here."""


def room(module: str) -> str:
    """First part of a module's name after the package's: "claims" of "receptive.claims.study"."""
    return module.split(".")[1] if "." in module else ""


def rooms(module: str) -> set[str]:
    """The other rooms of the project that a module imports from."""
    return {room(name) for name in imports(module, True) if name.startswith("receptive.")} - {room(module)}


def libraries(module: str) -> set[str]:
    """The packages of others that a module imports."""
    return {name.partition(".")[0] for name in imports(module)} - {"receptive"}


def test_the_reading_of_imports_itself():
    assert "receptive.errors" in imports("receptive.training.loop")
    assert "torch" in imports("receptive.networks.torchvision_loader")
    assert rooms("receptive.networks.layers") == {"errors", "methods"}


def test_the_direction_of_the_rooms_has_no_way_back():
    above: dict[str, set[str]] = {}
    for name, below in MAY_IMPORT.items():
        reachable = set(below).union(*(above.get(other, set()) for other in below))
        assert name not in reachable
        assert all(other in above for other in below), name
        above[name] = reachable


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module):
    if room(module):
        assert rooms(module) <= set(MAY_IMPORT[room(module)])


def test_no_module_imports_itself_in_a_circle():
    assert circles() == []


@pytest.mark.parametrize("module", MODULES)
def test_imports_stand_at_the_top(module):
    """Everywhere but in stage entries and the command line, which start without what they may not need."""
    if room(module) in ("stages", "cli"):
        return
    functions = [node for node in ast.walk(modules()[module]) if isinstance(node, ast.FunctionDef | ast.Lambda)]
    inside = [node for function in functions for node in ast.walk(function)]
    assert not [ast.unparse(node) for node in inside if isinstance(node, ast.Import | ast.ImportFrom)]


@pytest.mark.parametrize("module", MODULES)
def test_files_are_short(module):
    lines = len(file_of(module).read_text().splitlines())
    assert lines <= (60 if room(module) == "stages" and module != "receptive.stages" else 450)


@pytest.mark.parametrize("module", MODULES)
def test_public_functions_are_typed(module):
    """Every argument and every result of what other modules may call."""
    for node in _public(modules()[module]):
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        named = [argument for argument in arguments if argument is not None and argument.arg not in ("self", "cls")]
        assert all(argument.annotation for argument in named), f"{node.name}: an argument has no type"
        assert node.returns is not None or node.name == "__init__", f"{node.name}: the result has no type"


def _public(tree: ast.Module | ast.ClassDef) -> list[ast.FunctionDef]:
    found = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and (not node.name.startswith("_") or node.name == "__init__"):
            found.append(node)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            found += _public(node)
    return found


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) == "methods"])
def test_methods_are_pure(module):
    assert not libraries(module) & {"mlflow", "dvc", "hydra", "typer", "pathlib", "os", "json"}


@pytest.mark.parametrize("module", MODULES)
def test_only_tracking_imports_mlflow(module):
    assert "mlflow" not in libraries(module) or room(module) == "tracking"


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) == "datasets"])
def test_datasets_need_no_torch(module):
    assert not {"torch", "torchvision"} & libraries(module)


@pytest.mark.parametrize("module", MODULES)
def test_networks_are_read_out_of_names_in_one_place(module):
    """``base_name`` understands what a user writes; elsewhere ``params.trainings`` says which network is trained."""
    tree = modules()[module]
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    named |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    understood = ("receptive.networks", "receptive.params.sections")
    assert "base_name" not in named or module in understood


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_pickled_and_every_module_says_what_it_is(module):
    assert not {"pickle", "joblib", "dill"} & libraries(module)
    assert ast.get_docstring(modules()[module])


def test_every_room_is_in_the_table():
    assert {room(module) for module in MODULES} - {""} == set(MAY_IMPORT)
