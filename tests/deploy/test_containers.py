"""Image and compose file: linted, and tried as far as no container daemon runs here.

What the image runs is run: its health check against a service, and, by ``make campaign-image``,
every step of its build in a folder instead of a container. The brokers' settings are given to
Kafka's own storage tool.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from kafka_dev import FORMAT, _java
from tests.deploy.manifests import (
    DEPLOY,
    Instruction,
    compose,
    dockerfile,
    files_of,
    kubernetes,
    variables_of,
)
from tests.deploy.test_image import pins
from tests.deploy.test_systemd import most_drain_s
from tests.packaging.project import PACKAGES, ROOT
from tests.support.certificates import self_signed
from tests.support.service import HTTP_PORT, LAB, Service
from wardbridge.config.load import load

BUILD, FINAL = dockerfile()
COMPOSE = compose()
SERVICES: dict[str, Any] = COMPOSE["services"]
TOML = DEPLOY / "compose" / "wardbridge.toml"
BROKERS = [name for name in SERVICES if name.startswith("kafka")]
TOOLS = Path(sys.executable).parent
BUILD_IMAGE = "WARDBRIDGE_IMAGE" in os.environ
INSTALLED = "/opt/wardbridge"


def last(stage: list[Instruction], word: str) -> Instruction:
    return [line for line in stage if line.word == word][-1]


def copied() -> list[tuple[str, str]]:
    """What the build stage takes from the project, and where to."""
    lines = [line.rest.split() for line in BUILD if line.word == "COPY"]
    return [(source, target) for *sources, target in lines for source in sources]


# -- the image ------------------------------------------------------------------------------------


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    ran = subprocess.run(
        [TOOLS / "hadolint", "--no-color", DEPLOY / "image" / "Dockerfile"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (0, "")


def test_the_build_takes_what_is_there_and_is_not_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    let_in = {line[1:] for line in lines if line.startswith("!")}
    taken = {source for source, _ in copied()}
    assert taken == let_in
    assert {name for name in taken if not (ROOT / name).exists()} == set()
    assert set(PACKAGES) <= taken


def test_the_image_is_of_no_root_and_starts_the_service() -> None:
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", last(FINAL, "USER").rest)
    entry = last(FINAL, "ENTRYPOINT").argument_list + last(FINAL, "CMD").argument_list
    unit = (DEPLOY / "systemd" / "wardbridge.service").read_text(encoding="utf-8")
    assert f"ExecStart={INSTALLED}/bin/{' '.join(entry)}\n" in unit
    assert f"{INSTALLED}/bin:$PATH" in last(FINAL, "ENV").rest


PORTS = ("plain", "TLS", "TLS with client certificates")


@pytest.fixture(scope="module", params=PORTS, ids=str)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("image")
    service = Service(folder / "data", configured(folder, request.param))
    service.start()
    until_it_answers(service)
    yield service
    assert service.stop() == 0


def configured(folder: Path, port: str) -> Path:
    text = LAB.read_text(encoding="utf-8")
    if port != "plain":
        self_signed(folder, "server")
        text += f"""
[http.tls]
certificate_file = "{folder}/server.pem"
key_file = "{folder}/server.key"
"""
    if port == "TLS with client certificates":
        text += f'client_ca_file = "{folder}/server.pem"\n'
    config = folder / "lab.toml"
    config.write_text(text, encoding="utf-8")
    return config


@retry(
    stop=stop_after_delay(180),
    wait=wait_fixed(0.2),
    retry=retry_if_exception_type(AssertionError),
    reraise=True,
)
def until_it_answers(service: Service) -> None:
    assert health_of(HTTP_PORT + service.offset) == 0


def test_the_health_check_tells_a_process_that_answers(running: Service) -> None:
    port = HTTP_PORT + running.offset
    assert health_of(port) == 0
    asks_for_a_certificate = "client_ca_file" in running.config.read_text(encoding="utf-8")
    found = health_of(port, "/nothing")
    assert found == (0 if asks_for_a_certificate else 1), "without a certificate no path is told"


def test_the_health_check_tells_a_process_that_stands_still(running: Service) -> None:
    assert running.process is not None
    running.process.send_signal(signal.SIGSTOP)
    try:
        assert health_of(HTTP_PORT + running.offset) == 1
    finally:
        running.process.send_signal(signal.SIGCONT)


def test_the_health_check_tells_that_nothing_answers() -> None:
    assert health_of(9) == 1


def health_of(port: int, path: str = "/livez") -> int:
    """The image's own command, asked of another port."""
    program, script, *asked = last(FINAL, "HEALTHCHECK").argument_list
    assert (program, script) == ("python", f"{INSTALLED}/libexec/healthcheck.py")
    assert asked == [str(HTTP_PORT), "/livez"]
    command = [sys.executable, str(DEPLOY / "image" / Path(script).name), str(port), path]
    return subprocess.run(command, capture_output=True, check=False).returncode


