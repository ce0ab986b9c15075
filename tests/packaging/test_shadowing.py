"""A folder of ``adapters/`` never stands in for an installed package of the same name."""

import sys
from pathlib import Path

from tests.packaging.project import ROOT, run_python

IMPORT_RICH = "import rich; print(rich.__file__)"


def shadow(folder: Path) -> Path:
    (folder / "rich").mkdir()
    (folder / "rich" / "__init__.py").touch()
    return folder


def test_without_the_safe_path_a_folder_shadows_a_dependency(tmp_path: Path) -> None:
    ran = run_python("-c", IMPORT_RICH, cwd=shadow(tmp_path))
    assert Path(ran.stdout.strip()).is_relative_to(tmp_path)


def test_with_the_safe_path_it_does_not(tmp_path: Path) -> None:
    ran = run_python("-c", IMPORT_RICH, cwd=shadow(tmp_path), environment={"PYTHONSAFEPATH": "1"})
    assert ran.returncode == 0, ran.stderr
    assert not Path(ran.stdout.strip()).is_relative_to(tmp_path)


def test_make_runs_everything_with_the_safe_path() -> None:
    assert "export PYTHONSAFEPATH := 1" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_no_package_is_itself_an_entry_of_the_path() -> None:
    inside = [entry for entry in sys.path if Path(entry).is_relative_to(ROOT / "adapters")]
    assert inside == []
