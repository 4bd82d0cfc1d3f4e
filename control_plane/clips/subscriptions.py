"""Events of other apps that clips handle. `config.registry` imports this when the models are loaded."""

from django.utils.translation import gettext as _

from control_plane.clips.endings import destroy_of_dancer, destroy_of_footage
from control_plane.clips.selectors import clips_of_dancer, objects_of_clips
from control_plane.people.events import DancerErased, DataSection, PersonalData
from control_plane.recordings.events import FootageDestroyed, ObjectsInUse


def _clips(question: PersonalData) -> list[DataSection]:
    rows = clips_of_dancer(question.dancer_id).order_by("created_at")
    clips = [
        {
            "clip": str(row.id),
            "title": row.title,
            "class": str(row.class_session_id),
            "from": row.from_at.isoformat(),
            "to": row.to_at.isoformat(),
            "kept_until": row.expires_at.isoformat(),
            "chosen": row.has_chosen_dancers,
        }
        for row in rows
    ]
    return [DataSection("clips", _("Clips that show the dancer"), clips)]


DancerErased.subscribe(destroy_of_dancer)
FootageDestroyed.subscribe(destroy_of_footage)
ObjectsInUse.answer_with(objects_of_clips)
PersonalData.answer_with(_clips)
