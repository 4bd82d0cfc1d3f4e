"""A process that writes fragments until it is killed, and says each one once it is durable."""

import json
import sys
from pathlib import Path

from shared.protocol.config import RecipientKey
from tests.edge_agent.spool.recorded_class import Studio
from tests.edge_agent.spool.segments import CLOCK, fragment, writer


def main() -> None:
    """Writes for ever."""
    studio = Studio(Path(sys.argv[1]))
    studio.recipient = RecipientKey(id=studio.recipient.id, public_key=bytes.fromhex(sys.argv[2]))
    spool = studio.open_spool()
    number = 0
    while True:
        segment = writer(studio, spool)
        for _ in range(3):
            segment.append(fragment(number, 200_000), CLOCK)
            sys.stdout.write(json.dumps([str(studio.camera_id), number]) + "\n")
            sys.stdout.flush()
            number += 1
        segment.close(CLOCK, studio.clock.now())


if __name__ == "__main__":
    main()
