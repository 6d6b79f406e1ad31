"""handseg evaluate: score a model on labelled images."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from handseg.cli import options
from handseg.cli.progress import progress as progress_of
from handseg.cli.progress import tell


@click.command(name="evaluate")
@click.argument("data", nargs=-1, type=click.Path(path_type=Path))
@click.option("--video", type=click.Path(path_type=Path), help="In place of DATA: how steady the masks of a clip are.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the scores to this file.")
@click.option("--split", type=click.Path(path_type=Path), help="A split file; score only one side of it.")
@click.option("--subset", type=click.Choice(["train", "val", "test"]), default="test", show_default=True)
@click.option("--report", type=click.Path(path_type=Path), help="Folder for report.html, self-contained, and its PNGs.")
@click.option(
    "--corruptions",
    is_flag=True,
    help="Also score the images spoilt in 15 ways, in five severities: 75 times the work.",
)
@options.mask_values
@options.group_by
@options.opening(without=("min_area", "min_confidence"))
def command(
    data: tuple[Path, ...],
    video: Path | None,
    json_path: Path | None,
    split: Path | None,
    subset: Any,
    report: Path | None,
    corruptions: bool,
    mask_values: str,
    group_by: str,
    opening: dict[str, Any],
) -> None:
    """Score a model on labelled images, at the labels' own resolution.

    Each DATA is a folder with images/ and masks/, or an EgoHands root.
    `pixel` scores pool the counts over all pixels, `image` scores are means over images, both of the hand
    class; `two_class_miou` averages the background in. Intervals: 95 %, bootstrap over sessions.

    --video CLIP needs no labels: each mask is compared with the one before it, carried along the optical flow, as it
    comes from the network and smoothed.
    """
    from handseg.models import load

    if bool(data) == (video is not None):
        raise click.UsageError("give labelled DATA, or --video CLIP")
    if video is not None:
        if split is not None or report is not None or corruptions:
            raise click.UsageError("--split, --report and --corruptions need labelled DATA; a --video has none")
        segmenter = load(**{**opening, "second_look": False})
        stability_report(segmenter, video, json_path)
        return
    from handseg.evaluation import evaluate_data

    def progress(items: Any) -> Any:
        with click.progressbar(
            items, label="evaluate", file=sys.stderr, hidden=not sys.stderr.isatty(), show_pos=True
        ) as bar:
            yield from bar

    segmenter = load(**opening)
    scored = evaluate_data(
        segmenter,
        data,
        split=split,
        subset=subset,
        group_by=group_by,
        mask_values=mask_values,
        corruptions=corruptions,
        name=opening["model"],
        tell=tell,
        progress=progress,
        looking=progress_of("look for copies"),
    )
    result, evaluation = scored.report, scored.evaluation
    text = json.dumps(result, indent=1) + "\n"
    if json_path is not None:
        from handseg.files import write_atomically

        write_atomically(json_path, lambda file: file.write(text.encode()))
    if report is not None:
        from handseg.evaluation.page import write_page
        from handseg.evaluation.pictures import gallery, precision_recall_curve, reliability_plot

        pictures = {
            "gallery": "Best, median and worst images by IoU. Green: hit. Red: false hand. Blue: missed. Grey: unknown",
            "precision_recall": "Precision and recall over all thresholds",
            "reliability": "Calibration: the diagonal is perfect",
        }
        gallery(evaluation, segmenter, report / "gallery.png")
        precision_recall_curve(evaluation, report / "precision_recall.png")
        reliability_plot(evaluation, report / "reliability.png")
        write_page(result, [(report / f"{k}.png", v) for k, v in pictures.items()], report / "report.html")
    click.echo(table(result))


def stability_report(segmenter: Any, video: Path, json_path: Path | None) -> None:
    """Print how steady the masks of a video are, and write it down where that is asked for."""
    from handseg.evaluation.video import evaluate_video, video_table
    from handseg.files import write_atomically

    def progress(frames: Any, count: int | None) -> Any:
        with click.progressbar(
            frames, length=count, label=video.name, file=sys.stderr, hidden=not sys.stderr.isatty(), show_pos=True
        ) as bar:
            yield from bar

    result = evaluate_video(segmenter, video, progress)
    if json_path is not None:
        text = json.dumps(result, indent=1) + "\n"
        write_atomically(json_path, lambda file: file.write(text.encode()))
    click.echo(video_table(result))


def _learned_from(seen: dict[str, Any]) -> list[str]:
    if not seen["n_images"]:
        return []
    return [f"{seen['n_images']} are of sessions that the model learned from: {', '.join(seen['sessions'])}"]


def table(result: dict[str, Any]) -> str:
    """The scores as text, each kind of mean named."""

    def span(interval: list[float]) -> str:
        return f"{interval[0]:.3f} to {interval[1]:.3f}"

    interval = result["interval_95"]
    leaky = " (leaky: frames of one video on both sides)" if result.get("protocol") == "random-frame" else ""
    lines = [
        f"{result['model']}: {result['n_images']} images, {result['n_sessions']} sessions"
        + (f", {result['protocol']}{leaky}" if "protocol" in result else ""),
        *_learned_from(result["learned_from"]),
        " threshold  precision   recall       F1      IoU  image IoU  2-class mIoU",
    ]
    at = {str(result["threshold"]): result, **result["at_threshold"]}
    for threshold, s in sorted(at.items()):
        p = s["pixel"]
        lines.append(
            f"{float(threshold):>10.3f} {p['precision']:>10.4f} {p['recall']:>8.4f} {p['f1']:>8.4f} {p['iou']:>8.4f} "
            f"{s['image']['iou']:>10.4f} {s['two_class_miou']:>13.4f}"
        )
    if interval["pixel_f1"] is None:
        lines.append("95 % interval: not known, since all images are of one session and one video")
    else:
        lines.append(
            f"95 % interval at {result['threshold']:.3f}: pixel F1 {span(interval['pixel_f1'])}, "
            f"image IoU {span(interval['image_iou'])}"
        )
    if not result["n_with_hands"]:
        lines.append(
            "no label shows a hand: image IoU is the share of images without a false one, the rest says nothing"
        )
    b = result["boundary"]
    lines.append(
        f"boundary IoU {b['iou']:.4f}, normalised surface distance at 2 px {b['nsd_2px']:.4f}, "
        f"at 4 px {b['nsd_4px']:.4f}; calibration error {result['calibration']['ece']:.4f}"
    )
    if result["hand_classes"]:
        parts = (f"{name} {value:.3f}" for name, value in result["hand_classes"].items())
        lines.append(f"pixel IoU by whose hand, and which: {', '.join(parts)}")
    for name, rows in result["by_condition"].items():
        parts = (f"{v} {r['pixel_f1']:.3f} ({r['n_images']} images)" for v, r in rows.items())
        lines.append(f"pixel F1 by {name}: {', '.join(parts)}")
    if "corruptions" in result:
        lines.append("image IoU, spoilt      severity 1      2      3      4      5")
        for name, values in result["corruptions"]["image_iou"].items():
            lines.append(f"{name:<26}" + "".join(f"{v:>7.3f}" for v in values))
        lines.append(f"mean relative drop {result['corruptions']['mean_relative_drop']:.3f}")
    return "\n".join(lines)
