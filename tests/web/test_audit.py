"""The pages of the record in a browser: no breach of the policy, no page wider than a phone, axe finds nothing."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from control_plane.common.scoping import studio_scope
from control_plane.compliance.anomaly_alerts import detect_anomalies
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Relation
from control_plane.people.services import add_dancers, start_guardianship
from control_plane.recordings.models import ClassState
from control_plane.recordings.rosters import save_roster
from tests.control_plane.portal.conftest import FurnishedStudio, record
from tests.control_plane.replays import begin_replay
from tests.web.browser import CHROMIUM, Watched
from tests.web.conftest import SignIn
from tests.web.stage import DIST

pytestmark = [
    pytest.mark.web,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine (THREEDANCE_TEST_CHROMIUM names one)"
    ),
    pytest.mark.skipif(not (DIST / "portal.js").exists(), reason="web assets are not built (nox -s assets)"),
]
PAGES = ("/audit/", "/alerts/", "/alerts/rules/", "/privacy/", "/dancers/{dancer}/seen/", "/classes/")
SIZES = {"phone": {"width": 360, "height": 740}, "desk": {"width": 1280, "height": 800}}


@pytest.fixture
def addresses(site: FurnishedStudio, settings: Any, tmp_path: Path) -> list[str]:
    settings.CHECKPOINT_KEY_FILE = tmp_path / "checkpoint.key"
    cast = site.cast
    row = record(site, ClassState.COMPLETE)
    (dancer,), _ = add_dancers(cast.studio, [NewDancer("Ada", 2014)], actor=cast.alice.actor)
    start_guardianship(dancer, cast.gita, Relation.PARENT, actor=cast.alice.actor)
    save_roster(row, [dancer.id], confirm=True, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        begin_replay(row, cast.vera.actor)
        detect_anomalies(cast.studio.id)
    return [site.base + page.format(dancer=dancer.id) for page in PAGES]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_no_page_breaks_the_policy_is_wider_than_the_window_or_closed_to_some(
    site: FurnishedStudio, live_server: Any, sign_in: SignIn, addresses: list[str], scheme: Any, size: str
) -> None:
    page = sign_in(live_server.url, site.cast.alice, viewport=SIZES[size], color_scheme=scheme).new_page()
    viewer, axe = Watched(page), Axe()
    for address in addresses:
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200, address
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert not wide, address
        broken = axe.run(page).response["violations"]
        assert not broken, (address, [(item["id"], item["nodes"][0]["html"][:120]) for item in broken])
    assert viewer.complaints == []
