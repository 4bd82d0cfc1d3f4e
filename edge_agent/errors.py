"""The agent's exceptions, as one tree. Each says what is wrong and, in `hint`, what to do about it.

AgentError
 +-- SettingsInvalid          the agent's own settings file cannot be used
 +-- StateUnwritable          the state folder cannot be written
 +-- HomeMissing              no state folder is given, and this user has no home for the default one
 +-- CameraFailed             a camera delivers no pictures, and why (`shared.protocol.status.CameraError`)
 +-- CredentialsUnreadable    a camera's credentials were sealed for another agent
 +-- SpoolError
 |    +-- SpoolFull           no space on the disk for the next fragment
 |    +-- SpoolBroken         the disk refuses a write for another reason
 |    +-- SpoolBusy           another agent process uses this state folder
 +-- IdentityError           the agent's identity is missing or cannot be used
 |    +-- NotPaired           there is none in this state folder
 |    +-- RevocationInvalid   a revocation that our control plane did not sign for us
 +-- ReleaseRefused          a release that is not trustworthy, or not for this machine
 +-- PairingError            the agent could not be paired
 |    +-- PairingCodeMalformed, PairingRefused, AlreadyPaired
 +-- ServerError
      +-- Retryable           try again later
      |    +-- ServerUnreachable, ServerTimeout, ServerUnavailable
      |         +-- ServerInternalError   it failed on this very request
      +-- AuthenticationRefused   401 or 403: keep recording, retry slowly
      +-- AgentRevoked            a signed revocation came with the answer
      +-- TargetExpired           the address for a PUT has expired: request a new one
      +-- ObjectRefused           the store does not accept these bytes
      +-- ProxyRefused        the network's proxy does not let us through
      +-- AddressInvalid, ServerNotHttp, AnswerTooLarge, TlsFailed, RequestRefused
      +-- NotThreeDance       the server is not a control plane
           +-- LoginPageAnswers   a login page of the local network answers
"""

from shared.protocol.errors import Code, Problem
from shared.protocol.status import CAMERA_HINTS, CameraError, camera_fault


class AgentError(Exception):
    """Root of the tree: one line that says what is wrong, and `hint`, one line that says what to do."""

    hint = ""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        if hint:
            self.hint = hint


class SettingsInvalid(AgentError):
    """The settings file breaks a rule; the message names the file, the key and the rule."""

    hint = "Correct the key in the file, or remove the file to use the defaults."


class StateUnwritable(AgentError):
    """The state folder, or something in it, cannot be written."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"cannot write to {path}: {reason}")
        self.path = path
        self.hint = f"Give this user write permission for {path}, or choose another folder with --state."


class HomeMissing(AgentError):
    """No state folder is given, and this user has no home folder for the default one."""

    hint = "Give one: --state DIR, or THREEDANCE_AGENT_STATE=DIR."

    def __init__(self) -> None:
        super().__init__("this user has no home folder, and no state folder is given")


class CameraFailed(AgentError):
    """A camera delivers no pictures: `error` says why, `detail` is one line without secrets."""

    def __init__(self, error: CameraError, detail: str = "") -> None:
        super().__init__(camera_fault(error, detail))
        self.error = error
        self.detail = detail
        self.hint = CAMERA_HINTS[error]


class CredentialsUnreadable(AgentError):
    """The sealed credentials of a camera do not open with this agent's key."""

    hint = CAMERA_HINTS[CameraError.CREDENTIALS_UNREADABLE]


class SpoolError(AgentError):
    """The local buffer cannot do what was asked."""


class SpoolFull(SpoolError):
    """There is no space for the next fragment; what is durable stays durable."""

    hint = "Free disk space, or raise the spool's limit; committed segments are removed automatically."


class SpoolBroken(SpoolError):
    """The disk refuses a write; what is durable stays durable."""

    hint = "Check the disk of this machine and the permissions of the state folder."


class SpoolBusy(SpoolError):
    """Another process holds this state folder."""

    hint = "Stop the other agent on this state folder first, or choose another folder with --state."


class IdentityError(AgentError):
    """The agent's identity is missing or cannot be used."""


class NotPaired(IdentityError):
    """This state folder holds no identity."""

    hint = "Make a code under Agents -> Add agent, then run: threedance-agent pair URL CODE"


class RevocationInvalid(IdentityError):
    """A revocation that our control plane did not sign for this agent: it has no effect."""


class ReleaseRefused(AgentError):
    """A release that is not installed: not signed, altered, expired, older, or for other machines."""

    hint = "Nothing to do here: this version keeps running. The publisher of the releases has to check."


class PairingError(AgentError):
    """The agent could not be paired; its previous identity is untouched."""


class PairingCodeMalformed(PairingError):
    """The text is not a pairing code."""

    hint = "Type the code as shown under Agents -> Add agent, for example BCDF-GHJK."


class PairingRefused(PairingError):
    """The control plane does not accept the code; `code` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(
            f"{problem.title}: {problem.detail}" if problem.detail else problem.title, problem.hint
        )
        self.code = problem.code


class AlreadyPaired(PairingError):
    """This state folder belongs to a paired agent already."""

    hint = "To give it a new identity run the same command with --replace; recordings on its disk stay."


class ServerError(AgentError):
    """The control plane did not do what was asked."""


class Retryable(ServerError):
    """A later retry may help. `retry_after_s` is the server's `Retry-After`, or None."""

    retry_after_s: float | None = None


