"""The npm package in a fresh Vite project: built, opened in a real browser, the same mask as in Python."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import handseg
from handseg.image import load_image, save_png
from web.headless import BROWSER, served

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "web/node_modules"
NEEDED = ("vite", "typescript", "onnxruntime-web")

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(
        not all((MODULES / name).is_dir() for name in NEEDED), reason="no node_modules: npm install in web/"
    ),
]
MAIN = """
import { createSegmenter, type Found } from 'handseg';

const segmenter = await createSegmenter({ model: './nano.onnx', policy: 'hand' });
const picture = await createImageBitmap(await (await fetch('hand.png')).blob());
const found: Found = await segmenter.segment(picture);
segmenter.dispose();
fetch('/result', { method: 'POST', body: found.mask as BodyInit });
"""
SETTINGS = {
    "target": "es2022",
    "module": "es2022",
    "moduleResolution": "bundler",
    "lib": ["es2024", "dom"],
    "strict": True,
    "noEmit": True,
    "types": [],
}


def run(folder: Path, *command: str) -> str:
    environment = os.environ | {"PATH": f"{MODULES / '.bin'}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def test_a_fresh_vite_project(tmp_path: Path) -> None:
    source = tmp_path / "web/handseg"
    shutil.copytree(ROOT / "web/handseg", source)
    shutil.copy(ROOT / "LICENSE", tmp_path)
    run(source, "npm", "pack")

    project = tmp_path / "project"
    modules = project / "node_modules"
    modules.mkdir(parents=True)
    for name in os.listdir(MODULES):
        (modules / name).symlink_to(MODULES / name)
    shutil.unpack_archive(next(source.glob("*.tgz")), tmp_path / "unpacked", "gztar")
    (tmp_path / "unpacked/package").rename(modules / "handseg")
    packed = set(os.listdir(modules / "handseg"))
    assert packed >= {"index.js", "worker.js", "types", "README.md", "LICENSE"}
    assert "tsconfig.json" not in packed
    (project / "index.html").write_text('<!doctype html><script type="module" src="main.ts"></script>')
    (project / "main.ts").write_text(MAIN)
    (project / "tsconfig.json").write_text(json.dumps({"compilerOptions": SETTINGS, "files": ["main.ts"]}))
    (project / "vite.config.js").write_text("export default { worker: { format: 'es' }, build: { target: 'es2022' } };")
    public = project / "public"
    public.mkdir()
    shutil.copy(ROOT / "src/handseg/weights/nano.onnx", public)
    image = load_image(ROOT / "examples/hand.jpg")
    save_png(public / "hand.png", image)

    run(project, "tsc", "-p", ".")
    run(project, "vite", "build")
    with served(project / "dist") as site:
        mask = np.frombuffer(site.browse("index.html"), np.uint8).reshape(image.shape[:2])
    assert (mask != handseg.load("nano")(image).mask).mean() < 1e-5


def test_the_engine_is_the_published_one() -> None:
    """web/engine is onnxruntime-web of the version that package.json names, but compressed."""
    published, ours = MODULES / "onnxruntime-web/dist", ROOT / "web/engine"
    wasm = gzip.decompress((ours / "ort-wasm-simd-threaded.wasm.gz").read_bytes())
    assert wasm == (published / "ort-wasm-simd-threaded.wasm").read_bytes()
    name = "ort.wasm.bundle.min.mjs"
    assert (ours / name).read_bytes() == (published / name).read_bytes()
