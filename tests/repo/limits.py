"""Measures the limits of size and coupling of the product's code, and keeps the list of what exceeds them.

`python -m tests.repo.limits` renews `limits.txt` after a rename or an improvement. It refuses to make the list longer: new
code keeps the limits.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.repo.tracked import OWN, ROOT, text_of, with_suffix

LIST = Path(__file__).with_name("limits.txt")
LIMITS = {"lines": 500, "methods": 8, "attributes": 10, "parameters": 6, "complexity": 8, "imports": 20}
"""Lines of a module; public methods and instance attributes of a class (properties count as neither); parameters of a
function without `self`; its cyclomatic complexity; modules of ours that a module imports."""
DECLARATIONS = re.compile(r"control_plane\.(\w+\.(permissions|audit_events)|audit\.events)")
"""Modules of constants that apps declare. They count as one import together, as when two central modules held them."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Excess(NamedTuple):
    """One piece of code over one limit."""

    rule: str
    place: str
    value: int

    def __str__(self) -> str:
        return f"{self.rule} {self.place} {self.value}"


@cache
def found() -> dict[tuple[str, str], Excess]:
    """Returns everything that is over a limit, by rule and place."""
    sources = [path for path in with_suffix(".py") if path.parts[0] in OWN and "migrations" not in path.parts]
    excesses = [excess for path in sources for excess in measured(str(path), text_of(path))]
    return {(one.rule, one.place): one for one in [*excesses, *_complex(sources)]}


def listed() -> dict[tuple[str, str], Excess]:
    """Returns the entries of the list, by rule and place."""
    entries = [line.split() for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    return {(rule, place): Excess(rule, place, int(value)) for rule, place, value in entries}


def measured(path: str, source: str) -> Iterator[Excess]:
    """Yields what one module has over the limits, but for complexity."""
    tree = ast.parse(source)
    imports = {
        "declarations" if DECLARATIONS.fullmatch(node.module) else node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OWN
    }
    values = [("lines", path, source.count("\n")), ("imports", path, len(imports))]
    for name, node in _named(tree, ""):
        place = f"{path}::{name}"
        if isinstance(node, ast.ClassDef):
            values.append(("methods", place, len(list(_public_methods(node)))))
            values.append(("attributes", place, len(_attributes(node))))
        else:
            values.append(("parameters", place, len(_parameters(node))))
    yield from (Excess(*value) for value in values if value[2] > LIMITS[value[0]])


def _named(inside: ast.AST, prefix: str) -> Iterator[tuple[str, ast.ClassDef | Function]]:
    for node in ast.iter_child_nodes(inside):
        if isinstance(node, ast.ClassDef | Function):
            name = f"{prefix}{node.name}"
            yield name, node
            yield from _named(node, f"{name}.")
        else:
            yield from _named(node, prefix)


def _public_methods(node: ast.ClassDef) -> Iterator[Function]:
    for method in node.body:
        if isinstance(method, Function) and not method.name.startswith("_"):
            decorators = {ast.unparse(one).split(".")[-1] for one in method.decorator_list}
            if not decorators & {"property", "cached_property", "setter", "overload", "override"}:
                yield method


def _attributes(node: ast.ClassDef) -> set[str]:
    return {
        one.attr
        for one in ast.walk(node)
        if isinstance(one, ast.Attribute)
        and isinstance(one.ctx, ast.Store)
        and isinstance(one.value, ast.Name)
        and one.value.id == "self"
    }


def _parameters(node: Function) -> list[str]:
    every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    return [one.arg for one in every if one.arg not in ("self", "cls")]


def _complex(sources: list[Path]) -> Iterator[Excess]:
    limit = f"lint.mccabe.max-complexity={LIMITS['complexity']}"
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "C901", "--config", limit, "--exit-zero",
         "--output-format", "json", *map(str, sources)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    for finding in json.loads(done.stdout):
        path = Path(finding["filename"]).relative_to(ROOT)
        row, value = finding["location"]["row"], finding["message"].split("(")[-1].split(" ")[0]
        names = {node.lineno: name for name, node in _named(ast.parse(text_of(path)), "")}
        yield Excess("complexity", f"{path}::{names[row]}", int(value))


def main() -> int:
    """Renews the list, unless an entry would be added without one that goes."""
    now, before = found(), listed() if LIST.exists() else None
    for rule in LIMITS:
        counts = [sum(key[0] == rule for key in entries) for entries in (now, before or now)]
        if counts[0] > counts[1]:
            new = "\n".join(str(now[key]) for key in now if key[0] == rule and key not in (before or now))
            print(f"{rule}: {counts[0]} are over the limit and {counts[1]} were; new:\n{new}")
            return 1
    text = "# Code over the limits of tests/repo/limits.py, which may only shrink: rule, place, highest value allowed.\n"
    LIST.write_text(text + "".join(f"{now[key]}\n" for key in sorted(now)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
