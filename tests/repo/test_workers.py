"""Heavy tests stay on one worker; pytest-xdist silently forgets this with a pytest that it does not know."""

import pytest


@pytest.mark.xdist_group("repo")
def test_a_group_of_tests_is_one_workers(request: pytest.FixtureRequest) -> None:
    grouping = getattr(request.config.option, "loadgroup", False)
    assert request.node.nodeid.endswith("@repo") == grouping
