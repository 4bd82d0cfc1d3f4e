"""The roster of a class as a file of its export."""

from control_plane.access import access
from control_plane.common.actors import Actor
from control_plane.common.csv_lines import csv_line
from control_plane.people.models import Dancer
from control_plane.people.permissions import VIEW_DANCERS
from control_plane.recordings.models import ClassSession
from control_plane.recordings.presence import dancers_in


def roster_csv(class_session: ClassSession, *, reader: Actor) -> bytes:
    """Returns the names of the dancers in a class, one a line, in studio scope.

    Raises:
        NotFound, Forbidden: `reader` may not see dancers.
    """
    access.require(reader, VIEW_DANCERS, class_session)
    names = Dancer.objects.filter(pk__in=dancers_in(class_session)).order_by("name", "id")
    lines = [csv_line(["name"]), *(csv_line([name]) for name in names.values_list("name", flat=True))]
    return "".join(lines).encode()
