"""Sabotages of the agent's clock (where the time comes from, what is made of it, what is claimed) and of its goodbye."""

from tests.sabotage.sabotage import Sabotage

_CLOCK = "tests/shared/test_server_clock.py"
_TIME = "tests/edge_agent/control/test_time.py"
_MAP = "tests/edge_agent/sync/test_clock_map.py"
_STATED = "tests/control_plane/fleet/test_server_time.py"
_TEST_GATEWAY = "tests/control_plane/fleet/test_gateway.py"
_TRUTH = f"{_CLOCK}::test_the_truth_lies_within_the_claimed_bound_whatever_answers_come"

CLOCK = (
    Sabotage(
        "the time of an answer to another request is taken",
        "clock",
        "shared/protocol/timing.py",
        "if match is None or match[2] != nonce:",
        "if match is None:",
        (f"{_TIME}::test_an_answer_to_another_request_or_of_nonsense_is_not_taken",),
    ),
    Sabotage(
        "a single answer steps the clock",
        "clock",
        "shared/kernel/clock.py",
        "independent(self._readings, offset, here_ns) < 2",
        "independent(self._readings, offset, here_ns) < 1",
        (f"{_CLOCK}::test_one_answer_serves_tokens_and_dates_nothing_yet",),
    ),
    Sabotage(
        "no reading may be wrong",
        "clock",
        "shared/kernel/readings.py",
        "min(WRONG_MOST, (len(intervals) - 1) // 2)",
        "0",
        (
            f"{_CLOCK}::test_a_single_answer_that_lies_changes_neither_date_nor_bound_but_has_another_asked_for",
        ),
    ),
    Sabotage(
        "a reading does not age",
        "clock",
        "shared/kernel/readings.py",
        "widened_us = 1 + (now_ns - self.asked_ns) * DRIFT_PPM // 1_000_000_000",
        "widened_us = 1",
        (_TRUTH,),
    ),
    Sabotage(
        "the claimed bound leaves out what is still to be slewed",
        "clock",
        "shared/kernel/clock.py",
        "offset.error_us(self._offset_us(here_ns))",
        "offset.half_us",
        (_TRUTH,),
    ),
    Sabotage(
        "answers that are late on one way lead the clock after them",
        "clock",
        "shared/kernel/clock.py",
        "offset.nearest_us(here_us, margin_us=MARGIN_US)",
        "offset.middle_us",
        (f"{_CLOCK}::test_answers_that_are_late_for_hours_lead_the_clock_nowhere",),
    ),
    Sabotage(
        "suspension is not noticed",
        "clock",
        "edge_agent/cli/run.py",
        "ServerClock(clock, elapsed_ns=boottime_ns)",
        "ServerClock(clock)",
        (
            "tests/edge_agent/cli/test_start.py::test_the_agents_clock_counts_the_time_in_which_the_machine_sleeps",
        ),
    ),
    Sabotage(
        "dates by arrival are claimed better than the clock that they are made of",
        "clock",
        "edge_agent/sync/clock_map.py",
        "            error_us += self._reference.error_us()\n",
        "            error_us += 0\n",
        (f"{_MAP}::test_dates_by_arrival_are_claimed_no_better_than_the_clock_they_are_made_of",),
    ),
    Sabotage(
        "an honest camera is refused because our clock is off",
        "clock",
        "edge_agent/sync/clock_map.py",
        "min(self._reference.error_us(), SANE_MORE_MOST_US)",
        "0",
        (f"{_MAP}::test_an_honest_camera_is_believed_where_it_may_be_our_clock_that_is_off",),
    ),
    Sabotage(
        "a refused websocket does not state the time",
        "clock",
        "control_plane/fleet/server_time.py",
        '"websocket.accept", "websocket.http.response.start"',
        '"websocket.accept"',
        (f"{_STATED}::test_the_websocket_states_it_when_it_refuses_and_when_it_accepts",),
    ),
    Sabotage(
        "an agent that said goodbye is shown as connected",
        "clock",
        "control_plane/fleet/gateway.py",
        'self._was_stopped = event.get("code") == CLOSE_STOPPED',
        "self._was_stopped = False",
        (
            f"{_TEST_GATEWAY}::test_an_agent_that_says_goodbye_is_stopped_at_once_and_there_again_when_it_is_back",
        ),
    ),
    Sabotage(
        "an agent whose line broke is shown as stopped",
        "clock",
        "control_plane/fleet/gateway.py",
        'self._was_stopped = event.get("code") == CLOSE_STOPPED',
        "self._was_stopped = True",
        (f"{_TEST_GATEWAY}::test_a_line_that_merely_ends_leaves_an_agent_its_time_to_come_back",),
    ),
    Sabotage(
        "an agent goes without a goodbye",
        "clock",
        "edge_agent/core/agent.py",
        "                await self._link.close_stopped()\n",
        "",
        (
            "tests/edge_agent/core/test_process.py::test_a_class_is_recorded_by_three_cameras_and_arrives_whole",
        ),
    ),
)
