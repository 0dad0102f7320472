"""Put what ``halfseen demo`` shows into docs/demo.svg and README.md; run me."""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path

from rich.console import Console

from halfseen.cli.demonstration import run_demo


def main() -> None:
    """Run the demo on a terminal that is recorded."""
    console = Console(record=True, width=108, force_terminal=True, file=io.StringIO())
    console.print("$ halfseen demo", highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        run_demo(console, Path(folder), shown=Path("halfseen-demo"))
    here = Path(__file__).resolve().parent
    _into_readme(here.parent / "README.md", console.export_text(clear=False))
    svg = console.export_svg(title="halfseen", unique_id="halfseen")
    # Whatever font the reader has: a picture should not ask the network for one.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    (here / "demo.svg").write_text(svg, encoding="utf-8")


def _into_readme(path: Path, text: str) -> None:
    trimmed = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    block = f"<!-- demo -->\n```text\n{trimmed}```\n<!-- /demo -->"
    readme = path.read_text(encoding="utf-8")
    before, rest = readme.split("<!-- demo -->")
    after = rest.split("<!-- /demo -->")[1]
    path.write_text(before + block + after, encoding="utf-8")


if __name__ == "__main__":
    main()
