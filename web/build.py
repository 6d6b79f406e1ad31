"""The web page with all it needs in one folder, for any web server.

    python web/build.py web/dist
    python -m http.server -d web/dist 8000    # then open http://localhost:8000

Wants handseg installed and npm, which fetches onnxruntime-web (MIT).
"""

import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from handseg.inference.engines import find_model

HERE = Path(__file__).parent
PAGE = "index.html", "page.css", "page.js", "handseg.js", "card.js", "image.js", "regions.js"
ENGINE = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
MODELS = "nano", "default"


def install() -> None:
    """Fetch node_modules as a whole: two builds at a time don't meet in a half of it."""
    with tempfile.TemporaryDirectory(dir=HERE, prefix=".install.") as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True)
        with suppress(OSError):  # another build was sooner
            (Path(folder) / "node_modules").rename(HERE / "node_modules")


def main(folder: str) -> None:
    engine = HERE / "node_modules/onnxruntime-web/dist"
    if not all((engine / name).is_file() for name in ENGINE):
        install()
    output = Path(folder)
    output.mkdir(parents=True, exist_ok=True)
    for name in PAGE:
        shutil.copy(HERE / name, output)
    for name in ENGINE:
        shutil.copy(engine / name, output)
    for name in MODELS:
        shutil.copy(find_model(name), output / f"{name}.onnx")
    size = sum(path.stat().st_size for path in output.iterdir()) / 1e6
    print(f"{output}: {size:.0f} MB; to see it: python -m http.server -d {output}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python web/build.py FOLDER")
    main(sys.argv[1])
