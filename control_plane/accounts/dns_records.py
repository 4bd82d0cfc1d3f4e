"""TXT records of a domain, by the system's own resolver: how the owner of a domain says something about it."""

import dns.exception
import dns.resolver

from control_plane.common.errors import Unavailable

LIFETIME_S = 3.0
"""Of a whole question, retries included."""
MOST_RECORDS = 100


def system_resolver() -> dns.resolver.Resolver:
    """Return what asks the name servers of this machine."""
    return dns.resolver.Resolver()


def txt_records(name: str) -> list[str]:
    """Return the TXT records at a name, at most `MOST_RECORDS`; empty where there is no such name, or no record.

    Raises:
        Unavailable: DNS did not answer, or not with an answer; nothing is known.
    """
    try:
        answer = system_resolver().resolve(f"{name}.", "TXT", lifetime=LIFETIME_S, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError) as error:
        raise Unavailable("DNS did not answer. Try again in a minute.") from error
    # One record may come in several strings, which are one text (RFC 7208, section 3.3).
    return [b"".join(record.strings).decode(errors="replace") for record in list(answer)[:MOST_RECORDS]]
