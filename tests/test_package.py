"""What the package promises as a whole: its public names, a light start, a runtime without torch."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest

import handseg

SOURCE = Path(handseg.__file__).parent
LAYERS = (  # from the top; what stands in a line imports from the lines below it, or from itself
    ("__main__", "__pyinstaller"),
    ("cli",),
    ("models",),
    ("service", "batch", "export"),
    ("training",),
    ("evaluation",),
    ("video", "data", "pipeline", "bench"),
    ("inference",),
    ("formats",),
    ("masks",),
    ("draw", "metrics"),
    ("image",),
    ("nets", "files", "parallel"),
    ("errors", "version"),
)
TORCH = {"nets", "training", "export"}


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)


def test_all_is_sorted_and_true() -> None:
    assert handseg.__all__ == sorted(handseg.__all__, key=str)
    for name in handseg.__all__:
        assert getattr(handseg, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = handseg.nothing
    assert dir(handseg) == sorted([*handseg.__all__, "__version__"])


def test_the_runtime_works_without_torch_lightning_scipy_and_opencv() -> None:
    blocked = ("torch", "lightning", "scipy", "cv2", "matplotlib")
    result = run(
        f"import sys\nfor name in {blocked}: sys.modules[name] = None\n"
        "import numpy, handseg\n"
        "print(handseg.load()(numpy.zeros((40, 60, 3), 'uint8')).mask.shape)"
    )
    assert result.stdout == "(40, 60)\n", result.stderr


def test_help_imports_nothing_heavy() -> None:
    result = run(
        "import sys\nfrom handseg.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'numpy', 'PIL', 'onnxruntime', 'torch'} & set(sys.modules)))"
    )
    assert result.stdout.endswith("[]\n"), result.stdout + result.stderr


def test_without_its_models_it_says_what_to_do(tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "handseg", ignore=shutil.ignore_patterns("weights", "__pycache__"))
    for code in (
        "from handseg.cli import main; main(['models'])",
        "from handseg.cli import main; main(['predict', 'a.jpg', '-o', 'out'])",
    ):
        run_there = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
        )
        assert run_there.returncode == 1
        assert run_there.stderr.startswith("error: the models that come with handseg are missing; install it anew, or")
        assert run_there.stderr.endswith("--collect-data handseg\n")
        assert run_there.stderr.count("\n") == 1


def test_the_hook_of_pyinstaller_is_where_it_is_looked_for() -> None:
    from handseg.__pyinstaller import get_hook_dirs

    (folder,) = get_hook_dirs()
    hook = (Path(folder) / "hook-handseg.py").read_text("utf-8")
    assert 'collect_data_files("handseg")' in hook
    assert (Path(folder) / "__init__.py").is_file()


def test_no_torchvision_gets_installed() -> None:
    assert "torchvision" not in {d.name for d in distributions()}


def imports_of(path: Path) -> Iterator[str]:
    """The modules of handseg, dotted, and the packages that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            inside = [f"{module}.{alias.name}" for alias in node.names]
            yield from (name if file_of(name) else module for name in inside)


def file_of(module: str) -> Path | None:
    package, *rest = module.split(".")
    found = SOURCE.joinpath(*rest)
    options = found.with_name(f"{found.name}.py"), found / "__init__.py"
    return next((p for p in options if p.is_file()), None) if package == "handseg" and rest else None


FILES = pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE)))


@FILES
def test_modules_are_short_and_imports_point_downwards(path: Path) -> None:
    assert path.read_text("utf-8").count("\n") <= 400
    own = path.relative_to(SOURCE).with_suffix("").parts[0]
    if own == "__init__":
        return
    layer = next(i for i, names in enumerate(LAYERS) if own in names)
    below = {own, *(name for names in LAYERS[layer + 1 :] for name in names)}
    for module in imports_of(path):
        package, *rest = module.split(".")
        if package == "handseg" and rest and file_of(module):
            assert rest[0] in below, f"{path} imports {module} from above or beside"
        if package in {"torch", "lightning"}:
            allowed = (
                own in TORCH
                or path.name in {"torchscript.py", "network.py", "interop.py"}
                or (own == "data" and path.name == "loading.py")
            )
            assert allowed, f"{path} imports {module}"


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = {path: {file for m in imports_of(path) if (file := file_of(m))} for path in SOURCE.rglob("*.py")}
    while ends := [path for path, below in graph.items() if not below & graph.keys()]:
        for path in ends:
            del graph[path]
    assert not graph, f"in or above a circle: {sorted(str(path.relative_to(SOURCE)) for path in graph)}"
