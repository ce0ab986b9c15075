"""What of the configuration the router goes by."""

from pathlib import Path

from bus.memory import MemoryLog
from bus.port import Record, TopicPartition
from schemas import topics
from schemas.notification import Notification
from tests.router.hearing import authority, open_after
from tests.router.saying import REALM, Source, envelope
from tests.wardbridge.support import configured, in_process
from wardbridge.config.load import load
from wardbridge.routing.step import make_runner

REGISTER = "id;name;hospital\nMED;Medicin;Norr\nKIR;Kirurgi;Söder\n"
CHOICE = """[realms.lab]
fulfilled_by = "responsible"

[realms.lab.fulfilled_by_hospital]
"Söder" = "place"
"""


def test_each_hospital_has_its_patients_when_it_chose_to(tmp_path: Path) -> None:
    (tmp_path / "wards.csv").write_text(REGISTER, encoding="utf-8")
    text = in_process().replace("[realms.lab]\n", CHOICE)
    text = text.replace("open = true", 'register = "wards.csv"')
    log = MemoryLog()
    runner = make_runner(log, load(configured(tmp_path, text), tmp_path))
    north, south = Source(visit="north"), Source(visit="south", patient="p2")
    said = [north.a14("MED"), north.a01("MED"), south.a14("KIR"), south.a01("KIR")]
    believed = authority("ehr").model_dump_json().encode()
    log.append([Record(topics.AUTHORITY, REALM, REALM, believed)])
    log.append([Record(topics.OBSERVATIONS, REALM, "k", envelope(each).to_json()) for each in said])
    runner.run_once()
    found = log.scan(TopicPartition(topics.DESIGNATIONS, 0), 0, 10)
    notices = [Notification.model_validate_json(each.value or b"") for each in found]
    assert open_after(notices) == {("MED", "ehr", "north")}
