"""Names of files are bytes: whatever they are, the export is taken, and no name costs another file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from adapters.elvis import inbox, reading
from adapters.elvis.feed import ElvisDirectoryFeed
from adapters.elvis.kept import KeptExports
from adapters.elvis.settings import ElvisSettings, Guards, Watching
from bus.memory import MemoryLog
from bus.port import TopicPartition
from schemas.observation import RawPointer
from schemas.review import ReviewItem
from schemas.ward import WardRegister
from tests.elvis.exports import FEED, KEYER, Row, export
from tests.elvis.ward import Clocks, Ward

ANNA = Row("B1", "2", "1", "TEST-001", responsible="B1")
BO = Row("B2", "2", "1", "TEST-002", responsible="B2")
LATIN_1 = "SÄS Borås.csv".encode("latin-1")

NAMES: dict[str, bytes] = {
    "latin-1": LATIN_1,
    "utf-8": "SÄS Borås.csv".encode(),
    "decomposed": "SA\u0308S.csv".encode(),
    "no encoding at all": bytes(range(128, 256)).replace(b"/", b"") + b".csv",
    "newline": b"a\nb.csv",
    "carriage return and tab": b"a\r\tb.csv",
    "escape sequence": b"\x1b]0;x\x07\x1b[31m.csv",
    "quotes": b'it\'s "one" `of` $them.csv',
    "leading dashes": b"--force.csv",
    "blanks around": b" a .csv",
    "backslashes": rb"C:\export\a.csv",
    "percent and braces": b"%s{0}%(x)s.csv",
    "separators of keys": b"a|file|b#c?d.csv",
    "255 bytes": b"x" * 251 + b".csv",
    "255 bytes of two each": "Ö".encode() * 125 + b"x.csv",
    "upper case": b"EXPORT.CSV",
    "turned direction": "a\u202evsc.csv".encode(),
    "half a pair": b"\xed\xa0\x80.csv",
}


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path / "inbox")


def _put(ward: Ward, name: bytes, payload: bytes) -> Path:
    path = ward.directory / os.fsdecode(name)
    path.write_bytes(payload)
    return ward.dated(path)


def _kept(ward: Ward, folder: str) -> list[bytes]:
    return sorted(os.listdir(os.fsencode(ward.directory / folder)))  # noqa: PTH208 - as bytes


@pytest.mark.parametrize("name", NAMES)
def test_an_export_is_taken_under_any_name_and_keeps_its_bytes(ward: Ward, name: str) -> None:
    payload = export(0, ANNA).payload()
    _put(ward, NAMES[name], payload)
    ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described"]
    pointer = RawPointer.model_validate_json(ward.values("raw")[0])
    assert pointer.name is not None
    assert pointer.name.isprintable()
    (kept,) = _kept(ward, "done")
    prefix = pointer.sha256[:12].encode() + b"-"
    assert kept.startswith(prefix)
    is_short = len(NAMES[name]) < 200
    assert kept == prefix + NAMES[name] if is_short else kept.endswith(b".csv")
    assert (ward.directory / "done" / os.fsdecode(kept)).read_bytes() == payload
    assert (ward.blocking(), ward.feed.trouble()) == (None, None)


@pytest.mark.parametrize("name", NAMES)
def test_a_refused_export_of_any_name_has_its_reason_beside_it(ward: Ward, name: str) -> None:
    _put(ward, NAMES[name], export(0, ANNA)._replace(counted=7).payload())
    ward.look_until_stable()
    item = ReviewItem.model_validate_json(ward.values("review")[0])
    assert (item.reason, item.raw and item.raw.name) == ("count-differs", _shown_once(ward))
    kept, reason = _kept(ward, "rejected")
    assert reason == kept + b".reason.json"


def _shown_once(ward: Ward) -> str:
    path = next(one for one in (ward.directory / "rejected").iterdir() if one.suffix == ".json")
    told: str = json.loads(path.read_text(encoding="utf-8"))["file"]
    return told


@pytest.mark.parametrize("name", NAMES)
def test_a_rejected_export_of_any_name_can_be_approved(ward: Ward, name: str) -> None:
    crowd = [Row("B1", str(bed), "1", f"TEST-{bed:03d}") for bed in range(10)]
    _put(ward, b"a.csv", export(0, *crowd).payload())
    ward.look_until_stable()
    _put(ward, NAMES[name], export(15).payload())
    ward.look_until_stable()
    kept = _kept(ward, "rejected")[0]
    (ward.directory / "rejected" / os.fsdecode(kept)).replace(
        ward.directory / "approved" / os.fsdecode(kept)
    )
    ward.look_until_stable()
    assert ward.observed().count("TEST-003 discharged") == 1
    assert (kept in _kept(ward, "done"), _kept(ward, "rejected")) == (True, [])


@pytest.mark.parametrize("marked", [False, True])
def test_a_rejected_export_can_be_approved_whatever_the_names_of_exports_are(
    tmp_path: Path, *, marked: bool
) -> None:
    marker = ".done" if marked else ""
    ward = Ward(tmp_path, Watching(pattern="elvis_*.csv", done_marker=marker))
    crowd = [Row("B1", str(bed), "1", f"TEST-{bed:03d}") for bed in range(10)]
    for number, payload in enumerate([export(0, *crowd).payload(), export(15).payload()]):
        _put(ward, f"elvis_{number}.csv".encode(), payload)
        if marked:
            _put(ward, f"elvis_{number}.csv.done".encode(), b"")
        ward.look_until_stable()
    kept = os.fsdecode(_kept(ward, "rejected")[0])
    (ward.directory / "rejected" / kept).replace(ward.directory / "approved" / kept)
    ward.look_until_stable()
    assert ward.observed().count("TEST-003 discharged") == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_kept_export_of_any_name_can_be_read_again(ward: Ward, name: str) -> None:
    payload = export(0, ANNA)._replace(counted=7).payload()
    _put(ward, NAMES[name], payload)
    ward.look_until_stable()
    kept = KeptExports(ward.settings)
    assert kept.hand_back(sha256(payload).hexdigest())
    ward.look_until_stable()
    assert ward.feed.figures.files_known == 1
    assert len(_kept(ward, "rejected")) == 2


def test_all_names_at_once_stop_nobody(ward: Ward) -> None:
    for minute, name in enumerate(NAMES.values()):
        _put(ward, name, export(minute, ANNA._replace(bed=str(minute))).payload())
        ward.clocks.passed_s += 1.0
    for _ in range(2):
        ward.look_until_stable()
    assert len(ward.observed()) == len(NAMES)
    assert [one for one in _kept(ward, ".") if one.lower().endswith(b".csv")] == []


@pytest.mark.parametrize("name", NAMES)
def test_with_a_marker_any_name_is_found(tmp_path: Path, name: str) -> None:
    """A name so long that its marker cannot exist waits, and costs no other file."""
    ward = Ward(tmp_path / "inbox", Watching(done_marker=".klar"))
    _put(ward, NAMES[name], export(0, ANNA).payload())
    _put(ward, b"other.csv", export(15, ANNA, BO).payload())
    fits = len(NAMES[name]) + len(".klar") <= 255
    for each in (b"other.csv", NAMES[name])[: 1 + fits]:
        (ward.directory / os.fsdecode(each + b".klar")).touch()
    ward.look_until_stable()
    assert "TEST-002 described" in ward.observed()
    assert len(_kept(ward, "done")) == 1 + fits


def test_a_name_that_is_in_done_already_is_kept_beside_it(ward: Ward) -> None:
    for minute in (0, 15):
        _put(ward, b"a.csv", export(minute, ANNA).payload())
        ward.look_until_stable()
    assert len(_kept(ward, "done")) == 2


def test_a_file_that_is_in_done_already_is_only_moved(ward: Ward) -> None:
    for _ in range(2):
        _put(ward, LATIN_1, export(0, ANNA).payload())
        ward.look_until_stable()
    assert (len(_kept(ward, "done")), ward.observed()) == (1, ["TEST-001 described"])


@pytest.mark.parametrize("folder", ["done", "rejected"])
def test_a_folder_in_the_way_is_left_alone(ward: Ward, folder: str) -> None:
    counted = None if folder == "done" else 7
    payload = export(0, ANNA)._replace(counted=counted).payload()
    digest = sha256(payload).hexdigest()
    (ward.directory / folder / f"{digest[:12]}-a.csv").mkdir()
    _put(ward, b"a.csv", payload)
    ward.look_until_stable()
    files = [one.name for one in (ward.directory / folder).iterdir() if one.is_file()]
    assert f"{digest[:12]}-2-a.csv" in files
    assert ward.feed.figures.moves_failed == 0


def test_folders_that_somebody_removed_are_made_again(ward: Ward) -> None:
    for folder in ("done", "rejected", "approved"):
        (ward.directory / folder).rmdir()
    _put(ward, b"a.csv", export(0, ANNA).payload())
    _put(ward, b"b.csv", export(15, ANNA)._replace(counted=7).payload())
    ward.look_until_stable()
    assert (len(_kept(ward, "done")), len(_kept(ward, "rejected"))) == (1, 2)


def test_a_file_that_became_a_pipe_since_it_was_listed_is_not_waited_for(ward: Ward) -> None:
    os.mkfifo(ward.directory / "a.csv")
    with pytest.raises(OSError, match="no regular file"):
        reading.open_file(ward.directory / "a.csv")


def test_what_may_not_be_read_is_trouble_and_costs_no_other_file(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(ward, LATIN_1, export(0, BO).payload())
    _put(ward, b"b.csv", export(15, ANNA).payload())
    opened = reading.open_file

    def opens(path: Path) -> object:
        if os.fsencode(path.name) == LATIN_1:
            raise PermissionError(13, "Permission denied")
        return opened(path)

    with monkeypatch.context() as locked:
        locked.setattr(reading, "open_file", opens)
        ward.look_until_stable()
        assert ward.feed.trouble() == "exports cannot be read: Permission denied"
        assert ward.observed() == ["TEST-001 described"]
    ward.look_until_stable()
    assert "exports cannot be read" not in (ward.feed.trouble() or "")


@pytest.fixture(params=[False, True], ids=["watched", "polled"])
def feed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ElvisDirectoryFeed]:
    watching = Watching(stable_s=0.0, look_s=0.05, polling=request.param)
    settings = ElvisSettings(
        directory=tmp_path / "inbox", watching=watching, guards=Guards(shrink_patients=100)
    )
    made = ElvisDirectoryFeed(
        FEED, settings, WardRegister(open_register=True), KEYER, MemoryLog(), Clocks().now
    )
    made.start()
    yield made
    made.stop()
    assert not made.is_alive()


def test_the_thread_lives_on_whatever_names_appear(
    feed: ElvisDirectoryFeed, tmp_path: Path
) -> None:
    log = feed._taker._log
    for minute, name in enumerate(NAMES.values()):
        path = tmp_path / "inbox" / os.fsdecode(name)
        part = tmp_path / "inbox" / os.fsdecode(b"\xe5%d.tmp" % minute)
        part.write_bytes(export(minute, ANNA._replace(bed=str(minute))).payload())
        part.with_name(os.fsdecode(b"\xe5left.tmp")).touch()
        part.replace(path)
        assert log.wait(["observations"], {TopicPartition("observations", 0): minute}, 20.0)
    assert (feed.failure, feed.is_alive()) == (None, True)


def test_an_endless_name_is_no_name() -> None:
    assert not inbox._exists(Path("x" * 300))
