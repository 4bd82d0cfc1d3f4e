"""The figures of the code count what they say."""

from pathlib import Path

from tools.code_figures import figures, longest_chain, read

LEAF = '"""A leaf."""\n\nX = 1  # why\n'
MIDDLE = (
    '"""Two functions."""\n\nfrom shared.leaf import X\n\n'
    'def a():\n    return X\n\ndef b():\n    """Long."""\n\n    return 1\n'
)
TOP = '"""Imports a module, and one that is not ours."""\n\nimport os\nfrom shared import middle\n\nprint(os, middle)\n'


def test_the_figures_of_three_modules(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    for name, text in {"__init__": "", "leaf": LEAF, "middle": MIDDLE, "top": TOP}.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "migrations").mkdir()
    (folder / "migrations" / "0001_initial.py").write_text(TOP)
    modules = read(tmp_path)
    assert longest_chain(modules) == ["shared.top", "shared.middle", "shared.leaf"]
    found = figures(modules)
    assert (found["modules"], found["lines"], found["functions"]) == ("3", "20", "2")
    assert found["lines of a function, median / p90 / most"].endswith(" 4")
    assert (found["comment lines"], found["docstring lines"]) == ("5.0%", "20.0%")
