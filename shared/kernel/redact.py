"""Takes secrets out of text before it is logged, shown or sent."""

import re

_URL_CREDENTIALS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s@]*@", re.IGNORECASE)
_QUERY_SECRET = re.compile(
    r"(?P<key>[?&](?:[a-z0-9_-]*(?:token|secret|password|passwd|pwd|signature|credential|key|code))=)[^&\s#]+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?P<word>bearer\s+)[A-Za-z0-9._~+/=-]+", re.IGNORECASE)
_FRAGMENT_SECRET = re.compile(r"(?P<path>/s/[^#\s]+#)\S+")

MASK = "***"


def redact(text: str) -> str:
    """Returns `text` with credentials in URLs, secret query values, bearer tokens and share secrets masked."""
    text = _URL_CREDENTIALS.sub(rf"\g<scheme>{MASK}@", text)
    text = _QUERY_SECRET.sub(rf"\g<key>{MASK}", text)
    text = _FRAGMENT_SECRET.sub(rf"\g<path>{MASK}", text)
    return _BEARER.sub(rf"\g<word>{MASK}", text)
