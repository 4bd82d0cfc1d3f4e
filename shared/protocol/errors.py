"""Stable error codes of the protocol, and the error body of an answer (RFC 9457)."""

from enum import StrEnum
from typing import NamedTuple

import msgspec

PROBLEM_CONTENT_TYPE = "application/problem+json"


class Code(StrEnum):
    """Error code. The text is the wire value and never changes after a release."""

    BAD_REQUEST = "bad_request"
    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    KEY_NOT_ENOUGH = "key_not_enough"
    SIGN_IN_REQUIRED = "sign_in_required"
    TOO_MANY_REQUESTS = "too_many_requests"
    TOO_LARGE = "too_large"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"
    PROTOCOL_TOO_OLD = "protocol_too_old"
    PAIRING_CODE_UNKNOWN = "pairing_code_unknown"
    PAIRING_CODE_EXPIRED = "pairing_code_expired"
    PAIRING_CODE_USED = "pairing_code_used"
    PAIRING_CODE_LOCKED = "pairing_code_locked"
    AGENT_TOKEN_INVALID = "agent_token_invalid"  # noqa: S105  # a code, not a secret
    AGENT_CLOCK_OFF = "agent_clock_off"
    AGENT_REVOKED = "agent_revoked"
    SEGMENT_HASH_CONFLICT = "segment_hash_conflict"
    SEGMENT_SEQUENCE_CONFLICT = "segment_sequence_conflict"
    SEGMENT_MISSING = "segment_missing"
    SEGMENT_CORRUPT = "segment_corrupt"
    SEGMENT_NOT_WANTED = "segment_not_wanted"
    UPLOAD_TARGET_EXPIRED = "upload_target_expired"
    STORE_UNAVAILABLE = "store_unavailable"
    CONFLICT = "conflict"
    FOOTAGE_DESTROYED = "footage_destroyed"


class Meaning(NamedTuple):
    """HTTP status, one-line title, and remedy of a code."""

    status: int
    title: str
    hint: str


MEANINGS: dict[Code, Meaning] = {
    Code.BAD_REQUEST: Meaning(400, "The request is not well formed", "Read the detail; it names the field."),
    Code.NOT_FOUND: Meaning(404, "Not found", "Check the address, or ask for access to it."),
    Code.FORBIDDEN: Meaning(403, "Your role does not allow this", "Ask an admin of the studio."),
    Code.KEY_NOT_ENOUGH: Meaning(
        403,
        "The API key does not include this permission",
        "Your role allows it: sign in, or use an API key that includes it (Settings -> API keys).",
    ),
    Code.SIGN_IN_REQUIRED: Meaning(401, "Sign in first", "Sign in and try again."),
    Code.TOO_MANY_REQUESTS: Meaning(
        429, "Too many requests", "Wait for the time in Retry-After and try again."
    ),
    Code.TOO_LARGE: Meaning(413, "The body is too large", "Send fewer items in one request."),
    Code.UNAVAILABLE: Meaning(503, "The service is not available now", "Try again later."),
    Code.INTERNAL: Meaning(
        500, "Internal server error", "Try again. If it happens again, report the request id."
    ),
    Code.PROTOCOL_TOO_OLD: Meaning(426, "This agent is too old", "Update the agent and start it again."),
    Code.PAIRING_CODE_UNKNOWN: Meaning(
        404, "No such pairing code", "Check the letters, or create a new code under Agents -> Add agent."
    ),
    Code.PAIRING_CODE_EXPIRED: Meaning(
        410,
        "The pairing code has expired",
        "Create a new code under Agents -> Add agent; it lasts 10 minutes.",
    ),
    Code.PAIRING_CODE_USED: Meaning(
        409,
        "The pairing code has already been used",
        "Create a new code under Agents -> Add agent; a code pairs one agent.",
    ),
    Code.PAIRING_CODE_LOCKED: Meaning(
        423,
        "The pairing code is locked after five failed attempts",
        "Create a new code under Agents -> Add agent.",
    ),
    Code.AGENT_TOKEN_INVALID: Meaning(
        401, "The agent's token is not valid", "If this continues, pair the agent again with a new code."
    ),
    Code.AGENT_CLOCK_OFF: Meaning(
        401,
        "The agent's token does not match the server's time",
        "Take the time from this answer's Date header and try again.",
    ),
    Code.AGENT_REVOKED: Meaning(401, "This agent has been revoked", "Pair the agent again with a new code."),
    Code.SEGMENT_HASH_CONFLICT: Meaning(
        409, "Another segment has this id", "The segment is quarantined; send the other segments."
    ),
    Code.SEGMENT_SEQUENCE_CONFLICT: Meaning(
        409,
        "Another segment has this sequence number",
        "The segment is quarantined; send the other segments.",
    ),
    Code.SEGMENT_MISSING: Meaning(
        409, "The object is not in the store", "Request a new target and send the PUT again."
    ),
    Code.SEGMENT_CORRUPT: Meaning(
        422, "The stored object does not match its hash", "Request a new target and send the PUT again."
    ),
    Code.SEGMENT_NOT_WANTED: Meaning(
        410,
        "This agent does not record the class of this segment",
        "The local copy can be deleted after its minimum age.",
    ),
    Code.UPLOAD_TARGET_EXPIRED: Meaning(403, "The upload address has expired", "Request a new target."),
    Code.STORE_UNAVAILABLE: Meaning(
        503, "The object store does not answer", "Try again later; nothing is lost."
    ),
    Code.FOOTAGE_DESTROYED: Meaning(
        410,
        "The recording has been destroyed",
        "Its keys are destroyed: it cannot be watched or restored.",
    ),
    Code.CONFLICT: Meaning(
        409, "The state has changed in the meantime", "Read the current state and decide again."
    ),
}


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Body of an error answer (RFC 9457), with a stable `code` and a `hint` with the remedy."""

    title: str
    status: int
    code: Code
    detail: str = ""
    hint: str = ""
    type: str = "about:blank"
    instance: str = ""
    revocation: str = ""
    """With `agent_revoked` only: the signed reason (see `pairing.Revocation`)."""


def problem(code: Code, detail: str = "", *, instance: str = "", revocation: str = "") -> Problem:
    """Returns the answer for `code`; `detail` describes this case.

    The detail may quote the request. Lone surrogates, which JSON can hold and UTF-8 cannot, are escaped as `\\udXXX`.
    """
    meaning = MEANINGS[code]
    return Problem(
        title=meaning.title,
        status=meaning.status,
        code=code,
        detail=detail.encode("utf-8", "backslashreplace").decode(),
        hint=meaning.hint,
        instance=instance,
        revocation=revocation,
    )
