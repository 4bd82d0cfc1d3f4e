"""What is heavy stays on one worker, which pytest-xdist forgets in silence with a pytest it does not know."""

import pytest


@pytest.mark.xdist_group("repo")
def test_a_group_of_tests_is_one_workers(request: pytest.FixtureRequest) -> None:
    grouping = getattr(request.config.option, "loadgroup", False)
    assert request.node.nodeid.endswith("@repo") == grouping
