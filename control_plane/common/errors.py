"""Everything that the control plane refuses or fails at.

ControlPlaneError
├── NotFound                 strangers get this too: they must not learn that a thing exists
├── Forbidden                a member whose role lacks the permission
├── SignInRequired
├── BadRequest               the input is wrong; the detail names the field
├── Conflict                 somebody else was first, or the state does not allow it
├── TooManyRequests
├── Unavailable              retry later
│   ├── Busy                 the caller's share of something is in use
│   └── StoreUnavailable     the object store does not answer, or answers 5xx
├── StoreRefused             fatal: credentials, bucket or configuration are wrong; the hint says which
├── ObjectMismatch           the bytes are not of the announced size or hash; nothing was kept
└── ScopeError               a programming error, never shown as it is
    ├── ScopeMissing         a tenant query outside `studio_scope`
    └── ScopeMismatch        a scope opened inside another one that it does not fit

Each carries a stable `code` of `shared.protocol.errors`, from which the HTTP status, title and hint follow.
"""

from concurrent.futures import Future
from typing import ClassVar

from shared.protocol.errors import Code, Problem, problem


class ControlPlaneError(Exception):
    """The root. `detail` is for the reader of the answer and holds no secret; `code` may be made more precise."""

    default_code: ClassVar[Code] = Code.INTERNAL

    def __init__(self, detail: str = "", *, code: Code | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code

    def problem(self, instance: str = "") -> Problem:
        """Returns the answer's body (RFC 9457); `instance` is the request id."""
        return problem(self.code, self.detail, instance=instance)


class NotFound(ControlPlaneError):
    """There is no such thing, or the actor may not know that there is."""

    default_code = Code.NOT_FOUND


class Forbidden(ControlPlaneError):
    """The actor belongs to the studio, but its role does not allow this."""

    default_code = Code.FORBIDDEN


class SignInRequired(ControlPlaneError):
    """Nobody is signed in."""

    default_code = Code.SIGN_IN_REQUIRED


class BadRequest(ControlPlaneError):
    """The input breaks a rule; the detail names the field and the rule."""

    default_code = Code.BAD_REQUEST


class Conflict(ControlPlaneError):
    """The present state does not allow this, or somebody else was first."""

    default_code = Code.CONFLICT


class TooManyRequests(ControlPlaneError):
    """Too many tries; `retry_after_s` goes into the Retry-After header."""

    default_code = Code.TOO_MANY_REQUESTS

    def __init__(self, detail: str = "", *, retry_after_s: int = 60, code: Code | None = None) -> None:
        super().__init__(detail, code=code)
        self.retry_after_s = retry_after_s


class Unavailable(ControlPlaneError):
    """Something this needs does not answer now; `retry_after_s`, where it is known, goes into the Retry-After header."""

    default_code = Code.UNAVAILABLE

    def __init__(
        self, detail: str = "", *, retry_after_s: int | None = None, code: Code | None = None
    ) -> None:
        super().__init__(detail, code=code)
        self.retry_after_s = retry_after_s


class Busy(Unavailable):
    """The caller's share of something is in use; `retry_after_s` goes into the Retry-After header.

    `until` is settled as soon as another try is worth it: a request may wait for it where it holds nothing (see
    `config.handler`). None: nobody can tell.
    """

    def __init__(
        self, detail: str = "", *, retry_after_s: int = 1, until: Future[None] | None = None
    ) -> None:
        super().__init__(detail)
        self.retry_after_s, self.until = retry_after_s, until


class StoreUnavailable(Unavailable):
    """The object store does not answer now."""

    default_code = Code.STORE_UNAVAILABLE


class ScopeError(ControlPlaneError):
    """A part of the program touched tenant data in a way that the scope rules forbid."""


class ScopeMissing(ScopeError):
    """A query on a tenant table outside of a scope that allows it."""


class ScopeMismatch(ScopeError):
    """A scope was opened inside another that it does not fit."""


class StoreRefused(ControlPlaneError):
    """The store answers, and says no: an operator must mend credentials, bucket or address."""

    default_code = Code.STORE_UNAVAILABLE


class ObjectMismatch(ControlPlaneError):
    """The bytes are not of the announced size or hash; the store keeps none of them."""

    default_code = Code.SEGMENT_CORRUPT
