"""Reads `policy.txt`: who may ask what. Lines of columns between `|`, sections in square brackets, `#` comments."""

import re
from dataclasses import dataclass
from pathlib import Path

POLICY = Path(__file__).with_name("policy.txt")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SAFE = ("GET", "HEAD", "OPTIONS")
GROUPS = {
    "agent": {"fleet_agent", "fleet_camera"},
    "status": {"fleet_agent", "fleet_statusreport", "fleet_reportedconfig"},
    "pairing": {"fleet_pairingcode"},
    "probe": {"storage_storeprobe"},
    "move": {"storage_storemigration"},
    "shredded": {"recordings_segment", "recordings_classsession", "keys_keytombstone"},
    "tombstones": {"keys_keytombstone"},
    "watch": {
        "compliance_alert",
        "compliance_alertnotice",
        "compliance_anomalycursor",
        "compliance_knownnetwork",
    },
    "disposals": {"storage_objectdeletion"},
    "config": {"fleet_desiredconfig", "fleet_recordingorder"},
    "class": {"recordings_classsession", "recordings_agentrecording", "recordings_track"},
    "footage": {
        "recordings_segment",
        "recordings_gap",
        "recordings_agentrecording",
        "recordings_classsession",
    },
    "checks": {"recordings_segmentdamage", "integrity_integrityscan"},
    "retention_rules": {"retention_retentionpolicy", "retention_retentionrule", "retention_retentionhold"},
    "retention": {"retention_retentionrun", "retention_retentionrunitem"},
    "ingest": {"ingest_pendingsegment", "ingest_quarantinedsegment"},
    "replay": {"recordings_replay"},
    "clips": {"clips_clip", "clips_clipsegment", "clips_clipdancer"},
    "clipviews": {"clips_clipreplay"},
    "links": {"sharing_sharelink"},
    "egress": {"sharing_egresspolicy"},
    "exports": {"exports_export", "exports_exportpart", "keys_keytombstone"},
    "people": {"tenancy_membership", "access_objectpermission", "people_guardianship", "tenancy_invitation"},
    "signin": {
        "identity_signinpolicy",
        "identity_identityprovider",
        "identity_grouprole",
        "tenancy_invitation",
        "identity_providedmembership",
    },
    "visits": {"access_breakglass"},
    "studio": {"tenancy_studio"},
    "storage": {"storage_studiostorage", "storage_storeprobe"},
    "keys": {"keys_studiokey", "access_apikey"},
    "programs": {"access_apikey"},
    "alerts": {"compliance_anomalythresholds", "compliance_alertacknowledgement"},
    "policy": {"access_rolepermissions"},
    "dancers": {"people_dancer", "people_guardianship", "people_guardianinvitation"},
    "data requests": {"data_requests_datarequest"},
    "consents": {"people_consentrecord", "people_consentrequest"},
    "notices": {"people_consentnotice"},
    "timetable": {"recordings_classtype", "recordings_enrolment"},
    "roster": {"recordings_appearance", "recordings_classsession"},
    "audit": {"audit_entry", "audit_chainhead"},
}
"""A word of the column `writes` -> the tables that it stands for."""


@dataclass(frozen=True)
class Rule:
    """Actors who may send some methods to one address, the answer, and the tables that may change."""

    address: str
    methods: tuple[str, ...]
    who: str
    answer: frozenset[int]
    signed_out: frozenset[int]
    """Answer to callers who are not signed in, where it differs."""
    gone: frozenset[int]
    """Answer about a class whose recording was destroyed, where it differs."""
    visit: frozenset[int]
    """Answer to an operator with break-glass access, where it differs."""
    writes: tuple[str, ...]
    """Groups of tables that may change."""
    demands: tuple[str, ...]
    """Those of them that have to change wherever the answer is a success."""
    note: str

    @property
    def right(self) -> str:
        """The right that a member needs; empty: being a member is enough."""
        return self.who.partition(":")[2].partition(" or ")[0].strip()

    @property
    def or_visitor(self) -> bool:
        """Whether the operator whose visit it is may as well."""
        return self.who.endswith(" or visitor")

    @property
    def or_own(self) -> bool:
        """Whether it is enough to answer for a dancer of the studio."""
        return self.who.endswith(" or own")

    @property
    def kind(self) -> str:
        """`anyone`, `signed in`, `member`, `family`, `admin`, `agent`, `bearer` or `nobody`."""
        return self.who.partition(":")[0].strip()


