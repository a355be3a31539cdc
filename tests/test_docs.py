"""The documents are true: links lead somewhere, and names, commands and options exist.

What counts as a name, in `inline code` outside of code blocks:

- a file: ends in .py, .js, .md or .toml. With a folder it is relative to the document, to the
  repository or to minicnn/; without one, some file of the repository has this name.
- a folder: ends in a slash, and begins with a folder of the repository or of minicnn/.
- `module.name`, where `module` is minicnn or one of its modules; `model.name`: of a Sequential;
  `data.name`: of an MnistData or of minicnn.data.
- `name(…)`, `CamelCase`, `snake_case`: something in minicnn's source has this name, and a function
  or class of this name takes the keywords given.
- a name in parentheses behind a link, ([file.py](path), `name`): defined in that file.
- `UPPER_CASE`: an environment variable that minicnn's source mentions.
"""

import argparse
import ast
import importlib
import pkgutil
import re
import shlex
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn.moved import MOVED

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "minicnn"
DOCS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
DOCS += sorted((ROOT / "docs").glob("*.md"))
pytestmark = pytest.mark.skipif(not DOCS[0].exists(), reason="no documents beside the tests")

FENCE = re.compile(r"^( *)```.*?^\1```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"(`+)(.+?)\1", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
BEHIND_A_LINK = re.compile(r"\(\[[^]]*\]\(([^)\s]+\.py)\)((?:,\s+`\w+`)+)\)")
FILE = re.compile(r"[\w.-]+(/[\w.-]+)*\.(py|js|md|toml)")
FOLDER = re.compile(r"([\w.-]+/)+")
DOTTED = re.compile(r"([a-z_]+)((?:\.\w+)+)(\(.*\))?", re.DOTALL)
CALL = re.compile(r"(\w+)\((.*)\)", re.DOTALL)
WORD = re.compile(r"[a-z]+(_[a-z\d]+)+|[A-Z][a-z]+[A-Z]\w*")
VARIABLE = re.compile(r"MINICNN_\w+")
DATA_FILES = {"safetensors", "json", "jsonl", "csv", "png", "jpg", "html"}
OTHER_LIBRARIES = {"as_strided", "sched_yield"}
# Names in the changelog's table of old names, which are there because they are gone.
OLD_NAMES = re.compile(r"### Moved.*?(?=### )", re.DOTALL)


def text_of(path):
    return path.read_text(encoding="utf-8")


def prose_of(path):
    return FENCE.sub("", OLD_NAMES.sub("", text_of(path)))


def slugs(path):
    """The anchors that GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text_of(path)), re.MULTILINE)
    bare = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in bare}


@cache
def definitions():
    """Name → the argument and field names of all functions and classes of that name, for every
    name that minicnn's source defines, assigns or takes as an argument."""
    found = {}
    bases = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(text_of(path))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                names = {a.arg for a in (*node.args.args, *node.args.kwonlyargs)}
                found.setdefault(node.name, set()).update(names)
                for name in names:
                    found.setdefault(name, set())
            elif isinstance(node, ast.ClassDef):
                held = found.setdefault(node.name, set())
                bases.setdefault(node.name, set()).update(ast.unparse(b) for b in node.bases)
                for child in node.body:
                    if isinstance(child, ast.AnnAssign):
                        held.add(ast.unparse(child.target))
                    elif isinstance(child, ast.FunctionDef) and child.name == "__init__":
                        held.update(a.arg for a in (*child.args.args, *child.args.kwonlyargs))
            elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
                name = node.id if isinstance(node, ast.Name) else node.attr
                found.setdefault(name, set())
    for name, parents in bases.items():
        for parent in parents:
            found[name] |= found.get(parent, set())
    return found


@cache
def source():
    return "\n".join(text_of(path) for path in PACKAGE.rglob("*.py"))


@cache
def file_names():
    folders = (PACKAGE, ROOT / "tests", ROOT / "bench", ROOT / "docs")
    nested = {path.name for folder in folders for path in folder.rglob("*") if path.is_file()}
    return nested | {path.name for path in ROOT.iterdir()}


@cache
def roots():
    """What the first part of a dotted name stands for: one or more objects."""
    found = {"minicnn": [minicnn]}
    for module in pkgutil.iter_modules(minicnn.__path__):
        if module.name != "__main__":
            found[module.name] = [importlib.import_module(f"minicnn.{module.name}")]
    found["model"].append(minicnn.Sequential())
    found["data"].append(minicnn.MnistData("sample", progress=False))
    return found


def has(thing, names):
    for name in names:
        if not hasattr(thing, name):
            try:
                importlib.import_module(f"{thing.__name__}.{name}")
            except (ImportError, AttributeError):
                return False
        thing = getattr(thing, name)
    return True


def is_there(path, name):
    """Whether there is such a file, or such a folder with more than compiled files."""
    for place in (base / name for base in (path.parent, ROOT, PACKAGE)):
        if place.is_file() or (place.is_dir() and set(place.iterdir()) - {place / "__pycache__"}):
            return True
    return False


def problem(path, code):
    """What is wrong with a name in inline code; None: nothing, or it is no name."""
    if FILE.fullmatch(code):
        there = is_there(path, code) if "/" in code else code in file_names()
        return None if there else "there is no such file"
    if FOLDER.fullmatch(code):
        first = code.split("/")[0]
        # (trace/ was one; of other folders, such as checkpoints/ of a run, nothing is known)
        known = (ROOT / first).is_dir() or (PACKAGE / first).is_dir() or first == "trace"
        return "there is no such folder" if known and not is_there(path, code) else None
    if (found := DOTTED.fullmatch(code)) and found[1] in roots():
        names = found[2].split(".")[1:]
        if names[-1] in DATA_FILES or any(has(root, names) for root in roots()[found[1]]):
            return None
        return "there is no such name"
    if found := CALL.fullmatch(code):
        if found[1] not in definitions():
            return "nothing is called so"
        unknown = set(re.findall(r"(\w+)=", found[2])) - definitions()[found[1]]
        return f"it takes no {unknown}" if unknown else None
    if WORD.fullmatch(code) and code not in OTHER_LIBRARIES:
        return None if code in definitions() else "nothing is called so"
    if VARIABLE.fullmatch(code):
        return None if code in source() else "minicnn does not read it"
    return None


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    broken = []
    for target in LINK.findall(FENCE.sub("", text_of(path))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        goal = path.parent / name if name else path
        if not goal.exists() or (anchor and anchor not in slugs(goal)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_names_exist(path):
    codes = [code.strip() for _, code in INLINE.findall(prose_of(path))]
    wrong = {code: why for code in codes if (why := problem(path, code))}
    assert wrong == {}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_names_behind_a_link_are_in_that_file(path):
    missing = []
    for target, names in BEHIND_A_LINK.findall(prose_of(path)):
        tree = ast.parse(text_of(path.parent / target))
        defined = {getattr(node, "name", None) for node in tree.body}
        missing += [(target, n) for n in re.findall(r"\w+", names) if n not in defined]
    assert missing == []


def test_a_wrong_name_is_found():
    wrong = (
        "kernels/tile.py", "nothing.py", "trace/", "kernels/numba/", "minicnn.networks",
        "callbacks.Nothing", "model.nothing", "fit(nothing=1)", "no_such(x)", "NoSuchClass",
        "no_such_function", "MINICNN_NOTHING",
    )  # fmt: skip
    right = (
        "kernels/engine/fused.py", "fused.py", "kernels/engine/", "checkpoints/", "kernels.conv2d",
        "callbacks.PlotMetrics(path)", "model.fused", "model.safetensors", "fit(resume=…)",
        "SwapEMA(decay=0.9)", "train_step", "MINICNN_THREADS", "anything else", "x",
    )  # fmt: skip
    readme = DOCS[0]
    assert [code for code in wrong if problem(readme, code) is None] == []
    assert {code: why for code in right if (why := problem(readme, code))} == {}


def test_the_map_and_the_picture_show_what_is_there():
    (readme_map,) = re.findall(r"```\n(minicnn/\n.*?)```", text_of(ROOT / "README.md"), re.DOTALL)
    shown = re.findall(r"[\w/]+(?:\.py|/)(?!\w)", readme_map)
    picture = text_of(ROOT / "docs" / "images" / "layout.svg")
    names = re.findall(r'class="name"[^>]*>([^<]+)<', picture)
    for name in [*shown, *(word for text in names for word in text.split())]:
        assert problem(ROOT / "README.md", name) is None, name
        assert name.endswith(".py") or is_there(ROOT / "README.md", name), name


def test_the_tour_links_every_file_of_the_step_that_it_shows(capsys):
    tour = text_of(ROOT / "docs" / "tour.md")
    (code,) = re.findall(r"<!-- run -->\n```python\n(.*?)```", tour, re.DOTALL)
    before = minicnn.current_backend()
    names, files = {}, set()
    try:
        exec(code, names)
        x, y = np.asarray(names["data"].train_x[:8]), names["data"].train_labels[:8]
        sys.setprofile(lambda frame, event, _: files.add(frame.f_code.co_filename))
        names["model"].train_on_batch(x, y)
    finally:
        sys.setprofile(None)
        minicnn.use_backend(before)
    assert "accuracy" in capsys.readouterr().out
    paths = [Path(name) for name in files if Path(name).is_relative_to(PACKAGE)]
    visited = {path.relative_to(ROOT).as_posix() for path in paths}
    assert visited - {target.removeprefix("../") for target in LINK.findall(tour)} == set()
    assert len(visited) <= 20


# ---- commands ----


class Parsed(BaseException):
    """Ends a command when its parser is complete."""

    def __init__(self, parser):
        self.parser = parser


def stop(parser, *args, **options):
    raise Parsed(parser)


@cache
def parser_of(module):
    """The argument parser of `python -m module`, as it is when the command would parse."""
    folder = ROOT.joinpath(*module.split("."))
    name = f"{module}.command" if folder.is_dir() else module
    try:
        found = importlib.import_module(name)
    except ModuleNotFoundError as error:
        pytest.skip(f"needs {error.name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_known_args", stop)
        with pytest.raises(Parsed) as ended:
            found.main([])
    return ended.value.parser


@cache
def benchmark_parser(name):
    from bench import command

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_known_args", stop)
        with pytest.raises(Parsed) as ended:
            command.main(name, [])
    return ended.value.parser


def options_of(parser, words):
    """The options of a parser, and of the subcommand among `words`, if it has some."""
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            chosen = [word for word in words if word in action.choices]
            assert chosen or not words, f"expected one of {list(action.choices)}, received {words}"
            found |= {o for word in chosen for o in action.choices[word]._option_string_actions}
    return found


def commands(path):
    """(module, words behind it) of each `python -m …` that is ours; a placeholder has no dash."""
    lines = re.findall(r"python3? -m ((?:minicnn|bench)\b[^`\n#|]*)", text_of(path))
    for line in lines:
        try:
            module, *words = shlex.split(line.rstrip(".,;:) "))
        except ValueError:  # a quotation mark of the sentence around it
            module, *words = line.split()
        if module not in ("minicnn", *(f"minicnn.{old}" for old in MOVED), "minicnn.plots.gallery"):
            yield module, words


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_commands_and_their_options_exist(path):
    wrong = []
    for module, words in commands(path):
        if module == "bench":
            name = next((w for w in words if not w.startswith("-")), None)
            if name is None or name.isupper():
                continue
            options = options_of(benchmark_parser(name), ())
        else:
            options = options_of(parser_of(module), [w for w in words if not w.startswith("-")])
        wrong += [(module, w) for w in words if w.startswith("--") and w not in options]
    assert wrong == []


@cache
def all_options():
    from bench import command

    modules = {module for path in DOCS for module, _ in commands(path) if module != "bench"}
    parsers = [parser_of(module) for module in sorted(modules)]
    parsers += [benchmark_parser(name) for name in command.NAMES]
    found = {"--logdir"}  # TensorBoard's
    for parser in parsers:
        found |= options_of(parser, ())
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                found |= options_of(parser, action.choices)
    return found


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_options_on_their_own_belong_to_some_command(path):
    codes = [code for _, code in INLINE.findall(prose_of(path))]
    named = {code.split()[0] for code in codes if code.startswith("--")}
    assert named - all_options() == set()
