"""Who may see and do what over HTTP: the tables `[http.access]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from adapters.common.settings import Section, Tls, is_loopback
from adapters.common.tokens import TokenHash
from schemas.addresses import check_host, url_of
from schemas.fields import LEVELS, Level, reaches
from wardbridge.config.authorisation import EVERYWHERE, Deed, Grant
from wardbridge.config.certificate import alternative_name, subject_name
from wardbridge.config.problems import Place


class GrantSection(Section):
    """What comes with a token, a certificate or a role. Without wards and hospitals: every ward."""

    wards: tuple[str, ...] = Field((), description="ward ids")
    hospitals: tuple[str, ...] = Field((), description="hospitals as the ward register names them")
    fields: Level = Field(
        "minimal",
        description="`minimal`: visit, ward, times; `operational`: also where from, and the ward's "
        "planned discharges and free places; `identified`: also who it is, protected persons too (needs "
        "`keep` in `[identities]`)",
    )
    may: tuple[Deed, ...] = Field(
        ("read",),
        min_length=1,
        description="`read` lists and streams, `acknowledge` who is coming, see `metrics` and "
        "health, `subscribe` to be told of these wards, `operate`: send notices again, register others, "
        "deal with review, `inspect`: see the bytes of an input in review",
    )
    unit: str = Field("", description="the reader's own care unit, for the audit")

    @model_validator(mode="after")
    def _operates_everywhere(self) -> Self:
        everywhere = sorted(EVERYWHERE & {*self.may})
        if everywhere and (self.wards or self.hospitals):
            what = everywhere[-1]
            raise ValueError(f"{what} reaches every ward: give it without wards and hospitals")
        return self

    def grant(self) -> Grant:
        """The same, as the gate asks for it."""
        return Grant(
            frozenset(self.wards), frozenset(self.hospitals), self.fields, frozenset(self.may)
        )


class TokenSection(GrantSection):
    """A bearer token, for a system or for a screen on a wall."""

    secret: TokenHash = Field(
        description="the token itself: write `${file:PATH}` or `${NAME}`; its hash is kept"
    )


class CertificateSection(GrantSection):
    """A client certificate, by `san` or `subject`; needs `client_ca_file` in `[http.tls]`."""

    san: str | None = Field(
        None, description="one of its alternative names: `DNS:…`, `URI:…` or `email:…`"
    )
    subject: str | None = Field(
        None, min_length=1, description="its whole subject, as in `CN=portal,O=Region`"
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.san is None) == (self.subject is None):
            raise ValueError("give either san or subject")
        if self.san is not None and not self.san.startswith(("DNS:", "URI:", "email:")):
            raise ValueError("san begins with DNS:, URI: or email:")
        self.shown  # noqa: B018 - raises
        return self

    @property
    def shown(self) -> str:
        """What the certificate must say, in the form in which it is compared. Raises ValueError."""
        return alternative_name(self.san) if self.san else subject_name(self.subject or "")


def _safe_to_ask(url: str) -> str:
    found = url_of("jwks_url", url, allow_plain=True)
    check_host("jwks_url", found.host or "")
    if found.scheme == "http" and not is_loopback(found.host or ""):
        raise ValueError("jwks_url: whoever is on the way could give keys of their own; use https")
    return url


class OidcSection(Section):
    """Tokens of an identity provider: JWTs, signed with a key that it publishes (OpenID Connect)."""

    issuer: str = Field(min_length=1, description="claim `iss`, exactly")
    audience: str = Field(min_length=1, description="must be in claim `aud`")
    jwks_url: Annotated[str, AfterValidator(_safe_to_ask)] = Field(
        description="where its keys are; https, unless it is this machine"
    )
    ca_file: str | None = Field(None, description="PEM: whom to trust instead of the system's")
    algorithms: tuple[
        Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
                "ES256", "ES384", "ES512", "EdDSA"], ...
    ] = Field(("RS256", "ES256"), min_length=1, description="signatures that are taken")  # fmt: skip
    leeway_s: float = Field(30.0, ge=0, le=300, description="how far clocks may differ")
    keys_kept_s: float = Field(600.0, ge=60, le=86_400, description="then they are fetched anew")
    name_claim: str = Field("sub", description="who it is, for the audit")
    unit_claim: str | None = Field(None, description="their care unit, for the audit")
    roles_claim: str = Field("roles", description="a role or a list of roles; a dot leads inside")
    wards_claim: str | None = Field(
        None, description="ward ids; then a role counts for these of its wards only"
    )
    roles: Mapping[str, GrantSection] = Field(
        min_length=1, description="what each role may; other roles may nothing"
    )


class AccessSection(Section):
    """Who is let in. Without this table nobody is asked who they are."""

    session_days: int = Field(30, ge=1, le=365, description="then a screen signs in again")
    audit_again_after_s: float = Field(
        3_600.0, ge=0, le=86_400,
        description="who goes on seeing the same is noted again in the audit so often",
    )  # fmt: skip
    tokens: Mapping[str, TokenSection] = Field({}, description="bearer tokens by name")
    certificates: Mapping[str, CertificateSection] = Field(
        {}, description="client certificates by name"
    )
    oidc: OidcSection | None = Field(None, description="an identity provider")

    @model_validator(mode="after")
    def _lets_somebody_in(self) -> Self:
        if not (self.tokens or self.certificates or self.oidc):
            raise ValueError("nobody could come in: give tokens, certificates or oidc")
        hashes = [token.secret for token in self.tokens.values()]
        if len(set(hashes)) < len(hashes):
            raise ValueError("two tokens are the same: whose it is could not be told")
        shown = [certificate.shown for certificate in self.certificates.values()]
        if len(set(shown)) < len(shown):
            raise ValueError("two certificates are the same: whose it is could not be told")
        return self

    def granted(self) -> Iterator[tuple[Place, GrantSection]]:
        """Each table of rights, with its place below `http.access`."""
        for name, token in self.tokens.items():
            yield ("tokens", name), token
        for name, certificate in self.certificates.items():
            yield ("certificates", name), certificate
        for name, role in self.oidc.roles.items() if self.oidc else ():
            yield ("oidc", "roles", name), role

    def of(self, name: str, how: str) -> GrantSection | None:
        """What comes with a token or a certificate by now; None where there is none any more."""
        shown: Mapping[str, GrantSection] = (
            self.certificates if how == "certificate" else self.tokens
        )
        return shown.get(name)

    def most_of_operators(self) -> Level:
        """How much those who operate see at most. Who has several roles has what each gives."""
        alone = [*self.tokens.values(), *self.certificates.values()]
        roles = list(self.oidc.roles.values()) if self.oidc else []
        readers = [each for each in alone if {"operate", "read"} <= {*each.may}]
        if any("operate" in role.may for role in roles):
            readers += [role for role in roles if "read" in role.may]
        levels: list[Level] = [each.fields for each in readers]
        return max(levels, key=LEVELS.index, default=LEVELS[0])

    def gives(self, level: Level) -> bool:
        """Whether anybody sees so much."""
        return any(reaches(section.fields, level) for _, section in self.granted())


class HttpTls(Tls):
    """Transport encryption of the HTTP surface."""

    client_certificate: Literal["required", "optional"] = Field(
        "required",
        description="with `client_ca_file`: `optional` lets in who shows none and has a token",
    )

    @property
    def is_required(self) -> bool:
        """Whether nobody gets further without a certificate of ours."""
        return self.client_ca_file is not None and self.client_certificate == "required"
