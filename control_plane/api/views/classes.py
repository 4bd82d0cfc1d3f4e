"""Classes: their metadata; footage is only available through playback."""

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.api import shapes
from control_plane.api.resource import Resource
from control_plane.recordings.selectors import class_for, visible_classes


class Classes(Resource):
    """The classes that the actor may see."""

    def get(self, request: Request, slug: str) -> Response:
        """Lists them, newest first."""
        return self.page(visible_classes(self.actor), shapes.class_session)


class ClassDetail(Resource):
    """One class."""

    def get(self, request: Request, slug: str, class_id: UUID) -> Response:
        """Returns the class."""
        return Response(shapes.class_session(class_for(self.actor, class_id)))
