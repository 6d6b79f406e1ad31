"""The web page with all it needs in one folder, for any web server.

    python web/build.py web/dist
    python -m http.server -d web/dist 8000    # then open http://localhost:8000

Wants handseg installed, nothing else: the engine (onnxruntime-web, MIT) lies in web/engine, compressed.
"""

import sys
from pathlib import Path

from handseg.service.page import site


def main(folder: str) -> None:
    output = Path(folder)
    files = site()
    for name, source in files.items():
        target = output / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    size = sum((output / name).stat().st_size for name in files) / 1e6
    print(f"{output}: {size:.0f} MB; to see it: python -m http.server -d {output}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python web/build.py FOLDER")
    main(sys.argv[1])