class ServerUnreachable(Retryable):
    """The name does not resolve, nobody listens, or the connection broke before an answer."""

    hint = "Check the address, the network of this machine, and that the control plane is running."

    def __init__(self, host: str, detail: str = "") -> None:
        super().__init__(f"cannot reach {host}" + (f": {detail}" if detail else ""))
        self.host = host
        self.detail = detail


class ServerTimeout(Retryable):
    """Connected, but no answer in time."""

    hint = "Check the network; the agent keeps recording and retries."

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} does not answer in time")
        self.host = host


class ServerUnavailable(Retryable):
    """The server answers 429 or 5xx."""

    hint = "Nothing to do here: the agent keeps recording and retries."

    def __init__(self, address: str, detail: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(f"{address} cannot answer now" + (f": {detail}" if detail else ""))
        self.address = address
        self.detail = detail
        self.retry_after_s = retry_after_s


class ServerInternalError(ServerUnavailable):
    """The server answers 500: it may be down, or this request makes it fail."""


class AuthenticationRefused(ServerError):
    """401 or 403 without a signed revocation: it may be a mistake of the server, so recording continues."""

    hint = "If this persists, pair the agent again with a new code."

    def __init__(self, address: str, code: Code | None, detail: str = "") -> None:
        super().__init__(f"{address} does not accept this agent" + (f": {detail}" if detail else ""))
        self.address = address
        self.code = code
        self.detail = detail


class AgentRevoked(ServerError):
    """The answer carries a revocation (compact JWT) whose signature is yet to be checked."""

    hint = "Pair the agent again with a new code."

    def __init__(self, revocation: str) -> None:
        super().__init__("this agent has been revoked")
        self.revocation = revocation


class TargetExpired(ServerError):
    """The store no longer accepts a PUT at this address; a new intent returns a new one."""


class ObjectRefused(ServerError):
    """The store does not accept these bytes for this target: they differ from what was announced."""

    def __init__(self, status: int, detail: str = "") -> None:
        super().__init__(f"the store refuses the object: HTTP {status} {detail}".rstrip())
        self.status = status


class AddressInvalid(ServerError):
    """The text is not an http or https address."""

    hint = "Give the address as in a browser, for example https://classes.example.org."

    def __init__(self, address: str, detail: str = "") -> None:
        super().__init__(f"{address!r} is not an address" + (f": {detail}" if detail else ""))
        self.address = address
        self.detail = detail


class ServerNotHttp(ServerError):
    """The server does not speak HTTP."""

    hint = "Check host and port of the control plane's address."

    def __init__(self, host: str) -> None:
        super().__init__(f"the server at {host} does not speak HTTP")
        self.host = host


class AnswerTooLarge(ServerError):
    """An answer is longer than `ANSWER_LIMIT_BYTES`; it was not read to its end."""

    hint = "Check host and port of the control plane's address."

    def __init__(self, host: str) -> None:
        super().__init__(f"the answer of {host} is too long")
        self.host = host


class NotThreeDance(ServerError):
    """The server is not a 3Dance control plane."""

    hint = "Check the address; it is the one under which the portal opens."

    def __init__(self, address: str, detail: str = "") -> None:
        super().__init__(f"{address} is not a 3Dance control plane" + (f": {detail}" if detail else ""))
        self.address = address
        self.detail = detail


class CaptivePortal(NotThreeDance):
    """A web page answers at an address that is known to be a control plane's or a store's."""

    hint = (
        "Open any web page from a device in the same network and sign in there, or allow this machine in the network. "
        "The agent keeps recording and retries."
    )

    def __init__(self, address: str, detail: str = "", *, instead_of: str = "the control plane") -> None:
        super().__init__(address, detail)
        self.args = (
            f"a login page of this network answers instead of {instead_of}"
            + (f" ({address}: {detail})" if detail else f" ({address})"),
        )


class ProxyRefused(ServerError):
    """The proxy of the environment does not allow connections to `host`."""

    hint = (
        "Check HTTPS_PROXY in the environment of the agent (http://user:password@host:port), "
        "or name the host in NO_PROXY where it is to be reached directly."
    )

    def __init__(self, host: str, detail: str = "") -> None:
        super().__init__(
            f"the proxy does not allow connections to {host}" + (f": {detail}" if detail else "")
        )
        self.host = host


class TlsFailed(ServerError):
    """The certificate is not trusted, or (`plain`) there is no TLS at that port."""

    def __init__(self, host: str, detail: str = "", *, plain: bool = False) -> None:
        super().__init__(f"no secure connection to {host}" + (f": {detail}" if detail else ""))
        self.host = host
        self.detail = detail
        self.plain = plain
        self.hint = (
            "Use http:// in the address if the server has no TLS."
            if plain
            else "Check the server's certificate, and the date of this machine (`date`). A network that replaces "
            "certificates has to exempt this machine; SSL_CERT_FILE adds an authority that you trust. "
            "The check is never skipped: the agent keeps recording and retries."
        )


class RequestRefused(ServerError):
    """The server states a problem with this request."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.title}: {problem.detail}" if problem.detail else problem.title)
        self.problem = problem
        self.hint = problem.hint

    @property
    def is_about_content(self) -> bool:
        """Whether it is about what was sent, so that something else in its place may be taken."""
        return self.problem.code in (Code.BAD_REQUEST, Code.TOO_LARGE)
