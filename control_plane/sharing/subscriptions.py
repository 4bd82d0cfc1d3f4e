"""Events of other apps that sharing handles. `config.registry` imports this when the models are loaded."""

from control_plane.recordings.events import ClassShredded
from control_plane.sharing.links import remove_links

ClassShredded.subscribe(remove_links)