def check_list(text: str) -> None:
    found = json.loads(text)
    version = SchemaVersion.from_version(found["specVersion"])
    assert JsonStrictValidator(version).validate_str(text) is None
    listed = {
        re.sub(r"[-_.]+", "-", each["name"]).lower(): each["version"]
        for each in found["components"]
    }
    needed = pins("deploy/requirements.txt")
    assert needed.keys() - listed.keys() == {"colorama"}  # for Windows
    assert {name: v for name, v in needed.items() if listed.get(name, v) != v} == {}
    assert found["metadata"]["component"]["name"] == "wardbridge"


@pytest.mark.skipif(not BUILD_IMAGE, reason="takes minutes and the network: make campaign-image")
@pytest.mark.timeout(900)
def test_every_step_of_the_build_works_and_what_is_built_runs(tmp_path: Path) -> None:
    """In folders below ``tmp_path`` instead of a container's own."""
    source = tmp_path / "src"
    source.mkdir()
    for line in BUILD:
        if line.word == "COPY":
            *names, target = line.rest.split()
            for name in names:
                copy_in(ROOT / name, source / target)
        elif line.word == "RUN":
            command = line.rest.replace("/tools", f"{tmp_path}/tools").replace(
                INSTALLED, f"{tmp_path}{INSTALLED}"
            )
            subprocess.run(["/bin/sh", "-euc", command], cwd=source, check=True)
    check_list((source / "sbom.cdx.json").read_text(encoding="utf-8"))
    built = tmp_path / INSTALLED[1:] / "bin"
    assert not (built / "pip").exists()
    lab = str(DEPLOY / "examples" / "lab.toml")
    checked = [str(built / "wardbridge"), "check", "--config", lab, "--data", str(tmp_path)]
    assert subprocess.run(checked, cwd=tmp_path, check=False).returncode == 0
    played = subprocess.run([built / "wardbridge", "demo"], cwd=tmp_path, check=False)
    assert played.returncode == 0


