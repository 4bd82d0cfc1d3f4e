"""When two names are one: as a person reads them, not as a keyboard or a spreadsheet wrote them. Pure."""

import re
import unicodedata

_SPACE = re.compile(r"\s+")
_NOTHING = re.compile(r"[\u00ad\u200b\u2060\ufeff]")
"""Soft hyphens, spaces without width and marks of byte order: copied along with a name, never part of one."""
_UNSEEN = re.compile(r"[\u00ad\u034f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]")
"""Joiners, marks of direction and choices of a letter's shape as well: they change how a name looks, not which it is."""


def clean_name(text: str) -> str:
    """Returns a name as it is stored: one form of each letter (NFC), one space where any number of any kind stood."""
    return _SPACE.sub(" ", unicodedata.normalize("NFC", _NOTHING.sub("", text))).strip()


def name_key(text: str) -> str:
    """Returns the same text for all spellings that people take for one name.

    Composed and decomposed letters, upper and lower case, wide and narrow forms, spaces of all kinds, and characters that
    are not seen make no difference. Source: Unicode Standard, section 3.13, D146 (compatibility caseless match).
    """
    folded = unicodedata.normalize("NFD", _UNSEEN.sub("", text)).casefold()
    folded = unicodedata.normalize("NFKD", folded).casefold()
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", _UNSEEN.sub("", folded))).strip()
