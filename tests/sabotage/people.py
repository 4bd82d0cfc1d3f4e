"""Sabotages of what a studio learns about accounts, and of what it may do to them."""

from tests.sabotage.sabotage import Sabotage, page, route

_SCOPED = "control_plane/console/scoped.py"
_LISTS = "tests/matrix/test_api_lists.py"
_LOOKUPS = "tests/control_plane/console/test_lookups.py"

PEOPLE = (
    Sabotage(
        "the admin site takes a lookup on any column of the model",
        "access",
        _SCOPED,
        "        return lookup in self.filter_parameters()\n",
        "        return bool(super().lookup_allowed(lookup, value, request))\n",
        (
            f"{_LOOKUPS}::test_no_column_but_a_declared_filter_can_be_asked_about",
            f"{_LOOKUPS}::test_whether_a_row_fits_a_hidden_column_is_not_answered",
        ),
    ),
    Sabotage(
        "a row of the admin site can be named by any column",
        "access",
        _SCOPED,
        "        return to_field == self.opts.pk.name\n",
        "        return True\n",
        (f"{_LOOKUPS}::test_rows_are_named_by_their_primary_key_alone",),
    ),
    Sabotage(
        "the API lists classes that its reader may not see",
        "access",
        "control_plane/api/views/classes.py",
        "self.page(visible_classes(self.actor), shapes.class_session)",
        "self.page(\n"
        "            __import__('control_plane.recordings.models', fromlist=['models'])"
        ".ClassSession.objects.order_by('pk'),\n"
        "            shapes.class_session,\n"
        "        )",
        (
            f"{_LISTS}::test_a_list_of_the_api_holds_what_its_reader_may_see",
            f"{_LISTS}::test_the_list_of_classes_differs_by_role",
        ),
    ),
    Sabotage(
        "a page about one person in the admin site leaves no audit event",
        "audit",
        _SCOPED,
        "        return response if object_id is None else self._noted(request, response, object_id)\n",
        "        return response\n",
        (page("studios.Membership"), page("studios.Dancer"), page("audit.Entry")),
    ),
    Sabotage(
        "the API lists people and leaves no audit event",
        "audit",
        "control_plane/api/views/people.py",
        "        note_read(Act.PEOPLE_LISTED, self.studio, actor=self.actor)\n        return self.page(found.order_by(",
        "        return self.page(found.order_by(",
        (route("api/v1/studios/<slug:slug>/members/"),),
    ),
    Sabotage(
        "an admin makes a member of somebody who was not asked",
        "access",
        "control_plane/studios/services/people.py",
        '            raise Forbidden("People join a studio by invitation: invite them.")\n',
        "",
        (
            "tests/control_plane/studios/test_memberships.py::test_nobody_is_made_a_member_without_being_asked",
        ),
    ),
)
