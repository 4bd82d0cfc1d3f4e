"""Data of the key page: location and age of keys, never their bytes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy

from control_plane.keys.configured import key_share_store, root_key
from control_plane.keys.models import KeyTombstone, StudioKey, TombstoneKind
from control_plane.keys.services.generations import count_outdated
from control_plane.keys.shares.folder import FolderShareStore
from control_plane.recordings.shredding import count_pending_classes

NEWEST = 10
"""How many destroyed things are listed."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation of the studio's keys. `keeps_until`: the earliest time of its destruction."""

    made_at: datetime
    mark: str
    is_current: bool
    retired_at: datetime | None
    keeps_until: datetime | None
    destroyed_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """The page's facts about the studio in scope."""

    generations: list[Generation]
    root: str
    share_store: str
    waiting: int
    destroyed: list[KeyTombstone]
    left: int
    keep_days: int


class ShredForm(forms.Form):
    """Confirmation that is typed before something is destroyed."""

    confirmation = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    reason = forms.CharField(
        label=gettext_lazy("Reason (for the audit log; no names)"),
        max_length=300,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, *args: object, what: str, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["confirmation"].label = f"Type {what} to confirm"


def key_facts() -> KeyFacts:
    """Returns the facts. Ask `access` before.

    Raises:
        KeyRefused: the root key's file or address is not fit.
    """
    kept = timedelta(days=settings.RETIRED_KEYS_DAYS)
    return KeyFacts(
        generations=[
            Generation(
                made_at=key.created_at,
                mark=str(key.id)[-8:],
                is_current=key.retired_at is None,
                retired_at=key.retired_at,
                keeps_until=key.retired_at + kept if key.retired_at and not key.destroyed_at else None,
                destroyed_at=key.destroyed_at,
            )
            for key in StudioKey.objects.order_by("-created_at")
        ],
        root=root_key().kind,
        share_store="a folder on the server"
        if isinstance(key_share_store(), FolderShareStore)
        else "a database of its own",
        waiting=count_outdated(),
        destroyed=list(KeyTombstone.objects.exclude(kind=TombstoneKind.GENERATION)[:NEWEST]),
        left=count_pending_classes(),
        keep_days=settings.RETIRED_KEYS_DAYS,
    )
