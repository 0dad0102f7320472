"""Keep what a fuzzer finds, once per place in the code, and go on."""

import traceback
from collections.abc import Callable
from pathlib import Path


def keeping(target: Callable[[bytes], None], folder: Path) -> Callable[[bytes], None]:
    """The target, with inputs that break it written to a folder beside what they broke."""
    folder.mkdir(parents=True, exist_ok=True)
    known: set[str] = set()

    def run(data: bytes) -> None:
        try:
            target(data)
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            name = f"{type(error).__name__}-{Path(last.filename).stem}-{last.lineno}"
            if name not in known:
                known.add(name)
                (folder / name).write_bytes(data)
                (folder / f"{name}.txt").write_text(traceback.format_exc(), encoding="utf-8")

    return run
