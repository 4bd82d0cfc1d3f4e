"""Sabotages of what an agent does with a version that it rolled back."""

from tests.sabotage.sabotage import Sabotage

_INSTALL = "tests/edge_agent/update/test_install.py"
_RETRY = "tests/edge_agent/update/test_retry.py"

UPDATE = (
    Sabotage(
        "a version that was rolled back stays bad for ever",
        "update",
        "edge_agent/update/handover.py",
        "return wait_s is not None and not 0 <= now_s - self.at < wait_s",
        "return False",
        (f"{_INSTALL}::test_a_version_that_failed_by_chance_is_installed_at_the_next_try_and_forgiven",),
    ),
    Sabotage(
        "a bad version is tried without end",
        "update",
        "edge_agent/update/handover.py",
        "return RETRY_AFTER_S[self.times - 1] if 0 < self.times <= len(RETRY_AFTER_S) else None",
        "return RETRY_AFTER_S[-1]",
        (
            f"{_RETRY}::test_whatever_its_clock_shows_an_agent_tries_a_version_no_more_than_three_times",
            f"{_INSTALL}::test_a_version_that_was_rolled_back_is_tried_again_later_and_a_third_time_and_no_more",
        ),
    ),
    Sabotage(
        "root believes the agent that a version may be tried",
        "update",
        "edge_agent/update/verify.py",
        "        if not record.may_be_tried(release.version):",
        "        if not release.version:",
        (f"{_INSTALL}::test_a_version_that_is_not_heard_of_gives_way_to_the_old_one_and_to_a_newer_one",),
    ),
)
