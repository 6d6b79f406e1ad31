"""The web page with all it needs in one folder, for any web server.

    python web/build.py web/dist
    python -m http.server -d web/dist 8000    # then open http://localhost:8000

Wants handseg installed and npm, which fetches onnxruntime-web (MIT).
"""

import shutil
import subprocess
import sys
from pathlib import Path

from handseg.engines import find_model

HERE = Path(__file__).parent
PAGE = "index.html", "page.css", "page.js", "handseg.js", "card.js", "image.js"
ENGINE = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
MODELS = "nano", "default"


def main(folder: str) -> None:
    engine = HERE / "node_modules/onnxruntime-web/dist"
    if not all((engine / name).is_file() for name in ENGINE):
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE, check=True)
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
