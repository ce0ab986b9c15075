"""What a client's certificate says of who it is. The handshake has checked it before anyone asks."""

from __future__ import annotations

from cryptography import x509

_KINDS = (
    ("DNS", x509.DNSName),
    ("URI", x509.UniformResourceIdentifier),
    ("email", x509.RFC822Name),
)


def names_of(certificate: bytes) -> frozenset[str]:
    """The subject (RFC 4514) and each alternative name, as the configuration writes them."""
    read = x509.load_der_x509_certificate(certificate)
    found = {f"subject:{read.subject.rfc4514_string()}"}
    try:
        names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset(found)
    for kind, of_type in _KINDS:
        found |= {alternative_name(f"{kind}:{v}") for v in names.get_values_for_type(of_type)}
    return frozenset(found)


def subject_name(text: str) -> str:
    """A subject in one form, however its signs are escaped. Raises ValueError."""
    try:
        return f"subject:{x509.Name.from_rfc4514_string(text).rfc4514_string()}"
    except ValueError:
        raise ValueError("subject is written as in `CN=portal,O=Region` (RFC 4514)") from None


def alternative_name(text: str) -> str:
    """An alternative name in one form: the case of a host's letters does not count."""
    kind, _, value = text.partition(":")
    return f"{kind}:{value.lower() if kind == 'DNS' else value}"
