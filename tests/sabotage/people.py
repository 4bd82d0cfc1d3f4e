"""Sabotages of what a studio learns about accounts, and of what it may do to them."""

from tests.sabotage.sabotage import Sabotage

_SCOPED = "control_plane/console/scoped.py"
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
)
