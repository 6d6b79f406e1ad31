"""handseg bench: how fast it is here."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from handseg.cli import options


def parse_sizes(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> list[tuple[int, int]]:
    """(height, width) of each WIDTHxHEIGHT."""
    sizes = []
    for value in values:
        width, _, height = value.lower().replace("×", "x").partition("x")
        if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
            raise click.BadParameter(f"{value!r}: write it as 1280x720")
        sizes.append((int(height), int(width)))
    return sizes


@click.command(name="bench")
@click.option("--model", "-m", "models", multiple=True, default=["default"], show_default=True, help="May be repeated.")
@click.option(
    "--engine",
    "engines",
    multiple=True,
    type=click.Choice(options.ENGINES),
    help="May be repeated. Default: all that are installed.",
)
@click.option("--threads", multiple=True, type=click.IntRange(1), help="May be repeated. Default: 1, and all cores.")
@click.option(
    "--frame",
    "frames",
    multiple=True,
    callback=parse_sizes,
    metavar="WIDTHxHEIGHT",
    default=["1280x720"],
    show_default=True,
    help="Size of the image; may be repeated.",
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    callback=parse_sizes,
    metavar="WIDTHxHEIGHT",
    help="Size of the network's input, of which only the area counts with most models; may be repeated. "
    "Default: the model's own.",
)
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), default=15.0, show_default=True, help="To measure, in all."
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all figures to this file.")
def command(
    models: tuple[str, ...],
    engines: tuple[str, ...],
    threads: tuple[int, ...],
    frames: list[tuple[int, int]],
    inputs: list[tuple[int, int]],
    seconds: float,
    json_path: Path | None,
) -> None:
    """Measure how long a frame takes on this machine, without loading the model and reading the image.

    Every combination of models, engines, threads and sizes is run in turn, round after round, so that their
    ratios hold on a busy machine too. `whole` is a frame from pixels to mask: median and 95th percentile. `CPU` is what
    it costs all cores together, other processes not counted. The stages are medians.
    """
    from handseg.bench import cases, machine, measure

    here = machine()
    made = cases(models, engines, threads or sorted({1, os.cpu_count() or 1}), frames, inputs)

    def progress(rounds: Any) -> Any:
        hidden = not sys.stderr.isatty()
        with click.progressbar(rounds, label="bench", file=sys.stderr, hidden=hidden) as bar:
            yield from bar

    measure(made, seconds, progress)
    rows = [case.report() for case in made]
    if json_path is not None:
        from handseg.files import write_atomically

        text = json.dumps({"machine": here, "cases": rows}, indent=1) + "\n"
        write_atomically(json_path, lambda file: file.write(text.encode()))
    click.echo(table(here, rows))


def table(machine: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """The figures as text, in milliseconds."""
    from handseg.bench import STAGES

    def size(height: int, width: int) -> str:
        return f"{width}×{height}"

    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    load = "" if machine["load"] is None else f", load {machine['load']:.1f} before the start"
    head = ["model", "engine", "threads", "frame", "input", "whole", "95 %", "frames/s", "CPU", *STAGES]
    body = [
        [
            row["model"],
            row["engine"],
            str(row["threads"]),
            size(*row["frame"]),
            size(*row["input"]),
            f"{row['median_ms']:.1f}",
            f"{row['p95_ms']:.1f}",
            f"{row['frames_per_second']:.1f}",
            f"{row['cpu_ms']:.1f}",
            *(f"{row['stages_ms'][stage]:.2f}" for stage in STAGES),
        ]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(head, *body)]
    lines = [
        "  ".join(cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths)))
        for line in (head, *body)
    ]
    return "\n".join(
        [
            f"{machine['cpu']}, {machine['usable_cores']} of {machine['cores']} cores, {machine['system']}{load}",
            f"Python {machine['python']}, {packages}",
            f"milliseconds, {rows[0]['rounds']} rounds in turn",
            "",
            *lines,
        ]
    )
