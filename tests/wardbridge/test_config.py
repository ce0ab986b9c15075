"""The configuration: what is refused, with which words, and all of it at once."""

import pickle
from pathlib import Path

import pytest

from schemas.authority import AuthorityEntry
from tests.wardbridge.support import LAB, configured, in_process, lab_text
from wardbridge.config.load import load
from wardbridge.config.problems import ConfigError

REGISTER = "id;name;hospital\nMED;Medicin;Norr\nKIR;Kirurgi;Norr\n"


def problems(text: str, tmp_path: Path, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(configured(tmp_path, text), tmp_path, environment or {})
    return [str(problem).removeprefix(f"{tmp_path / 'test.toml'}:") for problem in
            caught.value.problems]  # fmt: skip


def test_the_lab_configuration_is_what_the_documents_say(tmp_path: Path) -> None:
    found = load(LAB, tmp_path)
    assert found.settings.log.partitions == 1
    assert [(feed.identity.name, feed.kind, feed.identity.source, feed.identity.realm)
            for feed in found.feeds] == [
        ("hl7", "hl7v2-mllp", "ehr", "lab"), ("fhir", "fhir", "ehr", "lab"),
        ("elvis", "elvis-directory", "elvis", "lab"),
    ]  # fmt: skip
    assert found.register.is_open
    http = found.settings.http
    assert (http.host, http.port) == ("127.0.0.1", 8080)
    timeline = found.settings.authority["lab"].timeline("lab")
    assert timeline.believed("ANY", None, None) == "ehr"


def test_the_lab_configuration_is_warned_of(tmp_path: Path) -> None:
    assert {warning.partition(":")[0] for warning in load(LAB, tmp_path).warnings()} == {
        "wards.open", "feeds.fhir.profile.claims",
    }  # fmt: skip


def test_who_says_what_another_feed_of_its_source_says_is_warned_of(tmp_path: Path) -> None:
    owned = lab_text().replace("[feeds.fhir.profile]", '[feeds.fhir.profile]\nclaims = ["place"]')
    apart = lab_text().replace('kind = "fhir"\nsource = "ehr"', 'kind = "fhir"\nsource = "elvis"')
    for text, warned in ((owned, []), (apart, ["feeds.elvis"]), (lab_text(), ["feeds.hl7"])):
        found = load(configured(tmp_path, text), tmp_path, {}).warnings()
        told = [each for each in found if each.startswith("feeds.fhir.profile.claims")]
        assert [other for each in told for other in warned if other in each] == warned
        assert len(told) == len(warned)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("port = 8080", "prot = 8080", 'http.prot: unknown key; did you mean "port"?'),
        ("port = 2575", "prot = 2575", 'feeds.hl7.prot: unknown key; did you mean "port"?'),
        ("[http]", "[htpp]", 'htpp: unknown key; did you mean "http"?'),
        ("port = 8080", "port = 0", "http.port: Input should be greater than or equal to 1"),
        ('host = "127.0.0.1"', 'host = ""', "feeds.hl7.host: String should have at least 1"),
        ('kind = "hl7v2-mllp"', 'kind = "hl7-mllp"',
         'feeds.hl7.kind: unknown kind; did you mean "hl7v2-mllp"?'),
        ('kind = "hl7v2-mllp"\n', "", "feeds.hl7.kind: this key is required"),
        ('source = "ehr"', 'source = "her"',
         "feeds.hl7.source: there is no 'her'; did you mean \"ehr\"?"),
        ('default = "ehr"', 'default = "her"',
         "authority.lab.default: there is no 'her'; did you mean \"ehr\"?"),
        ("[realms.lab]", "[realms.lba]", "there is no 'lab'; did you mean \"lba\"?"),
        ("open = true", "open = false", 'give either register = "wards.csv" or open = true'),
        ('[http]\nhost = "127.0.0.1"', '[http]\nhost = "0.0.0.0"',
         "give [http.access], or use 127.0.0.1, or say allow_unauthenticated = true"),
        ('description = "the record system under test"', 'description = "${WARDBRIDGE_NAME}"',
         "sources.ehr.description: environment variable WARDBRIDGE_NAME is not set"),
        ('description = "the record system under test"', 'description = "${file:gone}"',
         "cannot be read: No such file or directory"),
        ("[http]", "[http", "not TOML:"),
        ("open = true", 'register = "gone.csv"', "gone.csv: cannot be read"),
        ("[sources.elvis]", '[sources."el|vis"]', "sources.el|vis: a name has letters, digits"),
        ("[realms.lab]", "[realms]\nlab = 1", "realms.lab: a table is wanted here"),
        ("[realms.lab]", "[realms]", "realms: at least one is needed"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_key_and_a_suggestion(
    old: str, new: str, expected: str, tmp_path: Path
) -> None:
    assert old in lab_text()
    found = problems(lab_text().replace(old, new, 1), tmp_path)
    assert any(expected in problem for problem in found), found


_HL7_AGAIN = '[feeds.more]\nkind = "hl7v2-mllp"\nsource = "ehr"\nport = {port}\n[http]'
_FHIR_AGAIN = '[feeds.more]\nkind = "fhir"\nsource = "ehr"\nport = {port}\n[http]'
_ELVIS_AGAIN = """[feeds.more]
kind = "elvis-directory"
source = "{source}"
directory = "{directory}"
[http]"""


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        (_HL7_AGAIN.format(port=2575),
         "feeds.more: port 2575 of 127.0.0.1: feeds.hl7 has that already"),
        (_HL7_AGAIN.format(port=8080), "feeds.more: port 8080 of 127.0.0.1: http has that already"),
        (_FHIR_AGAIN.format(port=2575),
         "feeds.more: port 2575 of 127.0.0.1: feeds.hl7 has that already"),
        (_ELVIS_AGAIN.format(source="ehr", directory="inbox/"),
         "feeds.more: directory inbox: feeds.elvis has that already"),
        (_ELVIS_AGAIN.format(source="elvis", directory="another"),
         "name all scopes of the source in one feed"),
    ],
    ids=["a feed's port", "the port of http", "a port for FHIR", "a directory", "an export source"],
)  # fmt: skip
def test_what_only_one_can_have_is_not_given_to_two(
    added: str, expected: str, tmp_path: Path
) -> None:
    (found,) = problems(lab_text().replace("[http]", added), tmp_path)
    assert expected in found


