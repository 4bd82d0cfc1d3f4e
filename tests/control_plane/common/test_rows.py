"""A row read by hand is the ORM's row, and none of another studio."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from control_plane.audit.models import Entry
from control_plane.common.errors import ScopeMissing
from control_plane.common.rows import fetch_one
from control_plane.common.scoping import studio_scope, user_scope
from control_plane.keys.models import StudioKey
from control_plane.tenancy.models import Membership
from tests.control_plane.conftest import Cast


def test_it_is_the_row_that_the_orm_reads(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        entry = Entry.objects.order_by("sequence")[0]
        found = fetch_one(Entry, "this.id = %s", [entry.id])
        assert found is not None
        for field in Entry._meta.concrete_fields:
            ours, theirs = getattr(found, field.attname), getattr(entry, field.attname)
            assert (bytes(ours) == bytes(theirs)) if field.name.endswith("hash") else (ours == theirs), field
        last = fetch_one(Entry, "TRUE", order="this.sequence DESC", only=("id", "sequence"))
        assert last is not None
        assert last.get_deferred_fields() >= {"details", "action"}
        assert last.sequence == Entry.objects.count()


def test_a_row_of_another_studio_is_not_found_nor_without_a_scope(cast: Cast, other: Cast) -> None:
    for model in (Membership, StudioKey, Entry):
        with studio_scope(other.studio.id):
            theirs = fetch_one(model, "TRUE")
            assert theirs is not None
        with studio_scope(cast.studio.id), CaptureQueriesContext(connection) as asked:
            assert fetch_one(model, "this.id = %s", [theirs.pk]) is None
        assert any("this.studio_id = " in query["sql"] for query in asked), "besides row security"
        with pytest.raises(ScopeMissing):
            fetch_one(model, "TRUE")


def test_a_person_finds_own_rows_with_their_studio(cast: Cast, other: Cast) -> None:
    with user_scope(cast.vera.id):
        found = fetch_one(Membership, "studio.slug = %s", [cast.studio.slug], joined="studio")
        assert found is not None
        assert (found.user_id, found.studio) == (cast.vera.id, cast.studio)
        assert fetch_one(Membership, "studio.slug = %s", [other.studio.slug], joined="studio") is None


def test_a_field_that_is_not_there_is_named(cast: Cast) -> None:
    with studio_scope(cast.studio.id), pytest.raises(ValueError, match="nonsense"):
        fetch_one(Membership, "TRUE", only=("id", "nonsense"))
