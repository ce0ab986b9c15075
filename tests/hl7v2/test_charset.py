"""Character sets: names of every origin, bytes that contradict them, and what nobody can read."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2 import charset, reader
from adapters.hl7v2.charset import OTHER_NAMES, REFUSED, TABLE_0211, Charsets
from adapters.hl7v2.errors import CharsetError, UnknownCharsetError
from adapters.hl7v2.mapping import Hl7Normaliser
from adapters.hl7v2.profile import Hl7Profile
from tests.hl7v2.lab import FEED, KEYER, OPEN, RECEIVED_AT, message

SAMPLES = {
    "ascii": "Smith", "utf-8": "Šåström Ženja", "gb18030": "王小明", "big5": "陳大文",
    "euc_kr": "김철수", "iso2022_jp_ext": "山田太郎", "iso8859-1": "Åström", "iso8859-2": "Łódź",
    "iso8859-3": "Ġorġ", "iso8859-4": "Ķekava", "iso8859-5": "Иванов", "iso8859-6": "محمد",
    "iso8859-7": "Γιώργος", "iso8859-8": "משה", "iso8859-9": "Şişli", "iso8859-15": "Šœ€ å",
    "cp1250": "Łódź", "cp1251": "Иванов", "cp1252": "Šåström “Ž”", "cp1253": "Γιώργος",
    "cp1254": "Şişli", "cp1255": "משה", "cp1256": "محمد", "cp1257": "Ķekava", "cp1258": "Đăng",
}  # fmt: skip
DIFFERS, UNKNOWN = "charset-differs", "charset-unknown"
A15 = {42: "W2"}


def read(declared: str, sent: bytes, feed: Charsets | None = None) -> tuple[str, str, str | None]:
    """The text, its codec, and the reason of the doubt."""
    head = f"MSH|^~\\&|{'|' * 14}|{declared}".encode("latin-1")
    assert head.split(b"|")[17] == declared.encode("latin-1")
    found = reader.read(head + b"\rPID|" + sent, feed or Charsets())
    return found.first("PID").first(1), found.codec, found.doubt.reason if found.doubt else None


@pytest.mark.parametrize("name", [*TABLE_0211, *OTHER_NAMES])
def test_every_name_is_read_by_its_codec(name: str) -> None:
    codec = {**TABLE_0211, **OTHER_NAMES}[name]
    assert read(name, SAMPLES[codec].encode(codec)) == (SAMPLES[codec], codec, None)


@pytest.mark.parametrize(
    "name",
    ["ISO 8859-1", "iso-8859-1", "ISO_8859-1", "ISO8859/1", "ISO8859-1", "8859-1", "ISO_IR 100",
     " 8859/1 ", '"8859/1"', "Latin1", "latin-1"],
)  # fmt: skip
def test_names_compare_by_letters_and_digits(name: str) -> None:
    assert read(name, "å".encode("latin-1")) == ("å", "iso8859-1", None)


@pytest.mark.parametrize(
    "name", ["UNICODE", "UNICODE UTF-8", "unicode utf8", "UTF8", "utf-8", "ISO IR192", "ISO_IR 192"]
)
def test_utf_8_has_many_names(name: str) -> None:
    assert read(name, "Å".encode()) == ("Å", "utf-8", None)


@pytest.mark.parametrize(
    ("declared", "sent", "text", "codec", "doubt"),
    [
        ("", "åäö".encode(), "åäö", "utf-8", None),
        ("", "åäö".encode("latin-1"), "åäö", "iso8859-1", None),
        ("UNICODE UTF-8", "Öst Åsa".encode("latin-1"), "Öst Åsa", "iso8859-1", DIFFERS),
        ("UNICODE", "Öst".encode("latin-1"), "Öst", "iso8859-1", DIFFERS),
        ("ASCII", "å".encode(), "å", "utf-8", DIFFERS),
        ("ASCII", "å".encode("latin-1"), "å", "iso8859-1", DIFFERS),
        ("8859/1", "Åström".encode(), "Åström", "utf-8", DIFFERS),
        ("8859/15", "Åström".encode(), "Åström", "utf-8", DIFFERS),
        ("8859/7", "Åström".encode(), "Åström", "utf-8", DIFFERS),
        ("Windows-1252", "Åström".encode(), "Åström", "utf-8", DIFFERS),
        ("8859/1", "Å “Š”".encode("cp1252"), "Å “Š”", "cp1252", DIFFERS),
        ("", "Å “Š”".encode("cp1252"), "Å “Š”", "cp1252", DIFFERS),
        ("UNICODE UTF-8", "Å “Š”".encode("cp1252"), "Å “Š”", "cp1252", DIFFERS),
        ("8859/7", b"\x85 \xe5", "… å", "cp1252", DIFFERS),
        ("8859/1~UNICODE UTF-8", "å".encode("latin-1"), "å", "iso8859-1", None),
        ("UNICODE UTF-8~8859/1", "å".encode(), "å", "utf-8", None),
        ("~ISO IR87", "山".encode("iso2022_jp"), "山", "iso2022_jp_ext", None),
        ("ASCII~ISO IR87~ISO IR159", "山".encode("iso2022_jp"), "山", "iso2022_jp_ext", None),
        ("~ISO IR87", "å".encode(), "å", "utf-8", None),
        ("ISO IR87", "å".encode(), "å", "utf-8", DIFFERS),
        ("UNICODE UTF-16", b"plain", "plain", "utf-8", DIFFERS),
        ("EBCDIC-SE", b"plain", "plain", "utf-8", UNKNOWN),
        ("", b"plain", "plain", "utf-8", None),
        ("8859/1", b"plain", "plain", "iso8859-1", None),
    ],
)  # fmt: skip
def test_what_bytes_are_read_as(
    declared: str, sent: bytes, text: str, codec: str, doubt: str | None
) -> None:
    assert read(declared, sent) == (text, codec, doubt)


@pytest.mark.parametrize(
    ("declared", "sent"),
    [
        ("UNICODE UTF-8", b"\x81\xe5"),  # neither UTF-8 nor any sign of Windows-1252
        ("8859/1", b"\x81"),
        ("", b"\x81"),
        ("UNICODE UTF-16", "å".encode()),
        ("UNICODE UTF-32", "å".encode()),
        ("CNS 11643-1992", "å".encode()),
        ("", "山".encode("iso2022_jp")),
        ("8859/1", "山".encode("iso2022_jp")),
        ("UNICODE UTF-8", "山".encode("iso2022_jp")),
        ("", b"\x1b$)C\x0e1"),
        ("", b"\x1b-A\xe5"),
        ("ISO IR87", b"\x1b$B\xff"),
        ("8859/1~ISO IR87", b"\xe5 \x1b$B;3\x1b(B"),
    ],
)
def test_what_is_not_what_it_says_is_refused(declared: str, sent: bytes) -> None:
    with pytest.raises(CharsetError):
        read(declared, sent)


@pytest.mark.parametrize("name", [*REFUSED])
def test_what_cannot_be_read_is_told_by_name(name: str) -> None:
    with pytest.raises(CharsetError) as caught:
        read(name, "å".encode())
    assert caught.value.detail == REFUSED[name]


@pytest.mark.parametrize("end", ["le", "be"])
@pytest.mark.parametrize("mark", [b"", b"\xff\xfe", b"\xfe\xff"])
def test_utf_16_is_called_that(end: str, mark: bytes) -> None:
    with pytest.raises(CharsetError, match="UTF-16"):
        reader.read(mark + "MSH|^~\\&|EHR|".encode(f"utf-16-{end}"))


OWN: dict[str, tuple[Mapping[str, str], str, bytes, str]] = {
    "a name of one's own": ({"EBCDIC-SE": "cp850"}, "EBCDIC-SE", "å".encode("cp850"), "å"),
    "compared like the others": ({"my own": "cp850"}, "MY-OWN", "å".encode("cp850"), "å"),
    "before the table": ({"8859/1": "cp850"}, "8859/1", "å".encode("cp850"), "å"),
    "believed whatever the bytes look like": ({"8859/1": "latin-1"}, "8859/1", "å".encode(), "Ã¥"),
    "what Camel sends": ({"UNICODE UTF-8": "latin-1"}, "UNICODE UTF-8", b"\xe5", "å"),
}


@pytest.mark.parametrize("case", OWN)
def test_a_feed_says_what_names_mean(case: str) -> None:
    named, declared, sent, text = OWN[case]
    found, _, doubt = read(declared, sent, Charsets.of("iso8859-1", named))
    assert (found, doubt) == (text, None)


@pytest.mark.parametrize(
    ("fallback", "sent", "text"),
    [("cp850", "å".encode("cp850"), "å"), ("iso8859-15", b"\xa4", "€"), ("cp1252", b"\x80", "€")],
)
def test_bytes_that_contradict_what_is_declared_are_read_in_the_feeds_set(
    fallback: str, sent: bytes, text: str
) -> None:
    assert read("UNICODE UTF-8", sent, Charsets(fallback)) == (text, fallback, DIFFERS)
    assert read("", sent, Charsets(fallback)) == (text, fallback, None)
    if fallback == "iso8859-15":
        with pytest.raises(CharsetError, match="80 to 9F"):
            read("", b"\x80", Charsets(fallback))


@pytest.mark.parametrize("name", ["latin-1", "ISO-8859-1", "iso8859-1", "L1"])
def test_a_codec_has_many_names(name: str) -> None:
    feed = Charsets.of(name, {"OWN": name})
    assert read("", b"\x93\xe5\x94", feed) == ("“å”", "cp1252", DIFFERS)
    assert read("UNICODE UTF-8", b"\xe5", feed) == ("å", "iso8859-1", DIFFERS)
    assert read("OWN", b"\xe5", feed) == ("å", "iso8859-1", None)


def test_a_feed_of_utf_8_alone_refuses_all_else() -> None:
    with pytest.raises(CharsetError):
        read("UNICODE UTF-8", b"\xe5", Charsets("utf-8"))


@pytest.mark.parametrize(
    "codec", ["utf-16", "utf-7", "unicode_escape", "rot13", "cp037", "hz", "no"]
)
def test_a_codec_that_does_not_read_ascii_as_ascii_is_none(codec: str) -> None:
    assert not charset.is_known(codec)
    with pytest.raises(ValueError, match="no character set"):
        Hl7Profile(charsets={"X": codec})


def outcome(payload: bytes, **profile: object) -> tuple[str, str, list[tuple[str, str | None]]]:
    adapter = Hl7Normaliser(FEED, Hl7Profile.model_validate(profile), OPEN, KEYER)
    found = adapter.normalise(payload, RECEIVED_AT)
    beside = [(each.reason, each.where) for each in found.warnings]
    return found.verdict.value, found.reason, beside


def declaring(name: str) -> dict[int, str]:
    return {18: name}


def test_a_warning_goes_with_what_is_read_otherwise_than_declared() -> None:
    payload = message("A15", A15, "NTE|1||Ö", msh=declaring("UNICODE UTF-8"))
    latin = payload.decode().encode("latin-1")
    assert outcome(latin) == ("accepted", DIFFERS, [(DIFFERS, "MSH-18")])
    assert outcome(latin, charsets={"UNICODE UTF-8": "iso8859-1"}) == ("accepted", "accepted", [])


def test_an_unknown_name_waits_and_names_the_setting_and_is_told_already_with_ascii() -> None:
    plain = message("A15", A15, msh=declaring("PRIVATE-7"))
    assert outcome(plain) == ("accepted", UNKNOWN, [(UNKNOWN, "MSH-18")])
    letters = message("A15", A15, "NTE|1||Ö", msh=declaring("PRIVATE-7"))
    adapter = Hl7Normaliser(FEED, Hl7Profile(), OPEN, KEYER)
    reading = adapter.read(letters, RECEIVED_AT)
    assert (reading.outcome.verdict, reading.outcome.reason) == ("review", UNKNOWN)
    assert "profile.charsets" in reading.outcome.detail
    assert reading.fault is None, "its sender is told what it is told of every message in review"
    assert outcome(letters, charsets={"PRIVATE-7": "utf-8"}) == ("accepted", "accepted", [])


@given(
    st.sampled_from(
        ["", "8859/1", "UNICODE UTF-8", "ASCII", "ISO IR87", "KS X 1001", "BIG-5", "?"]
    ),
    st.binary(max_size=60),
    st.sampled_from(["iso8859-1", "utf-8", "cp1252", "iso8859-15"]),
)
def test_no_letter_is_lost_or_replaced_whatever_is_sent(
    declared: str, sent: bytes, fallback: str
) -> None:
    payload = b"MSH|^~\\&||||||||||||||||" + declared.encode() + b"|\rZZZ|" + sent
    try:
        found = reader.read(payload, Charsets(fallback))
    except (CharsetError, UnknownCharsetError):
        return
    text = payload.decode(found.codec)
    assert "\ufffd" not in text or "\ufffd".encode() in payload
    assert text.encode(found.codec).decode(found.codec) == text
