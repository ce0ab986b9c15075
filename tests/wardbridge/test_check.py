"""``wardbridge check``: every open door, every error at once, settings tried against each other, and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import combinations, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from adapters.common.filename import matches
from adapters.common.patterns import common_name
from bus.sqlite import SqliteLog
from tests.support.certificates import Certificate, self_signed
from tests.wardbridge.support import command, configured, in_process, lab_text
from wardbridge.config.doors import doors
from wardbridge.config.kinds import KINDS
from wardbridge.config.load import load
from wardbridge.config.models import Settings
from wardbridge.config.problems import ConfigError, ConfigProblem
from wardbridge.config.reference import _fields, _inner
from wardbridge.logstore.log import log_path
from wardbridge.security.secret import claimed_keyer_of, made_once

AT = datetime(2026, 1, 15, 8, tzinfo=UTC)
REGISTER = "id;name;hospital;alias:elvis\nMED;Medicin;Norr;M1\nKIR;Kirurgi;Norr;K1\n"


def base(tmp_path: Path) -> str:
    """The lab with a closed register."""
    (tmp_path / "wards.csv").write_text(REGISTER, encoding="utf-8")
    return lab_text().replace("open = true", 'register = "wards.csv"')


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("certificate"), "made")


def warned(tmp_path: Path, text: str) -> set[str]:
    return {each.key for each in load(configured(tmp_path, text), tmp_path, {}).warned}


def errors(tmp_path: Path, text: str) -> list[ConfigProblem]:
    with pytest.raises(ConfigError) as caught:
        load(configured(tmp_path, text), tmp_path, {})
    return list(caught.value.problems)


def keys(tmp_path: Path, text: str) -> set[str]:
    return {each.key for each in errors(tmp_path, text)}


# doors

TLS = "certificate_file = 'c'\nkey_file = 'k'\n"
SENDER = '[[feeds.fhir.tokens]]\nname = "x"\nsecret = "0123456789abcdef"\n'
SIGNING = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
HTTP = '[http]\nhost = "127.0.0.1"'
HL7 = 'kind = "hl7v2-mllp"\nsource = "ehr"\nhost = "127.0.0.1"'
FHIR = 'kind = "fhir"\nsource = "ehr"\nhost = "127.0.0.1"'
BEYOND = {
    HTTP: HTTP.replace("127.0.0.1", "0.0.0.0"),  # noqa: S104 - it is only written down
    HL7: HL7.replace("127.0.0.1", "0.0.0.0"),  # noqa: S104
    FHIR: FHIR.replace("127.0.0.1", "0.0.0.0"),  # noqa: S104
}
OPEN_DOORS: dict[str, tuple[dict[str, str], str, set[str]]] = {
    "nothing beyond this machine": ({}, "", set()),
    "HTTP for everybody": (
        {HTTP: BEYOND[HTTP] + "\nallow_unauthenticated = true"}, "",
        {"http.allow_unauthenticated", "http.tls"},
    ),
    "HTTP tokens in clear": (
        {HTTP: BEYOND[HTTP]}, "[http.access.tokens.x]\nsecret = '${file:t}'\n", {"http.tls"},
    ),
    "HTTP as it should be": (
        {HTTP: BEYOND[HTTP]}, f"[http.access.tokens.x]\nsecret = '${{file:t}}'\n[http.tls]\n{TLS}", set(),
    ),
    "HTTP for holders of a certificate": (
        {HTTP: BEYOND[HTTP]}, f"[http.tls]\n{TLS}client_ca_file = 'a'\n", set(),
    ),
    "MLLP in clear for everybody": ({HL7: BEYOND[HL7]}, "", {"feeds.hl7.tls", "feeds.hl7.host"}),
    "MLLP encrypted for everybody": (
        {HL7: BEYOND[HL7]}, f"[feeds.hl7.tls]\n{TLS}", {"feeds.hl7.host"},
    ),
    "MLLP as it should be": (
        {HL7: BEYOND[HL7]}, f"[feeds.hl7.tls]\n{TLS}client_ca_file = 'a'\n", set(),
    ),
    "FHIR tokens in clear": ({FHIR: BEYOND[FHIR]}, SENDER, {"feeds.fhir.tls"}),
    "FHIR as it should be": ({FHIR: BEYOND[FHIR]}, f"{SENDER}[feeds.fhir.tls]\n{TLS}", set()),
    "HL7 v2 out in clear": (
        {}, "[subscribers.o.mllp]\nhost = 'orbit.example'\nport = 2575\ntls = false\n", {"subscribers.o.mllp.tls"},
    ),
    "HL7 v2 out as it should be": ({}, "[subscribers.o.mllp]\nhost = 'orbit.example'\nport = 2575\n", set()),
    "a webhook on this machine": (
        {}, "[subscribers.w.webhook]\nurl = 'http://127.0.0.1:1/x'\nsecrets = ['${file:s}']\nallow_private = true\n", set(),
    ),
}  # fmt: skip
NOT_ABOUT_DOORS = ("wards.", "identities.")


@pytest.mark.parametrize(
    ("changed", "added", "expected"), OPEN_DOORS.values(), ids=OPEN_DOORS.keys()
)
def test_every_door_that_stands_open_is_warned_of_and_no_other(
    changed: dict[str, str],
    added: str,
    expected: set[str],
    certificate: Certificate,
    tmp_path: Path,
) -> None:
    for name, content in (
        ("t", "0123456789abcdef"),
        ("s", SIGNING),
        ("c", Path(certificate.file).read_text("ascii")),
        ("k", Path(certificate.key).read_text("ascii")),
        ("a", Path(certificate.file).read_text("ascii")),
    ):
        (tmp_path / name).write_text(content, encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    text = base(tmp_path)
    for old, new in changed.items():
        assert old in text
        text = text.replace(old, new)
    found = warned(tmp_path, f"{text}\n{added}")
    known = {"feeds.fhir.profile.claims", "feeds.fhir.tokens.0.secret", ""}
    assert found - known == expected


KAFKA = '[log]\nengine = "kafka"\n[log.kafka]\nbrokers = "{brokers}"\n'
SCRAM = '[log.kafka.sasl]\nmechanism = "SCRAM-SHA-512"\nusername = "u"\npassword = "${file:t}"\n'


@pytest.mark.parametrize(
    ("brokers", "added", "expected"),
    [
        ("kafka1:9092", "", {"log.kafka.tls", "log.kafka.sasl"}),
        ("kafka1:9092", SCRAM, {"log.kafka.tls"}),
        ("kafka1:9092", "[log.kafka.tls]\n", {"log.kafka.sasl"}),
        ("kafka1:9092", f"[log.kafka.tls]\n{SCRAM}", set()),
        ("kafka1:9092", "[log.kafka.tls]\ncertificate_file = 'c'\n", set()),
        ("localhost:9092,127.0.0.1:9093,[::1]:9094", "", set()),
        ("localhost:9092,kafka1:9092", "", {"log.kafka.tls", "log.kafka.sasl"}),
        ("localhost:9092", "[log.kafka.registry]\nurl = 'http://registry.example:8081'\n",
         {"log.kafka.registry.url"}),
    ],
)  # fmt: skip
def test_brokers_that_everybody_can_listen_to_are_warned_of(
    brokers: str, added: str, expected: set[str], certificate: Certificate, tmp_path: Path
) -> None:
    both = "".join(Path(file).read_text("ascii") for file in certificate)
    for name, content in (("t", "0123456789abcdef"), ("c", both)):
        (tmp_path / name).write_text(content, encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    head, _, rest = base(tmp_path).partition("[realms.lab]")
    text = f"{head.partition('[log]')[0]}{KAFKA.format(brokers=brokers)}{added}[realms.lab]{rest}"
    assert warned(tmp_path, text) - {"feeds.fhir.profile.claims"} == expected


EVERYTHING = """
[feeds.fhir.pull]
base_url = "https://ehr.example/fhir"
[feeds.fhir.pull.backend]
token_url = "https://ehr.example/token"
client_id = "x"
key_file = "k"
key_id = "x"
[subscribers.o.mllp]
host = "orbit.example"
port = 2575
[subscribers.w.webhook]
url = "https://w.example/secret-path"
secrets = ["${file:s}"]
[subscribers.f.fhir]
url = "https://f.example/x"
[subscribers.k.kafka]
[http.access.oidc]
issuer = "i"
audience = "a"
jwks_url = "https://id.example/keys"
[http.access.oidc.roles.x]
"""


def test_one_list_has_every_door_of_an_installation(tmp_path: Path) -> None:
    (tmp_path / "s").write_text(SIGNING, encoding="utf-8")
    head, _, rest = base(tmp_path).partition("[realms.lab]")
    cluster = (
        KAFKA.format(brokers="localhost:9092") + "[log.kafka.registry]\nurl = 'https://r.example'\n"
    )
    text = f"{head.partition('[log]')[0]}{cluster}[realms.lab]{rest}{EVERYTHING}"
    found = doors(load(configured(tmp_path, text), tmp_path, {}))
    assert [door.key for door in found] == [
        "log.kafka", "log.kafka.registry", "http", "http", "http.access.oidc.jwks_url",
        "feeds.hl7", "feeds.fhir", "feeds.fhir.pull", "feeds.fhir.pull.backend", "feeds.elvis.directory",
        "subscribers.o.mllp", "subscribers.w.webhook", "subscribers.f.fhir", "subscribers.k.kafka",
    ]  # fmt: skip
    assert "secret-path" not in "".join(map(str, found))


LEADS_OUT = {"host", "url", "base_url", "token_url", "jwks_url", "brokers", "directory"}
"""Keys that open a door: whoever adds one lists its door, and then its table here."""


def test_every_key_that_opens_a_door_is_known_to_the_list() -> None:
    found = {path for path, key in _keys_of("", Settings) if key in LEADS_OUT}
    for kind in KINDS.values():
        found |= {path for path, key in _keys_of("feed", kind.settings) if key in LEADS_OUT}
    assert found == {
        "log.kafka", "log.kafka.registry", "http", "http.access.oidc", "feed", "feed.pull",
        "feed.pull.backend", "subscribers.mllp", "subscribers.webhook", "subscribers.fhir",
    }  # fmt: skip


def _keys_of(path: str, model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    for key, field in _fields(model):
        inner = _inner(field.annotation)
        if inner is None:
            yield path, key
        else:
            yield from _keys_of(f"{path}.{key}".removeprefix("."), inner)


# secrets


def test_secrets_in_the_file_and_files_that_everybody_may_read_are_warned_of(
    tmp_path: Path,
) -> None:
    text = base(tmp_path)
    (tmp_path / "t").write_text("0123456789abcdef", encoding="utf-8")
    (tmp_path / "patient.key").write_text("0" * 64, encoding="utf-8")
    by_file = "[http.access.tokens.x]\nsecret = '${file:t}'\n"
    written = "[http.access.tokens.x]\nsecret = '0123456789abcdef'\n"
    known = {"feeds.fhir.profile.claims"}
    for mode, expected in (
        (0o644, {"http.access.tokens.x.secret", "privacy.patient_key_file"}),
        (0o640, set()),
    ):
        for name in ("t", "patient.key"):
            (tmp_path / name).chmod(mode)
        assert warned(tmp_path, text + by_file) - known == expected
    assert warned(tmp_path, text + written) - known == {"http.access.tokens.x.secret", ""}
    (tmp_path / "test.toml").chmod(0o600)
    assert warned(tmp_path, text + written) - known == {"http.access.tokens.x.secret"}


@pytest.mark.parametrize(
    "written",
    [
        f"{SENDER}", f"[subscribers.w.webhook]\nurl = 'https://w.example'\nsecrets = ['{SIGNING}']\n",
        "[subscribers.f.fhir]\nurl = 'https://f.example'\nheaders = ['Authorization: Bearer x']\n",
        "[feeds.fhir.pull]\nbase_url = 'https://e.example'\ntoken = 'xyz'\n",
    ],
)  # fmt: skip
def test_every_kind_of_secret_that_is_written_down_is_found(written: str, tmp_path: Path) -> None:
    found = load(configured(tmp_path, base(tmp_path) + written), tmp_path, {}).warned
    assert [each for each in found if "the secret stands in the file" in each.text]
    assert not any(
        secret in str(found) for secret in (SIGNING, "Bearer x", "xyz", "0123456789abcdef")
    )


def test_a_certificate_that_is_not_there_is_told_before_the_start(tmp_path: Path) -> None:
    text = f"{base(tmp_path)}\n[http.tls]\n{TLS}"
    assert {"http.tls.certificate_file", "http.tls.key_file"} <= warned(tmp_path, text)


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("c", "http.tls.certificate_file"),
        ("k", "http.tls.certificate_file"),
        ("ca", "http.tls.client_ca_file"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_told_before_the_start(
    file: str, place: str, certificate: Certificate, tmp_path: Path
) -> None:
    pem, key = certificate
    for name, source in (("c", pem), ("k", key), ("ca", pem)):
        (tmp_path / name).write_bytes(Path(source).read_bytes())
    text = f"{base(tmp_path)}\n[http.tls]\n{TLS}client_ca_file = 'ca'\n"
    assert place not in warned(tmp_path, text)
    (tmp_path / file).write_bytes(b"")
    found = [
        each for each in load(configured(tmp_path, text), tmp_path, {}).warned if each.key == place
    ]
    assert [each.suggestion for each in found] == ["restore it from a copy"]
    assert found[0].text.startswith(f"{tmp_path / file} ")


KEY_FILE = "privacy.patient_key_file"


def secret_warnings(folder: Path) -> list[str]:
    config = configured(folder, in_process())
    said = command("check", "--config", config, "--data", folder / "data", "--json")
    assert said.returncode == 0
    warnings = json.loads(said.stdout)["warnings"]
    return [
        f"{each['reason']}; {each['suggestion']}" for each in warnings if each["key"] == KEY_FILE
    ]


def test_a_secret_that_no_feed_could_start_with_is_told_before_the_start(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    secret = data / "patient.key"
    assert secret_warnings(tmp_path) == []  # the first start makes it
    made_once(secret)
    secret.write_bytes(b"")
    (told,) = secret_warnings(tmp_path)
    assert told.startswith(f"{secret}: a patient key secret has 1 to 64 bytes; restore it")
    secret.write_bytes(b"first")
    with closing(SqliteLog.open(log_path(data))) as log:
        claimed_keyer_of(log, load(configured(tmp_path, in_process()), data, {}), lambda: AT)
    assert secret_warnings(tmp_path) == []
    secret.write_bytes(b"second")
    (told,) = secret_warnings(tmp_path)
    assert "is not the secret that the patients of this log are keyed with" in told
    secret.unlink()
    (told,) = secret_warnings(tmp_path)
    assert told.startswith(f"{secret} is missing; restore it")


@pytest.mark.parametrize(("mode", "expected"), [(0o777, True), (0o775, False)])
def test_a_folder_into_which_everybody_may_put_exports_is_warned_of(
    mode: int,
    expected: bool,  # noqa: FBT001 - a table's column
    tmp_path: Path,
) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox").chmod(mode)
    assert ("feeds.elvis.directory" in warned(tmp_path, base(tmp_path))) is expected


# every error at once

MISTAKES: dict[str, tuple[str, str]] = {
    "http.prot": ("port = 8080", "prot = 8080"),
    "feeds.hl7.source": ('kind = "hl7v2-mllp"\nsource = "ehr"', 'kind = "hl7v2-mllp"\nsource = "her"'),
    "feeds.hl7.prot": ("port = 2575", "prot = 2575"),
    "feeds.fhir.profile.unversioned": ('unversioned = "receipt"', 'unversioned = "never"'),
    "feeds.elvis.directroy": ('directory = "inbox"', 'directroy = "inbox"'),
    "authority.lab.default": ('default = "ehr"', 'default = "her"'),
    "authority.lab.wards.MEDD": ("[authority.lab.wards]", '[authority.lab.wards]\nMEDD = "ehr"'),
    "authority.lab.wards.KIR": ("[authority.lab.wards]", '[authority.lab.wards]\nKIR = "elvs"'),
    "authority.lab.hospitals.Nor": ("[authority.lab.wards]", '[authority.lab.hospitals]\nNor = "ehr"\n[authority.lab.wards]'),
    "realms.lab.hospitals": ("[realms.lab]", '[realms.lab]\nhospitals = ["Nor"]'),
    "authority.lba": ("[authority.lab.wards]", '[authority.lba]\ndefault = "ehr"\n[authority.lab.wards]'),
    "sources.el|vis": ("[sources.elvis]", '[sources."el|vis"]\n[sources.elvis]'),
    "subscribers.w.wards": ("[wards]", "[subscribers.w]\nwards = ['MDE']\n[subscribers.w.webhook]\nurl = 'https://w.example'\nsecrets = ['" + SIGNING + "']\n[wards]"),
    "subscribers.x.webhook": ("[wards]", "[subscribers.x.webhook]\nurl = 'http://w.example'\nsecrets = ['" + SIGNING + "']\n[wards]"),
    "subscribers.f.fhir.owner": ("[wards]", "[subscribers.f.fhir]\nurl = 'https://f.example'\nowner = 'nobody'\n[wards]"),
    "http.access.tokens.t.wards": ("[wards]", "[http.access.tokens.t]\nsecret = '0123456789abcdef'\nwards = ['MDE']\n[wards]"),
    "http.access.tokens.s.secret": ("[wards]", "[http.access.tokens.s]\nsecret = 'short'\n[wards]"),
    "router.tick_interval_s": ("[wards]", "[router]\ntick_interval_s = -1\n[wards]"),
    "subscribers.n.fields": ("[wards]", "[subscribers.n]\nfields = 'identified'\n[subscribers.n.webhook]\nurl = 'https://w.example'\nsecrets = ['" + SIGNING + "']\n[wards]"),
    "sources.ehr.description": ('description = "the record system under test"', 'description = "${NOT_SET}"'),
}  # fmt: skip


def mistaken(text: str, *mistakes: str) -> str:
    for mistake in mistakes:
        old, new = MISTAKES[mistake]
        assert text.count(old) == 1 or mistake.startswith("http.prot"), mistake
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_told_with_its_key_and_line(mistake: str, tmp_path: Path) -> None:
    found = errors(tmp_path, mistaken(base(tmp_path), mistake))
    (told,) = [each for each in found if each.key == mistake]
    assert told.line
    assert told.reason
    assert {each.key for each in found} - {mistake, "feeds.elvis.directory"} == set()


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "broken.csv").write_text(REGISTER + "MED;again;Norr;\nX;;Norr;\n", encoding="utf-8")
    text = mistaken(base(tmp_path), *MISTAKES).replace("wards.csv", "broken.csv")
    found = errors(tmp_path, text)
    assert {each.key for each in found} >= MISTAKES.keys()
    assert len([each for each in found if each.file == tmp_path / "broken.csv"]) == 2
    lines = [each.line or 0 for each in found if each.file == tmp_path / "test.toml"]
    assert lines == sorted(lines)


@settings(max_examples=30)
@given(st.sampled_from(list(combinations(sorted(MISTAKES), 2))))
def test_no_mistake_hides_another(pair: tuple[str, str]) -> None:
    with TemporaryDirectory() as folder:
        assert set(pair) <= keys(Path(folder), mistaken(base(Path(folder)), *pair))


def test_what_a_broken_table_says_is_not_held_against_others(tmp_path: Path) -> None:
    """No error that only follows from another: names are kept, the log is on Kafka, as far as one can see."""
    text = base(tmp_path) + "[identities]\nkeep = 'yes'\n[log.kafka]\nbrokers = 1\n"
    text = text.replace("[log]", '[log]\nengine = "kafka"') if "[log]" in text else text
    text += "[subscribers.n]\nfields = 'identified'\n[subscribers.n.kafka]\n"
    assert keys(tmp_path, text) <= {"identities.keep", "log.kafka.brokers", "log.kafka", "log"}


# settings tried against each other

ELVIS = 'directory = "inbox"\n'
SCOPES = """[[feeds.elvis.scopes]]
name = "a"
hospital = "Norr"
wards = ["M1"]
files = "{a}"
[[feeds.elvis.scopes]]
name = "b"
hospital = "Norr"
wards = ["K1"]
files = "{b}"
"""
BY_NAME = '[feeds.elvis.format]\nheader = "names"\nexported_at = "mtime"\n'
TRIED: dict[str, tuple[str, str | None]] = {
    "forms that read one text differently": (
        "[feeds.elvis.format]\ntime_forms = ['%d/%m/%Y %H:%M', '%m/%d/%Y %H:%M']\n", "feeds.elvis.format.time_forms"),
    "forms of which each reads its own": (
        "[feeds.elvis.format]\ntime_forms = ['%Y-%m-%d %H:%M', '%d/%m/%Y %H:%M', '%d/%m/%Y %H:%M:%S']\n", None),
    "a form without minutes": ("[feeds.elvis.format]\ntime_forms = ['%Y-%m-%d %H']\n", "feeds.elvis.format.time_forms"),
    "a form without a time": ("[feeds.elvis.format]\ntime_forms = ['%Y-%m-%d']\n", "feeds.elvis.format.time_forms"),
    "a code that the charset has not": (
        "[feeds.elvis.format]\ncharset = 'us-ascii'\n[feeds.elvis.format.leave_codes]\n'på' = true\n",
        "feeds.elvis.format.leave_codes.på"),
    "a code with a control character": (
        '[feeds.elvis.format.protection_codes]\n"a\\tb" = "protected"\n', "feeds.elvis.format.protection_codes.a\tb"),
    "codes that shadow one another": (
        "[feeds.elvis.format.protection_codes]\n'Sekretess' = 'protected'\n'sekretess ' = 'none'\n",
        "feeds.elvis.format.protection_codes"),
    "names of files that overlap": (BY_NAME + SCOPES.format(a="norr_*.csv", b="*_med.csv"), "feeds.elvis.scopes.1.files"),
    "names of files that do not": (BY_NAME + SCOPES.format(a="norr_*.csv", b="med_*.csv"), None),
    "names that no file has": (BY_NAME + SCOPES.format(a="norr_*.txt", b="med_*.csv"), "feeds.elvis.scopes.0.files"),
    "HL7 codes with blanks": ("[feeds.hl7.profile.protection.pd1_12]\n'Y ' = 'protected'\n",
                              "feeds.hl7.profile.protection.pd1_12.Y "),
    "HL7 codes of two components": ("[feeds.hl7.profile.protection.pv1_16]\n'Y^x' = 'protected'\n",
                                    "feeds.hl7.profile.protection.pv1_16.Y^x"),
    "a choice that is never reached": (
        "[[feeds.hl7.profile.patient.prefer]]\ntype = 'MR'\n[[feeds.hl7.profile.patient.prefer]]\ntype = 'MR'\nassigner = 'x'\n",
        "feeds.hl7.profile.patient.prefer.1"),
    "a choice before a wider one": (
        "[[feeds.hl7.profile.patient.prefer]]\ntype = 'MR'\nassigner = 'x'\n[[feeds.hl7.profile.patient.prefer]]\ntype = 'MR'\n",
        None),
    "a visit's number that is a ward too": ("[feeds.hl7.profile.marks]\nA14 = ['PV1-19']\n", "feeds.hl7.profile.marks.A14"),
    "FHIR labels without a system": ("[feeds.fhir.profile.protection]\nR = 'protected'\n",
                                     "feeds.fhir.profile.protection.R"),
    "FHIR assigners with two meanings": (
        "[feeds.fhir.profile.assigners]\n'urn:oid:1.2' = 'a'\n'1.2' = 'b'\n", "feeds.fhir.profile.assigners.urn:oid:1.2"),
}  # fmt: skip


@pytest.mark.parametrize(("added", "expected"), TRIED.values(), ids=TRIED.keys())
def test_settings_that_cannot_work_together_are_refused(
    added: str, expected: str | None, tmp_path: Path
) -> None:
    text = (
        base(tmp_path)
        .replace("[feeds.hl7.profile]\n", "")
        .replace('processing_ids = ["P", "T", "D", ""]\n', "")
    )
    text = f"{text}\n{added}"
    if expected is None:
        load(configured(tmp_path, text), tmp_path, {})
    else:
        assert keys(tmp_path, text) == {expected}


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        ("[feeds.hl7.profile.protection.pd1_12]\ny = 'none'\nY = 'protected'\n",
         "feeds.hl7.profile.protection.pd1_12.Y"),
        ("[feeds.hl7.profile.location]\nroom = 3\n", "feeds.hl7.profile.location"),
        (SCOPES.replace('files = "{a}"\n', "").replace('files = "{b}"\n', "").replace("K1", "K9"),
         "feeds.elvis.scopes.1.wards"),
        ("[authority.lab.hospitals]\nNorr = 'silent'\n[sources.silent]\n", "authority.lab.hospitals.Norr"),
    ],
    ids=["codes that differ in case", "one component for two", "a ward that the register has not",
         "a source that never speaks"],
)  # fmt: skip
def test_settings_that_probably_mean_something_else_are_warned_of(
    added: str, expected: str, tmp_path: Path
) -> None:
    text = (
        base(tmp_path)
        .replace("[feeds.hl7.profile]\n", "")
        .replace('processing_ids = ["P", "T", "D", ""]\n', "")
    )
    assert expected in warned(tmp_path, f"{text}\n{added}")


PATTERNS = st.text(st.sampled_from("ab*?"), min_size=1, max_size=6)
NAMES = ["".join(letters) for size in range(7) for letters in product("ab", repeat=size)]


@given(PATTERNS, PATTERNS)
def test_two_patterns_have_a_name_in_common_or_not(one: str, other: str) -> None:
    name = common_name(one, other)
    if name is None:
        assert not [each for each in NAMES if matches(each, one) and matches(each, other)]
    else:
        assert matches(name, one)
        assert matches(name, other)


def test_signs_in_brackets_have_names_too() -> None:
    assert common_name("a[0-9].csv", "*5*") == "a5.csv"
    assert common_name("[!a-w]", "x") == "x"
    assert common_name("[a]", "b") is None


# JSON


def checked(tmp_path: Path, text: str) -> tuple[int, Any]:
    config = configured(tmp_path, text)
    done = command("check", "--json", "--config", config, "--data", tmp_path)
    return done.returncode, json.loads(done.stdout)


def test_programs_are_told_of_errors_with_file_line_key_reason_and_suggestion(
    tmp_path: Path,
) -> None:
    text = mistaken(base(tmp_path), "http.prot", "authority.lab.wards.MEDD")
    code, told = checked(tmp_path, text)
    assert (code, told["right"], told["warnings"], told["doors"]) == (2, False, [], [])
    lines = text.splitlines()
    assert told["errors"] == [
        {"file": str(tmp_path / "test.toml"), "line": lines.index('MEDD = "ehr"') + 1,
         "key": "authority.lab.wards.MEDD", "reason": "there is no 'MEDD'",
         "suggestion": 'did you mean "MED"?'},
        {"file": str(tmp_path / "test.toml"), "line": lines.index("prot = 8080") + 1, "key": "http.prot",
         "reason": "unknown key", "suggestion": 'did you mean "port"?'},
    ]  # fmt: skip


def test_programs_are_told_of_warnings_and_doors(tmp_path: Path) -> None:
    code, told = checked(tmp_path, lab_text())
    assert (code, told["right"], told["errors"]) == (0, True, [])
    assert {each["key"] for each in told["warnings"]} == {"wards.open", "feeds.fhir.profile.claims"}
    assert all(each["reason"] and each["suggestion"] and each["line"] for each in told["warnings"])
    assert {each["key"]: each["is_open"] for each in told["doors"]} == {
        "http": False, "feeds.hl7": False, "feeds.fhir": False, "feeds.elvis.directory": False,
    }  # fmt: skip


def test_what_is_no_toml_is_told_to_programs_too(tmp_path: Path) -> None:
    code, told = checked(tmp_path, "[http\n")
    assert code == 2
    assert [(each["line"], each["key"]) for each in told["errors"]] == [(1, None)]


def test_people_are_told_of_the_doors(tmp_path: Path) -> None:
    config = configured(tmp_path, in_process())
    done = command("check", "--config", config, "--data", tmp_path)
    assert done.returncode == 0
    assert "door: http: lists, streams" in done.stdout
    assert "warning: " in done.stderr
