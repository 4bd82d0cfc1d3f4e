"""Codes that apps declare as constants, such as permissions and audit events. Pure.

An app declares them in a module of a fixed name (`permissions`, `audit_events`). `config.registry` imports these modules
before any model is loaded, then closes the set. Listing the codes before that raises, so no code sees only a part of them.
"""

from typing import Any, ClassVar, Self


class DeclaredCode(str):
    """A stable code with what the product knows about it.

    It is a string, so a database value, JSON and a comparison need no conversion. Each subclass has a set of its own.
    """

    _by_code: ClassVar[dict[str, Any]]
    _ordered: ClassVar[tuple[Any, ...] | None]

    def __init_subclass__(cls) -> None:
        cls._by_code, cls._ordered = {}, None

    def __new__(cls, code: str, *args: object, **kwargs: object) -> Self:
        """Register the code.

        Raises:
            ValueError: the code is declared already.
            RuntimeError: the set is closed; the registry does not import the module that declares the code.
        """
        if code in cls._by_code:
            raise ValueError(f"{cls.__name__} {code!r} is declared twice")
        if cls._ordered is not None:
            raise RuntimeError(
                f"{cls.__name__} {code!r} is declared in a module that the registry does not import"
            )
        cls._by_code[code] = declared = super().__new__(cls, code)
        return declared

    @property
    def position(self) -> tuple[Any, ...]:
        """The sort key in `all()`."""
        return (str(self),)

    @classmethod
    def close(cls) -> None:
        """End the declarations; idempotent."""
        cls._ordered = tuple(sorted(cls._by_code.values(), key=lambda one: one.position))

    @staticmethod
    def close_all() -> None:
        """End the declarations of every kind of code."""
        for kind in DeclaredCode.__subclasses__():
            kind.close()

    @classmethod
    def all(cls) -> tuple[Self, ...]:
        """Return every declared code, in the order of pages and lists.

        Raises:
            RuntimeError: the apps are still declaring.
        """
        if cls._ordered is None:
            raise RuntimeError(f"not every app has declared its {cls.__name__} yet")
        return cls._ordered

    @classmethod
    def get(cls, code: str) -> Self | None:
        """Return the declared code, or None if no app declares it."""
        return cls._by_code.get(code)

    @classmethod
    def named(cls, code: str) -> Self:
        """Return the declared code.

        Raises:
            ValueError: no app declares it.
        """
        found = cls.get(code)
        if found is None:
            raise ValueError(f"{code!r} is no {cls.__name__}")
        return found

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    # Django copies the choices of forms: a copy of a code is the code itself.
    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).named, (str(self),)
