"""The systemd units of ``deploy/systemd``, and the service as the unit starts it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.packaging.project import ROOT
from tests.support.service import FHIR_PORT, HTTP_PORT, LAB, MLLP_PORT, Service

UNITS = ROOT / "deploy" / "systemd"
OURS = ("/opt/wardbridge", "/etc/wardbridge", "/var/lib/wardbridge", "/var/backups/wardbridge")
Settings = Mapping[str, Sequence[str]]


def settings_of(unit: str) -> Settings:
    """Each setting of the unit with its values in order, sections aside."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in (UNITS / unit).read_text(encoding="utf-8").splitlines():
        if match := re.match(r"(\w+)=(.*)", line):
            found[match[1]].append(match[2])
    return found


def seconds(value: str) -> int:
    """A time span as systemd takes it, where it is a plain number."""
    return int(value)


class InstalledService(Service):
    """Started by the unit's own line and environment; the unit's folders lie below ``root``."""

    def __init__(self, root: Path, wrapper: Sequence[str] = ()) -> None:
        super().__init__(root / "var/lib/wardbridge")
        self._root, self._wrapper = root, wrapper
        for folder in OURS:
            (root / folder[1:]).mkdir(parents=True, exist_ok=True)
        (root / "opt/wardbridge/bin").symlink_to(Path(sys.executable).parent)
        config = root / "etc/wardbridge/wardbridge.toml"
        config.write_text(self._with_free_ports(LAB.read_text(encoding="utf-8")), encoding="utf-8")

    def start(self) -> None:
        (line,) = settings_of("wardbridge.service")["ExecStart"]
        pairs = [
            pair.split("=", 1)
            for each in settings_of("wardbridge.service")["Environment"]
            for pair in shlex.split(each)
        ]
        with (self._root / "journal").open("ab") as journal:
            self.process = subprocess.Popen(
                [*self._wrapper, *shlex.split(below(self._root, line))], cwd="/",
                env={"PATH": "/usr/bin:/bin", **dict(pairs)}, stdout=journal, stderr=journal,
            )  # fmt: skip

    def _with_free_ports(self, text: str) -> str:
        for port in (MLLP_PORT, HTTP_PORT, FHIR_PORT):
            text = text.replace(f"port = {port}", f"port = {port + self.offset}")
        return text


def below(root: Path, line: str) -> str:
    """The line with the installation's folders below ``root``."""
    return re.sub("|".join(OURS), lambda found: f"{root}{found[0]}", line)
