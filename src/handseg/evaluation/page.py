"""An evaluation as one self-contained HTML page: tables, curves and galleries, nothing fetched from anywhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from handseg.files import write_atomically

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .6rem 0 1.4rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .8rem; border-bottom: 1px solid #8884; text-align: right; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; height: auto; }
figure { display: inline-block; margin: 0 1rem 1rem 0; vertical-align: top; }
figcaption { opacity: .75; }
"""


def write_page(result: dict[str, Any], pictures: Sequence[tuple[Path, str]], path: Path) -> None:
    """Write the page.

    result: what `handseg evaluate --json` writes. pictures: PNG files, embedded, each with a caption.
    """
    protocol = result.get("protocol", "all images")
    parts = [
        f"<h1>{escape(result['model'])}</h1>",
        f"<p>{result['n_images']} images of {result['n_sessions']} sessions, {escape(protocol)}"
        f"{' (leaky: frames of one video on both sides)' if protocol == 'random-frame' else ''}. "
        f"Threshold {result['threshold']:.3g}. Scores are of the hand class, at the labels' own resolution: "
        "<i>pixel</i> pools the counts over all pixels, <i>image</i> is the mean over images. "
        "Intervals: 95 %, bootstrap over sessions."
        f"{_learned_from(result['learned_from'])}</p>",
        "<h2>Scores</h2>",
        _scores(result),
        _table(
            ("boundary IoU", "NSD at 2 px", "NSD at 4 px", "calibration error"),
            [[result["boundary"][k] for k in ("iou", "nsd_2px", "nsd_4px")] + [result["calibration"]["ece"]]],
        ),
        "<h2>By condition</h2>",
        *(
            _table((name, "images", "pixel F1", "image IoU"), [(v, *row.values()) for v, row in rows.items()])
            for name, rows in result["by_condition"].items()
        ),
    ]
    if "corruptions" in result:
        drop = result["corruptions"]["mean_relative_drop"]
        parts += [
            "<h2>Robustness</h2>",
            f"<p>Image IoU on spoilt images, by severity; mean relative drop {drop:.3f}.</p>",
            _table(
                ("corruption", *"12345"),
                [(name, *values) for name, values in result["corruptions"]["image_iou"].items()],
            ),
        ]
    parts += ["<h2>Pictures</h2>", *(_figure(*picture) for picture in pictures)]
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>handseg: {escape(result['model'])}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )
    write_atomically(path, lambda file: file.write(page.encode()))


def _learned_from(seen: dict[str, Any]) -> str:
    if not seen["n_images"]:
        return ""
    names = escape(", ".join(seen["sessions"]))
    return f" <b>{seen['n_images']} images are of sessions that the model learned from: {names}.</b>"


def _scores(result: dict[str, Any]) -> str:
    rows: list[tuple[Any, ...]] = []
    for threshold, s in sorted({str(result["threshold"]): result, **result["at_threshold"]}.items()):
        p = s["pixel"]
        rows.append((threshold, p["precision"], p["recall"], p["f1"], p["iou"], s["image"]["iou"], s["two_class_miou"]))
    interval = result["interval_95"]
    spans = [interval[k] for k in ("pixel_f1", "pixel_iou", "image_iou")]
    words = ("not known from one video" if span is None else "{:.3f} to {:.3f}".format(*span) for span in spans)
    rows.append((f"95 % at {result['threshold']:.3g}", "", "", *words, ""))
    head = ("threshold", "precision", "recall", "pixel F1", "pixel IoU", "image IoU", "two-class mIoU")
    return _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    def cell(value: Any) -> str:
        return f"{value:.3f}" if isinstance(value, float) else escape(str(value))

    top = "".join(f"<th>{escape(h)}</th>" for h in head)
    body = "\n".join("<tr>" + "".join(f"<td>{cell(v)}</td>" for v in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _figure(path: Path, caption: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return (
        f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
