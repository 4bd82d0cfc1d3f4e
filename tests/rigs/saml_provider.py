"""A SAML identity provider: answers to real requests, signed by signxml, of which a test may spoil any part."""

import base64
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.signer import XMLSigner

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
NAMES = {"saml": SAML, "samlp": SAMLP}
DS = "http://www.w3.org/2000/09/xmldsig#"
EMAIL = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"
VERIFIED = "http://schemas.auth0.com/email_verified"


@dataclass(frozen=True)
class Question:
    """A request of ours: its id, and where the answer goes."""

    id: str
    acs: str
    issuer: str


@dataclass
class Answer:
    """The provider's next response; every field may be made wrong before it is signed."""

    question: Question
    address: str
    groups: tuple[str, ...] = ()
    issuer: str = "https://idp.example/entity"
    audience: str = ""
    recipient: str = ""
    destination: str = ""
    in_response_to: str | None = None
    confirms: str | None = None
    name_id: str = "person-1"
    says_verified: str = ""
    """The claim that the address is verified (Auth0's); empty: none."""
    issued_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    lasts: timedelta = timedelta(minutes=5)

    def xml(self) -> Any:
        """Returns the answer, unsigned."""
        return etree.fromstring(_TEXT.format(**self._parts()))

    def _parts(self) -> dict[str, str]:
        question = self.question
        solicited = question.id if self.in_response_to is None else self.in_response_to
        confirmed = solicited if self.confirms is None else self.confirms
        ends_at = self.issued_at + self.lasts
        values = "".join(f"<saml:AttributeValue>{group}</saml:AttributeValue>" for group in self.groups)
        groups = f'<saml:Attribute Name="groups">{values}</saml:Attribute>' if values else ""
        if self.says_verified:
            value = f"<saml:AttributeValue>{self.says_verified}</saml:AttributeValue>"
            groups += f'<saml:Attribute Name="{VERIFIED}">{value}</saml:Attribute>'
        return {
            "response_id": f"_{uuid4().hex}",
            "assertion_id": f"_{uuid4().hex}",
            "now": _stamp(self.issued_at),
            "before": _stamp(self.issued_at - timedelta(minutes=1)),
            "ends": _stamp(ends_at),
            "issuer": self.issuer,
            "audience": self.audience or question.issuer,
            "recipient": self.recipient or question.acs,
            "destination": self.destination or question.acs,
            "solicited": f'InResponseTo="{solicited}"' if solicited else "",
            "confirmed": f'InResponseTo="{confirmed}"' if confirmed else "",
            "name_id": self.name_id,
            "address": self.address,
            "groups": groups,
            "email": EMAIL,
        }


class SamlIdentityProvider:
    """Keys and certificate of one provider."""

    entity_id = "https://idp.example/entity"
    sso_url = "https://idp.example/sso"

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp.example")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .sign(self.key, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def question(self, address: str) -> Question:
        """Returns what the address asks that our side sends the browser to."""
        packed = parse_qs(urlsplit(address).query)["SAMLRequest"][0]
        tree = etree.fromstring(zlib.decompress(base64.b64decode(packed), -15))
        issuer = tree.find("saml:Issuer", NAMES)
        assert issuer is not None
        return Question(tree.get("ID"), tree.get("AssertionConsumerServiceURL"), issuer.text)

    def signed(self, answer: Answer, *, whole: bool = False) -> Any:
        """Returns the answer with its assertion signed, or (`whole`) with the envelope alone signed."""
        tree = answer.xml()
        target = tree if whole else tree.find("saml:Assertion", NAMES)
        _make_place(target)
        signer = XMLSigner(c14n_algorithm="http://www.w3.org/2001/10/xml-exc-c14n#")
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        done = signer.sign(target, key=pem, cert=self.certificate, reference_uri=target.get("ID"))
        if whole:
            return done
        tree.replace(target, done)
        return tree


def posted(tree: Any) -> str:
    """Returns an answer as the browser posts it."""
    return base64.b64encode(etree.tostring(tree)).decode()


def _make_place(target: Any) -> None:
    """Puts signxml's placeholder behind the issuer, where the schema wants the signature."""
    place = etree.Element(f"{{{DS}}}Signature", Id="placeholder", nsmap={"ds": DS})
    target.insert(1, place)


def _stamp(value: datetime) -> str:
    return f"{value:%Y-%m-%dT%H:%M:%SZ}"


_TEXT = """<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"
 xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{response_id}" Version="2.0" IssueInstant="{now}"
 Destination="{destination}" {solicited}><saml:Issuer>{issuer}</saml:Issuer><samlp:Status><samlp:StatusCode
 Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status><saml:Assertion ID="{assertion_id}" Version="2.0"
 IssueInstant="{now}"><saml:Issuer>{issuer}</saml:Issuer><saml:Subject><saml:NameID
 Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{name_id}</saml:NameID><saml:SubjectConfirmation
 Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="{ends}"
 Recipient="{recipient}" {confirmed}/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{before}"
 NotOnOrAfter="{ends}"><saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction>
</saml:Conditions><saml:AuthnStatement AuthnInstant="{now}" SessionIndex="{assertion_id}"><saml:AuthnContext>
<saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef>
</saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute
 Name="{email}"><saml:AttributeValue>{address}</saml:AttributeValue></saml:Attribute>{groups}</saml:AttributeStatement>
</saml:Assertion></samlp:Response>"""
