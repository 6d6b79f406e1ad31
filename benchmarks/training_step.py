"""A training step on this CPU, with freed memory given back to the system and with it kept (handseg.training.memory).

    python benchmarks/training_step.py --recipe default

Each is a process of its own, run in turn, so that a noisy machine is noisy for both. Printed: the median time of a
forward and backward pass, the process's highest resident memory, and the median ratio of the pairs. Linux only.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from statistics import median

import click
import torch

from handseg.training.memory import keep_freed_memory
from handseg.training.recipe import Recipe

WARM_UP = 2


def measure(recipe: Recipe, steps: int) -> float:
    """Seconds of a step, the median."""
    net = recipe.build_network(pretrained=False).to(memory_format=torch.channels_last).train()
    x = torch.randn(recipe.run.batch_size, 3, *recipe.input.size).contiguous(memory_format=torch.channels_last)
    times = []
    for _ in range(WARM_UP + steps):
        net.zero_grad()
        start = time.perf_counter()
        net(x).square().mean().backward()
        times.append(time.perf_counter() - start)
    return median(times[WARM_UP:])


@click.command(help=__doc__)
@click.option("--recipe", default="default", show_default=True)
@click.option("--threads", default=torch.get_num_threads(), show_default=True)
@click.option("--steps", default=5, show_default=True, help="Measured in each process.")
@click.option("--rounds", default=7, show_default=True)
@click.option("--one", type=click.Choice(["given-back", "kept"]), hidden=True, help="A process of its own.")
def main(recipe: str, threads: int, steps: int, rounds: int, one: str | None) -> None:
    if one:
        torch.set_num_threads(threads)
        if one == "kept" and not keep_freed_memory():
            raise click.ClickException("there is no glibc here")
        print(1000 * measure(Recipe.load(recipe), steps), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    call = (sys.executable, __file__, "--recipe", recipe, "--threads", str(threads), "--steps", str(steps))

    def once(how: str) -> tuple[float, ...]:
        done = subprocess.run([*call, "--one", how], stdout=subprocess.PIPE, text=True, check=True)
        return tuple(map(float, done.stdout.split()))

    pairs = [(once("given-back"), once("kept")) for _ in range(rounds)]
    for i, unit in enumerate(("ms", "MB")):
        given_back, kept = (median(values[i] for values in column) for column in zip(*pairs))
        ratio = median(after[i] / before[i] for before, after in pairs)
        print(f"given back {given_back:.0f} {unit}, kept {kept:.0f} {unit}, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
