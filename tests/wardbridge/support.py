"""Configurations to test with, and the CLI as a child process."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path

from typer.testing import CliRunner

from wardbridge.cli import make_app

LAB = Path(__file__).parents[2] / "deploy" / "examples" / "lab.toml"

EXPORT = (
    "Exporttid;2026-01-15 06:00\nSjukhus;Söder\nAvdelningar;AKM,MED\n"
    "Avdelning;Rum;Plats;Patient-id;Medicinskt ansvarig enhet;Inskriven;Planerad utskrivning;"
    "Avsedd avdelning;Förväntad tid;Permission;Överbeläggning;Sekretess\n"
    "AKM;1;1;200001012384;MED;2026-01-15 05:00;;MED;2026-01-15 08:00;;;\n"
    "MED;1;1;;;;;;;;;\n"
    "Antal rader;2\n"
)


def lab_text() -> str:
    return LAB.read_text(encoding="utf-8")


def in_process() -> str:
    """The lab without its socket: only the directory feed is left."""
    before, _, rest = lab_text().partition("[feeds.hl7]")
    return before + "[feeds.elvis]" + rest.partition("[feeds.elvis]")[2]


def configured(folder: Path, text: str) -> Path:
    path = folder / "test.toml"
    path.write_text(text, encoding="utf-8")
    return path


def cli(
    *arguments: str | Path, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command line in a real process."""
    return subprocess.run(
        [sys.executable, "-m", "wardbridge", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONSAFEPATH": "1", "COLUMNS": "200", **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def command(
    *arguments: str | Path, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command line in this process, which saves a start of Python; what it raises is raised here.

    Not for ``run`` and others that set up logging or signals.
    """
    given = [*map(str, arguments)]
    with chdir(cwd or Path.cwd()):
        env = {"COLUMNS": "200", **(environment or {})}
        done = CliRunner().invoke(make_app(), given, env=env, catch_exceptions=False)
    return subprocess.CompletedProcess(given, done.exit_code, done.stdout, done.stderr)


def export(folder: Path, text: str = EXPORT, name: str = "export.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode("windows-1252"))
    return path
