"""A name server on the loopback that answers TXT questions from a table, or nothing at all."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset


@dataclass
class NameServer:
    """Records by name; `silent`: it hears every question and answers none. `asked`: what it heard."""

    port: int = 0
    records: dict[str, list[str]] = field(default_factory=dict)
    silent: bool = False
    asked: list[str] = field(default_factory=list)

    def resolver(self) -> dns.resolver.Resolver:
        """Return what asks this server alone."""
        found = dns.resolver.Resolver(configure=False)
        found.nameservers = ["127.0.0.1"]
        found.port = self.port
        found.timeout = 0.3
        return found

    def answer(self, wire: bytes) -> bytes | None:
        """Return the answer to one question; None where there shall be none."""
        question = dns.message.from_wire(wire)
        name = str(question.question[0].name).rstrip(".")
        self.asked.append(name)
        if self.silent:
            return None
        reply = dns.message.make_response(question)
        reply.flags |= dns.flags.RA
        if name not in self.records:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif self.records[name]:
            texts = [f'"{text}"' for text in self.records[name]]
            reply.answer.append(
                dns.rrset.from_text(dns.name.from_text(name), 60, "IN", dns.rdatatype.TXT, *texts)
            )
        return reply.to_wire()


@contextmanager
def name_server() -> Iterator[NameServer]:
    """Run the server on a free port for the block."""
    rig = NameServer()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        rig.port = listening.getsockname()[1]

        def serve() -> None:
            while True:
                wire, asker = listening.recvfrom(4096)
                if not wire:
                    return
                if (reply := rig.answer(wire)) is not None:
                    listening.sendto(reply, asker)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield rig
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stopping:
                stopping.sendto(b"", ("127.0.0.1", rig.port))
            thread.join(timeout=10)
