"""A real FHIR server (HAPI) for the tests: fetched once, started by the first that needs it.

It listens on a free port of loopback and ends with whoever started it, since it reads from a pipe
that ends then. A server that cannot be had fails the tests that need it, with the message of what
to install: a run without it proves nothing about pulling and must not look as if it did.
"""

from __future__ import annotations

import atexit
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

from kafka_dev import SHORT_LIVED, JavaMissingError, copy_dependencies, made_once, program

HERE: Final = Path(__file__).parents[2] / "deploy" / "hapi-dev"
POM, SERVER = HERE / "pom.xml", HERE / "Hapi.java"
JAVA_OPTIONS: Final = (
    "-Xms1g", "-Xmx1400m", "-Xmn500m", "-XX:MetaspaceSize=192m", "-XX:+UseSerialGC", *SHORT_LIVED,
)  # fmt: skip
"""Room for the editions' definitions from the start: collecting was a quarter of their reading."""
COMPILER: Final = ("-m", "jdk.compiler/com.sun.tools.javac.Main")
"""The compiler is a module of the runtime too: nobody needs a JDK for it."""


@cache
def address() -> str:
    """Where the run's server listens: the FHIR server under /fhir, validators under /validate."""
    folder = made_once(POM.parent / ".jars", [POM, SERVER], _make)
    process = subprocess.Popen(
        [program("java"), *JAVA_OPTIONS, "-cp", f"{folder}:{folder}/*", "Hapi"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    atexit.register(_end, process)
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said.startswith("listening on "), "the FHIR server did not start"
    return f"http://127.0.0.1:{int(said.split()[-1])}"


def _end(process: subprocess.Popen[str]) -> None:
    process.communicate()  # closes its input, and waits


def _make(folder: Path) -> None:
    """The jars and the compiled server."""
    copy_dependencies(POM, folder)
    jars = ":".join(map(str, folder.glob("*.jar")))  # it does not look for them itself
    command = [program("java"), *COMPILER, "-cp", jars, "-d", str(folder), str(SERVER)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise JavaMissingError(f"the FHIR server could not be made: {ended.stderr[-2000:]}")
