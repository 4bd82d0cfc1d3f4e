"""Reads of exports, in studio scope."""

from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from control_plane.exports.models import Export
from control_plane.recordings.models import Appearance
from control_plane.recordings.presence import enrolled_in


def exports_of_dancer(dancer_id: UUID) -> QuerySet[Export]:
    """Returns the exports of classes in which a dancer is listed or enrolled, in any state."""
    listed = Appearance.objects.filter(class_session=OuterRef("class_session_id"), dancer_id=dancer_id)
    enrolled = enrolled_in(OuterRef("class_session_id")).filter(dancer_id=dancer_id)
    found: QuerySet[Export] = Export.objects.filter(Q(Exists(listed)) | Q(Exists(enrolled)))
    return found
