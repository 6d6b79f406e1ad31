"""Writes the output blocks and the pictures of the docs anew: python -m tests.docs [PAGE]..."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.docs.blocks import PAGES, read_blocks
from tests.docs.pictures import FOLDER, make_pictures
from tests.docs.running import PageRun, same_output
from tests.docs.sandbox import make_sandbox


def rewrite(page: Path) -> None:
    """Put what its blocks print into the outputs that no longer say it; those with … are left to be edited by hand."""
    blocks = read_blocks(page)
    if not any(block.is_output for block in blocks):
        return
    lines = page.read_text("utf-8").splitlines()
    changes = []
    with tempfile.TemporaryDirectory() as folder, PageRun(make_sandbox(Path(folder) / "page")) as run:
        for block in blocks:
            if not block.is_output and not block.needs:
                run.run(block)
            elif block.is_output and not same_output(block.text, run.output, "vary" in block.mark):
                changes.append((block, run.output.strip().splitlines()))
                print(f"{block.name}: written anew", *(["(it had …)"] if "…" in block.text else []))
    for block, printed in reversed(changes):
        lines[block.first : block.last] = [line.rstrip() for line in printed]
    page.write_text("\n".join(lines) + "\n", "utf-8")


for path in [Path(name).resolve() for name in sys.argv[1:]] or PAGES:
    rewrite(path)
if not sys.argv[1:]:
    make_pictures(FOLDER)
