"""Events of other apps that ingest handles. `config.registry` imports this when the models are loaded."""

from control_plane.ingest.services import forget_class, withdraw_pending
from control_plane.recordings.events import ClassShredded, StoreRetiring

ClassShredded.subscribe(forget_class)
StoreRetiring.subscribe(withdraw_pending)
