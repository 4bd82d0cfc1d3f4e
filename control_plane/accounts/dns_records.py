"""TXT records of a domain, looked up with the system's resolver."""

import dns.exception
import dns.resolver

from control_plane.common.errors import Unavailable

LIFETIME_S = 3.0
"""Time for a whole query, retries included."""
MOST_RECORDS = 100


def system_resolver() -> dns.resolver.Resolver:
    """Returns a resolver that uses the name servers of this machine."""
    return dns.resolver.Resolver()


def txt_records(name: str) -> list[str]:
    """Returns up to `MOST_RECORDS` TXT records of a name; empty if the name or such records do not exist.

    Raises:
        Unavailable: DNS did not answer, or its answer is invalid.
    """
    try:
        answer = system_resolver().resolve(f"{name}.", "TXT", lifetime=LIFETIME_S, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError) as error:
        raise Unavailable("DNS did not answer. Try again in a minute.") from error
    # One record may consist of several strings, which are concatenated (RFC 7208, section 3.3).
    return [b"".join(record.strings).decode(errors="replace") for record in list(answer)[:MOST_RECORDS]]