def test_feeds_that_share_nothing_stand_side_by_side(tmp_path: Path) -> None:
    more = _HL7_AGAIN.format(port=0).replace("feeds.more", "feeds.free")
    text = lab_text().replace("[http]", _ELVIS_AGAIN.format(source="ehr", directory="another"))
    text = text.replace("[http]", more).replace("[http]", _HL7_AGAIN.format(port=0))
    text = text.replace("[feeds.more]", "[feeds.other]", 1)
    assert len(load(configured(tmp_path, text), tmp_path).feeds) == 6


def test_codes_that_two_wards_share_are_all_told_with_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "wards.csv").write_text(
        "id;name;hospital;alias:ehr;facility:her\n"
        "N52;Medicin;Norr;52 53@NORR;\n"
        "S52;Medicin;Söder;52@SODER 53@NORR K52@;SODER\n",
        encoding="utf-8",
    )
    text = lab_text().replace("open = true", 'register = "wards.csv"')
    found = [each.removeprefix(f"{tmp_path / 'wards.csv'}:") for each in problems(text, tmp_path)]
    assert [each.partition(":")[0] for each in found] == ["1", "3", "3", "3"]
    assert "facility:her: there is no source 'her'" in found[0]
    assert "'N52' (Norr) and 'S52' (Söder): write the facility with it on each" in found[3]
    assert "for example 52@NORTH" in found[3]
    assert "code '53@NORR' of source 'ehr' names both" in found[1]
    assert "alias 'K52@' is half of one" in found[2]


