"""What the examples in other languages need, fetched once by the ordinary client of each.

It lies in ``.made`` beside the example, under a name that changes with the file that pins it.
Where a runtime or its client is missing, the tests that need it are skipped, saying so.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from kafka_dev import made_once
from tests.packaging.project import ROOT

MADE: Final = ".made"
PROMETHEUS: Final = ROOT / "deploy" / "prometheus"


def need(*programs: str) -> None:
    """Skip where one of them is missing."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed here: {', '.join(missing)}")


def jars(project: Path) -> Path:
    """The folder with the jars that ``pom.xml`` in ``project`` names."""
    need("java", "mvn")
    pom = project / "pom.xml"

    def fetch(target: Path) -> None:
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={target}"]
        _run(["mvn", "--batch-mode", "--quiet", "--file", str(pom), *goal], project)

    return made_once(project / MADE, [pom], fetch)


def modules(project: Path) -> Path:
    """The ``node_modules`` that ``package-lock.json`` in ``project`` pins."""
    need("node", "npm")
    pinned = [project / "package.json", project / "package-lock.json"]

    def fetch(target: Path) -> None:
        target.mkdir()
        for file in pinned:
            shutil.copy(file, target)
        _run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], target)

    return made_once(project / MADE, pinned, fetch) / "node_modules"


def promtool() -> str:
    """Prometheus' own checker: installed, or unpacked from Debian's package without its service."""
    if found := shutil.which("promtool"):
        return found
    need("apt-get", "dpkg-deb")

    def fetch(target: Path) -> None:
        target.mkdir()
        _run(["apt-get", "download", "--quiet", "prometheus"], target)
        (package,) = target.glob("*.deb")
        _run(["dpkg-deb", "--extract", package.name, "."], target)

    return str(made_once(PROMETHEUS / MADE, [], fetch) / "usr" / "bin" / "promtool")


def _run(command: Sequence[str], folder: Path) -> None:
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = (ended.stdout + ended.stderr)[-800:]
        pytest.skip(f"{command[0]} could not fetch what {folder.name} needs: {said}")
