"""The answer to an access request: everything that the studio holds about a dancer, as a ZIP file.

Recordings are not in it: they show other children too. The list of classes says which exist, and who opened them.
"""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import gettext as _

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.csv_lines import csv_line
from control_plane.common.dates import format_moment
from control_plane.common.scoping import studio_scope
from control_plane.compliance.footage_access_report import as_csv, report_footage_access
from control_plane.data_requests.audit_events import PERSONAL_DATA_DOWNLOADED
from control_plane.data_requests.permissions import ANSWER_DATA_REQUESTS
from control_plane.people.events import DataSection, PersonalData
from control_plane.people.models import Dancer
from control_plane.tenancy.models import Studio

FORMAT = 1


@dataclass(frozen=True, slots=True)
class AccessPackage:
    """A ZIP file and its name."""

    name: str
    content: bytes


def access_package(dancer: Dancer, *, actor: Actor) -> AccessPackage:
    """Returns everything about a dancer: a table per kind of data, as CSV and JSON, and who opened recordings.

    Raises:
        NotFound, Forbidden: `actor` may not answer requests.
    """
    with studio_scope(dancer.studio_id):
        access.require(actor, ANSWER_DATA_REQUESTS, dancer)
        sections = sections_about(dancer)
        seen = report_footage_access(dancer, reader=actor)
        record_for(
            PERSONAL_DATA_DOWNLOADED,
            dancer,
            actor=actor,
            details={"sections": [item.name for item in sections]},
        )
        made_at = timezone.now()
        studio = Studio.objects.get()
        files = {f"{item.name}.csv": _csv(item) for item in sections}
        files["footage-access.csv"] = as_csv(seen)
        files["data.json"] = _json(dancer, sections, made_at)
        files["README.txt"] = _readme(studio, dancer, sections, made_at)
        return AccessPackage(f"data-{dancer.id}.zip", _zip(files, made_at))


def sections_about(dancer: Dancer) -> list[DataSection]:
    """Returns the answers of all apps, in scope."""
    return [section for answer in PersonalData(dancer.id).answers() for section in answer]


def _csv(section: DataSection) -> str:
    columns = list(dict.fromkeys(name for row in section.rows for name in row))
    lines = [csv_line(columns)]
    lines += [csv_line([_cell(row.get(name)) for name in columns]) for row in section.rows]
    return "".join(lines)


def _cell(value: object) -> str | int | None:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return value if value is None or isinstance(value, int) else str(value)


def _json(dancer: Dancer, sections: Sequence[DataSection], made_at: datetime) -> str:
    body = {
        "format": FORMAT,
        "dancer": str(dancer.id),
        "made_at": made_at.isoformat(),
        "data": {item.name: [dict(row) for row in item.rows] for item in sections},
    }
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def _readme(studio: Studio, dancer: Dancer, sections: Sequence[DataSection], made_at: datetime) -> str:
    lines = [
        _("Everything that %(studio)s holds about %(dancer)s in 3Dance, %(at)s.")
        % {
            "studio": studio.name,
            "dancer": dancer.name,
            "at": format_moment(made_at, ZoneInfo(studio.time_zone), name_zone=True),
        },
        "",
        *(f"{item.name}.csv: {item.title} ({len(item.rows)})" for item in sections),
        f"footage-access.csv: {_('who opened a recording that shows the dancer')}",
        f"data.json: {_('the tables above, for programs')}",
        "",
        _("Recordings are not included, because they show other people too. Ask the studio to watch them."),
    ]
    return "\n".join(lines) + "\n"


def _zip(files: dict[str, str], made_at: datetime) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            # With a byte order mark, because spreadsheets would read UTF-8 as a local encoding.
            content = text.encode("utf-8-sig" if name.endswith(".csv") else "utf-8")
            archive.writestr(zipfile.ZipInfo(name, made_at.timetuple()[:6]), content)
    return buffer.getvalue()
