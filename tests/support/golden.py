"""Golden stories: an adapter's inputs beside what is made of each.

``tests/golden/<adapter>/<story>/NN_name.<kind>`` are a story's inputs, numbered from one in the
order in which they are read; ``NN_name.json`` is what comes of each. A story's ``feed.json``
(optional) holds what its feed has set otherwise than by default.

``tests/golden/readings.json`` pins the outcomes to the numbers of the adapters' rules; ``python -m
tests.support.golden`` writes it anew, once the number is raised where an input is read otherwise.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from adapters.common.outcome import InputOutcome
from adapters.elvis.row import RULES as ELVIS
from adapters.fhir.mapping import RULES as FHIR
from adapters.hl7v2.mapping import RULES as HL7V2
from schemas.observation import Observation
from schemas.ward import Ward, WardRegister

GOLDEN: Final = Path(__file__).parents[1] / "golden"
PINS: Final = GOLDEN / "readings.json"
RULES: Final = {"elvis": ELVIS, "fhir": FHIR, "hl7v2": HL7V2}
_READ: Final = ("outcome", "reason", "observations")
FEED: Final = "feed.json"


class Readings(NamedTuple):
    """What comes of each input of one adapter's stories, as digests, and the number of its rules."""

    rules: int
    outcomes: dict[str, str]

    @classmethod
    def of(cls, folder: Path, rules: int) -> Readings:
        """As the stories have it."""
        paths = sorted(path for path in folder.glob("*/*.json") if path.name != FEED)
        return cls(rules, {_named(path): _digest(path) for path in paths})

    @classmethod
    def kept(cls, adapter: str) -> Readings:
        """As they are pinned."""
        found = json.loads(PINS.read_text(encoding="utf-8"))[adapter]
        return cls(found["rules"], found["outcomes"])

    def faults(self, now: Readings) -> list[str]:
        """What is not as it is pinned here, and what to do."""
        if self.rules != now.rules:
            return [f"RULES is {now.rules} and not {self.rules}: run tests.support.golden"]
        both = sorted(self.outcomes.keys() & now.outcomes)
        return [
            *(
                f"{name} is read otherwise: raise RULES from {self.rules}"
                for name in both
                if self.outcomes[name] != now.outcomes[name]
            ),
            *(
                f"{name} is new: run tests.support.golden"
                for name in sorted(now.outcomes.keys() - self.outcomes)
            ),
        ]


def _named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _digest(path: Path) -> str:
    """Of what is observed and why; not of sentences, which may be put better."""
    found = json.loads(path.read_text(encoding="utf-8"))
    said = {name: found[name] for name in _READ if name in found} or found
    return blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=8).hexdigest()


class Stories(NamedTuple):
    """One adapter's stories; ``kind`` is how its inputs' names end."""

    folder: Path
    kind: str

    def inputs(self, story: str = "*") -> list[Path]:
        """The inputs, story by story, in the order of their numbers."""
        return sorted(self.folder.glob(f"{story}/*.{self.kind}"))

    def names(self) -> list[str]:
        """What the stories are called."""
        return sorted(story.name for story in self.folder.iterdir() if story.is_dir())

    def faults(self) -> list[str]:
        """Files of a story that are neither its inputs nor what is made of them, and wrong numbers."""
        return [fault for name in self.names() for fault in self._faults_of(name)]

    def _faults_of(self, name: str) -> list[str]:
        inputs = self.inputs(name)
        numbers = [path.name.partition("_")[0] for path in inputs]
        belonging = {*inputs, *map(expectation, inputs), self.folder / name / FEED}
        orphans = set((self.folder / name).iterdir()) - belonging
        faults = [f"{name}: {path.name} belongs to nothing" for path in sorted(orphans)]
        if not inputs or numbers != [f"{number:02}" for number in range(1, len(inputs) + 1)]:
            faults.append(f"{name}: its inputs are numbered {numbers}")
        return faults


def expectation(path: Path) -> Path:
    """Where it is written what is made of an input."""
    return path.with_suffix(".json")


def told(story: Path) -> dict[str, Any]:
    """What a story's feed has set; empty where all is by default."""
    path = story / FEED
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def register(wards: list[str] | None) -> WardRegister:
    """A closed register of these wards; an open one where none are named."""
    if wards is None:
        return WardRegister(open_register=True)
    return WardRegister([Ward(id=ward, name=ward, hospital="Norr") for ward in wards])


def wrongly_explained(outcome: InputOutcome) -> list[set[str]]:
    """For each observation the values without an origin, and the origins of no value."""
    pairs = zip(outcome.observations, outcome.origins, strict=True)
    wrong = [_values(observation) ^ origins.keys() for observation, origins in pairs]
    return [names for names in wrong if names]


def names_of(outcomes: Iterable[InputOutcome], profile: type[BaseModel]) -> set[str]:
    """The settings that the origins' rules name; each must be one of the profile's."""
    rules = {o.rule for each in outcomes for said in each.origins for o in said.values()}
    settings = {rule.partition(",")[0] for rule in rules if rule.startswith("profile.")}
    for setting in settings:
        found: Any = profile
        for name in setting.split(".")[1:]:
            found = found.model_fields[name].annotation
    return {setting.split(".")[1] for setting in settings}


def _values(observation: Observation) -> set[str]:
    """What an origin is noted of; a time says its rule itself."""
    claims = {f"claims.{name}" for name in observation.claims.model_fields_set}
    others = {"visit", "movement", "merged_into"} & observation.model_fields_set
    return {"what", "patient", "stamp.sequence"} | others | claims


def written(outcome: InputOutcome) -> str:
    """An outcome as it stands in its file."""
    shown: dict[str, Any] = {
        "outcome": outcome.verdict.value,
        "reason": outcome.reason,
        "detail": outcome.detail,
        "where": outcome.where,
        **({"degraded": outcome.degraded} if outcome.degraded else {}),
        "warnings": [f"{each.where}: {each.reason}: {each.detail}" for each in outcome.warnings],
        "observations": [
            observation.model_dump(mode="json", exclude_unset=True)
            for observation in outcome.observations
        ],
    }
    return json.dumps(shown, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Pin the outcomes as they are; where an input is read otherwise under the same number, say so instead."""
    found = {name: Readings.of(GOLDEN / name, number) for name, number in RULES.items()}
    faults = [
        f"{name}: {fault}"
        for name, now in found.items()
        for fault in Readings.kept(name).faults(now)
        if "otherwise" in fault
    ]
    if faults:
        print(*faults, sep="\n")
        return 1
    pins = {name: readings._asdict() for name, readings in found.items()}
    PINS.write_text(json.dumps(pins, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
