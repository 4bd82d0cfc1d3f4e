"""When frames are due: the arithmetic that locks the cameras to UTC."""

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from tools.demo_scene.frame_schedule import (
    SECOND_NS,
    audio_due_ns,
    events,
    next_key_picture,
    picture_at,
    picture_due_ns,
)
from tools.demo_scene.loop import AAC_FRAMES, FPS, FRAMES, GOP_FRAMES, LOOP_S

instants = st.integers(min_value=1_600_000_000 * SECOND_NS, max_value=4_000_000_000 * SECOND_NS)


@given(instants)
def test_the_picture_at_an_instant_is_the_frame_of_that_time_in_the_loop(utc_ns: int) -> None:
    in_loop_ns = utc_ns % (LOOP_S * SECOND_NS)
    assert picture_at(utc_ns) % FRAMES == in_loop_ns * FPS // SECOND_NS


@given(instants)
def test_a_picture_is_due_at_the_first_nanosecond_at_which_it_is_shown(utc_ns: int) -> None:
    number = picture_at(utc_ns)
    due_ns = picture_due_ns(number)
    assert picture_at(due_ns) == number
    assert picture_at(due_ns - 1) == number - 1


@given(instants)
def test_a_stream_begins_with_a_key_picture_within_one_group(utc_ns: int) -> None:
    number = next_key_picture(utc_ns)
    assert number % GOP_FRAMES == 0
    assert 0 <= picture_due_ns(number) - utc_ns < GOP_FRAMES * SECOND_NS // FPS + 1


@given(instants)
def test_everything_leaves_in_order_and_nothing_is_left_out_over_the_join_of_the_loop(utc_ns: int) -> None:
    first = next_key_picture(utc_ns)
    sent = list(islice(events(first), FRAMES + AAC_FRAMES + 50))
    assert [event.due_ns for event in sent] == sorted(event.due_ns for event in sent)
    pictures = [event for event in sent if event.is_picture]
    audio = [event for event in sent if not event.is_picture]
    assert [event.number for event in pictures] == list(range(first, first + len(pictures)))
    assert [event.number for event in audio] == list(range(audio[0].number, audio[0].number + len(audio)))
    assert len({event.place for event in pictures}) == FRAMES
    assert len({event.place for event in audio}) == AAC_FRAMES
    # No audio of before the first picture, and none missing after it.
    assert 0 <= audio[0].ticks - pictures[0].ticks < 1920
    assert all(event.due_ns == audio_due_ns(event.number) for event in audio)
