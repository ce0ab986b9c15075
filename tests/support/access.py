"""A lab where everybody is asked who they are."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.support.service import LAB, Service

TOKENS: Final = {
    "wall": "0001-wall-screen-of-one-ward",
    "portal": "0002-portal-of-every-ward",
    "prometheus": "0003-prometheus-sees-metrics",
    "operator": "0004-operator-may-do-everything",
}


def lab_with_access(folder: Path, ward: str, more: str = "", *, names: bool = False) -> Service:
    """The token ``wall`` is for one ward, operational and to acknowledge; ``portal`` reads every ward.

    ``names``: it is kept who the patients are, and ``wall`` sees it.
    """
    level = "identified" if names else "operational"
    more += "[identities]\nkeep = true\n" if names else ""
    for name, token in TOKENS.items():
        (folder / f"{name}.token").write_text(token, encoding="ascii")
    config = folder / "access.toml"
    config.write_text(f"""{LAB.read_text(encoding="utf-8")}
[http.access.tokens.wall]
secret = "${{file:../wall.token}}"
wards = ["{ward}"]
may = ["read", "acknowledge"]
fields = "{level}"
unit = "{ward}"

[http.access.tokens.portal]
secret = "${{file:../portal.token}}"

[http.access.tokens.prometheus]
secret = "${{file:../prometheus.token}}"
may = ["metrics"]

[http.access.tokens.operator]
secret = "${{file:../operator.token}}"
may = ["read", "acknowledge", "metrics", "operate"]
fields = "operational"
{more}""", encoding="utf-8")  # fmt: skip
    data = folder / "data"
    data.mkdir()
    return Service(data, config)


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[name]}"}
