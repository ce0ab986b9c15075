"""The Kubernetes manifests: against the published schemas, and for what a pod must not be able to.

No cluster runs here: what a scheduler makes of them is not tried.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from adapters.common.keys import PatientKeyer
from tests.deploy.manifests import DEPLOY, dockerfile, files_of, kubernetes, variables_of
from tests.deploy.test_systemd import most_drain_s
from wardbridge.config.load import load
from wardbridge.config.models import Installation
from wardbridge.config.problems import ConfigError

FOLDER = DEPLOY / "kubernetes"
VERSIONS = ("1.30", "1.37")
RESOURCES = kubernetes()
SET = RESOURCES["StatefulSet", "wardbridge"]
POD = SET["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
TOML = FOLDER / "wardbridge.toml"
MADE_UP = {
    name: f"{number:064x}"
    for number, name in enumerate(RESOURCES["Secret", "wardbridge"]["stringData"])
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", RESOURCES, ids="/".join)
def test_each_resource_is_as_the_schema_says(name: tuple[str, str], version: str) -> None:
    kubernetes_validate.validate(RESOURCES[name], version, strict=True)


def test_a_resource_with_a_key_that_does_not_exist_is_found_out() -> None:
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(SET | {"specification": {}}, VERSIONS[-1], strict=True)


def test_every_file_is_applied() -> None:
    applied = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(applied["resources"]) == files
    (config,) = applied["configMapGenerator"]
    assert set(config["files"]) == {TOML.name, *register_of(TOML)}
    assert [name for name in config["files"] if not (FOLDER / name).exists()] == []
    assert config["name"] in {volume.get("configMap", {}).get("name") for volume in POD["volumes"]}


def test_the_pod_can_do_nothing_that_it_need_not() -> None:
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    pod = POD["securityContext"]
    assert (pod["runAsNonRoot"], pod["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
    assert POD["automountServiceAccountToken"] is False
    assert "memory" in CONTAINER["resources"]["limits"]
    namespace = RESOURCES["Namespace", "wardbridge"]
    assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}


def test_it_runs_as_the_user_and_by_the_command_of_the_image() -> None:
    image = {line.word: line for line in dockerfile()[-1]}
    pod = POD["securityContext"]
    assert image["USER"].rest == f"{pod['runAsUser']}:{pod['runAsGroup']}"
    assert CONTAINER["args"] == image["CMD"].argument_list
    assert pod["fsGroup"] == pod["runAsGroup"]  # or it could not read the secrets


def test_probes_ask_what_they_are_for(tmp_path: Path) -> None:
    asked = {kind: CONTAINER[kind]["httpGet"] for kind in CONTAINER if kind.endswith("Probe")}
    assert {kind: each["path"] for kind, each in asked.items()} == {
        "startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz",
    }  # fmt: skip
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    settings = configuration(tmp_path).settings
    assert {ports[each["port"]] for each in asked.values()} == {settings.http.port}


def test_the_time_to_stop_fits_the_drain() -> None:
    assert POD["terminationGracePeriodSeconds"] > most_drain_s()


def test_one_pod_may_go_and_one_stays() -> None:
    budget = RESOURCES["PodDisruptionBudget", "wardbridge"]["spec"]
    assert SET["spec"]["replicas"] > budget["minAvailable"] > 0


@pytest.mark.parametrize("name", RESOURCES, ids="/".join)
def test_selectors_find_the_pods(name: tuple[str, str]) -> None:
    labels = SET["spec"]["template"]["metadata"]["labels"]
    spec = RESOURCES[name].get("spec", {})
    selector: Any = spec.get("podSelector", spec.get("selector", {}))
    wanted = selector.get("matchLabels", selector)
    assert wanted.items() <= labels.items()


def test_ports_of_services_and_of_the_policy_are_those_of_the_pod() -> None:
    ours = {port["name"] for port in CONTAINER["ports"]}
    served = {
        port["targetPort"]
        for (kind, _), each in RESOURCES.items()
        if kind == "Service"
        for port in each["spec"]["ports"]
    }
    policy = RESOURCES["NetworkPolicy", "wardbridge"]["spec"]
    allowed = {port["port"] for rule in policy["ingress"] for port in rule["ports"]}
    assert served == allowed == ours
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    brokers = {int(each.rpartition(":")[2]) for each in environment()["KAFKA_BROKERS"].split(",")}
    assert brokers <= {port["port"] for rule in policy["egress"] for port in rule["ports"]}


OUTSIDE = "203.0.113.7"
REACHED = {
    "a webhook": (OUTSIDE, 443),
    "a FHIR server that is told": (OUTSIDE, 443),
    "a FHIR server that is pulled from, and its token endpoint": (OUTSIDE, 443),
    "the keys of an identity provider": ("2001:db8::7", 443),
    "a schema registry": (OUTSIDE, 443),
    "a receiver of HL7 v2 messages, once its network is given": ("192.0.2.7", 2576),
}


@pytest.mark.parametrize("what", REACHED)
def test_the_policy_lets_out_what_the_bridge_calls(what: str) -> None:
    assert may_reach(*REACHED[what])


def test_the_policy_lets_out_nothing_else() -> None:
    assert not may_reach(OUTSIDE, 80)
    assert not may_reach(OUTSIDE, 22)


def may_reach(address: str, port: int) -> bool:
    """Whether some rule of the policy has both."""
    rules = RESOURCES["NetworkPolicy", "wardbridge"]["spec"]["egress"]
    return any(
        ip_address(address) in ip_network(to["ipBlock"]["cidr"])
        and port in {each["port"] for each in rule["ports"]}
        for rule in rules
        for to in rule["to"]
        if "ipBlock" in to
    )


def test_nothing_is_open_that_a_hospital_would_have_to_close(tmp_path: Path) -> None:
    found = configuration(tmp_path).settings
    assert not found.wards.open
    assert found.http.access is not None


def test_prometheus_in_the_cluster_shows_its_token_and_finds_the_pods() -> None:
    text = (DEPLOY / "prometheus" / "kubernetes.yml").read_text(encoding="utf-8")
    (job,) = yaml.safe_load(text)["scrape_configs"]
    assert Path(job["authorization"]["credentials_file"]).name in MADE_UP
    (discovery,) = job["kubernetes_sd_configs"]
    assert discovery["namespaces"]["names"] == [
        RESOURCES["Namespace", "wardbridge"]["metadata"]["name"]
    ]
    kept = {
        each["source_labels"][0]: each["regex"]
        for each in job["relabel_configs"]
        if "regex" in each
    }
    labels = SET["spec"]["template"]["metadata"]["labels"]
    assert kept["__meta_kubernetes_pod_label_app_kubernetes_io_name"] in labels.values()
    assert kept["__meta_kubernetes_pod_container_port_name"] in {
        p["name"] for p in CONTAINER["ports"]
    }
    assert not SET["spec"]["template"]["metadata"].get("annotations"), "scraped without a token"


def test_the_configuration_is_right_and_has_all_that_it_asks_for(tmp_path: Path) -> None:
    found = configuration(tmp_path)
    assert found.settings.log.kafka is not None
    assert found.settings.log.kafka.instance == "wardbridge-0"
    assert variables_of(TOML) == set(environment())
    secrets = RESOURCES["Secret", "wardbridge"]["stringData"]
    assert {Path(each).name for each in files_of(TOML)} == set(secrets)
    listening = {feed.settings.model_dump()["port"] for feed in found.feeds} | {
        found.settings.http.port
    }
    assert listening == {port["containerPort"] for port in CONTAINER["ports"]}


def test_with_a_secret_that_was_not_replaced_it_does_not_start(tmp_path: Path) -> None:
    given: dict[str, str] = RESOURCES["Secret", "wardbridge"]["stringData"]
    assert [name for name, text in given.items() if not text.startswith("REPLACE")] == []
    with pytest.raises(ValueError, match="a patient key secret has"):
        PatientKeyer(given["patient.key"].encode())
    with pytest.raises(ConfigError, match="tokens"):
        configuration(tmp_path, given)


def environment() -> dict[str, str]:
    return {each["name"]: each.get("value", "wardbridge-0") for each in CONTAINER["env"]}


def configuration(folder: Path, secrets: Mapping[str, str] = MADE_UP) -> Installation:
    """As it is, but with secrets in ``folder`` instead of where they are mounted."""
    (mount,) = (m["mountPath"] for m in CONTAINER["volumeMounts"] if m["name"] == "secrets")
    for name, text in secrets.items():
        (folder / name).write_text(text, encoding="utf-8")
    (config,) = (m["mountPath"] for m in CONTAINER["volumeMounts"] if m["name"] == "config")
    text = TOML.read_text(encoding="utf-8").replace(mount, str(folder)).replace(config, str(FOLDER))
    path = folder / "wardbridge.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, folder, environment())


def register_of(configuration: Path) -> set[str]:
    """The name of the ward register that it takes from the folder in which it is mounted."""
    return set(
        re.findall(
            r'^register = "/etc/wardbridge/([^"]+)"', configuration.read_text("utf-8"), re.MULTILINE
        )
    )
