"""Files that show texts which do not go through gettext yet. Remove a file when it is done; add none."""

UNTRANSLATED: frozenset[str] = frozenset()
