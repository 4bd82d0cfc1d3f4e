"""Sabotages of limits: one studio or one agent must not stop or slow the others."""

from tests.sabotage.sabotage import Sabotage

_PLAYLIST = "tests/control_plane/recordings/test_playlist.py"
_HOLES = "tests/control_plane/recordings/test_holes.py"
_DOCUMENTS = "tests/control_plane/recordings/test_documents.py"

LIMITS = (
    Sabotage(
        "each hole of a playlist has a day of fillers of its own",
        "limits",
        "control_plane/recordings/playlist.py",
        "        left -= len(offsets)\n",
        "",
        (f"{_PLAYLIST}::test_many_holes_of_days_share_one_bound",),
    ),
    Sabotage(
        "each hole is held against all gaps that were reported",
        "limits",
        "control_plane/recordings/holes.py",
        "        if gap.from_us >= to_us:\n            break\n        start_us, end_us = max(",
        "        if max(gap.from_us, at_us) >= min(gap.to_us, to_us):\n            continue\n"
        "        start_us, end_us = max(",
        (f"{_HOLES}::test_the_work_grows_with_holes_and_reports_and_not_with_their_product",),
    ),
    Sabotage(
        "one studio has all of the documents written that are written at once",
        "limits",
        "control_plane/recordings/documents.py",
        "            before = self._making.get(owner)\n",
        "            before = self._making.get(key)\n            owner = key\n",
        (f"{_DOCUMENTS}::test_who_asks_while_it_is_made_is_told_to_come_again_and_when",),
    ),
    Sabotage(
        "documents of one studio push out those of others",
        "limits",
        "control_plane/recordings/documents.py",
        "                largest = max(self._held_bytes, key=self._held_bytes.__getitem__)\n",
        "                largest = next(iter(self._values.values()))[1]\n",
        (f"{_DOCUMENTS}::test_who_asks_for_much_pushes_out_nothing_of_others",),
    ),
)
