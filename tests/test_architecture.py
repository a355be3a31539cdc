"""Which way imports point, and what the package does without: read from the syntax tree.

Every import counts, also those in functions and those for types alone.
"""

import ast
from pathlib import Path

import pytest

import minicnn

ROOT = Path(minicnn.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# A module imports only from those before it in this list, and from the leaves.
ORDER = ["kernels", "layers", "network", "saving", "hooks", "run_state", "fit", "model", "train"]
LEAVES = {"initializers", "losses", "metrics", "optimizers", "schedules", "data", "augmentation"}
# Leaves with arithmetic that has a kernel may call the public kernel functions, as layers do.
WITH_KERNELS = {"losses", "optimizers", "data", "augmentation"}
FOR_ALL = {"atomic_file", "errors", "registry", "state_checks", "strict_json", "typing", "version"}
# A learning rate is a number or a schedule: the one arrow between two leaves.
BETWEEN_LEAVES = {("optimizers", "schedules")}


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path) for path in FILES}


def top(module):
    """minicnn.kernels.window → kernels; minicnn itself → ''."""
    return module.split(".")[1] if "." in module else ""


def imports(path, types=True):
    """The full names of all that a file imports: modules, or names in modules.

    types=False leaves out what stands under `if TYPE_CHECKING:`.
    """
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    found, skipped = [], set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not types and getattr(getattr(node, "test", None), "id", "") == "TYPE_CHECKING":
            skipped.update(id(child) for part in node.body for child in ast.walk(part))
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            # "from . import kernels" names a module, "from .kernels import conv2d" a name in one
            found.extend(f"{source}.{alias.name}" for alias in node.names)
    return found


def modules_imported(path):
    """The modules of the package that a file imports."""
    names = [name for name in imports(path) if name.split(".")[0] == "minicnn"]
    return {name if name in MODULES else name.rpartition(".")[0] for name in names}


def tops_imported(path):
    return {top(name) for name in modules_imported(path)} - {""}


def libraries(path):
    """What a file needs when it runs: a type alone loads nothing."""
    return {name.split(".")[0] for name in imports(path, types=False)}


