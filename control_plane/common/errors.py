"""All errors of the control plane.

ControlPlaneError
├── NotFound                 also for people without access, who must not learn that the object exists
├── Forbidden                a member whose role lacks the permission
├── SignInRequired
├── BadRequest               the input is wrong; the detail names the field
├── Conflict                 the state does not allow it, or another request was first
│   └── states.TransitionRefused
├── TooManyRequests
├── Unavailable              retry later
│   ├── Busy                 the caller's share of something is in use
│   └── StoreUnavailable     the object store does not answer, or answers 5xx
├── StoreRefused             fatal: wrong credentials, bucket or configuration; the message says which
├── ObjectMismatch           the bytes do not have the announced size or hash; nothing was stored
└── ScopeError               a programming error, never shown in detail
    ├── ScopeMissing         a tenant query outside `studio_scope`
    └── ScopeMismatch        a scope opened inside an incompatible one

Each has a stable `code` of `shared.protocol.errors`, which determines the HTTP status, title and hint.
"""

from concurrent.futures import Future
from typing import ClassVar

from shared.protocol.errors import Code, Problem, problem


class ControlPlaneError(Exception):
    """The root. `detail` is shown to the caller and holds no secret; `code` may be more specific than the default."""

    default_code: ClassVar[Code] = Code.INTERNAL

    def __init__(self, detail: str = "", *, code: Code | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code

    def problem(self, instance: str = "") -> Problem:
        """Returns the body of the response (RFC 9457); `instance` is the request id."""
        return problem(self.code, self.detail, instance=instance)


class NotFound(ControlPlaneError):
    """The object does not exist, or the actor may not know that it does."""

    default_code = Code.NOT_FOUND


class Forbidden(ControlPlaneError):
    """The actor belongs to the studio, but its role does not allow this."""

    default_code = Code.FORBIDDEN


class SignInRequired(ControlPlaneError):
    """Nobody is signed in."""

    default_code = Code.SIGN_IN_REQUIRED


class BadRequest(ControlPlaneError):
    """The input is invalid; the detail names the field and the rule."""

    default_code = Code.BAD_REQUEST


class Conflict(ControlPlaneError):
    """The current state does not allow this, or another request was first."""

    default_code = Code.CONFLICT


class TooManyRequests(ControlPlaneError):
    """Too many attempts; `retry_after_s` is the value of the Retry-After header."""

    default_code = Code.TOO_MANY_REQUESTS

    def __init__(self, detail: str = "", *, retry_after_s: int = 60, code: Code | None = None) -> None:
        super().__init__(detail, code=code)
        self.retry_after_s = retry_after_s


class Unavailable(ControlPlaneError):
    """A dependency does not answer now; `retry_after_s`, if known, is the value of the Retry-After header."""

    default_code = Code.UNAVAILABLE

    def __init__(
        self, detail: str = "", *, retry_after_s: int | None = None, code: Code | None = None
    ) -> None:
        super().__init__(detail, code=code)
        self.retry_after_s = retry_after_s


class Busy(Unavailable):
    """The caller's share of a resource is in use; `retry_after_s` is the value of the Retry-After header.

    `until` is settled as soon as a retry makes sense. A request that holds nothing may wait for it (see `config.handler`).
    None: unknown.
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
    """Code touched tenant data in violation of the scope rules."""


class ScopeMissing(ScopeError):
    """A query on a tenant table outside of a scope that allows it."""


class ScopeMismatch(ScopeError):
    """A scope was opened inside an incompatible one."""


class StoreRefused(ControlPlaneError):
    """The store refuses; an operator must correct credentials, bucket or address."""

    default_code = Code.STORE_UNAVAILABLE


class ObjectMismatch(ControlPlaneError):
    """The bytes do not have the announced size or hash; the store keeps none of them."""

    default_code = Code.SEGMENT_CORRUPT