def test_facilities_of_a_source_that_does_not_exist_are_told(tmp_path: Path) -> None:
    (tmp_path / "wards.csv").write_text("id;name;hospital;facility:her\nA;A;H;X\n")
    text = lab_text().replace("open = true", 'register = "wards.csv"')
    (found,) = problems(text, tmp_path)
    assert "facility:her: there is no source 'her'; did you mean \"ehr\"?" in found


@pytest.mark.parametrize("column", ["alias:her", "facility:her", "alias:", "alias: her "])
def test_a_column_of_a_source_that_does_not_exist_is_told_though_all_its_cells_are_empty(
    column: str, tmp_path: Path
) -> None:
    (tmp_path / "wards.csv").write_text(f"id;name;hospital;{column}\nA;A;H;\n")
    text = lab_text().replace("open = true", 'register = "wards.csv"')
    (found,) = problems(text, tmp_path)
    assert "wards.csv:1: " in found
    assert "there is no source" in found


def test_every_error_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    text = (
        lab_text()
        .replace("port = 8080", "prot = 8080")
        .replace("[realms.lab]", "[realms.lab]\nhospital = 1")
        .replace('directory = "inbox"', 'directroy = "inbox"')
    )
    lines = text.splitlines()
    found = problems(text, tmp_path)
    assert len(found) == 4  # the fourth: the directory itself is required
    for key in ("prot = 8080", "hospital = 1", 'directroy = "inbox"'):
        assert any(problem.startswith(f"{lines.index(key) + 1}: ") for problem in found), found


def test_an_environment_variable_and_a_file_are_put_in(tmp_path: Path) -> None:
    (tmp_path / "name.txt").write_text("from a file\n")
    text = lab_text().replace("the record system under test", "${WHO} ${file:name.txt}")
    found = load(configured(tmp_path, text), tmp_path, {"WHO": "one"})
    assert found.settings.sources["ehr"].description == "one from a file"


def test_a_timeline_keeps_its_order_and_times(tmp_path: Path) -> None:
    text = in_process().replace(
        "[authority.lab.wards]",
        "[authority.lab.wards]\n"
        'MED = [{ source = "ehr" }, '
        '{ source = "elvis", effective_at = 2026-12-01T06:00:00+01:00 }]\n',
    )
    found = load(configured(tmp_path, text), tmp_path, {})
    entries = found.settings.authority["lab"].timeline("lab").entries
    assert [(e.scope, e.name, e.source) for e in entries] == [
        ("realm", "", "ehr"), ("ward", "MED", "ehr"), ("ward", "MED", "elvis"),
    ]  # fmt: skip
    assert _hour(entries[2]) == (5, "UTC")


def _hour(entry: AuthorityEntry) -> tuple[int, str]:
    assert entry.effective_at is not None
    return entry.effective_at.hour, str(entry.effective_at.tzinfo)


def test_a_time_without_an_offset_is_refused(tmp_path: Path) -> None:
    text = in_process().replace(
        'default = "ehr"', 'default = [{ source = "ehr", effective_at = 2026-12-01T06:00:00 }]'
    )
    assert any("timezone" in problem for problem in problems(text, tmp_path))


def test_authority_must_name_wards_and_hospitals_of_the_register(tmp_path: Path) -> None:
    (tmp_path / "wards.csv").write_text(REGISTER)
    text = in_process().replace("open = true", 'register = "wards.csv"')
    text = text.replace("[realms.lab]", '[realms.lab]\nhospitals = ["Nor"]')
    text = text.replace(
        "[sources.ehr]", '[realms.lab.fulfilled_by_hospital]\nNrr = "place"\n[sources.ehr]'
    )
    text = text.replace("[authority.lab.wards]", '[authority.lab.wards]\nMEDD = "elvis"')
    found = problems(text, tmp_path)
    assert [problem.partition(": ")[2] for problem in found] == [
        "realms.lab.hospitals: there is no 'Nor'; did you mean \"Norr\"?",
        "realms.lab.fulfilled_by_hospital.Nrr: there is no 'Nrr'; did you mean \"Norr\"?",
        "authority.lab.wards.MEDD: there is no 'MEDD'; did you mean \"MED\"?",
    ]


