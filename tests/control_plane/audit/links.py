"""Entries as values, and as the database writes them."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC

from control_plane.audit.chain import Link, Stored, stored_row


def as_stored(links: Iterable[tuple[Link, bytes]]) -> Iterator[Stored]:
    """Yields entries as `selectors.stored` reads them: columns as text, keys of the details in any order."""
    for link, stored in links:
        yield stored_row(
            link.sequence,
            link.occurred_at.astimezone(UTC).isoformat(timespec="microseconds") + "AD",
            link.action,
            link.actor_kind,
            str(link.actor_id) if link.actor_id else None,
            link.actor_job,
            link.object_type,
            link.object_id,
            json.dumps(dict(reversed(link.details.items()))),
            link.previous_hash.hex(),
            stored.hex(),
            str(link.studio_id) if link.studio_id else None,
        )
