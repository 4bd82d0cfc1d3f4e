"""The audit log, and the studio's usage of its plan."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.access.reads import note_read
from control_plane.api import shapes
from control_plane.api.resource import Resource, validated
from control_plane.audit.audit_events import AUDIT_READ
from control_plane.audit.events import AuditEvent, Category
from control_plane.audit.permissions import VIEW_AUDIT
from control_plane.common.errors import BadRequest
from control_plane.compliance.search import AuditQuery, decode_cursor, encode_cursor, search
from control_plane.recordings.plan_usage import limit_usages
from control_plane.tenancy.permissions import MANAGE_STUDIO


class AuditSearchForm(serializers.Serializer[Any]):
    """Search criteria for the audit log, combined with AND."""

    person_id = serializers.UUIDField(required=False)
    thing = serializers.CharField(max_length=64, required=False)
    action = serializers.ChoiceField(choices=list(AuditEvent.all()), required=False)
    category = serializers.ChoiceField(choices=[item.value for item in Category], required=False)
    from_at = serializers.DateTimeField(required=False)
    to_at = serializers.DateTimeField(required=False)


class AuditLog(Resource):
    """The audit log."""

    needs = VIEW_AUDIT

    def get(self, request: Request, slug: str) -> Response:
        """Lists events, newest first; `?before=` takes the `older` of the previous page. Each read is an audit event."""
        limit, _ = self.page_bounds()
        if not limit:
            raise BadRequest("limit: must be 1 or more.")
        asked = request.query_params.dict()
        asked.pop("limit", None)
        before = asked.pop("before", "")
        values = validated(AuditSearchForm, asked)
        if "category" in values:
            values["category"] = Category(values["category"])
        question = AuditQuery(**values)
        note_read(AUDIT_READ, self.studio, actor=self.actor, **question.facts())
        place = decode_cursor(before) if before else None
        page = search(question, reader=self.actor, before=place, size=limit)
        older = encode_cursor(page.older) if page.older else None
        return Response({"items": [shapes.entry(row) for row in page.rows], "older": older})


class Usage(Resource):
    """The studio's usage and the quotas of its plan."""

    needs = MANAGE_STUDIO

    def get(self, request: Request, slug: str) -> Response:
        """Lists each limit with its use."""
        return Response(
            {
                "items": [
                    {"limit": use.limit.value, "used": use.used, "most": use.most} for use in limit_usages()
                ]
            }
        )
