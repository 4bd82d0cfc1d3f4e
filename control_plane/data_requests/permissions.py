"""The permission to answer requests of people about their data."""

from control_plane.common.permissions import DANCERS, StudioPermission
from control_plane.common.roles import Role

ANSWER_DATA_REQUESTS = StudioPermission(
    "answer_data_requests",
    label="Answer requests about data",
    meaning="Download everything that the studio holds about a dancer, and erase a dancer.",
    order=165,
    group=DANCERS,
    # Somebody has to be able to: the law sets a time limit.
    always=frozenset({Role.ADMIN}),
    personal_data=True,
    shows_people=True,
    doing="answer requests about the data of {dancers}",
)
