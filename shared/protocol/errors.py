"""Stable codes of everything that can go wrong across the wire, and how an answer carries one (RFC 9457)."""

from enum import StrEnum
from typing import NamedTuple

import msgspec

PROBLEM_CONTENT_TYPE = "application/problem+json"


class Code(StrEnum):
    """What went wrong. The text is the wire value and never changes once released."""

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
    """How a code is answered: HTTP status, one-line title, and the way out for whoever reads it."""

    status: int
    title: str
    hint: str


MEANINGS: dict[Code, Meaning] = {
    Code.BAD_REQUEST: Meaning(400, "The request is not well formed", "Read the detail; it names the field."),
    Code.NOT_FOUND: Meaning(404, "There is no such thing", "Check the address, or ask for access to it."),
    Code.FORBIDDEN: Meaning(403, "Your role does not allow this", "Ask an admin of the studio."),
    Code.KEY_NOT_ENOUGH: Meaning(
        403,
        "This key lends too little",
        "Your role allows it: sign in and do it, or use a key that lends it (Settings -> Programs).",
    ),
    Code.SIGN_IN_REQUIRED: Meaning(401, "Sign in first", "Sign in and try again."),
    Code.TOO_MANY_REQUESTS: Meaning(429, "Too many tries", "Wait for the time in Retry-After and try again."),
    Code.TOO_LARGE: Meaning(413, "The body is too large", "Send fewer items in one request."),
    Code.UNAVAILABLE: Meaning(503, "The service is not available now", "Try again later."),
    Code.INTERNAL: Meaning(500, "Something broke on the server", "Try again; then report the request id."),
    Code.PROTOCOL_TOO_OLD: Meaning(426, "This agent is too old", "Update the agent and start it again."),
    Code.PAIRING_CODE_UNKNOWN: Meaning(
        404, "No such pairing code", "Check the letters, or make a new code under Agents -> Add agent."
    ),
    Code.PAIRING_CODE_EXPIRED: Meaning(
        410, "The pairing code has expired", "Make a new code under Agents -> Add agent; it lasts 10 minutes."
    ),
    Code.PAIRING_CODE_USED: Meaning(
        409,
        "The pairing code was used already",
        "Make a new code under Agents -> Add agent; a code pairs one box.",
    ),
    Code.PAIRING_CODE_LOCKED: Meaning(
        423, "The pairing code is locked after five wrong tries", "Make a new code under Agents -> Add agent."
    ),
    Code.AGENT_TOKEN_INVALID: Meaning(
        401, "The agent's token is not valid", "If it stays so, pair the box again with a new code."
    ),
    Code.AGENT_CLOCK_OFF: Meaning(
        401,
        "The agent's token is from another time",
        "Take the time from this answer's Date header and try again.",
    ),
    Code.AGENT_REVOKED: Meaning(401, "This agent has been revoked", "Pair the box again with a new code."),
    Code.SEGMENT_HASH_CONFLICT: Meaning(
        409, "Another segment has this id", "The segment is kept aside; send the other segments."
    ),
    Code.SEGMENT_SEQUENCE_CONFLICT: Meaning(
        409, "Another segment has this sequence number", "The segment is kept aside; send the other segments."
    ),
    Code.SEGMENT_MISSING: Meaning(
        409, "The object is not in the store", "Ask for a new target and PUT again."
    ),
    Code.SEGMENT_CORRUPT: Meaning(
        422, "The stored object does not match its hash", "Ask for a new target and PUT again."
    ),
    Code.SEGMENT_NOT_WANTED: Meaning(
        410,
        "The class of this segment is not one of this agent's",
        "The local copy may go after its minimum age.",
    ),
    Code.UPLOAD_TARGET_EXPIRED: Meaning(403, "The upload address has expired", "Ask for a new target."),
    Code.STORE_UNAVAILABLE: Meaning(
        503, "The object store does not answer", "Try again later; nothing is lost."
    ),
    Code.FOOTAGE_DESTROYED: Meaning(
        410,
        "The recording has been destroyed",
        "Its keys are gone: nobody can see it any more, and nothing brings it back.",
    ),
    Code.CONFLICT: Meaning(409, "Somebody else was first", "Look at the present state and decide again."),
}


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of an error answer (RFC 9457), with our stable `code` and a `hint` that says what to do."""

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
    """Returns the answer for `code`, with what is particular to this case in `detail`.

    The detail may repeat what was sent; halves of letters, which JSON can name and UTF-8 cannot, are written as `\\udXXX`.
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
