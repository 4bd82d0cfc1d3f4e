"""How code is named and laid out, where a linter does not look."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repo.tracked import OWN, PACKAGES, ROOT, text_of, with_suffix

MODULES = [path for path in with_suffix(".py") if path.parts[0] in PACKAGES]
MIGRATIONS = [path for path in MODULES if "migrations" in path.parts and path.name != "__init__.py"]
PRODUCT = [path for path in MODULES if path.parts[0] != "tests" and "migrations" not in path.parts]
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "manager", "misc", "common_utils", "base2"}
Named = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
TEMPLATES = with_suffix(".html", under="control_plane/")


def test_every_package_says_its_purpose() -> None:
    silent = [
        str(path)
        for path in with_suffix(".py")
        if path.name == "__init__.py"
        and path.parts[0] in PACKAGES
        and path.parts[0] != "tests"
        and not {"migrations", "management", "commands", "templatetags"} & set(path.parts)
        and not ast.get_docstring(ast.parse(text_of(path)))
    ]
    assert not silent


def test_every_module_of_the_product_says_what_it_is() -> None:
    silent = [
        str(path)
        for path in PRODUCT
        if path.name != "__init__.py" and not ast.get_docstring(ast.parse(text_of(path)))
    ]
    assert not silent


def test_every_public_class_and_function_of_the_product_has_a_docstring() -> None:
    silent = [
        f"{path}:{node.lineno} {node.name}"
        for path in PRODUCT
        for node in _public(ast.parse(text_of(path)))
        if not ast.get_docstring(node)
    ]
    assert not silent, "\n".join(silent)


def _public(inside: ast.Module | ast.ClassDef) -> Iterator[Named]:
    for node in inside.body:
        if isinstance(node, Named) and not _is_quiet(node):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node)


def _is_quiet(node: Named) -> bool:
    if node.name.startswith("_") or node.name == "Meta":
        return True
    decorators = {ast.unparse(one).split(".")[-1] for one in node.decorator_list}
    return bool(decorators & {"overload", "setter", "override"})


def test_no_fault_is_swallowed() -> None:
    """`except Exception: pass` would hide what the audit and the operator must see."""
    swallowed = [
        f"{path}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(text_of(path)))
        if isinstance(node, ast.ExceptHandler)
        and all(isinstance(one, ast.Pass) for one in node.body)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
    ]
    assert not swallowed


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not [str(path) for path in MODULES if path.stem in EMPTY_NAMES or path.parent.name in EMPTY_NAMES]


@pytest.mark.parametrize("path", MIGRATIONS, ids=str)
def test_a_migration_is_named_and_imports_no_code_of_an_app(path: Path) -> None:
    assert re.fullmatch(r"\d{4}_[a-z][a-z0-9_]+", path.stem)
    assert "_auto_" not in path.stem
    imported = {
        node.module
        for node in ast.walk(ast.parse(text_of(path)))
        if isinstance(node, ast.ImportFrom) and node.module is not None
    }
    apps = {
        module
        for module in imported
        if module.startswith("control_plane.") and not module.startswith("control_plane.common.")
    }
    assert not {module for module in apps if module.split(".")[-1] in ("models", "services", "selectors")}


def test_migrations_of_an_app_stand_in_one_line() -> None:
    by_app: dict[Path, list[str]] = {}
    for path in MIGRATIONS:
        by_app.setdefault(path.parent, []).append(path.stem[:4])
    assert by_app
    for app, numbers in by_app.items():
        assert sorted(numbers) == [f"{number:04d}" for number in range(1, len(numbers) + 1)], app


def test_no_import_inside_a_function_dodges_a_cycle() -> None:
    inner = [
        f"{path}:{node.lineno} {node.module}"
        for path in PRODUCT
        for function in ast.walk(ast.parse(text_of(path)))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OWN
    ]
    # A composition root loads what can only be loaded later, a program what may be missing, to say so plainly, and a
    # command what no other needs: nobody imports these, so that there is no cycle to dodge. Updates are looked for minutes
    # after a start, with a library that the start must not wait for. Only a worker loads what exports films; the web server
    # sends the task.
    roots = (
        "control_plane/config/",
        "control_plane/exports/tasks.py",
        "edge_agent/cli/__init__.py",
        "edge_agent/cli/app.py",
        "edge_agent/update/updater.py",
    )
    assert [one for one in inner if not one.startswith(roots)] == []


def test_no_template_holds_a_script_a_style_or_a_handler() -> None:
    inline = re.compile(
        r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")[^>]*>|<style\b|\sstyle=|\son[a-z]+=|javascript:",
        re.IGNORECASE,
    )
    hits = {str(path): found for path in TEMPLATES if (found := inline.findall(text_of(path)))}
    assert not hits


def test_no_template_loads_anything_from_elsewhere() -> None:
    outside = re.compile(r"\b(?:src|href|action)=[\"']?(?:https?:)?//", re.IGNORECASE)
    assert not [str(path) for path in TEMPLATES if outside.search(text_of(path))]


def test_the_console_scripts_lead_to_functions() -> None:
    scripts = tomllib.loads(text_of(Path("pyproject.toml")))["project"]["scripts"]
    for name, value in scripts.items():
        entry = importlib.metadata.EntryPoint(name, value, "console_scripts")
        assert callable(entry.load())


def test_an_old_python_can_read_the_noxfile_and_be_told_that_it_is_old() -> None:
    ast.parse(text_of(Path("noxfile.py")), feature_version=(3, 7))


def test_the_demo_takes_the_place_of_the_program_that_was_started(tmp_path: Path) -> None:
    """A signal to `python3 noxfile.py demo` is then one to the demonstration, in the background as well."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho $$ "$@"\n')
    python.chmod(0o700)
    program = (
        "import sys, types\n"
        "from pathlib import Path\n"
        "nox = sys.modules['nox'] = types.ModuleType('nox')\n"
        "nox.options, nox.session, nox.Session = types.SimpleNamespace(), lambda made: made, object\n"
        "import noxfile\n"
        "noxfile.build_assets = lambda session, name: None\n"
        "noxfile.environment = lambda session, name: Path(sys.argv[1])\n"
        "noxfile.demo(types.SimpleNamespace(posargs=['--seconds', '4']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        said, _ = process.communicate(timeout=60)
    assert said == f"{process.pid} -m deploy.demo --seconds 4\n"


def test_private_parts_of_a_library_are_used_only_below_an_upper_bound() -> None:
    """A minor release may change them, as django-allauth 65.22 did to an installation without locks."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    bounded = {
        re.split(r"[\[<>=;]", requirement)[0].strip()
        for requirement in (one for extra in declared.values() for one in extra)
        if "<" in requirement.partition(";")[0]
    }
    owners = importlib.metadata.packages_distributions()
    unbounded = {
        f"{path}:{node.lineno} {node.module}"
        for path in PRODUCT
        for node in ast.walk(ast.parse(text_of(path)))
        if isinstance(node, ast.ImportFrom) and node.module and _is_private(node.module)
        if not bounded & {name.lower() for name in owners.get(node.module.split(".")[0], [])}
    }
    assert not unbounded


def _is_private(module: str) -> bool:
    package, *parts = module.split(".")
    return package not in OWN and any(part.startswith("_") or part == "internal" for part in parts)
