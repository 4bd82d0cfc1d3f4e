"""Normalization and comparison of names, as people read them rather than as they are encoded. Pure."""

import re
import unicodedata

_SPACE = re.compile(r"\s+")
_IGNORED = re.compile(r"[\u00ad\u200b\u2060\ufeff]")
"""Soft hyphens, zero-width spaces and byte order marks: copied along with a name, never part of it."""
_INVISIBLE = re.compile(r"[\u00ad\u034f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]")
"""Also joiners, direction marks and variation selectors: they change how a name looks, not which name it is."""


def clean_name(text: str) -> str:
    """Returns a name as it is stored: NFC, with single spaces for any white space."""
    return _SPACE.sub(" ", unicodedata.normalize("NFC", _IGNORED.sub("", text))).strip()


def name_key(text: str) -> str:
    """Returns a key that is equal for all spellings that people consider the same name.

    Ignores the differences between composed and decomposed letters, case, full and half width, white space, and
    invisible characters. Source: Unicode Standard, section 3.13, D146 (compatibility caseless match).
    """
    folded = unicodedata.normalize("NFD", _INVISIBLE.sub("", text)).casefold()
    folded = unicodedata.normalize("NFKD", folded).casefold()
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", _INVISIBLE.sub("", folded))).strip()
