"""The study's graph (dvc.yaml) beside the graph of imports (src), for the tests that hold the two together."""

import ast
from collections.abc import Set
from functools import cache
from pathlib import Path

import yaml

PROJECT = Path(__file__).parents[1]
SOURCE = PROJECT / "src" / "receptive"
NETWORKS = ["resnet34", "plainnet34", "alexcnn", "vggcnn", "digitcnn", "fivecnn"]

NO_SAY = {
    "__init__.py": "it holds the version",
    "errors.py": "its class carries a line for the user",
    "seeds.py": "tests/test_seeds.py pins its values with literals",
    "params": "values are in params.yaml and have no defaults here; tests/params pins what is looked up in them",
    "stages/__init__.py": "it calls the stage's main and reports its end",
    "tracking": "it only logs",
    "processes": "it starts and joins processes; what each of them computes is elsewhere",
    "networks/__init__.py": "it holds names, and which family builds which network; the family is a dep",
    "networks/libraries.py": "it imports torchvision or timm, or refuses",
    "networks/torchvision_loader.py": "it imports torchvision, whichever way torch was built",
    "datasets/__init__.py": "it holds names, and which file loads which set; stage prepare depends on all of datasets",
    "datasets/rules.py": "it refuses sets that do not fit together",
    "datasets/statistics.py": "each number is the images' own, correctly rounded from exact sums (tests/datasets)",
    "artifacts/checkpoints.py": "work that goes on from a checkpoint ends with the same bytes (tests/training)",
    "artifacts/root.py": "it finds the project's folder",
}
"""Code that stages load and that has no say in what they write, with the reason; relative to src/receptive.

Code that only such code imports has no say either. Nor has the module ``artifacts/<folder>.py`` of a folder below data/
that a stage reads: what is read is a dep itself, by its content. Packages without code need no dep.
"""
NO_SAY_IN_TRAINING = {
    "methods/receptive_field": "its numbers are not used: it refuses networks that could not be read after training",
    "networks/layers.py": "the same",
    "artifacts/networks.py": "tests/test_pipeline.py pins with literals what it says of the form of a trained network",
    "weights": "it hands on weights made elsewhere; its tests hold that these give their makers' scores",
}
"""The same of stage train alone."""


@cache
def stages() -> dict[str, dict]:
    """dvc.yaml: by name the stage's ``cmd, deps, params, outs``, those of ``foreach`` without what is around them."""
    entries = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]
    return {name: entry.get("do", entry) for name, entry in entries.items()}


def call(stage: str, network: str = "fivecnn", dataset: str = "digits") -> list[str]:
    """The stage's name and argument, as in the command of one of its runs."""
    words = stages()[stage]["cmd"].replace("${key}", network).replace("${item.dataset}", dataset).split()
    assert words[:3] == ["PYTHONPATH=src", "python", "-m"]
    return [words[3].removeprefix("receptive.stages."), *words[4:]]


def uncovered(stage: str, family: str, loaded: set[str] | None = None) -> list[str]:
    """Files that have a say in what a stage writes for a network of ``family``, and that are no dep of the stage.

    Args:
        loaded: modules that a run of the stage has loaded; None: all that it can load.
    """
    start = f"receptive.stages.{stage}"
    deps = [dep.replace("${item.family}", family) for dep in stages()[stage]["deps"]]
    read = [dep.split("/")[1] for dep in deps if dep.startswith("data/")]
    excused = [*NO_SAY, *(f"artifacts/{folder}.py" for folder in read)]
    excused += NO_SAY_IN_TRAINING if stage == "train" else []
    without_say = {name for name in modules() if _within(name, [f"src/receptive/{path}" for path in excused])}
    having_say = reached(start, family, without_say)
    if loaded is not None:
        sneaked_in = loaded - reached(start, family)  # imported in a way that is not seen in the source
        having_say = having_say & loaded | sneaked_in - without_say
    missing = [name for name in having_say if not _is_empty(file_of(name)) and not _within(name, deps)]
    return sorted(str(file_of(name).relative_to(PROJECT)) for name in missing)


def _within(module: str, paths: list[str]) -> bool:
    """Whether a module's file is one of ``paths``, or lies in one of them."""
    file = str(file_of(module).relative_to(PROJECT))
    return any(file == path or file.startswith(f"{path}/") for path in paths)


# The source as a graph of imports


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the project by its dotted name."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text())
    return found


def file_of(module: str) -> Path:
    path = SOURCE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _is_empty(path: Path) -> bool:
    """Whether a package holds no code beside its docstring."""
    return path.name == "__init__.py" and len(ast.parse(path.read_text()).body) <= 1


@cache
def imports(module: str, type_checking: bool = False) -> frozenset[str]:
    """Full names of everything that a module imports anywhere, of its own project as modules.

    Args:
        type_checking: also what stands under ``if TYPE_CHECKING``.
    """
    names = set()
    for node in _nodes(modules()[module], type_checking):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                full = f"{node.module}.{name.name}"
                names.add(full if full in modules() else node.module)
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            names |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return frozenset(names)


def _nodes(tree: ast.AST, type_checking: bool):
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not type_checking:
            continue
        yield node
        yield from _nodes(node, type_checking)


@cache
def builds(module: str) -> bool:
    """Whether a module builds networks (``networks.build`` or ``outline``), which import their family by its name."""
    nodes = list(ast.walk(modules()[module]))
    called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    taken = {
        alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module == "receptive.networks"
        for alias in node.names
    }
    return bool({"networks.build", "networks.outline"} & called or {"build", "outline"} & taken)


def reached(module: str, family: str, without: Set[str] = frozenset()) -> set[str]:
    """All modules of the project that running ``module`` can import, where the network is of ``family``.

    Args:
        without: modules that are left out, with what only they import.
    """
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen or name in without or name not in modules():
            continue
        seen.add(name)
        waiting += [name.rpartition(".")[0], *imports(name)]
        if builds(name):
            waiting.append(f"receptive.networks.families.{family}")
    return seen


def circles() -> list[set[str]]:
    """Modules that import one another, directly or not (strongly connected components), for type checking, too."""
    edges = {name: {other for other in imports(name, True) if other in modules()} for name in modules()}
    order, seen = [], set()

    def visit(name: str, into: list[str], graph: dict[str, set[str]]) -> None:
        seen.add(name)
        for other in sorted(graph[name]):
            if other not in seen:
                visit(other, into, graph)
        into.append(name)

    for name in edges:
        if name not in seen:
            visit(name, order, edges)
    backwards: dict[str, set[str]] = {name: set() for name in edges}
    for name, others in edges.items():
        for other in others:
            backwards[other].add(name)
    seen.clear()
    components = []
    for name in reversed(order):
        if name not in seen:
            component: list[str] = []
            visit(name, component, backwards)
            components.append(set(component))
    return [component for component in components if len(component) > 1 or edges[min(component)] & component]
