"""The Makefile tells what is missing before it makes the virtual environment."""

import subprocess
import sys
from pathlib import Path

from tests.packaging.project import ROOT


def make_venv(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "venv", f"VENV={folder}/environment", f"PYTHON={python}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def pretender(folder: Path, refused: str) -> str:
    """A Python that fails whatever it is asked to run with ``refused`` in it."""
    script = folder / "python"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *{refused}*) exit 1;; esac\nexec "{sys.executable}" "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    return str(script)


def test_a_python_without_venv_is_told_the_packages_to_install(tmp_path: Path) -> None:
    ran = make_venv(tmp_path, pretender(tmp_path, "ensurepip"))
    assert ran.returncode != 0
    assert "cannot make virtual environments" in ran.stdout
    assert "sudo apt-get install" in ran.stdout
    assert not (tmp_path / "environment").exists()


def test_a_python_that_is_too_old_is_refused(tmp_path: Path) -> None:
    ran = make_venv(tmp_path, pretender(tmp_path, "version_info"))
    assert ran.returncode != 0
    assert "needs Python 3.11 or newer" in ran.stdout
    assert not (tmp_path / "environment").exists()


def test_no_python_at_all_is_refused(tmp_path: Path) -> None:
    ran = make_venv(tmp_path, "")
    assert ran.returncode != 0
    assert "needs Python 3.11 or newer" in ran.stdout
