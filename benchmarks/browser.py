"""Milliseconds a frame in a browser (Chromium, WebAssembly, one thread) and in Python (onnxruntime, one thread).

    python benchmarks/browser.py examples/hand.jpg

Both do all of it, from the pixels to the mask at the frame's size, in turn. Printed: medians, and the median ratio.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import click

import handseg
from handseg.image import load_image, resize, save_png

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))

from web.headless import served  # noqa: E402

PAGE = """<!doctype html><script type="module">
import { createSegmenter } from './handseg/index.js';
const [model, frames] = [new URLSearchParams(location.search).get('model'), 12];
const segmenter = await createSegmenter({
  model: `models/${model}`,
  engine: 'engine/ort-wasm-simd-threaded.wasm.gz',
  worker: () => new Worker('worker.js', { type: 'module' }),
  threads: 1,
  secondLook: false,
});
const bitmap = await createImageBitmap(await (await fetch('frame.png')).blob());
const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
context.drawImage(bitmap, 0, 0);
const image = context.getImageData(0, 0, bitmap.width, bitmap.height);
const times = [];
for (let i = 0; i < frames; i++) {
  const start = performance.now();
  await segmenter.segment(image);
  times.push(performance.now() - start);
}
fetch('/result', { method: 'POST', body: JSON.stringify(times.slice(2)) });
</script>"""


@click.command(help=__doc__)
@click.argument("image", type=click.Path(exists=True, path_type=Path))
@click.option("--rounds", default=5, show_default=True)
def main(image: Path, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, ROOT / "web/build.py", folder], check=True, stdout=subprocess.DEVNULL)
        (folder / "bench.html").write_text(PAGE)
        with served(folder) as site:
            for model in ("nano", "default"):
                segmenter = handseg.load(model, threads=1, second_look=False)
                for height, width in ((360, 640), (720, 1280)):
                    frame = resize(load_image(image), height, width)
                    save_png(folder / "frame.png", frame)
                    pairs = []
                    for _ in range(rounds):
                        browser = median(json.loads(site.browse(f"bench.html?model={model}.onnx")))
                        pairs.append((browser, python_time(segmenter, frame)))
                    browser, python = (median(column) for column in zip(*pairs))
                    ratio = median(b / p for b, p in pairs)
                    print(f"{model}, {width}×{height}: browser {browser:.0f} ms, Python {python:.0f} ms, {ratio:.2f}")


def python_time(segmenter: handseg.Segmenter, frame: object) -> float:
    times = []
    for _ in range(12):
        start = time.perf_counter()
        _ = segmenter(frame).mask  # type: ignore[arg-type]
        times.append(1000 * (time.perf_counter() - start))
    return median(times[2:])


if __name__ == "__main__":
    main()
