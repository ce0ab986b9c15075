"""A real schema registry (Apicurio, by its Confluent API) on a free port of loopback."""

from __future__ import annotations

import contextlib
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from kafka_dev import copy_dependencies, made_once, program
from tests.support.service import HTTP_PORT, free_offset

POM: Final = Path(__file__).parents[2] / "deploy" / "registry-dev" / "pom.xml"
STARTED_WITHIN_S: Final = 90


@contextlib.contextmanager
def registry() -> Iterator[str]:
    """Its base address. Nothing of it is kept."""
    folder = made_once(POM.parent / ".jars", [POM], _make)
    port = HTTP_PORT + free_offset()
    (runner,) = folder.glob("*-runner.jar")
    options = (f"-Dquarkus.http.port={port}", "-Dquarkus.http.host=127.0.0.1", "-Xmx300m")
    quiet = subprocess.DEVNULL
    command = [program("java"), *options, "-jar", str(runner)]
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as process:
        try:
            url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
            _wait_until_it_answers(url)
            yield url
        finally:
            process.kill()


def _make(folder: Path) -> None:
    copy_dependencies(POM, folder)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    archive.unlink()


@retry(
    stop=stop_after_delay(STARTED_WITHIN_S),
    wait=wait_fixed(0.2),
    retry=retry_if_exception_type(httpx.HTTPError),
    reraise=True,
)
def _wait_until_it_answers(url: str) -> None:
    httpx.get(f"{url}/subjects").raise_for_status()
