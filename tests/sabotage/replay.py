"""Sabotages of recording and replay: one view, or its sound, that takes the others with it."""

from tests.sabotage.sabotage import Sabotage

_PLAYER = "control_plane/portal/web/src/player"
_FAULTS = "tests/web/test_player_faults.py"

REPLAY = (
    Sabotage(
        "a fragment that cannot be decoded is never given up",
        "replay",
        f"{_PLAYER}/screen.ts",
        "    if (silenced.length === 0 && isOut) this.lose(startS, fault);\n",
        "",
        (f"{_FAULTS}::test_a_damaged_fragment_costs_its_own_pictures_and_nothing_else",),
    ),
    Sabotage(
        "a refused fragment is taken for a refused class",
        "replay",
        f"{_PLAYER}/screen.ts",
        "    if (status !== null && !(await this.events.permitted())) return;\n",
        "    if (status !== null) this.events.refused(troubleOfStatus(status));\n",
        (f"{_FAULTS}::test_a_fragment_that_is_refused_costs_its_own_pictures_and_nothing_else",),
    ),
    Sabotage(
        "the views wait for one that cannot come",
        "replay",
        f"{_PLAYER}/patience.ts",
        "!view.arrived && waitedMs >= patienceMs(view, nowMs) ? [index] : []",
        "!view.arrived && waitedMs < patienceMs(view, nowMs) - waitedMs - 1e9 ? [index] : []",
        (f"{_FAULTS}::test_a_view_that_cannot_be_shown_stops_no_other[stalled]",),
    ),
    Sabotage(
        "damaged sound takes its pictures with it",
        "replay",
        f"{_PLAYER}/book.ts",
        "    for (const start of starts) this.silenced.add(key(start));\n    return starts;\n",
        "    return [];\n",
        (f"{_FAULTS}::test_a_view_whose_sound_cannot_be_played_at_all_shows_its_pictures",),
    ),
)
