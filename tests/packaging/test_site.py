"""The documentation as a site: every link leads somewhere, and every decision is listed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.packaging.project import ROOT

ADR = ROOT / "docs" / "adr"


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT, capture_output=True, text=True, check=False, env={"PATH": "", "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    runbook = (tmp_path / "site" / "runbook.html").read_text(encoding="utf-8")
    assert 'id="wards-hear-late"' in runbook
    assert "../deploy" not in (tmp_path / "site" / "operating.html").read_text(encoding="utf-8")


def test_every_decision_is_listed_with_its_title() -> None:
    listed = re.findall(r"\| (\d+) \| \[(.+)\]\((.+)\) \|", (ADR / "README.md").read_text("utf-8"))
    heads = {path.name: path.read_text("utf-8").split("\n")[0] for path in ADR.glob("0*.md")}
    assert {name: f"# {number}. {title}" for number, title, name in listed} == heads
