"""`nox -s quick` finds the tests that a change touches, the nearest first."""

from tools.quick import ASSUMED_S, chosen, imports_of, touched_tests

SOURCES = {
    "shared/base.py": "",
    "shared/upper.py": "from shared.base import x\n",
    "launcher/start.py": "COMMAND = ['python', '-m', 'shared.upper']\n",
    "tests/conftest.py": "",
    "tests/shared/test_base.py": "from shared import base\n",
    "tests/shared/test_upper.py": "import shared.upper\n",
    "tests/launcher/conftest.py": "from launcher import start\n",
    "tests/launcher/test_up.py": "",
    "tests/web/test_page.py": "from shared.base import x\n",
}


def test_a_module_touches_the_tests_that_import_it_directly_or_through_others() -> None:
    assert touched_tests(SOURCES, ["shared/base.py"]) == {
        "tests/shared/test_base.py": 1,
        "tests/web/test_page.py": 1,
        "tests/shared/test_upper.py": 2,
        "tests/launcher/test_up.py": 4,
    }


def test_a_changed_test_touches_itself_and_a_changed_conftest_its_folder() -> None:
    changed = ["tests/shared/test_base.py", "tests/launcher/conftest.py"]
    assert touched_tests(SOURCES, changed) == {"tests/shared/test_base.py": 0, "tests/launcher/test_up.py": 1}


def test_a_file_without_imports_touches_the_tests_of_its_folder() -> None:
    assert set(touched_tests(SOURCES, ["launcher/templates/page.html"])) == {"tests/launcher/test_up.py"}
    assert touched_tests(SOURCES | {"tests/repo/test_documents.py": ""}, ["docs/guide/x.md"]) == {
        "tests/repo/test_documents.py": 1
    }
    assert touched_tests(SOURCES, ["LICENSE"]) == {}


def test_names_of_programs_count_as_imports_where_programs_are_started() -> None:
    source = "subprocess.run([python, '-c', 'from edge_agent.cli import main; main()'])"
    assert imports_of("tests/x.py", source) == {"edge_agent.cli"}
    assert imports_of("shared/x.py", source) == set()


def test_the_nearest_tests_that_fit_are_chosen_and_slow_ones_never() -> None:
    distances = {
        "tests/a/test_a.py": 0,
        "tests/a/test_b.py": 2,
        "tests/a/test_c.py": 1,
        "tests/web/test_d.py": 1,
    }
    durations = {"tests/a/test_a.py": 50.0, "tests/a/test_b.py": 1.0}
    assert chosen(distances, durations, 40.0) == ["tests/a/test_c.py", "tests/a/test_b.py"]
    assert chosen(distances, durations, 50.0 + ASSUMED_S) == ["tests/a/test_a.py", "tests/a/test_c.py"]
