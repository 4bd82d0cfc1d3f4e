"""Modules, classes and functions keep the limits of size and coupling; what exceeds them is listed, and the list shrinks."""

from tests.repo.limits import LIMITS, found, listed, measured


def test_no_code_exceeds_a_limit_but_what_is_listed() -> None:
    allowed = listed()
    over = [
        f"{one} (limit {allowed[key].value if key in allowed else LIMITS[one.rule]})"
        for key, one in found().items()
        if key not in allowed or one.value > allowed[key].value
    ]
    assert not over, "\n".join(["after a rename: python -m tests.repo.limits", *over])


def test_the_list_holds_nothing_that_keeps_the_limits() -> None:
    unneeded = [str(one) for key, one in listed().items() if key not in found()]
    assert not unneeded, "\n".join(["run: python -m tests.repo.limits", *unneeded])


def test_each_limit_is_measured() -> None:
    many = ", ".join("abcdefg")
    methods = "\n".join(f"    def m{n}(self): self.a{n} = self.b{n} = 0" for n in range(9))
    source = f"class C:\n{methods}\n    @property\n    def p(self): ...\n\ndef f({many}): ...\n"
    source += "".join(f"from launcher.m{n} import x\n" for n in range(21)) + "\n" * 500
    over = {(one.rule, one.place, one.value) for one in measured("m.py", source)}
    assert over == {
        ("lines", "m.py", source.count("\n")),
        ("imports", "m.py", 21),
        ("methods", "m.py::C", 9),
        ("attributes", "m.py::C", 18),
        ("parameters", "m.py::f", 7),
    }