@dataclass(frozen=True)
class AdminRule:
    """Actors who may see and change the rows of one model in the admin site."""

    model: str
    view: str
    write: str
    verbs: frozenset[str]
    note: str

    @property
    def is_audited(self) -> bool:
        """Whether each page with a row of it has to leave an audit event."""
        return "audited" in self.verbs


@dataclass(frozen=True)
class JobRule:
    """Whose rows a task or a command may change, and in which tables."""

    of: str
    """`one` studio, named by arguments; `each`, one after the other; `none`."""
    writes: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class Policy:
    """The whole table."""

    rules: tuple[Rule, ...]
    admin: dict[str, AdminRule]
    tasks: dict[str, JobRule]
    commands: dict[str, JobRule]
    sockets: dict[str, str]

    def of(self, address: str) -> list[Rule]:
        """Returns the rules of one address."""
        return [rule for rule in self.rules if rule.address == _plain(address)]


def read_policy(path: Path = POLICY) -> Policy:
    """Returns the table.

    Raises:
        ValueError: a line that is not understood, with its number.
    """
    sections: dict[str, list[list[str]]] = {}
    rows: list[list[str]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith("["):
            rows = sections.setdefault(text.strip("[]"), [])
            continue
        cells = [cell.strip() for cell in text.split(" | ")]
        wanted = {"addresses": 6, "admin": 5, "tasks": 4, "commands": 4}.get(next(reversed(sections), ""), 2)
        if len(cells) != wanted:
            raise ValueError(f"{path.name}:{number}: {len(cells)} columns, not {wanted}: {text}")
        rows.append(cells)
    return Policy(
        rules=tuple(_rule(*cells) for cells in sections["addresses"]),
        admin={cells[0]: _admin_rule(*cells) for cells in sections["admin"]},
        tasks={cells[0]: _job_rule(*cells) for cells in sections["tasks"]},
        commands={cells[0]: _job_rule(*cells) for cells in sections["commands"]},
        sockets=dict(cells for cells in sections["sockets"]),
    )


def _rule(address: str, methods: str, who: str, answer: str, writes: str, note: str) -> Rule:
    said, *more = answer.split()
    other = dict(item.split(":") for item in more)
    return Rule(
        address="" if address == "/" else address,
        methods=tuple(methods.split()),
        who=who,
        answer=_statuses(said),
        signed_out=_statuses(other.get("out", "")),
        gone=_statuses(other.get("gone", "")),
        visit=_statuses(other.get("visit", "")),
        writes=tuple(group.rstrip("?") for group in writes.split() if group != "-"),
        demands=tuple(group for group in writes.split() if not group.endswith("?") and group != "-"),
        note=note,
    )


def _plain(address: str) -> str:
    """The admin site writes the names of its apps into one address; the table says APPS."""
    return re.sub(r"\(\?P<app_label>[\w|]+\)", "(?P<app_label>APPS)", address)


def _admin_rule(model: str, view: str, write: str, verbs: str, note: str) -> AdminRule:
    return AdminRule(model, view, "" if write == "-" else write, frozenset(verbs.split()) - {"-"}, note)


def _job_rule(name: str, of: str, writes: str, note: str) -> JobRule:
    return JobRule(of, () if writes == "-" else tuple(writes.split()), note)


def _statuses(text: str) -> frozenset[int]:
    return frozenset(int(part) for part in text.split("/") if part)
