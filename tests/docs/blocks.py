"""The fenced blocks of the README and of docs/, with the marks above them.

A mark is an HTML comment on the line before the fence, so readers don't see it:

    <!-- file NAME -->     the block is written to this file, which later blocks of the page use
    <!-- output -->        what the block above prints; numbers may differ by a fiftieth, … stands for anything
    <!-- output, numbers vary -->   the same, but numbers (and times) may be any
    <!-- background -->    the command goes on while the rest of the page runs
    <!-- needs WHAT -->    not run here, since it needs a camera, a GPU, hours …; its options are checked all the same
    <!-- run -->, <!-- test -->    the README's two commands, which .ci/run runs in fresh environments
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^( *)```(\S*)$")
MARK = re.compile(r"^ *<!-- (.+) -->$")


@dataclass(frozen=True)
class Block:
    """line: of the fence, from 1. first, last: lines of the text, from 0, as a slice. mark: what the comment says."""

    page: Path
    line: int
    language: str
    text: str
    mark: str
    first: int
    last: int

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def needs(self) -> str:
        """What the machine that runs the tests doesn't have; "" for nothing."""
        if self.mark in {"run", "test"}:
            return "an environment of its own"
        return self.mark.removeprefix("needs ") if self.mark.startswith("needs ") else ""

    @property
    def file(self) -> str:
        return self.mark.removeprefix("file ") if self.mark.startswith("file ") else ""

    @property
    def is_output(self) -> bool:
        return self.mark.startswith("output")


def read_blocks(page: Path) -> list[Block]:
    lines = page.read_text("utf-8").splitlines()
    blocks = []
    i = 0
    while i < len(lines):
        opening = FENCE.match(lines[i])
        if not opening:
            i += 1
            continue
        indent, language = opening.groups()
        end = next(j for j in range(i + 1, len(lines)) if lines[j] == f"{indent}```")
        text = "".join(f"{line.removeprefix(indent)}\n" for line in lines[i + 1 : end])
        mark = MARK.match(lines[i - 1]) if i else None
        blocks.append(Block(page, i + 1, language, text, mark[1] if mark else "", i + 1, end))
        i = end + 1
    return blocks
