"""What README and docs say is true: every block runs, every output is what is printed, every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.blocks import PAGES, ROOT, read_blocks
from tests.docs.running import PageRun, check_command, check_unrun, has, options_known, same_output
from tests.docs.sandbox import make_sandbox

LANGUAGES = {"sh", "python", "toml", "json", "js", "text", "bibtex"}
OTHERS = {
    "--torch-backend",
    "--data-binary",
    "--background",
    "--no-cov",
    "--collect-data",
}  # of git, pip, curl, examples …
LINK = re.compile(r"\]\(([^)\s]+)\)")
WORDS = 600
page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


@page
def test_blocks_run_and_print_what_is_said(page: Path, tmp_path: Path) -> None:
    blocks = read_blocks(page)
    for block in blocks:
        check_unrun(block)
    to_run = [block for block in blocks if block.language in {"sh", "python"} and not block.needs]
    if not to_run:
        return
    for package in ("av", "cv2", "scipy", "torch", "onnx", "fastapi", "supervision", "openvino"):
        pytest.importorskip(package, reason="the pages need the extra `dev`")
    if any("curl" in block.text for block in to_run) and not has("curl"):
        pytest.skip("curl isn't installed")
    with PageRun(make_sandbox(tmp_path / "page")) as run:
        for block in blocks:
            if block.is_output:
                message = f"{block.name} says\n{block.text}\nand printed is\n{run.output}\n`make docs-outputs` mends it"
                assert same_output(block.text, run.output, "vary" in block.mark), message
            elif not block.needs:
                run.run(block)


@page
def test_blocks_are_of_a_kind_that_is_checked(page: Path) -> None:
    for block in read_blocks(page):
        assert block.language in LANGUAGES, f"{block.name}: say what it is: {', '.join(sorted(LANGUAGES))}"
        if block.language in {"text", "json"}:
            assert block.is_output or block.file, f"{block.name}: nothing checks it; mark it as an output or a file"
        if block.language == "js":
            assert block.needs, f"{block.name}: say what it needs"


@page
def test_commands_and_options_in_sentences_exist(page: Path) -> None:
    if page.name == "robustness.md":
        pytest.skip("tells what earlier versions did, with their options")
    known = options_known() | OTHERS
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for code in re.findall(r"`([^`\n]+)`", text):
        if code.startswith("handseg ") and "…" not in code:
            check_command(code, str(page.relative_to(ROOT)), is_whole=False)
        for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", code):
            assert option in known, f"{page.relative_to(ROOT)}: no command has {option}"


def anchors(path: Path) -> set[str]:
    """As GitHub and mkdocs make them of headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    bare = [re.sub(r"\]\([^)]*\)", "]", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in bare}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(name: str) -> None:
    """Those of the site itself are checked where it is built, by `make docs`."""
    for link in LINK.findall((ROOT / name).read_text("utf-8")):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        path = ROOT / target if target else ROOT / name
        assert path.exists(), f"{name}: {link} leads nowhere"
        assert not anchor or anchor in anchors(path), f"{name}: {link}: no such heading"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").split()) <= WORDS


def test_every_public_name_is_in_the_reference() -> None:
    import handseg

    told = set(re.findall(r"^::: handseg\.(\w+)$", (ROOT / "docs/api.md").read_text("utf-8"), re.MULTILINE))
    assert set(handseg.__all__) <= told


@pytest.mark.parametrize(
    ("told", "printed", "same"),
    [
        ("1 done: out", "1 done: out\n", True),
        ("1 done: out", "2 done: out", False),
        ("area 87217", "area 87300", True),
        ("F1 0.88 …", "F1 0.12 and more", True),
        ("F1 0.88", "IoU 0.88", False),
    ],
)
def test_outputs_are_compared_by_words_and_nearly_by_numbers(told: str, printed: str, same: bool) -> None:
    assert same_output(told, printed, False) is same
