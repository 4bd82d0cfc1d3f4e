"""All sabotages: every tuple of them in a module of this package, module after module by name."""

import importlib
import pkgutil
from collections.abc import Iterator

import tests.sabotage
from tests.sabotage.sabotage import Sabotage


def _declared() -> Iterator[Sabotage]:
    for module in pkgutil.iter_modules(tests.sabotage.__path__):
        if module.name.startswith(("test_", "_")) or module.name == "list":
            continue
        for value in vars(importlib.import_module(f"tests.sabotage.{module.name}")).values():
            if isinstance(value, tuple) and value and all(isinstance(one, Sabotage) for one in value):
                yield from value


# LEAKS are also part of ACCESS.
SABOTAGES: tuple[Sabotage, ...] = tuple(dict.fromkeys(_declared()))
