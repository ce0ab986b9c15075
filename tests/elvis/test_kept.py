"""A handled export is read again by its feed, whatever it is called and however often one asks."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from adapters.elvis.handle import make_context
from adapters.elvis.kept import KeptExports, foreseen
from adapters.elvis.settings import ElvisSettings, Scope, Watching
from adapters.elvis.taking import state_in
from schemas.ward import WardRegister
from tests.elvis.exports import FEED, KEYER, NOON, Row, export
from tests.elvis.ward import Ward

ANNA = Row("B1", "2", "1", "TEST-001", responsible="B1")
BO = Row("B2", "2", "1", "TEST-002", responsible="B2")
SCOPE = Scope(name="borås", hospital="SÄS Borås", wards=("B1", "B2"))
WRONG = Scope(name="borås", hospital="Elsewhere", wards=("B1", "B2"))


def settings(directory: Path, scope: Scope, **watching: object) -> ElvisSettings:
    return ElvisSettings(
        directory=directory, scopes=(scope,), watching=Watching.model_validate(watching)
    )


def refused(directory: Path, name: str = "export.csv", **watching: object) -> Ward:
    """A feed whose scopes were wrong has refused an export; now they are right."""
    ward = Ward(directory, settings=settings(directory, WRONG, **watching))
    ward.put(name, export(0, ANNA))
    if marker := watching.get("done_marker"):
        (directory / f"{name}{marker}").touch()
    ward.look_until_stable()
    assert ward.names("rejected")[0].endswith(name)
    ward.settings = settings(directory, SCOPE, **watching)
    ward.feed = ward.new_feed()
    return ward


def digest(*rows: Row) -> str:
    return sha256(export(0, *rows).payload()).hexdigest()


@pytest.mark.parametrize(
    ("name", "watching"),
    [
        ("export.csv", {}),
        ("export.csv", {"done_marker": ".klar"}),
        ("elvis_north.txt", {"pattern": "elvis_*.txt"}),
        ("räksmörgås.csv", {}),
    ],
)
def test_a_refused_export_is_taken_once_the_configuration_is_right(
    tmp_path: Path, name: str, watching: dict[str, object]
) -> None:
    ward = refused(tmp_path, name, **watching)
    ward.look_until_stable()
    assert ward.observed() == []
    assert KeptExports(ward.settings).hand_back(digest(ANNA))
    ward.feed.look()
    assert ward.observed() == ["TEST-001 described"]
    assert (ward.names(), ward.names("again"), ward.names("rejected")) == ([], [], [])
    assert ward.names("done") == [name]


def test_it_takes_no_place_of_a_newer_file_of_its_name(tmp_path: Path) -> None:
    ward = refused(tmp_path)
    ward.put("export.csv", export(15, ANNA, BO))
    assert KeptExports(ward.settings).hand_back(digest(ANNA))
    ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described", "TEST-002 described"]
    assert len(ward.names("done")) == 2


def test_handed_back_twice_it_is_read_once(tmp_path: Path) -> None:
    ward = refused(tmp_path)
    kept = KeptExports(ward.settings)
    assert [kept.hand_back(digest(ANNA)) for _ in range(2)] == [True, False]
    ward.look_until_stable()
    assert kept.hand_back(digest(ANNA))
    ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described"]


def test_what_was_deleted_or_damaged_is_not_found(tmp_path: Path) -> None:
    ward = refused(tmp_path)
    (file,) = (path for path in (tmp_path / "rejected").iterdir() if path.suffix == ".csv")
    file.write_bytes(file.read_bytes() + b"more")
    kept = KeptExports(ward.settings)
    assert kept.find(digest(ANNA)) is None
    assert not kept.hand_back(digest(ANNA))
    assert not KeptExports(settings(tmp_path / "nowhere", SCOPE)).hand_back("00")


def test_what_the_feed_will_make_of_it_is_foreseen_and_changes_nothing(tmp_path: Path) -> None:
    ward = refused(tmp_path)
    path = KeptExports(ward.settings).find(digest(ANNA))
    assert path is not None
    context = make_context(FEED, ward.settings, WardRegister(open_register=True), KEYER)
    before = ward.log.ends("snapshots"), path.read_bytes()
    found = foreseen(path, digest(ANNA), NOON, state_in(ward.log, context), context)
    assert [str(each.visit) for each in found.handled.outcome.observations]
    assert (ward.log.ends("snapshots"), path.read_bytes()) == before
    KeptExports(ward.settings).hand_back(digest(ANNA))
    ward.feed.look()
    assert ward.observed() == ["TEST-001 described"]
