"""Data and forms of the storage page: stores with their last probe, the migration under way; forms show no secret."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.db.models import Count, Q, Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from control_plane.access import access
from control_plane.common.actors import Actor
from control_plane.common.errors import NotFound
from control_plane.integrity.models import IntegrityScan, ScanDepth
from control_plane.recordings.damage_models import DamageKind, RepairState, SegmentDamage
from control_plane.recordings.models import Segment
from control_plane.storage import stores
from control_plane.storage.models import (
    Encryption,
    MigrationFailure,
    MigrationState,
    ObjectDeletion,
    ProbeState,
    StoreMigration,
    StoreProbe,
    StudioStore,
)
from control_plane.storage.permissions import MANAGE_STORAGE
from control_plane.storage.services import latest_probe, unfit_reason
from control_plane.tenancy.models import Studio

OURS = "ours"
"""Stands for the platform's own store in addresses and forms."""
MOST_FAULTS = 50
PROBE_TAGS = {ProbeState.PASSED: "good", ProbeState.WARNED: "warn", ProbeState.REFUSED: "live"}


@dataclass(frozen=True, slots=True)
class StoreCard:
    """One store; `id` is empty for the platform's. `holds_all`: it is the active store, and no footage is elsewhere."""

    id: UUID | None
    name: str
    place: str
    region: str
    encryption: str
    access_key: str
    is_used: bool
    holds_all: bool
    segments: int
    size_bytes: int
    probe: StoreProbe | None
    probe_tag: str
    why_not: str
    read_at: datetime | None
    """When the last round of the nightly check ended, in which all of it was read back."""

    @property
    def key(self) -> str:
        """The store's name in addresses and forms."""
        return str(self.id or OURS)

    @property
    def is_trying(self) -> bool:
        """Whether the probe is still running."""
        return self.probe is not None and not self.probe.is_over


