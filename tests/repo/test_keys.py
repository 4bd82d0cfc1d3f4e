"""Keys are opened in one place: who may import what unwraps, read from the source."""

import ast
from pathlib import Path

from tests.repo.tracked import text_of, with_suffix

OPENS = {
    "control_plane.keys.key_wrapping": {"unwrap", "wrap", "combine_with_share", "*"},
    "control_plane.keys.seal": {"open_seal", "*"},
    "control_plane.keys.configured": {"root_key", "key_share_store", "share_store_at"},
    "control_plane.keys.keyring": {"*"},
}
"""Modules that hold what opens keys, and the names in them; `*`: the module itself, from which all can be had."""

MAY = {
    "control_plane/keys/keyring.py": "how keys lie inside each other",
    "control_plane/keys/vault.py": "rights and record",
    "control_plane/keys/services/generations.py": "re-wraps rows under a new generation",
    "control_plane/keys/services/root_rotation.py": "re-wraps rows under a new root key",
    "control_plane/keys/services/key_check.py": "looks whether keys open, hands nothing out",
    "control_plane/keys/services/tombstones.py": "destroys key shares",
    "control_plane/administration/services/studios.py": "the first generation of a new studio",
    "control_plane/keys/management/commands/rotate_root.py": "asks where the root key is",
    "control_plane/storage/configured.py": "checks where the key shares are",
    "control_plane/storage/management/commands/init_keys.py": "makes the share store",
    "control_plane/keys/management/commands/key_shares.py": "copies key shares",
    "control_plane/compliance/assessment.py": "says of what kind the root key is",
    "control_plane/portal/keys/presenter.py": "shows the kind of root key and share store",
    "control_plane/config/checks.py": "checks that root key and share store can be used",
}
"""The modules that may import them, with the purpose. `MAKERS` may: they define them."""

MAKERS = (
    "control_plane/keys/configured.py",
    "control_plane/keys/key_cache.py",
    "control_plane/keys/key_wrapping.py",
    "control_plane/keys/platform_secret.py",
    "control_plane/keys/roots/",
    "control_plane/keys/seal.py",
    "control_plane/keys/shares/",
)


def opened_by(source: str) -> set[str]:
    """Returns what a module imports of `OPENS`, as `module.name`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                for name in names:
                    if name.name in OPENS.get(module, ()):
                        found.add(f"{module}.{name.name}")
                    whole = f"{module}.{name.name}"
                    if "*" in OPENS.get(whole, ()):
                        found.add(whole)
            case ast.Import(names=names):
                found |= {name.name for name in names if name.name in OPENS}
            case ast.Call(args=[ast.Constant(value=str(text)), *_]) if text in OPENS:
                found.add(f"{text} by name")
    return found


def test_nobody_else_imports_what_opens_keys() -> None:
    strangers = {
        f"{path}: {', '.join(sorted(found))}"
        for path in with_suffix(".py", under="control_plane/")
        if str(path) not in MAY and not _is_maker(path) and (found := opened_by(text_of(path)))
    }
    assert not strangers, "open keys by an Opening of keys.vault:\n" + "\n".join(sorted(strangers))


def test_the_list_names_nobody_who_does_not() -> None:
    assert all(opened_by(text_of(Path(path))) for path in MAY)


def test_every_way_of_importing_is_seen() -> None:
    for source in (
        "from control_plane.keys.key_wrapping import unwrap",
        "from control_plane.keys import key_wrapping",
        "import control_plane.keys.seal as s",
        "from control_plane.keys import errors, keyring",
        "import_module('control_plane.keys.key_wrapping')",
        "def f():\n    from control_plane.keys.configured import root_key",
    ):
        assert opened_by(source), source
    for source in (
        "from control_plane.keys.seal import seal",
        "from control_plane.storage.configured import object_store",
        "from control_plane.keys import vault",
    ):
        assert not opened_by(source), source


def test_nobody_else_holds_the_wrapped_columns_against_a_key() -> None:
    """`Opening` is the only class with a method that gives a content key, and its maker the only one to make it."""
    makers = [
        str(path)
        for path in with_suffix(".py", under="control_plane/")
        if "Opening(" in text_of(path) and str(path) != "control_plane/keys/vault.py"
    ]
    assert not makers


def _is_maker(path: Path) -> bool:
    return str(path).startswith(MAKERS)
