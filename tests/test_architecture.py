"""Which way imports point, and what the package does without: read off the syntax tree."""

import ast
from pathlib import Path

import pytest

import minicnn

ROOT = Path(minicnn.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

ORDER = ["kernels", "layers", "network", "model", "fit", "train"]  # a later one may import earlier
LEAVES = {"initializers", "losses", "metrics", "optimizers", "schedules", "data", "augmentation"}
# Leaves whose arithmetic is worth a kernel: they may call the doorway, as the layers do.
WITH_KERNELS = {"losses", "optimizers", "data", "augmentation"}
FOR_ALL = {"errors", "files", "registry", "stored", "typing", "version"}
# A learning rate is a number or a schedule: the one arrow between two leaves.
BETWEEN_LEAVES = {("optimizers", "schedules")}


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(module):
    """minicnn.kernels.window → kernels; minicnn itself → ''."""
    return module.split(".")[1] if "." in module else ""


def is_type_checking(node):
    test = node.test if isinstance(node, ast.If) else None
    name = getattr(test, "id", getattr(test, "attr", None))
    return name == "TYPE_CHECKING"


def imports(path, *, lazy):
    """(line, full name) of what is imported when running; lazy: in functions too."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    found = []

    def visit(node):
        if is_type_checking(node):
            for child in node.orelse:
                visit(child)
            return
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and not lazy:
            return
        if isinstance(node, ast.Import):
            found.extend((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            # "from . import kernels" names a module, "from .kernels import conv2d" is in one
            found.extend((node.lineno, f"{source}.{alias.name}") for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def rooms_imported(path, *, lazy):
    return {
        room(name)
        for _, name in imports(path, lazy=lazy)
        if name.split(".")[0] == "minicnn" and room(name)
    }


def libraries(path):
    return {name.split(".")[0] for _, name in imports(path, lazy=True)}


def calls(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def of(name):
    files = [path for path in FILES if room(module_name(path)) == name]
    assert files, f"there is no minicnn/{name}"
    return files


def relative(path):
    return path.relative_to(ROOT).as_posix()


def test_the_reader_of_imports_reads_them(tmp_path, monkeypatch):
    """Or every test here would pass."""
    package = tmp_path / "minicnn" / "layers"
    package.mkdir(parents=True)
    file = package / "x.py"
    file.write_text(
        "from __future__ import annotations\n"
        "import numpy as np, numba.core\n"
        "from .. import kernels\n"
        "from ..kernels.window import pair\n"
        "from .base import Layer\n"
        "from minicnn.fit import fit\n"
        "if TYPE_CHECKING:\n    from ..model import A\nelse:\n    from ..errors import B\n"
        "class C:\n    from .. import schedules\n    def f(self):\n        from .. import train\n"
    )
    monkeypatch.setitem(globals(), "ROOT", tmp_path / "minicnn")
    assert rooms_imported(file, lazy=False) == {"kernels", "layers", "fit", "errors", "schedules"}
    assert rooms_imported(file, lazy=True) - rooms_imported(file, lazy=False) == {"train"}
    assert libraries(file) == {"__future__", "numpy", "numba", "minicnn"}


@pytest.mark.parametrize("name", ORDER)
def test_kernels_layers_model_fit_train_import_only_what_comes_before(name):
    later = set(ORDER[ORDER.index(name) + 1 :])
    for path in of(name):
        assert not rooms_imported(path, lazy=False) & later, relative(path)


@pytest.mark.parametrize("name", ["kernels", "layers", "network", "fit"])
def test_only_the_model_reaches_forward_and_only_inside_functions(name):
    later = set(ORDER[ORDER.index(name) + 1 :])
    for path in of(name):
        assert not rooms_imported(path, lazy=True) & later, relative(path)


def test_nothing_in_the_package_imports_the_command_line():
    for path in FILES:
        if room(module_name(path)) not in ("train", "report"):  # which reads what it left
            assert "train" not in rooms_imported(path, lazy=True), relative(path)


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_leaves_import_only_what_all_may(name):
    allowed = FOR_ALL | {name} | {other for leaf, other in BETWEEN_LEAVES if leaf == name}
    allowed |= {"kernels"} if name in WITH_KERNELS else set()
    for path in of(name):
        assert rooms_imported(path, lazy=True) <= allowed, relative(path)


def test_kernels_stand_on_nothing_of_the_package():
    for path in of("kernels"):
        assert rooms_imported(path, lazy=True) <= {"kernels"} | FOR_ALL, relative(path)


def test_callbacks_know_the_model_by_its_public_face_only():
    hidden = {"network", "model", "layers", "fit", "train", "saving", "batches"}
    for path in of("callbacks"):
        assert not rooms_imported(path, lazy=True) & hidden, relative(path)
        names = {name for _, name in imports(path, lazy=True) if room(name) == "kernels"}
        assert names <= {"minicnn.kernels.use_backend"}, relative(path)


def test_fit_knows_no_callback_by_name():
    (path,) = of("fit")
    names = [name for _, name in imports(path, lazy=True) if room(name) == "callbacks"]
    assert names
    assert all(name.startswith("minicnn.callbacks.base.") for name in names), names


def test_what_all_may_import_imports_none_of_the_rooms():
    for name in FOR_ALL:
        for path in of(name):
            assert rooms_imported(path, lazy=True) <= FOR_ALL, relative(path)


def test_torch_is_nowhere():
    assert [relative(path) for path in FILES if "torch" in libraries(path)] == []


def test_numba_is_imported_under_kernels_only():
    found = {relative(path) for path in FILES if libraries(path) & {"numba", "llvmlite"}}
    assert found
    assert {name for name in found if not name.startswith("kernels/")} == set()


def test_matplotlib_is_imported_in_the_plots_only():
    found = {relative(path) for path in FILES if "matplotlib" in libraries(path)}
    assert found
    assert {name for name in found if not name.startswith(("plots/", "plots.py"))} == set()


def test_a_web_server_is_in_the_visor_only():
    web = {"starlette", "uvicorn", "plotly"}
    found = {relative(path).split("/")[0] for path in FILES if libraries(path) & web}
    assert found == {"visor"}
    assert [
        relative(p)
        for p in FILES
        if "visor" in rooms_imported(p, lazy=True) and not relative(p).startswith("visor/")
    ] == []


def imported_with(name):
    """The files of the kernels that importing kernels/NAME imports, itself among them."""
    waiting, found = [name], set()
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        for _, full in imports(ROOT / "kernels" / file, lazy=False):
            parts = full.split(".")
            if parts[:2] == ["minicnn", "kernels"] and len(parts) > 2:
                candidate = f"{parts[2]}.py"
                if (ROOT / "kernels" / candidate).exists():
                    waiting.append(candidate)
    return found


def test_numba_is_imported_only_when_its_backend_is_used():
    """The doorway, and what stands behind it without Numba, imports nothing that imports Numba."""
    with_numba = {p.name for p in of("kernels") if "numba" in libraries(p)}
    assert {"jit.py", "multiply.py"} <= with_numba
    assert imported_with("engine.py") & with_numba  # else this test looks for nothing
    for name in ("__init__.py", "prepared.py", "backend.py", "numpy_kernels.py", "reference.py"):
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
    names = [(relative(path), name) for path in FILES for _, name in imports(path, lazy=True)]
    assert [pair for pair in names if pair[1].endswith(".*")] == []
