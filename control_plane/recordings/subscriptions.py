"""Events of other apps that recordings handle. `config.registry` imports this when the models are loaded."""

from control_plane.fleet.events import AgentReplaced, HeartbeatReceived
from control_plane.keys.events import GenerationNeeded
from control_plane.people.events import PersonalData
from control_plane.recordings.heartbeats import apply_heartbeat, transfer_recordings
from control_plane.recordings.rosters import classes_of_dancer
from control_plane.recordings.shredding import awaits_footage

HeartbeatReceived.subscribe(apply_heartbeat)
AgentReplaced.subscribe(transfer_recordings)
GenerationNeeded.answer_with(awaits_footage)
PersonalData.answer_with(classes_of_dancer)
