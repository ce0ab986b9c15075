"""Profiles in files of their own: what wins over what, and where a mistake is told to stand."""

from pathlib import Path

import pytest

from adapters.fhir.profile import FhirProfile
from adapters.hl7v2.profile import Hl7Profile
from adapters.hl7v2.rules import DEFAULT_MARKS
from tests.wardbridge.support import configured, lab_text
from wardbridge.config.load import load
from wardbridge.config.models import Installation
from wardbridge.config.problems import ConfigError

HL7 = '[feeds.hl7]\nprofile_file = "ehr.toml"'
OWN = '[feeds.hl7.profile]\nprocessing_ids = ["P", "T", "D", ""]'


def loaded(tmp_path: Path, profile: str, text: str = "") -> Installation:
    (tmp_path / "ehr.toml").write_text(profile, encoding="utf-8")
    text = text or lab_text().replace("[feeds.hl7]", HL7)
    return load(configured(tmp_path, text), tmp_path, {"CHARSET": "latin-1"})


def hl7_profile(found: Installation, feed: str = "hl7") -> Hl7Profile:
    settings = next(each.settings for each in found.feeds if each.identity.name == feed)
    profile: Hl7Profile = settings.profile  # type: ignore[attr-defined]
    return profile


@pytest.mark.parametrize(
    ("in_file", "in_feed", "becomes"),
    [
        ('visit = "PV1-50"', "", {"visit": "PV1-50", "marks": DEFAULT_MARKS}),
        ('visit = "PV1-50"', 'visit = "PID-18"', {"visit": "PID-18"}),
        ('visit = "PV1-50"', "future_s = 60", {"visit": "PV1-50", "future_s": 60}),
        ('charset = "${CHARSET}"', "", {"charset": "latin-1"}),
        ('[marks]\nA08 = ["ZVP-2"]', "", {"marks": {"A08": ("ZVP-2",)}}),
        ('[marks]\nA08 = ["ZVP-2"]', 'marks.A14 = ["PV1-42"]', {"marks": {"A14": ("PV1-42",)}}),
        ("[location]\nward = 4\nroom = 1", "location.ward = 3",
         {"location": Hl7Profile.model_validate({"location": {"ward": 3, "room": 1}}).location}),
    ],
    ids=[
        "file", "feed-wins", "each-gives-a-key", "reference", "table", "names-are-one-field",
        "field-by-field",
    ],
)  # fmt: skip
def test_the_feed_wins_over_the_file_and_the_file_over_the_default(
    in_file: str, in_feed: str, becomes: dict[str, object], tmp_path: Path
) -> None:
    text = lab_text().replace("[feeds.hl7]", HL7).replace(OWN, f"[feeds.hl7.profile]\n{in_feed}")
    profile = hl7_profile(loaded(tmp_path, in_file, text))
    assert profile == Hl7Profile().model_copy(update=dict(Hl7Profile.model_validate(becomes))), text
    whole = Hl7Profile.model_validate(becomes)
    assert all(getattr(profile, key) == getattr(whole, key) for key in becomes)


def test_several_feeds_share_a_file(tmp_path: Path) -> None:
    second = f'{HL7}\nport = 2576\nkind = "hl7v2-mllp"\nsource = "ehr"\n'.replace("hl7]", "more]")
    text = lab_text().replace("[feeds.hl7]", HL7) + second
    found = loaded(tmp_path, 'visit = "PV1-50"', text)
    assert {hl7_profile(found, feed).visit for feed in ("hl7", "more")} == {"PV1-50"}


def test_a_fhir_feed_has_one_in_the_same_way(tmp_path: Path) -> None:
    text = lab_text().replace("[feeds.fhir]", HL7.replace("hl7", "fhir"))
    found = loaded(tmp_path, 'zone = "Europe/Helsinki"', text)
    profile = next(each.settings for each in found.feeds if each.identity.name == "fhir").profile  # type: ignore[attr-defined]
    assert profile == FhirProfile(zone="Europe/Helsinki", unversioned="receipt")


@pytest.mark.parametrize(
    ("profile", "problem"),
    [
        ('zone = "Mars"', "ehr.toml:1: zone: 'Mars' is no time zone: write one like Europe"),
        ("\n[location]\nwrad = 4", 'ehr.toml:3: location.wrad: unknown key; did you mean "ward"?'),
        ('charset = "${GONE}"', "ehr.toml:1: charset: environment variable GONE is not set"),
        ("marks\n", "ehr.toml:1: not TOML:"),
    ],
)
def test_a_mistake_is_told_with_the_file_that_it_stands_in(
    profile: str, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="ehr") as caught:
        loaded(tmp_path, profile)
    assert [str(each).removeprefix(f"{tmp_path}/")[: len(problem)] for each in
            caught.value.problems] == [problem]  # fmt: skip


@pytest.mark.parametrize(
    ("in_file", "in_feed", "place"),
    [
        ('zone = "Europe/Oslo"', 'zone = "Mars"', r"profile\.zone: 'Mars'"),
        ("location.room = 1", "location.ward = 99", r"profile\.location\.ward: "),
    ],
)
def test_a_mistake_in_the_feed_is_not_told_of_the_file(
    in_file: str, in_feed: str, place: str, tmp_path: Path
) -> None:
    own = f"[feeds.hl7.profile]\n{in_feed}"
    text = lab_text().replace("[feeds.hl7]", HL7).replace(OWN, own)
    with pytest.raises(ConfigError, match=rf"test\.toml:\d+: feeds\.hl7\.{place}"):
        loaded(tmp_path, in_file, text)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("[feeds.hl7]", HL7.replace("ehr.toml", "gone.toml"), r"gone\.toml: cannot be read"),
        ("[feeds.hl7]", "[feeds.hl7]\nprofile_file = 1", r"feeds\.hl7\.profile_file: "),
        ("[feeds.elvis]", HL7.replace("hl7", "elvis"),
         r"feeds\.elvis\.profile_file: a feed of kind 'elvis-directory' has no profile"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused(
    old: str, new: str, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=problem):
        loaded(tmp_path, "", lab_text().replace(old, new))
