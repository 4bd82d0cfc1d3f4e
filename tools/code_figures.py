"""`python -m tools.code_figures [REVISION ...]`: size, comments and import depth of the product's Python, per revision.

Without a revision, those of the working tree. The demo, its renderer, tests and migrations are not counted.
"""

import ast
import io
import statistics
import subprocess
import sys
import tarfile
import tempfile
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("shared", "edge_agent", "control_plane", "launcher", "deploy/agent")


@dataclass(frozen=True, slots=True)
class Module:
    """One module of the product."""

    name: str
    lines: int
    comment_lines: int
    docstring_lines: int
    function_lines: tuple[int, ...]
    imports: frozenset[str]
    """Names that it imports when it is loaded, in the form `package.module` or `package.module.name`."""


def read(root: Path) -> list[Module]:
    """Returns the product's modules below a checkout."""
    return [
        _module(path, ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"))
        for package in PACKAGES
        for path in sorted((root / package).rglob("*.py"))
        if not {"migrations", "node_modules"} & set(path.parts)
    ]


def _module(path: Path, name: str) -> Module:
    text = path.read_text()
    tree = ast.parse(text)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = {token.start[0] for token in tokens if token.type == tokenize.COMMENT}
    docstrings = [
        node.body[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and ast.get_docstring(node) is not None
    ]
    return Module(
        name,
        text.count("\n"),
        len(comments),
        sum(_length(one) for one in docstrings),
        tuple(_length(one) for one in functions),
        frozenset(_imports(tree.body)),
    )


def _length(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _imports(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def longest_chain(modules: list[Module]) -> list[str]:
    """Returns the longest chain of modules each of which imports the next, packages' `__init__` left out."""
    by_name = {module.name: module for module in modules}

    @cache
    def chain(name: str) -> tuple[str, ...]:
        targets = {
            one if one in by_name else one.rpartition(".")[0] for one in by_name[name].imports
        } & by_name.keys() - {name}
        below: list[tuple[str, ...]] = [chain(target) for target in targets]
        return (name, *max(below, key=len, default=()))

    chains: list[tuple[str, ...]] = [chain(name) for name in by_name]
    longest: tuple[str, ...] = max(chains, key=len, default=())
    return list(longest)


def figures(modules: list[Module]) -> dict[str, str]:
    """Returns the rows of the table."""
    sizes = [module.lines for module in modules if module.lines > 1]
    functions = [lines for module in modules for lines in module.function_lines]
    total = sum(sizes)
    chain = longest_chain(modules)
    return {
        "modules": f"{len(sizes)}",
        "lines": f"{total}",
        "lines of a module, median / p90 / most": _spread(sizes),
        "functions": f"{len(functions)}",
        "lines of a function, median / p90 / most": _spread(functions),
        "comment lines": f"{sum(module.comment_lines for module in modules) / total:.1%}",
        "docstring lines": f"{sum(module.docstring_lines for module in modules) / total:.1%}",
        "longest import chain": f"{len(chain)}",
    }


def _spread(values: list[int]) -> str:
    p90 = statistics.quantiles(values, n=10)[-1]
    return f"{statistics.median(values):.0f} / {p90:.0f} / {max(values)}"


def main(revisions: list[str]) -> None:
    """Prints one column for each revision."""
    columns = {revision: figures(_of_revision(revision)) for revision in revisions} or {
        "working tree": figures(read(ROOT))
    }
    print(f"| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for row in next(iter(columns.values())):
        print(f"| {row} | {' | '.join(column[row] for column in columns.values())} |")


def _of_revision(revision: str) -> list[Module]:
    archive = subprocess.run(
        ["git", "archive", revision], cwd=ROOT, capture_output=True, check=True, timeout=60
    ).stdout
    with (
        tempfile.TemporaryDirectory(prefix="threedance-code-") as folder,
        tarfile.open(fileobj=io.BytesIO(archive)) as files,
    ):
        files.extractall(folder, filter="data")
        return read(Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
