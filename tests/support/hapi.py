"""A real FHIR server (HAPI) for the tests: fetched once, started by the first that needs it.

Maven puts its jars into ``.jars`` beside ``deploy/hapi-dev/pom.xml``, under a name that changes
with the sources; a JDK compiles the server. It listens on a free port of loopback and ends with
whoever started it, since it reads from a pipe that ends then. Where Maven or a JDK is missing the
tests that need it are skipped, saying so.
"""

from __future__ import annotations

import atexit
import hashlib
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

import pytest

HERE: Final = Path(__file__).parents[2] / "deploy" / "hapi-dev"
SOURCES: Final = ("pom.xml", "Hapi.java")
JAVA_OPTIONS: Final = ("-Xmx384m", "-XX:+UseSerialGC")
MISSING: Final = [name for name in ("mvn", "java", "javac") if shutil.which(name) is None]

present: Final = pytest.mark.skipif(
    bool(MISSING),
    reason=f"a FHIR server needs {', '.join(MISSING)}: openjdk-17-jdk-headless, maven",
)


@cache
def address() -> str:
    """Where the run's server listens: the FHIR server under /fhir, the validator at /validate."""
    folder = _made(HERE / ".jars")
    process = subprocess.Popen(
        ["java", *JAVA_OPTIONS, "-cp", f"{folder}:{folder}/*", "Hapi"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    atexit.register(_end, process)
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said.startswith("listening on "), "the FHIR server did not start"
    return f"http://127.0.0.1:{int(said.split()[-1])}"


def _end(process: subprocess.Popen[str]) -> None:
    process.communicate()  # closes its input, and waits


def _made(folder: Path) -> Path:
    """The folder with the jars and the compiled server."""
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in SOURCES)).hexdigest()
    made = folder / digest[:12]
    if not made.is_dir():
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as unfinished:
            parts = Path(unfinished) / "parts"
            _fetch(parts)
            if not made.is_dir():  # another may have been quicker
                parts.rename(made)
    return made


def _fetch(parts: Path) -> None:
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={parts}"]
    commands = (
        ["mvn", "--batch-mode", "--quiet", "--file", str(HERE / "pom.xml"), *goal],
        ["javac", "-cp", f"{parts}/*", "-d", str(parts), str(HERE / "Hapi.java")],
    )
    for command in commands:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            pytest.skip(f"the FHIR server could not be made: {ended.stdout[-500:]}{ended.stderr}")
