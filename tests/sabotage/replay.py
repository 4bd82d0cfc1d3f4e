"""Sabotages of recording and replay: one view, or its sound, that takes the others with it."""

from tests.sabotage.sabotage import Sabotage

_PLAYER = "control_plane/portal/web/src/player"
_FAULTS = "tests/web/test_player_faults.py"
_TEST_AUDIO = "tests/edge_agent/recording/test_audio.py"
_TEST_AUDIO_CODECS = "tests/edge_agent/recording/test_audio_codecs.py"
_TEST_AUDIO_SAMPLES = "tests/edge_agent/recording/test_audio_samples.py"

REPLAY = (
    Sabotage(
        "a fragment that cannot be decoded is never given up",
        "replay",
        f"{_PLAYER}/track_player.ts",
        "    if (silenced.length === 0 && isHopeless && !isRepeated) this.giveUp(startS, fault);\n",
        "",
        (f"{_FAULTS}::test_a_damaged_fragment_costs_its_own_pictures_and_nothing_else",),
    ),
    Sabotage(
        "a refused fragment is taken for a refused class",
        "replay",
        f"{_PLAYER}/track_player.ts",
        "    if (status !== null && !(await this.events.checkAuthorization())) return;\n",
        "    if (status !== null) this.events.refused(errorOfStatus(status));\n",
        (f"{_FAULTS}::test_a_fragment_that_is_refused_costs_its_own_pictures_and_nothing_else",),
    ),
    Sabotage(
        "the views wait for one that cannot come",
        "replay",
        f"{_PLAYER}/wait_policy.ts",
        "!view.isReady && waitedMs >= waitLimitMs(view, nowMs) ? [index] : []",
        "!view.isReady && waitedMs < waitLimitMs(view, nowMs) - waitedMs - 1e9 ? [index] : []",
        (f"{_FAULTS}::test_a_view_that_cannot_be_shown_stops_no_other[stalled]",),
    ),
    Sabotage(
        "damaged sound takes its pictures with it",
        "replay",
        f"{_PLAYER}/playlist_state.ts",
        "    for (const start of starts) this.silenced.add(key(start));\n    return starts;\n",
        "    return [];\n",
        (f"{_FAULTS}::test_a_view_whose_sound_cannot_be_played_at_all_shows_its_pictures",),
    ),
    Sabotage(
        "each run of a class promises the sound that it finds",
        "replay",
        "edge_agent/recording/recorder.py",
        "        return RunMuxer(source.info, self._audio_decision)\n",
        "        return RunMuxer(source.info)\n",
        (f"{_TEST_AUDIO}::test_every_run_of_a_class_promises_the_same_tracks",),
    ),
    Sabotage(
        "what is promised is forgotten when the agent starts anew",
        "replay",
        "edge_agent/recording/recorder.py",
        "        self._audio_decision = progress.sound\n",
        "        self._audio_decision = None\n",
        (f"{_TEST_AUDIO}::test_every_run_of_a_class_promises_the_same_tracks",),
    ),
    Sabotage(
        "pictures wait for sound that does not come",
        "replay",
        "edge_agent/recording/fragment_muxer.py",
        "                self._mux_audio(self._timeline.fill_silence(packet.dts_90k))\n",
        "                pass\n",
        (f"{_TEST_AUDIO}::test_sound_that_does_not_come_holds_the_pictures_back_for_a_second_at_most",),
    ),
    Sabotage(
        "damaged sound is recorded",
        "replay",
        "edge_agent/recording/audio.py",
        " and self._decodes(data)\n",
        "\n",
        (f"{_TEST_AUDIO_SAMPLES}::test_a_damaged_frame_of_sound_is_silence",),
    ),
    Sabotage(
        "a wrong set-up of sound is believed",
        "replay",
        "edge_agent/recording/audio.py",
        '            raise ValueError("no camera sends such sound")\n',
        "            pass\n",
        (f"{_TEST_AUDIO_CODECS}::test_a_set_up_of_sound_that_is_wrong_touches_no_picture",),
    ),
)
