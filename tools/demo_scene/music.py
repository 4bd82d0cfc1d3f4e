"""The audio of the loop: a click on every beat, the first of four higher, over a quiet tune.

The tune never repeats within the loop, so a later alignment of recordings by their audio has one answer only.
"""

import numpy as np
from numpy.typing import NDArray

from tools.demo_scene.loop import BEATS, BEATS_PER_MINUTE, LOOP_S, SAMPLE_RATE

Samples = NDArray[np.float32]

SAMPLES_PER_BEAT = SAMPLE_RATE * 60 // BEATS_PER_MINUTE
BEATS_PER_BAR = 4

# One chord for each bar, and one note of the tune for each half beat, in semitones above the A of 220 Hz; None rests.
BASS = (0, -4, 3, -2, 0, -4, -7, -5)
CHORDS = ((0, 3, 7), (-4, 0, 3), (3, 7, 10), (-2, 2, 5), (0, 3, 7), (-4, 0, 3), (-7, -4, 0), (-5, -1, 2))
TUNE = (
    12, None, 15, None, 19, None, 15, 12, 12, None, 8, None, 12, 15, None, 12,
    15, None, 19, None, 22, 19, None, 15, 14, None, 17, None, 14, None, 10, None,
    12, 15, None, 19, None, 24, 19, None, 20, None, 15, None, 12, None, 15, 20,
    17, None, 12, None, 8, None, 12, None, 11, None, 14, 17, 19, None, 23, None,
)  # fmt: skip


def loop_audio() -> Samples:
    """Returns the loop, `(LOOP_S * SAMPLE_RATE,)` float32 from -1 to 1; what rings on at its end is in its beginning."""
    audio = np.zeros(LOOP_S * SAMPLE_RATE, dtype=np.float32)
    for beat in range(BEATS):
        start = beat * SAMPLES_PER_BEAT
        first = beat % BEATS_PER_BAR == 0
        _put(audio, start, _click(1760.0 if first else 1174.7), 0.50 if first else 0.34)
        _put(audio, start, _kick(), 0.42)
        _put(audio, start + SAMPLES_PER_BEAT // 2, _hat(beat), 0.07)
        bar = beat // BEATS_PER_BAR
        if beat % 2 == 0:
            _put(audio, start, _pluck(110 * 2 ** (BASS[bar] / 12), 0.9, 0.30), 0.22)
        if first:
            for semitone in CHORDS[bar]:
                _put(audio, start, _pad(220 * 2 ** (semitone / 12)), 0.035)
    for index, note in enumerate(TUNE):
        if note is not None:
            _put(audio, index * SAMPLES_PER_BEAT // 2, _pluck(220 * 2 ** (note / 12), 0.7, 0.16), 0.10)
    return np.asarray(np.tanh(audio * 1.1) * 0.85, dtype=np.float32)


def _put(audio: Samples, start: int, part: Samples, level: float) -> None:
    places = (start + np.arange(len(part))) % len(audio)
    audio[places] += part * np.float32(level)


def _time(length_s: float) -> Samples:
    return (np.arange(round(length_s * SAMPLE_RATE)) / SAMPLE_RATE).astype(np.float32)


def _click(pitch_hz: float) -> Samples:
    t = _time(0.06)
    return np.asarray(np.sin(2 * np.pi * pitch_hz * t) * np.exp(-t / 0.011), dtype=np.float32)


def _kick() -> Samples:
    t = _time(0.22)
    return np.asarray(
        np.sin(2 * np.pi * (48 * t + 3.2 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.07), dtype=np.float32
    )


def _hat(seed: int) -> Samples:
    t = _time(0.08)
    noise = np.random.default_rng(seed).normal(0, 1, len(t))
    return np.asarray(np.diff(noise, prepend=0) * np.exp(-t / 0.016), dtype=np.float32)


def _pluck(pitch_hz: float, length_s: float, decay_s: float) -> Samples:
    t = _time(length_s)
    wave = np.sin(2 * np.pi * pitch_hz * t) + 0.35 * np.sin(4 * np.pi * pitch_hz * t) * np.exp(-t / 0.08)
    return np.asarray(wave * np.exp(-t / decay_s) * np.minimum(t / 0.004, 1), dtype=np.float32)


def _pad(pitch_hz: float) -> Samples:
    t = _time(2.3)
    swell = np.minimum(t / 0.25, 1) * np.minimum((2.3 - t) / 0.3, 1)
    wave = np.sin(2 * np.pi * pitch_hz * t) + np.sin(2 * np.pi * pitch_hz * 1.003 * t)
    return np.asarray(wave * swell, dtype=np.float32)
