"""Events of other apps that integrity handles. `config.registry` imports this when the models are loaded."""

from control_plane.fleet.events import ResendAnswered, ResendWanted
from control_plane.integrity.repairs import apply_answer, wanted_segments

ResendWanted.answer_with(wanted_segments)
ResendAnswered.subscribe(apply_answer)
