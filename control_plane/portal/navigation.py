"""Links to the portal's own pages in the navigation of a studio."""

from django.utils.translation import gettext_noop

from control_plane.access.permissions import MANAGE_POLICY, USE_API
from control_plane.audit.permissions import VIEW_AUDIT
from control_plane.common.navigation import NavigationEntry
from control_plane.data_requests.permissions import ANSWER_DATA_REQUESTS
from control_plane.fleet.permissions import VIEW_AGENTS
from control_plane.people.permissions import MANAGE_DANCERS, VIEW_DANCERS
from control_plane.recordings.permissions import EXPORT, SHARE
from control_plane.retention.permissions import MANAGE_RETENTION
from control_plane.storage.permissions import MANAGE_STORAGE
from control_plane.tenancy.permissions import MANAGE_PEOPLE, MANAGE_STUDIO

CLASSES = NavigationEntry(
    "studio.classes", label=gettext_noop("Classes"), url_name="portal:classes", order=10
)
ROOMS = NavigationEntry("studio.rooms", label=gettext_noop("Rooms"), url_name="portal:rooms", order=20)
AGENTS = NavigationEntry(
    "studio.agents",
    label=gettext_noop("Agents"),
    url_name="portal:agents",
    order=30,
    permission=VIEW_AGENTS,
)
PEOPLE = NavigationEntry(
    "studio.people",
    label=gettext_noop("People"),
    url_name="portal:people",
    order=40,
    permission=MANAGE_PEOPLE,
)
ACCESS = NavigationEntry(
    "settings.access",
    label=gettext_noop("Access"),
    url_name="portal:access",
    order=10,
    permission=MANAGE_POLICY,
)
MEMBERS = NavigationEntry(
    "settings.people",
    label=gettext_noop("People"),
    url_name="portal:people",
    order=20,
    permission=MANAGE_PEOPLE,
)
DANCERS = NavigationEntry(
    "settings.dancers",
    label=gettext_noop("Dancers"),
    url_name="portal:dancers",
    order=30,
    permission=VIEW_DANCERS,
)
CONSENTS = NavigationEntry(
    "settings.consents",
    label=gettext_noop("Consents"),
    url_name="portal:consents",
    order=34,
    permission=VIEW_DANCERS,
)
DATA_REQUESTS = NavigationEntry(
    "settings.data_requests",
    label=gettext_noop("Requests about data"),
    url_name="portal:data_requests",
    order=35,
    permission=ANSWER_DATA_REQUESTS,
)
TIMETABLE = NavigationEntry(
    "settings.timetable",
    label=gettext_noop("Timetable"),
    url_name="portal:class_types",
    order=33,
    permission=MANAGE_DANCERS,
)
LINKS = NavigationEntry(
    "settings.links",
    label=gettext_noop("Share links"),
    url_name="portal:links",
    order=36,
    permission=SHARE,
)
RETENTION = NavigationEntry(
    "settings.retention",
    label=gettext_noop("Retention"),
    url_name="portal:retention",
    order=37,
    permission=MANAGE_RETENTION,
)
SHARING = NavigationEntry(
    "settings.sharing",
    label=gettext_noop("Sharing rules"),
    url_name="portal:egress_policy",
    order=38,
    permission=MANAGE_STUDIO,
)
EXPORTS = NavigationEntry(
    "settings.exports",
    label=gettext_noop("Exports"),
    url_name="portal:exports",
    order=39,
    permission=EXPORT,
)
SIGN_IN = NavigationEntry(
    "settings.sign_in",
    label=gettext_noop("Sign-in"),
    url_name="portal:sign_in",
    order=40,
    permission=MANAGE_STUDIO,
)
KEYS = NavigationEntry(
    "settings.keys",
    label=gettext_noop("Keys"),
    url_name="portal:keys",
    order=50,
    permission=MANAGE_STUDIO,
)
STORAGE = NavigationEntry(
    "settings.storage",
    label=gettext_noop("Storage"),
    url_name="portal:storage",
    order=60,
    permission=MANAGE_STORAGE,
)
USAGE = NavigationEntry(
    "settings.usage",
    label=gettext_noop("Plan and usage"),
    url_name="portal:usage",
    order=70,
    permission=MANAGE_STUDIO,
)
API_KEYS = NavigationEntry(
    "settings.api_keys",
    label=gettext_noop("API keys"),
    url_name="portal:api_keys",
    order=80,
    permission=USE_API,
)
AUDIT_LOG = NavigationEntry(
    "settings.audit",
    label=gettext_noop("Audit log"),
    url_name="portal:audit",
    order=90,
    permission=VIEW_AUDIT,
)
BREAK_GLASS = NavigationEntry(
    "settings.break_glass",
    label=gettext_noop("Break-glass access"),
    url_name="portal:break_glass",
    order=100,
    permission=VIEW_AUDIT,
)
PRIVACY = NavigationEntry(
    "settings.privacy",
    label=gettext_noop("Privacy"),
    url_name="portal:privacy",
    order=110,
    permission=MANAGE_POLICY,
)
ALERTS = NavigationEntry(
    "settings.alerts",
    label=gettext_noop("Alerts"),
    url_name="portal:alerts",
    order=120,
    permission=MANAGE_POLICY,
)
