"""Rows of thousands of agents, and edits of their configuration. Call after `django.setup()`."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.db import connections

from control_plane.common.scoping import studio_scope
from control_plane.fleet import installation, services
from control_plane.fleet.desired import publish_config
from control_plane.fleet.models import Agent
from control_plane.fleet.selectors import desired_document
from tests.bench.stage import Stage, make_stage, new_agent


@dataclass
class Edits:
    """Cameras are added to one agent after the other."""

    stages: list[Stage]
    agents: list[tuple[int, UUID]]

    def edit(self, index: int) -> tuple[str, int, float]:
        """Changes the configuration of one agent; returns its id, the new version, and when that was committed."""
        place, agent_id = self.agents[index * 37 % (len(self.agents) * 9 // 10)]
        stage = self.stages[place]
        try:
            with studio_scope(stage.studio.id):
                agent = Agent.objects.get(pk=agent_id)
                services.add_camera(
                    stage.room,
                    agent,
                    name=f"camera {index} {os.urandom(4).hex()}",
                    position="left",
                    address="rtsp://10.0.0.2/x",
                    actor=stage.alice.actor,
                )
                document = desired_document(agent_id)
                version = document.version if document else 0
            return str(agent_id), version, time.time()
        finally:
            connections.close_all()


def prepare(number: int, studios: int) -> tuple[Path, Edits]:
    """Makes the rows; returns the file that tells the load who the agents are, and the edits."""
    try:
        stages = [make_stage("fleet") for _ in range(studios)]
        said, known = [], []
        for place, stage in enumerate(stages):
            keys = [Ed25519PrivateKey.generate() for _ in range(number // studios)]
            with studio_scope(stage.studio.id):
                rows = [
                    new_agent(
                        stage.studio,
                        f"agent {index}",
                        key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
                    )
                    for index, key in enumerate(keys)
                ]
                Agent.objects.bulk_create(rows)
                for row, key in zip(rows, keys, strict=True):
                    publish_config(row)
                    private = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
                    said.append([str(row.id), str(stage.studio.id), private.hex()])
                    known.append((place, row.id))
        path = Path(os.environ["THREEDANCE_STATE"]) / "agents.json"
        path.write_text(json.dumps({"audience": installation.audience(), "agents": said}))
        return path, Edits(stages, known)
    finally:
        connections.close_all()
