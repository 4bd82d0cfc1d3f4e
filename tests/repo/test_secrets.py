"""Secrets are compared in constant time: a comparison that ends at the first wrong character tells how far one has guessed.

No test can time that. So `==`, `!=`, `in` and `not in` are forbidden beside names of secrets and of what proves them, but
for comparisons that somebody has looked at (`REVIEWED`).
"""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.repo.test_code import PRODUCT
from tests.repo.tracked import text_of

WORDS = re.compile(
    r"(?:^|_)(?:signature|signed|mac|hmac|tag|token|jti|nonce|otp|secret|seed|password|passphrase|credentials?|hash"
    r"|digest|session_key)(?:s|es)?(?:_|$)"
)
REVIEWED = {
    (
        "control_plane/keys/services/root_rotation.py",
        "stored != current.seed()",
    ): "two secrets of the server's own",
    (
        "control_plane/audit/exports.py",
        "line != write(_End(found.footer, base64.b64encode(signature).decode()))",
    ): "a line of an export, which its reader has",
    ("control_plane/audit/offline.py", "signed[0] != item.stored"): "hashes of a log",
    (
        "control_plane/ingest/services.py",
        "committed_hashes([manifest.segment_id], agent).get(manifest.segment_id) == manifest.sha256",
    ): "the hash of an object",
    (
        "edge_agent/control/identity.py",
        "jwt.get_unverified_header(token).get('typ') != REVOCATION_TYPE",
    ): "the type of a token",
    (
        "edge_agent/spool/scrub.py",
        "hashlib.file_digest(file, 'sha256').hexdigest() != manifest.sha256",
    ): "the hash of a file",
    (
        "control_plane/accounts/sessions.py",
        "row.session_key == current_key",
    ): "two keys of the server's own rows",
    ("control_plane/accounts/views.py", "row.session_key != key"): "two keys of the server's own rows",
    (
        "control_plane/audit/chain.py",
        "(head[0], head[1].hex()) == (self.sequence, self.hash)",
    ): "hashes of a log",
    ("control_plane/audit/offline.py", "last.stored != header.head_hash"): "hashes of a log",
    ("control_plane/fleet/desired.py", "row.hash == hash_"): "the hash of a configuration",
    (
        "control_plane/fleet/gateway.py",
        "(reported.version, reported.hash) == (desired.version, desired.hash)",
    ): "the hash of a configuration",
    (
        "control_plane/fleet/selectors.py",
        "(reported.version, reported.hash) == (desired.version, desired.hash)",
    ): "the hash of a configuration",
    (
        "control_plane/portal/access/role_views.py",
        "request.POST.get('save') == digest(after)",
    ): "the hash of a form",
    (
        "control_plane/portal/access/role_views.py",
        "request.POST.get('seen') != digest(before)",
    ): "the hash of a form",
    (
        "edge_agent/control/session.py",
        "document_hash(config.body) != config.hash",
    ): "the hash of a configuration",
    ("edge_agent/control/session.py", "config.hash != self._newest[1]"): "the hash of a configuration",
    ("control_plane/config/assets.py", "hash_of(found) != match['hash']"): "the hash of a static file",
    ("control_plane/config/assets.py", "match['hash'] == hash_of(path)"): "the hash of a static file",
    ("shared/protocol/timing.py", "match[2] != nonce"): "an echo that pairs an answer with its request",
}
"""File and comparison -> why it proves nothing to anybody. A new line here is a review: is it known to who asks?"""


def comparisons(source: str) -> Iterator[tuple[int, str]]:
    """Yields line and text of each comparison beside a name of a secret."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare):
            continue
        if not any(isinstance(one, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for one in node.ops):
            continue
        sides = [node.left, *node.comparators]
        # A comparison with a constant asks whether it is empty, or of which kind.
        if any(isinstance(side, ast.Constant) for side in sides):
            continue
        names = (name for side in sides for name in _names(side) if not name.isupper())
        if any(WORDS.search(name.lower().replace("-", "_")) for name in names):
            yield node.lineno, ast.unparse(node)


def _names(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Name():
            yield node.id
        case ast.Attribute():
            yield node.attr
            if isinstance(node.value, ast.Call):
                yield from _names(node.value)
        case ast.Call():
            yield from _names(node.func)
            for argument in node.args:
                yield from _names(argument)
        case ast.Subscript():
            yield from _names(node.value)
            if isinstance(node.slice, ast.Constant):
                yield str(node.slice.value)
        case ast.Tuple() | ast.List():
            for element in node.elts:
                yield from _names(element)
        case ast.Await():
            yield from _names(node.value)


def test_secrets_are_compared_in_constant_time() -> None:
    found = {(str(path), text): line for path in PRODUCT for line, text in comparisons(text_of(path))}
    unseen = [f"{path}:{line} {text}" for (path, text), line in found.items() if (path, text) not in REVIEWED]
    assert not unseen, "use hmac.compare_digest, or review:\n" + "\n".join(unseen)
    assert not set(REVIEWED) - set(found), "reviewed, and gone"


@pytest.mark.parametrize(
    "line",
    [
        "allowed.signature() == signature",
        "given_hash != row.code_hash",
        "request.headers['X-Token'] == expected",
        "token in known",
        "hashlib.sha256(token).hexdigest() == stored",
        "await secret() != typed",
        "(user, password) == found",
    ],
)
def test_a_comparison_of_secrets_is_seen(line: str) -> None:
    assert list(comparisons(f"async def f():\n    return {line}")) == [(2, line)]


@pytest.mark.parametrize(
    "line",
    [
        "hmac.compare_digest(allowed.signature(), signature)",
        "token == ''",
        "len(code) == 8",
        "kind is Kind.TOKEN",
        "size_bytes != row.size_bytes",
    ],
)
def test_other_comparisons_are_not(line: str) -> None:
    assert list(comparisons(f"x = {line}")) == []
