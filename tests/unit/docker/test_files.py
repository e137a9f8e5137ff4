"""What can be said about docker/ without a container engine: linted, against schemas, hardened."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonpatch
import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[3]
DOCKER = ROOT / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
KUBERNETES = DOCKER / "kubernetes"
OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").iterdir())
CUSTOM = {"ServiceMonitor", "ScaledObject", "InferenceService"}
KUBERNETES_VERSION = "1.31"


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda f: f.name)
def test_hadolint(file: Path) -> None:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert program is not None
    done = subprocess.run([program, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda f: f.name)
def test_images_are_hardened(file: Path) -> None:
    final = file.read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001", final, re.M)
    assert "HEALTHCHECK" in final
    assert "org.opencontainers.image.version" in final
    assert not re.search(r"apt-get|build-essential|gcc", final)
    entry = re.findall(r"^ENTRYPOINT .*", final, re.M)
    assert len(entry) == 1
    assert '"tritonserver"' not in entry[0], "on SIGTERM it drops what ensembles have accepted"
    for source in re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", file.read_text(), re.M):
        for path in source.split():
            assert (ROOT / path).exists(), path


def test_each_dockerfile_ignores_the_same() -> None:
    texts = {
        file.with_name(file.name + ".dockerignore").read_text().strip() for file in DOCKERFILES
    }
    assert len(texts) == 1
    assert "**/*.key" in texts.pop()


@pytest.mark.parametrize("script", sorted(DOCKER.rglob("*.sh")), ids=lambda f: f.name)
def test_scripts_parse(script: Path) -> None:
    subprocess.run(["sh", "-n", str(script)], check=True)


def test_compose_keeps_to_the_compose_specification() -> None:
    """The schema of compose-spec.io (Apache-2.0), as check-jsonschema carries it."""
    program = shutil.which("check-jsonschema", path=str(Path(sys.executable).parent))
    assert program is not None
    done = subprocess.run(
        [program, "--builtin-schema", "vendor.compose-spec", str(DOCKER / "compose.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    return loaded


def test_compose_refers_to_what_is_there() -> None:
    document = compose()
    for name, service in document["services"].items():
        for secret in service.get("secrets", []):
            assert secret in document["secrets"], f"{name}: {secret}"
        for network in service["networks"]:
            assert network in document["networks"]
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DOCKER / source).exists(), f"{name}: {source}"
            else:
                assert source in document["volumes"], f"{name}: {source}"
        build = service.get("build")
        if build:
            file = ROOT / build["dockerfile"]
            assert set(build["args"]) <= set(re.findall(r"ARG (\w+)", file.read_text()))


def test_compose_services_are_hardened() -> None:
    for name, service in compose()["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        published = [port for port in service.get("ports", []) if not port.startswith("127.0.0.1")]
        assert published == (["8443:8443"] if name == "balancer" else []), name


def test_compose_servers_have_shared_memory_and_time_to_drain() -> None:
    for name in ("server-cpu", "server-gpu"):
        service = compose()["services"][name]
        assert service["shm_size"] == "1gb"
        assert int(service["stop_grace_period"].removesuffix("s")) > 60 + 6 + 10
        assert service["networks"]["inside"]["aliases"] == ["server"]


def resources(folder: Path) -> list[dict[str, Any]]:
    """What ``kustomize build`` would print: our overlays use resources and JSON patches only."""
    plan = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(plan) <= {"apiVersion", "kind", "namespace", "resources", "patches"}
    found: list[dict[str, Any]] = []
    for entry in plan["resources"]:
        path = folder / entry
        found += (
            resources(path.resolve())
            if path.is_dir()
            else [document for document in yaml.safe_load_all(path.read_text()) if document]
        )
    for patch in plan.get("patches", []):
        target = patch["target"]
        (index,) = (
            i
            for i, resource in enumerate(found)
            if (resource["kind"], resource["metadata"]["name"]) == (target["kind"], target["name"])
        )
        found[index] = jsonpatch.apply_patch(found[index], yaml.safe_load(patch["patch"]))
    if "namespace" in plan:
        for resource in found:
            resource["metadata"]["namespace"] = plan["namespace"]
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_manifests(overlay: str) -> None:
    found = resources(KUBERNETES / "overlays" / overlay)
    kinds = {resource["kind"] for resource in found}
    assert {"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"} <= kinds
    for resource in found:
        kubernetes_validate.validate(resource, KUBERNETES_VERSION, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_hardened_and_drain(overlay: str) -> None:
    (deployment,) = (
        r for r in resources(KUBERNETES / "overlays" / overlay) if r["kind"] == "Deployment"
    )
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    for container in [*pod["initContainers"], *pod["containers"]]:
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        names = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= names
    (server,) = pod["containers"]
    options = dict(arg.lstrip("-").split("=", 1) for arg in server["args"])
    patience = int(options["drain-delay"]) + int(options["exit-timeout"])
    assert pod["terminationGracePeriodSeconds"] > patience
    probe = server["readinessProbe"]
    assert int(options["drain-delay"]) > probe["periodSeconds"] * probe["failureThreshold"]
    assert server["command"] == ["packshot-serve", "--supervise"]
    assert ("model-config-name" in options) == (overlay == "gpu")


@pytest.mark.parametrize(
    "file", sorted((KUBERNETES / "components").glob("*.yaml")), ids=lambda f: f.name
)
def test_components(file: Path) -> None:
    for document in yaml.safe_load_all(file.read_text()):
        if document.get("kind") and document["kind"] not in CUSTOM:
            kubernetes_validate.validate(document, KUBERNETES_VERSION, strict=True)


@pytest.mark.parametrize(
    "file", sorted((KUBERNETES / "components").glob("*.yaml")), ids=lambda f: f.name
)
def test_pods_of_components_are_hardened(file: Path) -> None:
    for document in yaml.safe_load_all(file.read_text()):
        pod = document.get("spec", {}).get("template", {}).get("spec") or document.get(
            "spec", {}
        ).get("predictor")
        if pod is None:
            continue
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert not container["securityContext"]["allowPrivilegeEscalation"]
            assert container["resources"]["limits"]["memory"]


def options_of(*command: str) -> set[str]:
    """The options that a program of ours knows."""
    program = shutil.which(command[0], path=str(Path(sys.executable).parent))
    assert program is not None
    usage = subprocess.run(
        [program, *command[1:], "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "200"},
    ).stdout
    return set(re.findall(r"--[a-z][a-z-]+", usage))


def test_options_of_load_tests_exist() -> None:
    """Compose's and Kubernetes' masters run what packshot-loadtest knows."""
    jobs = yaml.safe_load_all((KUBERNETES / "components" / "loadtest.yaml").read_text())
    given = [
        compose()["services"]["locust-master"]["command"],
        next(iter(jobs))["spec"]["template"]["spec"]["containers"][0]["args"],
    ]
    known = options_of("packshot-loadtest", "run")
    for command in given:
        assert command[0] == "run"
        assert {option.split("=")[0] for option in command[1:]} <= known


def test_options_of_manifests_exist() -> None:
    """Every option that images, compose and Kubernetes give is one of packshot-serve."""
    known = options_of("packshot-serve")
    for file in (*DOCKER.glob("server.*.Dockerfile"), KUBERNETES / "base" / "deployment.yaml"):
        entry = "\n".join(re.findall(r"^(?:ENTRYPOINT.*|\s+- --.*)$", file.read_text(), re.M))
        assert set(re.findall(r"--[a-z][a-z-]+", entry)) <= known, file.name


@pytest.mark.parametrize(
    "file", sorted((DOCKER / "grafana" / "dashboards").glob("*.json")), ids=lambda f: f.name
)
def test_dashboards(file: Path) -> None:
    board = json.loads(file.read_text())
    assert board["schemaVersion"] >= 39
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in board["panels"]:
        assert panel["title"]
        assert panel["datasource"]["uid"] == "prometheus"
        assert all(target["expr"] for target in panel["targets"])


def test_every_alert_has_its_runbook() -> None:
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in (ROOT / "docs" / "operations.md").read_text().splitlines()
        if line.startswith("#")
    }
    rules = yaml.safe_load((DOCKER / "prometheus" / "rules.yaml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    assert alerts
    for alert in alerts:
        page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        assert page == "docs/operations.md"
        assert anchor in anchors, alert["alert"]


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="no promtool: apt-get install prometheus"
)
def test_every_alert_fires() -> None:
    folder = DOCKER / "prometheus"
    # Its rules too.
    subprocess.run(["promtool", "check", "config", "prometheus.yaml"], cwd=folder, check=True)
    subprocess.run(["promtool", "test", "rules", "rules.test.yaml"], cwd=folder, check=True)
    rules = yaml.safe_load((folder / "rules.yaml").read_text())
    alerts = {rule.get("alert") for group in rules["groups"] for rule in group["rules"]} - {None}
    tested = set(re.findall(r'alertname="(\w+)"', (folder / "rules.test.yaml").read_text()))
    assert tested == alerts