def test_an_open_register_has_no_hospital_that_could_choose(tmp_path: Path) -> None:
    choice = '[realms.lab.fulfilled_by_hospital]\nNorr = "responsible"\n[sources.ehr]'
    (found,) = problems(in_process().replace("[sources.ehr]", choice), tmp_path)
    assert "realms.lab.fulfilled_by_hospital.Norr: an open ward register has no" in found


def test_aliases_must_be_of_a_source_that_exists(tmp_path: Path) -> None:
    (tmp_path / "wards.csv").write_text("id;name;hospital;alias:elvs\nMED;Medicin;Norr;M1\n")
    text = in_process().replace("open = true", 'register = "wards.csv"')
    (found,) = problems(text, tmp_path)
    assert found == (
        f"{tmp_path / 'wards.csv'}:1: alias:elvs: there is no source 'elvs'; "
        'did you mean "elvis"?'
    )


def test_a_realm_without_authority_is_refused(tmp_path: Path) -> None:
    text = in_process().replace("[realms.lab]", "[realms.lab]\n[realms.other]")
    found = problems(text, tmp_path)
    assert any("authority.other: say whom to believe" in problem for problem in found)
    assert any("feeds.elvis.realm: this key is required" in problem for problem in found)


def test_two_realms_need_to_be_named_by_each_feed(tmp_path: Path) -> None:
    text = in_process().replace("[realms.lab]", "[realms.lab]\n[realms.other]")
    text = text.replace("directory =", 'realm = "other"\ndirectory =')
    text = text.replace("[authority.lab]", '[authority.other]\ndefault = "elvis"\n[authority.lab]')
    found = load(configured(tmp_path, text), tmp_path, {})
    assert {feed.identity.name: feed.identity.realm for feed in found.feeds} == {"elvis": "other"}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_permission(host: str, tmp_path: Path) -> None:
    text = in_process().replace('[http]\nhost = "127.0.0.1"', f'[http]\nhost = "{host}"')
    assert load(configured(tmp_path, text), tmp_path, {}).settings.http.host == host


def test_listening_further_without_access_control_is_allowed_and_warned_of(tmp_path: Path) -> None:
    text = in_process().replace(
        '[http]\nhost = "127.0.0.1"', '[http]\nhost = "0.0.0.0"\nallow_unauthenticated = true'
    )
    warnings = load(configured(tmp_path, text), tmp_path, {}).warnings()
    assert any(warning.startswith("http.allow_unauthenticated") for warning in warnings)


