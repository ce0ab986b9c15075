"""The wheel holds the five packages and works without the sources."""

import zipfile
from pathlib import Path

import pytest

from tests.packaging.project import PACKAGES, ROOT, run_python

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
wheel, sources, *packages = sys.argv[1:]
sys.path[:] = [wheel, *(entry for entry in sys.path if entry != sources)]
count = 0
for name in packages:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not module.name.endswith("__main__"):
            found = importlib.import_module(module.name)
            assert found.__file__.startswith(wheel), found.__file__
            count += 1
print(count)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = run_python("-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


def names_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_holds_exactly_the_five_packages_and_its_own_metadata(wheel: Path) -> None:
    folders = {name.split("/")[0] for name in names_in(wheel)}
    assert folders == {*PACKAGES, "wardbridge-0.1.0.dist-info"}


def test_the_wheel_holds_the_licence_and_the_published_language(wheel: Path) -> None:
    names = set(names_in(wheel))
    assert "wardbridge-0.1.0.dist-info/licenses/LICENSE" in names
    published = {
        f"schemas/published/{path.name}" for path in (ROOT / "schemas/published").iterdir()
    }
    assert published
    assert published <= names


def test_every_module_imports_from_the_wheel_with_the_sources_off_the_path(
    wheel: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "unpacked")
    ran = run_python(
        "-P", "-c", IMPORT_EVERYTHING, str(tmp_path / "unpacked"), str(ROOT), *PACKAGES,
        cwd=tmp_path,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > len(PACKAGES)


def test_the_project_cannot_be_uploaded_by_accident() -> None:
    assert "Private :: Do Not Upload" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