def copy_in(source: Path, target: Path) -> None:
    """As COPY does: a folder's content into a folder, a file into one or under a name."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


# -- compose --------------------------------------------------------------------------------------


def test_the_compose_file_is_as_the_specification_says() -> None:
    ran = subprocess.run(
        [TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec",
         DEPLOY / "compose" / "compose.yaml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_what_it_mounts_is_there_and_what_it_names_exists() -> None:
    mounted = [each.split(":")[0] for name in SERVICES for each in SERVICES[name]["volumes"]]
    files = [each for each in mounted if each.startswith(".")]
    assert len(files) > 4
    assert [each for each in files if not (DEPLOY / "compose" / each).exists()] == []
    assert {each for each in mounted if not each.startswith(".")} == set(COMPOSE["volumes"])
    build = SERVICES["wardbridge"]["build"]
    assert (DEPLOY / "compose" / build["context"] / build["dockerfile"]).is_file()
    networks = {each for name in SERVICES for each in SERVICES[name]["networks"]}
    assert networks == set(COMPOSE["networks"])


def test_nothing_is_reached_from_other_machines() -> None:
    published = [port for name in SERVICES for port in SERVICES[name].get("ports", ())]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_the_bridge_can_do_nothing_that_it_need_not() -> None:
    bridge = SERVICES["wardbridge"]
    assert bridge["read_only"] is True
    for name in SERVICES:
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]
    writable = [each for each in bridge["volumes"] if not each.endswith(":ro")]
    assert writable == ["data:/var/lib/wardbridge"]
    assert last(FINAL, "VOLUME").argument_list == ["/var/lib/wardbridge"]
    assert int(bridge["stop_grace_period"].removesuffix("s")) > most_drain_s()


def test_its_configuration_is_right_and_has_all_that_it_asks_for(tmp_path: Path) -> None:
    given = SERVICES["wardbridge"]["environment"]
    assert variables_of(TOML) == set(given)
    assert files_of(TOML) == {f"/run/secrets/{name}" for name in SERVICES["wardbridge"]["secrets"]}
    text = TOML.read_text(encoding="utf-8")
    for name in SERVICES["wardbridge"]["secrets"]:
        (tmp_path / name).write_text(f"{name}-0123456789abcdef", encoding="ascii")
    mounted = tmp_path / TOML.name
    mounted.write_text(text.replace("/run/secrets", str(tmp_path)), encoding="utf-8")
    found = load(mounted, tmp_path, given)
    assert not found.settings.http.allow_unauthenticated
    assert found.settings.http.access is not None
    assert found.settings.log.kafka is not None
    assert {each.split(":")[0] for each in found.settings.log.kafka.brokers} == set(BROKERS)
    assert found.settings.log.kafka.replication == len(BROKERS) == 3
    exposed = {int(port) for port in last(FINAL, "EXPOSE").rest.split()}
    assert {int(port.split(":")[-1]) for port in SERVICES["wardbridge"]["ports"]} == exposed


def test_its_secrets_are_files_that_git_ignores_and_its_first_lines_make_them() -> None:
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
        path = f"deploy/compose/secrets/{name}"
        assert subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False).returncode == 0  # fmt: skip
    used = {name for service in SERVICES.values() for name in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])
    text = (DEPLOY / "compose" / "compose.yaml").read_text(encoding="utf-8")
    (made,) = re.findall(r"for name in (.+); do openssl", text)
    assert set(made.split()) == used


def test_prometheus_looks_where_the_bridge_is_and_shows_what_it_was_given() -> None:
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    (shown,) = re.findall(r"credentials_file: /run/secrets/(.+)", text)
    assert [shown] == SERVICES["prometheus"]["secrets"]
    (target,) = re.findall(r'targets: \["(.+):(\d+)"\]', text)
    assert target[0] in SERVICES
    assert f"127.0.0.1:{target[1]}:{target[1]}" in SERVICES[target[0]]["ports"]


def properties(name: str) -> dict[str, str]:
    """As the image makes them of its environment: KAFKA_NODE_ID is node.id."""
    return {
        key.removeprefix("KAFKA_").lower().replace("_", "."): value
        for key, value in SERVICES[name]["environment"].items()
        if key.startswith("KAFKA_") and key != "KAFKA_HEAP_OPTS"
    }


def test_kafka_takes_the_brokers_settings(tmp_path: Path) -> None:
    settings = properties(BROKERS[0]) | {"log.dirs": str(tmp_path / "data")}
    file = tmp_path / "server.properties"
    file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    cluster_id = SERVICES[BROKERS[0]]["environment"]["CLUSTER_ID"]
    ran = subprocess.run(
        [*_java(FORMAT), "format", f"--cluster-id={cluster_id}", "-c", str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_brokers_differ_in_their_names_only() -> None:
    own = {"node.id", "advertised.listeners"}
    shared = [{k: v for k, v in properties(name).items() if k not in own} for name in BROKERS]
    assert shared.count(shared[0]) == len(BROKERS)
    voters = dict(each.split("@") for each in shared[0]["controller.quorum.voters"].split(","))
    for name in BROKERS:
        assert voters[properties(name)["node.id"]] == f"{name}:9093"
        assert properties(name)["advertised.listeners"] == f"PLAINTEXT://{name}:9092"


# -- all ------------------------------------------------------------------------------------------


def test_yamllint_finds_nothing() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "*.yaml", "*.yml"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    ours = [name for name in tracked if name.startswith(("deploy/", "tests/deploy/"))]
    assert len(ours) > 10
    ran = subprocess.run(
        [TOOLS / "yamllint", "--strict", "-c", DEPLOY / ".yamllint.yaml", *ours],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout


def test_every_place_names_the_same_version() -> None:
    (version,) = re.findall(
        r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )
    pod = kubernetes()["StatefulSet", "wardbridge"]["spec"]["template"]["spec"]
    images = [SERVICES["wardbridge"]["image"], pod["containers"][0]["image"]]
    assert {image.rpartition(":")[2] for image in images} == {version}
