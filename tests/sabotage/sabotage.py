"""One sabotage, and its application to a file."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROUTES = "tests/matrix/test_routes.py::test_an_address_answers_everybody_as_the_table_says"
PAGES = "tests/matrix/test_admin.py::test_the_pages_of_a_model_answer_everybody_as_the_table_says"


class DoesNotFit(Exception):
    """The text to search for is not in the file exactly once: the code has moved on, and the list has to follow."""


@dataclass(frozen=True)
class Sabotage:
    """One fault: in `file`, `find` (which stands there exactly once) becomes `put`; then `tests` must fail.

    `name` says in words what is broken; `area` is what it belongs to, such as access, clock or replay. A file may be one
    of the portal's scripts: it is bundled with the fault in it.
    """

    name: str
    area: str
    file: str
    find: str
    put: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """Returns the file's text with the fault in it.

        Raises:
            DoesNotFit: `find` is not there exactly once.
        """
        count = text.count(self.find)
        if count != 1:
            raise DoesNotFit(f"{self.name}: in {self.file} this stands {count} times, not once:\n{self.find}")
        return text.replace(self.find, self.put)


def route(address: str) -> str:
    """Returns the matrix's test of one address."""
    return f"{ROUTES}[{address}]"


def page(model: str) -> str:
    """Returns the matrix's test of the pages of one model in the admin site."""
    return f"{PAGES}[{model}]"