def calls(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def of(name):
    files = [path for path in FILES if top(module_name(path)) == name]
    assert files, f"there is no minicnn/{name}"
    return files


def relative(path):
    return path.relative_to(ROOT).as_posix()


def circles(graph):
    """The sets of modules that import each other in a circle (Tarjan's algorithm)."""
    found, stack, index, low = [], [], {}, {}

    def visit(module):
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in graph[module]:
            if other not in index:
                visit(other)
            if other in stack:
                low[module] = min(low[module], low[other])
        if low[module] == index[module]:
            members = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(members) > 1:
                found.append(sorted(members))

    for module in graph:
        if module not in index:
            visit(module)
    return found


def test_the_reader_of_imports_reads_them(tmp_path, monkeypatch):
    """Otherwise every test here would pass."""
    file = tmp_path / "minicnn" / "layers" / "x.py"
    file.parent.mkdir(parents=True)
    file.write_text(
        "from __future__ import annotations\n"
        "import numpy as np, numba.core\n"
        "from .. import kernels\n"
        "from ..kernels.window import pair\n"
        "from .base import Layer\n"
        "if TYPE_CHECKING:\n    from ..model import A\nelse:\n    from ..errors import B\n"
        "class C:\n    from .. import schedules\n    def f(self):\n        from .. import train\n"
    )
    monkeypatch.setitem(globals(), "ROOT", tmp_path / "minicnn")
    expected = {"kernels", "layers", "model", "errors", "schedules", "train"}
    assert tops_imported(file) == expected
    assert libraries(file) == {"__future__", "numpy", "numba", "minicnn"}
    assert circles({"a": ["b"], "b": ["c"], "c": ["b", "d"], "d": []}) == [["b", "c"]]


def loaded_by_name(path):
    """The modules that a file loads with import_module(".NAME", __package__)."""
    package = module_name(path).rpartition(".")[0]
    return {
        package + call.args[0].value
        for call in calls(path)
        if getattr(call.func, "attr", None) == "import_module"
        and isinstance(call.args[0], ast.Constant)
        and call.args[0].value.startswith(".")
    }


def test_no_modules_import_each_other_in_a_circle():
    backend = ROOT / "kernels" / "backend.py"
    assert loaded_by_name(backend) == {"minicnn.kernels.engine.operations"}
    graph = {
        module_name(path): (modules_imported(path) | loaded_by_name(path)) - {module_name(path)}
        for path in FILES
    }
    assert circles(graph) == []


@pytest.mark.parametrize("name", ORDER)
def test_the_heart_imports_only_what_comes_before(name):
    later = set(ORDER[ORDER.index(name) + 1 :])
    for path in of(name):
        assert not tops_imported(path) & later, relative(path)


def test_only_what_reads_a_run_imports_the_command_that_writes_it():
    for path in FILES:
        if top(module_name(path)) not in ("train", "report"):
            assert "train" not in tops_imported(path), relative(path)


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_leaves_import_only_what_all_may(name):
    allowed = FOR_ALL | {name} | {other for leaf, other in BETWEEN_LEAVES if leaf == name}
    allowed |= {"kernels"} if name in WITH_KERNELS else set()
    for path in of(name):
        assert tops_imported(path) <= allowed, relative(path)


@pytest.mark.parametrize("name", ["kernels", *sorted(FOR_ALL)])
def test_the_foundations_import_nothing_above_them(name):
    for path in of(name):
        assert tops_imported(path) <= {name} | FOR_ALL, relative(path)


def test_callbacks_know_the_network_by_its_public_names_only():
    hidden = {"model", "layers", "fit", "train", "run_state"}
    for path in of("callbacks"):
        assert not tops_imported(path) & hidden, relative(path)
        names = {name for name in imports(path) if top(name) == "kernels"}
        assert names <= {"minicnn.kernels.use_backend"}, relative(path)


def test_fit_and_hooks_know_no_callback_by_name():
    for name in ("fit", "hooks", "run_state"):
        for path in of(name):
            assert "callbacks" not in tops_imported(path), relative(path)


@pytest.mark.parametrize(
    ("library", "places"),
    [
        ("torch", ()),
        ("numba", ("kernels/",)),
        ("llvmlite", ("kernels/",)),
        ("matplotlib", ("plots/",)),
        ("starlette", ("visor/",)),
        ("uvicorn", ("visor/",)),
    ],
)
def test_a_library_is_imported_in_its_place_only(library, places):
    found = [relative(path) for path in FILES if library in libraries(path)]
    assert bool(found) == bool(places)
    assert [name for name in found if not name.startswith(places or ("nowhere",))] == []


def test_only_the_visor_imports_the_visor():
    files = [path for path in FILES if not relative(path).startswith("visor/")]
    assert [relative(path) for path in files if "visor" in tops_imported(path)] == []


def imported_with(name):
    """The kernel modules that are loaded with minicnn.kernels.NAME; imports in functions are not
    counted here, since they wait for a call."""
    waiting, found = [f"minicnn.kernels.{name}" if name else "minicnn.kernels"], set()
    while waiting:
        module = waiting.pop()
        if module in found or not module.startswith("minicnn.kernels"):
            continue
        found.add(module)
        (path,) = (path for path in FILES if module_name(path) == module)
        waiting.extend(modules_imported(path))
    return found


def test_numba_is_imported_only_when_its_backend_is_used():
    """The public functions, and the kernels that need no Numba, import nothing that imports it."""
    with_numba = {module_name(path) for path in of("kernels") if "numba" in libraries(path)}
    assert "minicnn.kernels.jit" in with_numba
    assert imported_with("engine.operations") & with_numba  # else this test looks for nothing
    for name in ("", "prepared", "backend", "numpy_kernels", "reference"):
        assert not imported_with(name) & with_numba, name


def test_nothing_is_unpickled():
    unpicklers = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    assert [relative(path) for path in FILES if libraries(path) & unpicklers] == []
    found = [
        f"{relative(path)}:{call.lineno}"
        for path in FILES
        for call in calls(path)
        for keyword in call.keywords
        if keyword.arg == "allow_pickle" and getattr(keyword.value, "value", None) is not False
    ]
    assert found == []


def test_no_text_is_run_as_code():
    found = [
        f"{relative(path)}:{call.lineno}: {call.func.id}"
        for path in FILES
        for call in calls(path)
        if isinstance(call.func, ast.Name)
        and call.func.id in {"eval", "exec", "compile", "__import__"}
    ]
    assert found == []


def test_no_global_random_generator_is_used():
    """Randomness is handed in: np.random gives types and constructors, never numbers."""
    allowed = {"Generator", "default_rng", "SeedSequence", "PCG64", "BitGenerator"}
    assert [relative(path) for path in FILES if "random" in libraries(path)] == []
    found = [
        f"{relative(path)}:{node.lineno}: np.random.{node.attr}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "random"
        and getattr(node.value.value, "id", None) in {"np", "numpy"}
        and node.attr not in allowed
    ]
    assert found == []


def test_there_are_no_star_imports():
    assert [relative(path) for path in FILES for name in imports(path) if name.endswith(".*")] == []
