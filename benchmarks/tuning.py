"""What tuning on a dozen pictures of one's own does to other pictures.

    python benchmarks/tuning.py --data DATA -o runs/tuning

Each dozen is of one person: before a webcam, or with a camera on the head. The tool trains on them as a user would,
`handseg train --init default --data DOZEN --protocol all`; the tuned model is scored on other pictures of the same
person, and on irllabs, phone photos of other people. Before and after are pixel F1, with a bootstrap over pictures.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import click

import handseg
from handseg.data import Sample, read_dataset
from handseg.evaluation.evaluate import evaluate
from handseg.metrics import bootstrap_interval

DOZENS = {"webcam": ("p04", "p20"), "first_person": ("p23", "p28")}
SAME_PICTURE = "00000102"  # irllabs: of 00000101, with the worse mask


def told(model: str | Path, samples: list[Sample]) -> str:
    found = evaluate(handseg.load(str(model)), samples)
    low, high = bootstrap_interval(found.counts(), [s.name for s in samples], lambda s: s["pixel"]["f1"])
    return f"{found.scores()['pixel']['f1']:.3f} [{low:.3f}, {high:.3f}]"


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), default="../shared/data")
@click.option("--model", default="default", show_default=True)
@click.option("--recipe", default="", help="Instead of what `--init` takes.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default="runs/tuning")
def main(data: Path, model: str, recipe: str, output: Path) -> None:
    phone = [s for s in read_dataset(data / "irllabs") if s.image.stem != SAME_PICTURE]
    print(
        f"{model}: irllabs {told(model, phone)}\n\n| a dozen of | others of the same, before | after | irllabs, after |"
    )
    print("| --- | --- | --- | --- |", flush=True)
    for name, people in DOZENS.items():
        for person in people:
            own = [s for s in read_dataset(data / name) if s.image.name.startswith(person)]
            dozen = own[:: max(1, len(own) // 12)][:12]
            rest = [s for s in own if s not in dozen]
            folder, run = output / f"{name}_{person}", output / f"{name}_{person}_run"
            for sample in dozen:
                for source, part in ((sample.image, "images"), (Path(str(sample.label)), "masks")):
                    (folder / part).mkdir(parents=True, exist_ok=True)
                    shutil.copy(source, folder / part / source.name)
            if not (run / "last.ckpt").is_file():
                command = [
                    sys.executable,
                    "-m",
                    "handseg",
                    "train",
                    "--init",
                    model,
                    "--data",
                    folder,
                    "--protocol",
                    "all",
                    "-o",
                    run,
                ]
                command += ["--recipe", recipe] if recipe else []
                subprocess.run(list(map(str, command)), check=True)
            cells = [f"{name}, {person} ({len(rest)} others)", told(model, rest), told(run, rest), told(run, phone)]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