_SIGNING = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
_TOLD = f"""
[subscribers.portal.webhook]
url = "https://portal.example/notices"
secrets = ["{_SIGNING}"]
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("https://", "http://", "everybody on the way read it; use https"),
        ("https://portal.example/notices", "portal", "url is an address that begins with https"),
        ("portal.example", "portal..example", "a host that cannot be called"),
        ("portal.example", "portal.example:99999", "a host or a port that cannot be called"),
        ("https://portal.example", "http://127.0.0.1:8000", "needs allow_private = true"),
        ("portal.example", "localhost", "needs allow_private = true"),
        ("portal.example", "10.0.0.7", "needs allow_private = true"),
        (_SIGNING, "whsec_c2hvcnQ=", "whsec_ and 24 to 64 bytes in base64"),
        (f'"{_SIGNING}"', "", "subscribers.portal.webhook.secrets"),
        ("secrets", 'key_file = "k.pem"\nsecrets', "certificate_file and key_file belong together"),
        ("[subscribers.portal.webhook]", "[subscribers.portal]\n[subscribers.portal.webhok]",
         'subscribers.portal.webhok: unknown key; did you mean "webhook"?'),
        ("portal.webhook", '"port al".webhook', "a name has letters, digits"),
        ("[subscribers.portal.webhook]",
         '[subscribers.portal]\nkinds = ["came"]\n[subscribers.portal.webhook]',
         "subscribers.portal.kinds.0"),
    ],
)  # fmt: skip
def test_a_subscriber_that_could_not_be_told_safely_is_refused(
    old: str, new: str, expected: str, tmp_path: Path
) -> None:
    found = problems(lab_text() + _TOLD.replace(old, new, 1), tmp_path)
    assert any(expected in problem for problem in found), found
    assert not any("c2hvcnQ" in problem for problem in found)


def test_one_mistake_is_told_once(tmp_path: Path) -> None:
    short = _TOLD.replace(_SIGNING, "whsec_c2hvcnQ=")
    unset = lab_text().replace('host = "127.0.0.1"', 'host = "${GONE}"', 1)
    for text, place in ((lab_text() + short, "webhook.secrets.0"), (unset, "feeds.hl7.host")):
        found = problems(text, tmp_path)
        assert [place in problem for problem in found] == [True], found


_NAMES = '[subscribers.orbit]\nfields = "identified"\n'
_MLLP = '[subscribers.orbit.mllp]\nhost = "orbit.example"\nport = 2575\n'


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            _MLLP.replace("orbit.example", "10.0.0.7"),
            "host is of this network: needs allow_private",
        ),
        (_MLLP + 'key_file = "k.pem"\n', "certificate_file and key_file belong together"),
        (_MLLP + 'tls = false\nca_file = "ca.pem"\n', "ca_file is of no use without tls"),
        (_MLLP + 'sending_facility = "Söder"\n', "plain letters, digits and signs"),
        (_MLLP + 'pending = "A14"\n', "subscribers.orbit.mllp.pending"),
        (_MLLP + 'version = "2.3"\n', "subscribers.orbit.mllp.version"),
        ('[subscribers.orbit]\nkinds = ["arrived"]\n' + _MLLP, "there is no pending event"),
        (_MLLP + _TOLD.replace("portal", "orbit", 1), "tables webhook, mllp, fhir, kafka"),
        ("[subscribers.orbit]\n", "tables webhook, mllp, fhir, kafka"),
        (_NAMES + _MLLP + "tls = false\n", "without tls everybody on the way would read who it is"),
        (_NAMES + _MLLP, "subscribers.orbit.fields: identified: names are told only where"),
    ],
)
def test_a_receiver_of_hl7_that_could_not_be_told_safely_is_refused(
    more: str, expected: str, tmp_path: Path
) -> None:
    found = problems(lab_text() + more, tmp_path)
    assert any(expected in problem for problem in found), found


_FHIR = '[subscribers.topic.fhir]\nurl = "https://topic.example/hook"\n'


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (_FHIR.replace("https", "http"), "use https"),
        (_FHIR.replace("topic.example", "10.0.0.7"), "needs allow_private = true"),
        (_FHIR + 'headers = ["Host: geheim"]\n', "none that we or the connection set"),
        (_FHIR + 'content = "all"\n', "subscribers.topic.fhir.content"),
        ('[subscribers.topic]\ntoken = "portal"\n' + _FHIR, "there is no 'portal'"),
        (
            '[subscribers.topic]\nfields = "operational"\n' + _FHIR,
            'only `content = "full-resource"`',
        ),
        (_FHIR.replace("topic.fhir", "to_pic.fhir"), "the name is the FHIR id"),
        (
            _FHIR + _MLLP.replace("orbit.mllp", "topic.mllp"),
            "tables webhook, mllp, fhir, kafka",
        ),
    ],
)
def test_a_fhir_subscription_that_could_not_be_told_safely_is_refused(
    more: str, expected: str, tmp_path: Path
) -> None:
    found = problems(lab_text() + more, tmp_path)
    assert any(expected in problem for problem in found), found
    assert not any("geheim" in problem for problem in found)


def test_subscribers_that_may_name_addresses_of_this_network_are_warned_of(tmp_path: Path) -> None:
    warned = {
        private: any(
            warning.startswith("registrations.allow_private")
            for warning in load(
                configured(
                    tmp_path, in_process() + f"[registrations]\nallow_private = {private}\n"
                ),
                tmp_path,
                {},
            ).warnings()
        )
        for private in ("true", "false")
    }
    assert warned == {"true": True, "false": False}


def test_a_subscriber_alone_may_be_whom_names_are_kept_for(tmp_path: Path) -> None:
    text = in_process() + "[identities]\nkeep = true\n"
    nobody = load(configured(tmp_path, text), tmp_path, {})
    assert any(warning.startswith("identities.keep") for warning in nobody.warnings())
    somebody = load(configured(tmp_path, text + _NAMES + _MLLP), tmp_path, {})
    assert somebody.settings.gives("identified")
    assert not any(warning.startswith("identities.keep") for warning in somebody.warnings())


def test_messages_that_can_be_read_on_the_way_are_warned_of(tmp_path: Path) -> None:
    text = in_process() + _MLLP
    encrypted = load(configured(tmp_path, text), tmp_path, {}).warnings()
    assert not any(warning.startswith("subscribers") for warning in encrypted)
    warnings = load(configured(tmp_path, text + "tls = false\n"), tmp_path, {}).warnings()
    assert any(warning.startswith("subscribers.orbit.mllp.tls: without it") for warning in warnings)


def test_a_subscriber_names_wards_and_hospitals_of_the_register(tmp_path: Path) -> None:
    (tmp_path / "wards.csv").write_text("id,name,hospital\nMED,Medicin,Norr\n", encoding="utf-8")
    wanted = '[subscribers.portal]\nwards = ["MDE"]\nhospitals = ["Nor"]\n'
    text = in_process().replace("open = true", 'register = "wards.csv"') + wanted + _TOLD
    found = problems(text, tmp_path)
    assert any("subscribers.portal.wards" in p and 'did you mean "MED"?' in p for p in found), found
    assert any("portal.hospitals" in p and 'did you mean "Norr"?' in p for p in found), found


_SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - it opens nothing
_TOKENS = f"""
[http.access.tokens.screen]
secret = "{_SECRET}"
"""
_OIDC = """
[http.access.oidc]
issuer = "https://id.example"
audience = "wardbridge"
jwks_url = "https://id.example/keys"
[http.access.oidc.roles.nurse]
"""


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        ("[http.access]", "http.access: nobody could come in"),
        ("[http.access.tokens.screen]\nsecret = 'too short'", "secret: a token has 16 or more"),
        (f"[http.access.tokens.screen]\nsecret = '{_SECRET} x'", "without blanks"),
        (f"{_TOKENS}[http.access.tokens.twin]\nsecret = '{_SECRET}'", "two tokens are the same"),
        (f"{_TOKENS}may = ['operate']\nwards = ['MED']", "operate reaches every ward"),
        (f"{_TOKENS}may = []", "http.access.tokens.screen.may: at least one is needed"),
        (f"{_TOKENS}fields = 'identified'", "names are told only where they are kept"),
        (f"{_TOKENS}fields = 'all'", "'operational' or 'identified'"),
        (f"{_TOKENS}hospitals = ['Norr']", "an open ward register has no hospitals"),
        (_TOKENS.replace("screen", '"a b"'), "http.access.a b: a name has letters"),
        ("[http.access.certificates.x]\nsan = 'DNS:x'", "needs client_ca_file in [http.tls]"),
        ("[http.access.certificates.x]\nsan = 'x'", "san begins with DNS:, URI: or email:"),
        ("[http.access.certificates.x]\nsubject = 'x'", "subject is written as in"),
        ("[http.access.certificates.x]\nsan = 'DNS:a'\n[http.access.certificates.y]\nsan = 'DNS:A'",
         "two certificates are the same"),
        ("[http.access.certificates.x]", "give either san or subject"),
        (_OIDC.replace("https://id.example/keys", "http://id.example/keys"), "jwks_url: whoever"),
        (f"{_OIDC}\n[http.access.oidc.roles.x]\nmay = ['all']", "oidc.roles.x.may.0: Input should"),
        (_OIDC.replace("[http.access.oidc.roles", "algorithms = ['HS256']\n[http.access.oidc.roles"),
         "http.access.oidc.algorithms.0: Input should be"),
        ("[http.tls]\ncertificate_file = 'c'\nkey_file = 'k'\nclient_certificate = 'optional'",
         'client_certificate = "optional" needs [http.access]'),
    ],
)  # fmt: skip
def test_what_is_wrong_with_access_is_told(added: str, expected: str, tmp_path: Path) -> None:
    found = problems(f"{lab_text()}\n{added}\n", tmp_path)
    assert any(expected in problem for problem in found), found
    assert _SECRET not in "".join(found)


def test_a_token_that_is_refused_is_not_repeated(tmp_path: Path) -> None:
    text = f"{lab_text()}\n[http.access.tokens.screen]\nsecret = 'short-secret'\n"
    assert "short-secret" not in "".join(problems(text, tmp_path))


def test_access_names_wards_and_hospitals_that_exist(tmp_path: Path) -> None:
    (tmp_path / "wards.csv").write_text(REGISTER, encoding="utf-8")
    text = lab_text().replace("open = true", 'register = "wards.csv"')
    for granted in (_TOKENS, _OIDC):
        found = problems(f"{text}{granted}wards = ['MDE']\nhospitals = ['Nor']\n", tmp_path)
        assert [problem[problem.index("there is") :] for problem in found] == [
            "there is no 'MDE'; did you mean \"MED\"?", "there is no 'Nor'; did you mean \"Norr\"?"
        ]  # fmt: skip


def test_who_asks_for_tokens_may_listen_beyond_this_machine(tmp_path: Path) -> None:
    text = lab_text().replace('[http]\nhost = "127.0.0.1"', '[http]\nhost = "0.0.0.0"')
    found = load(configured(tmp_path, text + _TOKENS), tmp_path)
    lab = {"wards.open", "feeds.fhir.profile.claims"}
    written = {
        "http.access.tokens.screen.secret",
        str(tmp_path / "test.toml has secrets and everybody on this machine may read it"),
    }
    assert {warning.partition(":")[0] for warning in found.warnings()} == lab | written | {
        "http.tls"
    }
    tls = "\n[http.tls]\ncertificate_file = 'c'\nkey_file = 'k'\n"
    found = load(configured(tmp_path, text + tls + _TOKENS), tmp_path)
    missing = {"http.tls.certificate_file", "http.tls.key_file"}
    assert {warning.partition(":")[0] for warning in found.warnings()} == lab | written | missing
    load(configured(tmp_path, f"{text}{tls}client_ca_file = 'ca'\n"), tmp_path)


def test_names_that_are_kept_are_for_somebody(tmp_path: Path) -> None:
    kept = "[identities]\nkeep = true\n"
    for added, expected in (
        (kept, ["identities.keep"]),
        (f"{kept}{_TOKENS}fields = 'operational'", ["identities.keep"]),
        (f"{kept}{_TOKENS}fields = 'identified'", []),
        (_TOKENS, []),
    ):
        found = load(configured(tmp_path, f"{lab_text()}\n{added}\n"), tmp_path)
        said = [warning.partition(":")[0] for warning in found.warnings()]
        assert [each for each in said if each.startswith("identities")] == expected
        assert found.settings.identities.keep is (kept in added)


def test_of_a_token_the_configuration_keeps_a_hash(tmp_path: Path) -> None:
    found = load(configured(tmp_path, lab_text() + _TOKENS), tmp_path)
    assert _SECRET not in repr(found)
    assert _SECRET.encode() not in pickle.dumps(found)
