"""Events of other apps that the fleet handles. `config.registry` imports this when the models are loaded."""

from control_plane.fleet.desired import publish_new_recipient
from control_plane.keys.events import StudioKeyRotated

StudioKeyRotated.subscribe(publish_new_recipient)
