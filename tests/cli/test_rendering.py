"""Tables on terminals and on pipes."""

import io

import pytest
from rich.console import Console

from halfseen.cli.rendering import show_scores, show_table
from halfseen.estimators.evaluation import ColumnScore

SCORES = [
    ColumnScore("age", "continuous", 3, 10, 0.2504, 1.0, 0.2496),
    ColumnScore("city", "nominal", 0, 10, 0.3, 0.1, 0.2),
    ColumnScore("same", "continuous", 2, 0, *[float("nan")] * 3),
]


def printed(terminal):
    console = Console(
        file=io.StringIO(), width=100, force_terminal=terminal, color_system="standard"
    )
    show_scores(console, "miwae", SCORES)
    return console.file.getvalue()


def test_the_best_stand_out_on_a_terminal():
    text = printed(terminal=True)
    bold = [line for line in text.splitlines() if "\x1b[1m" in line]
    assert [any(name in line for line in bold) for name in ("age", "city", "same")] == [
        True,
        True,
        False,
    ]
    # Equal as printed is equal: both errors of 0.250 stand out.
    assert next(line for line in bold if "age" in line).count("\x1b[1m") == 2


def test_pipes_get_plain_lines():
    lines = [line.split("\t") for line in printed(terminal=False).splitlines()]
    assert lines[1] == ["age", "continuous", "3", "10", "sd", "0.250", "1.000", "0.250"]
    assert lines[3][5:] == ["-", "-", "-"]
    assert [line[0] for line in lines[4:]] == ["mean of numbers", "mean of categories"]


@pytest.mark.parametrize("terminal", [True, False])
def test_cells_are_no_markup(terminal):
    console = Console(file=io.StringIO(), width=80, force_terminal=terminal)
    show_table(console, ["name"], [["[bold]x[/] a\tb"]])
    assert "[bold]x[/] a" in console.file.getvalue()
