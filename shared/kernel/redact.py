"""Masks secrets in text before it is logged, shown or sent.

Strangers choose the text of a log, so each expression is linear in the length of the text: a run of characters is
tried from its beginning alone, and ends where the next one may begin.
"""

import re

from shared.kernel.secret_tail import MASK as MASK
from shared.kernel.secret_tail import split_tail

LONGEST_IN_LOG = 32_768

_URL_CREDENTIALS = re.compile(r"(?<![a-z0-9+.-])(?P<scheme>[a-z0-9+.-]+://)[^/\s@]*@", re.IGNORECASE)
_QUERY_SECRET = re.compile(
    r"(?P<key>[?&](?:[a-z0-9_-]*(?:token|secret|password|passwd|pwd|signature|credential|key|code))=)[^&\s#]+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?P<word>bearer\s+)[A-Za-z0-9._~+/=-]+", re.IGNORECASE)
_FRAGMENT_SECRET = re.compile(r"(?P<path>/s/(?:(?!/s/)[^#\s])+#)\S+")
_WORD = re.compile(r"""[^\s'"<>]+""")
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_ROW = re.compile(
    r"(?P<word>DETAIL:\s*)(?:.(?!\n(?:CONTEXT|HINT|QUERY|Traceback|The above|During handling|  File)))+.",
    re.DOTALL,
)

_ADDRESS = re.compile(r"(?P<scheme>(?:rtsps?|https?)://)(?P<rest>[^\s\"'<>]+)", re.IGNORECASE)


def redact(text: str) -> str:
    """Returns `text` with credentials in URLs, secret ends of addresses, bearer tokens and share secrets masked."""
    text = _ADDRESS.sub(_shown, text)
    text = _URL_CREDENTIALS.sub(rf"\g<scheme>{MASK}@", text)
    text = _QUERY_SECRET.sub(rf"\g<key>{MASK}", text)
    text = _FRAGMENT_SECRET.sub(rf"\g<path>{MASK}", text)
    return _BEARER.sub(rf"\g<word>{MASK}", text)


def _shown(address: re.Match[str]) -> str:
    # A password without percent-encoding may hold any sign: everything up to the last @ is masked.
    _, at, rest = address["rest"].rpartition("@")
    clear, tail = split_tail(f"{address['scheme']}{rest}")
    masked = clear + MASK if tail else clear
    return f"{address['scheme']}{MASK}@{masked.removeprefix(address['scheme'])}" if at else masked


def redact_log(text: str) -> str:
    """Returns `text` for a log: redacted, and without URL queries, e-mail addresses and values of database rows.

    The text is cut to `LONGEST_IN_LOG` characters after redaction: a password of a cut address would not be found.

    A query may hold a searched name, or an address with a token; the detail of a database error quotes the refused row.
    """
    text = _WORD.sub(_without_query, redact(text))
    text = _ROW.sub(rf"\g<word>{MASK}", text)
    text = _EMAIL.sub(MASK, text)
    if len(text) > LONGEST_IN_LOG:
        text = f"{text[:LONGEST_IN_LOG]} ... ({len(text) - LONGEST_IN_LOG} more characters)"
    return text


def _without_query(word: re.Match[str]) -> str:
    text = word[0]
    slash = text.find("/")
    mark = text.find("?", slash + 1) if slash >= 0 else -1
    return f"{text[: mark + 1]}{MASK}" if 0 <= mark < len(text) - 1 else text
