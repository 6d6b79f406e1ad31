"""The structure of the package in figures: lines, files, what imports what, circles, and the longest module.

    python benchmarks/structure.py [PACKAGE]

PACKAGE: a folder, by default src/handseg; that of another checkout, to compare. A room is a file or folder directly in
it; an arrow, that some file of one room imports a file of another. Imports within functions count.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path


def imports_of(path: Path, package: Path) -> Iterator[Path]:
    """The files of the package that a file imports."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [
                name if file_of(name := f"{node.module}.{alias.name}", package) else node.module for alias in node.names
            ]
        yield from (file for name in names if (file := file_of(name, package)) and file != path)


def file_of(module: str, package: Path) -> Path | None:
    first, *rest = module.split(".")
    place = package.joinpath(*rest)
    options = (place.with_name(f"{place.name}.py"), place / "__init__.py") if rest else (package / "__init__.py",)
    return next((path for path in options if path.is_file()), None) if first == package.name else None


def in_circles(graph: dict[Path, set[Path]]) -> int:
    """How many files can reach themselves."""

    def reached(start: Path) -> set[Path]:
        seen: set[Path] = set()
        waiting = [start]
        while waiting:
            for below in graph[waiting.pop()] - seen:
                seen.add(below)
                waiting.append(below)
        return seen

    return sum(path in reached(path) for path in graph)


def main(package: Path) -> None:
    files = sorted(package.rglob("*.py"))
    graph = {path: set(imports_of(path, package)) for path in files}
    lines = {path: path.read_text("utf-8").count("\n") for path in files}
    room = {path: path.relative_to(package).parts[0] for path in files}
    arrows = {(room[a], room[b]) for a, below in graph.items() for b in below if room[a] != room[b]}
    flat = [path for path in package.glob("*.py") if not path.name.startswith("__")]
    longest = max(files, key=lambda path: lines[path])
    print(f"{sum(lines.values())} lines in {len(files)} files; {len(flat)} modules lie flat")
    print(
        f"{len(set(room.values()))} rooms, {len(arrows)} arrows between them; {sum(map(len, graph.values()))} imports"
    )
    print(f"{in_circles(graph)} files in a circle")
    print(f"longest: {longest.relative_to(package)}, {lines[longest]} lines")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "src/handseg").resolve())
