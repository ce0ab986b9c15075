"""Builds the authenticator and the audit trail from the configuration."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from bus.port import Log
from bus.tls import PemFiles, client_context
from schemas.ward import WardRegister
from wardbridge.config.access import AccessSection, GrantSection, OidcSection
from wardbridge.config.authorisation import How, Reader
from wardbridge.config.models import Installation
from wardbridge.security.audit import PatientOf, Trail
from wardbridge.security.authenticator import Authenticator, Credentials
from wardbridge.security.jwks import KeySet, fetch_from
from wardbridge.security.oidc import Provider, Verifier

Now = Callable[[], datetime]


def gate_of(installation: Installation, now: Now) -> Authenticator:
    """The gate of its HTTP surface. Raises TlsFileError for an unusable ``ca_file``."""
    access, register = installation.settings.http.access, installation.register
    known = known_of(access, register, installation.data, now) if access else None
    return Authenticator(known, register.hospital_of, now)


def known_of(access: AccessSection, register: WardRegister, data: Path, now: Now) -> Credentials:
    """Who is known."""
    tokens = {
        name: (token.secret, _reader(name, "token", token)) for name, token in access.tokens.items()
    }
    certificates = {
        each.shown: _reader(name, "certificate", each) for name, each in access.certificates.items()
    }
    verifier = _verifier(access.oidc, register, data, now) if access.oidc else None
    return Credentials(tokens, certificates, verifier, access.session_days)


def _reader(name: str, how: How, section: GrantSection) -> Reader:
    return Reader(name, how, (section.grant(),), section.unit)


def _verifier(section: OidcSection, register: WardRegister, data: Path, now: Now) -> Verifier:
    provider = Provider(
        section.issuer,
        section.audience,
        section.algorithms,
        section.leeway_s,
        section.name_claim,
        section.unit_claim,
        section.roles_claim,
        section.wards_claim,
        {name: role.grant() for name, role in section.roles.items()},
    )
    trusted = client_context(PemFiles(data / section.ca_file if section.ca_file else None))
    keys = KeySet(fetch_from(section.jwks_url, trusted), section.keys_kept_s, time.monotonic)
    return Verifier(provider, keys, register.hospital_of, now)


def trail_of(log: Log, installation: Installation, patient_of: PatientOf, now: Now) -> Trail:
    """Where readings are noted."""
    access = installation.settings.http.access or AccessSection.model_construct()
    again_after = timedelta(seconds=access.audit_again_after_s)
    return Trail(log, now, again_after, patient_of)
