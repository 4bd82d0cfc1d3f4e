"""All sabotages, in the order in which they are tried."""

from tests.sabotage.access import ACCESS
from tests.sabotage.clock import CLOCK
from tests.sabotage.cameras import CAMERAS
from tests.sabotage.footage import AUDIT, KEYS, SIGN_IN, STORAGE
from tests.sabotage.fsck import FSCK
from tests.sabotage.limits import LIMITS
from tests.sabotage.people import PEOPLE
from tests.sabotage.replay import REPLAY
from tests.sabotage.sabotage import Sabotage
from tests.sabotage.web import WEB

SABOTAGES: tuple[Sabotage, ...] = (
    *ACCESS,
    *KEYS,
    *AUDIT,
    *STORAGE,
    *SIGN_IN,
    *FSCK,
    *LIMITS,
    *PEOPLE,
    *WEB,
    *REPLAY,
    *CAMERAS,
)
SABOTAGES: tuple[Sabotage, ...] = (*ACCESS, *KEYS, *AUDIT, *STORAGE, *SIGN_IN, *FSCK, *CLOCK)
from tests.sabotage.supervision import SUPERVISION

SABOTAGES: tuple[Sabotage, ...] = (*ACCESS, *KEYS, *AUDIT, *STORAGE, *SIGN_IN, *FSCK, *SUPERVISION)
