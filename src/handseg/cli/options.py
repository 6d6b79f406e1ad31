"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from handseg.masks.labels import LABEL_POLICIES

# Of handseg.inference.engines, which takes long to import.
ENGINES = ("onnxruntime", "openvino", "openvino-bf16", "torchscript")


def complete_models(_ctx: click.Context, _param: click.Parameter, start: str) -> list[CompletionItem]:
    """The packaged models' names, for a shell; else it completes files."""
    folder = Path(str(files("handseg"))) / "weights"
    names = sorted(path.stem for path in folder.glob("*.onnx") if path.stem.startswith(start))
    return [CompletionItem(name) for name in names] or [CompletionItem(start, type="file")]


model = click.option(
    "--model",
    "-m",
    default="default",
    show_default=True,
    shell_complete=complete_models,
    help="Packaged model's name, a model file, or a run's folder or .ckpt (for which torch must be installed).",
)
engine = click.option(
    "--engine",
    type=click.Choice(ENGINES),
    help="What runs the model. Default: onnxruntime; torchscript for a .pt file.",
)
device = click.option(
    "--device",
    default="cpu",
    show_default=True,
    help="cpu, cuda, coreml or directml, where the engine has them; cuda:1 is the second GPU.",
)
policy = click.option(
    "--policy",
    type=click.Choice(LABEL_POLICIES),
    default="hand",
    show_default=True,
    help="What counts as foreground: the hand up to the wrist, or with the bare forearm.",
)
mask_values = click.option(
    "--mask-values",
    default="",
    metavar="TEXT",
    help="What the values in the mask files of DATA mean, as 'hand=1,2 ignore=255'; numbers, ranges (1-20), colours "
    "(#ff0000). Default: what its dataset.toml says, else 0 background, 128 unknown, and the one other value hand.",
)
threshold = click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Probability from which on a pixel is hand. Default: the model's own.",
)
min_area = click.option(
    "--min-area",
    type=click.FloatRange(0, 1),
    default=0.0002,  # handseg.masks.result.MIN_AREA, whose import would bring numpy
    show_default=True,
    help="Share of the picture that a hand must cover; smaller regions are left out everywhere.",
)
min_confidence = click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    help="Mean probability that a hand must have. Default: 0.1 above the threshold, but at most 0.7.",
)
threads = click.option("--threads", type=click.IntRange(1), help="Number of threads. Default: all cores.")
second_look = click.option(
    "--second-look/--no-second-look",
    default=True,
    show_default=True,
    help="Look again, closer, at images whose hands are small; not at the frames of a video.",
)
test_time = click.option(
    "--test-time",
    type=click.Choice(["none", "flip", "flip+scales"]),
    default="none",
    show_default=True,
    help="Average over views of each image: mirrored (2 times the cost), also at other sizes (about 7 times). "
    "The gain is small: measure first.",
)
group_by = click.option(
    "--group-by",
    default="",
    metavar="RULE",
    help="Which images belong to one session: folder (below images/), folder:N (the first N of them), column:NAME (of "
    "index.csv), or a regular expression with a group, as 'clip([0-9]+)_'. Default: as dataset.toml says, else by "
    "names and folders.",
)
protocol = click.option(
    "--protocol",
    type=click.Choice(["session-disjoint", "random-frame"]),
    default="session-disjoint",
    show_default=True,
    help="How to split, where no split file is given.",
)

# What `handseg.load` takes, in the order of --help.
OPENING = {
    "model": model,
    "engine": engine,
    "policy": policy,
    "threshold": threshold,
    "threads": threads,
    "device": device,
    "test_time": test_time,
    "second_look": second_look,
    "min_area": min_area,
    "min_confidence": min_confidence,
}
Command = Callable[..., None]


def opening(*, without: Collection[str] = ()) -> Callable[[Command], Command]:
    """The options by which a model is opened, which a command gets as `opening`: the arguments of `handseg.load`.

    without: names in OPENING that the command doesn't have.
    """
    chosen = {name: option for name, option in OPENING.items() if name not in without}

    def add_options(command: Command) -> Command:
        @wraps(command)
        def called(**values: Any) -> None:
            command(opening={name: values.pop(name) for name in chosen}, **values)

        for option in reversed(chosen.values()):
            called = option(called)
        return called

    return add_options