@dataclass(frozen=True, slots=True)
class MoveCard:
    """The store migration in progress, or the last one."""

    id: UUID
    source: str
    target: str
    state: str
    label: str
    moved: int
    total: int
    moved_bytes: int
    total_bytes: int
    error: str
    retry_at: datetime | None
    copied_at: datetime | None
    old_copies: int
    faults: list[MigrationFailure]
    given_up: int

    @property
    def percent(self) -> int:
        """The copied share in per cent."""
        return 100 if not self.total else min(100, self.moved * 100 // self.total)

    @property
    def is_copying(self) -> bool:
        """Whether the migration can still be cancelled."""
        return self.state == MigrationState.COPYING

    @property
    def is_open(self) -> bool:
        """Whether the migration is not finished."""
        return self.state in (MigrationState.COPYING, MigrationState.GRACE)


@dataclass(frozen=True, slots=True)
class DamageCard:
    """Damaged segments of a class. `coming`: requested from their agent again; `lost`: the agent has no intact copy."""

    class_id: UUID
    title: str
    missing: int
    damaged: int
    coming: int
    lost: int


class RegionForm(forms.Form):
    """Form of the region in which footage must stay."""

    region = forms.CharField(
        max_length=40,
        required=False,
        help_text=gettext_lazy("E.g. eu-central-1. Empty: any region. Stores in other regions are rejected."),
    )


class StoreForm(forms.Form):
    """Form of a studio's own store. The secret is never shown; an empty field keeps it on a change."""

    name = forms.CharField(max_length=80, help_text=gettext_lazy("Its name in this studio."))
    endpoint = forms.CharField(
        max_length=200,
        label=gettext_lazy("Address"),
        help_text=gettext_lazy("https://s3.eu-central-1.example.com, without the bucket."),
    )
    bucket = forms.CharField(max_length=63)
    region = forms.CharField(
        max_length=40,
        help_text=gettext_lazy("E.g. eu-central-1. The probe compares it with the store's answer."),
    )
    prefix = forms.CharField(  # type: ignore[assignment]  # a field of this name, not the form's own
        max_length=100,
        required=False,
        label=gettext_lazy("Folder"),
        help_text=gettext_lazy("Empty, or e.g. dance/footage/"),
    )
    access_key = forms.CharField(
        max_length=128, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )
    secret_key = forms.CharField(
        max_length=256,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy("Encrypted with your studio's key and never shown again."),
    )
    encryption = forms.ChoiceField(
        choices=Encryption.choices,
        label=gettext_lazy("Server-side encryption"),
        help_text=gettext_lazy(
            "Footage is always encrypted before it leaves your studio; this adds the store's own encryption."
        ),
    )
    kms_key_id = forms.CharField(
        max_length=256,
        required=False,
        label=gettext_lazy("KMS key id"),
        help_text=gettext_lazy("For SSE-KMS only."),
    )
    ca_pem = forms.CharField(
        required=False,
        max_length=20_000,
        label=gettext_lazy("Certificate authority"),
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text=gettext_lazy(
            "PEM, if the store's certificate is not issued by a public authority. Footage "
            "then passes through this server."
        ),
    )


class ChangeStoreForm(StoreForm):
    """Editable fields of a store; its location is fixed."""

    endpoint = bucket = region = prefix = None  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["secret_key"].required = False
        self.fields["access_key"].required = False
        self.fields["secret_key"].help_text = _("Empty: no change.")
        self.fields["access_key"].help_text = _("Empty: no change.")


def store_cards(studio: Studio) -> list[StoreCard]:
    """Returns the stores in use, the platform's store first."""
    used = stores.storage()
    found = Segment.objects.values("store_id").annotate(count=Count("id"), size=Sum("size_bytes"))
    held = {row["store_id"]: (row["count"], row["size"]) for row in found}
    rounds = IntegrityScan.objects.filter(depth=ScanDepth.HASH)
    read = dict(rounds.values_list("store_id", "finished_at"))
    own = StudioStore.objects.filter(retired_at=None)
    return [_card(row, used.region, used.store_id, held, read) for row in (None, *own)]


def move_card() -> MoveCard | None:
    """Returns the newest store migration, or None."""
    move: StoreMigration | None = StoreMigration.objects.select_related("source", "target").first()
    if move is None:
        return None
    faults = MigrationFailure.objects.filter(migration=move)
    return MoveCard(
        id=move.id,
        source=_name(move.source),
        target=_name(move.target),
        state=move.state,
        label=MigrationState(move.state).label,
        moved=move.moved_segments,
        total=max(move.total_segments, move.moved_segments),
        moved_bytes=move.moved_bytes,
        total_bytes=max(move.total_bytes, move.moved_bytes),
        error=move.error,
        retry_at=move.retry_at,
        copied_at=move.copied_at,
        old_copies=ObjectDeletion.objects.filter(migration=move).count(),
        faults=list(faults[:MOST_FAULTS]),
        given_up=faults.filter(given_up=True).count(),
    )


def damage_cards(actor: Actor) -> list[DamageCard]:
    """Returns the classes with damaged footage that `actor` may see, newest first."""
    found = (
        access.visible(actor, SegmentDamage)
        .values("class_session_id", "class_session__title")
        .annotate(
            missing=Count("id", filter=Q(kind=DamageKind.MISSING)),
            damaged=Count("id", filter=~Q(kind=DamageKind.MISSING)),
            coming=Count("id", filter=Q(repair__in=(RepairState.ASKED, RepairState.COMING))),
            lost=Count("id", filter=Q(repair=RepairState.LOST)),
        )
    )
    return [
        DamageCard(
            row["class_session_id"],
            row["class_session__title"],
            row["missing"],
            row["damaged"],
            row["coming"],
            row["lost"],
        )
        for row in found.order_by("-class_session__requested_at")[:MOST_FAULTS]
    ]


def store_named(actor: Actor, studio: Studio, key: str) -> StudioStore | None:
    """Returns the store that an address names, or None for the platform's store.

    Raises:
        NotFound: no such store.
        Forbidden: `actor` may not manage storage.
    """
    access.require(actor, MANAGE_STORAGE, studio)
    if key == OURS:
        return None
    try:
        found: StudioStore | None = StudioStore.objects.filter(pk=UUID(key), retired_at=None).first()
    except ValueError as error:
        raise NotFound from error
    if found is None:
        raise NotFound
    return found


def _card(
    row: StudioStore | None,
    pinned: str,
    used: UUID | None,
    held: dict[UUID | None, tuple[int, int]],
    read: dict[UUID | None, datetime | None],
) -> StoreCard:
    id_ = row.id if row else None
    probe = latest_probe(row)
    segments, size_bytes = held.get(id_, (0, 0))
    return StoreCard(
        id=id_,
        name=_name(row),
        place=f"{row.endpoint}/{row.bucket}/{row.prefix}" if row else _("Stored by this installation"),
        region=stores.region_of(row),
        encryption=row.get_encryption_display() if row and row.encryption != Encryption.NONE else "",
        access_key=row.masked_access_key if row else "",
        is_used=used == id_,
        holds_all=used == id_ and held.keys() <= {id_},
        segments=segments,
        size_bytes=size_bytes,
        probe=probe,
        probe_tag=PROBE_TAGS.get(ProbeState(probe.state), "") if probe else "",
        why_not=unfit_reason(row) or stores.region_mismatch(row, pinned),
        read_at=read.get(id_),
    )


def _name(row: StudioStore | None) -> str:
    return row.name if row else f"This installation ({settings.OBJECT_STORE_REGION})"
