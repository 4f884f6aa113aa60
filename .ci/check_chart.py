"""Check the chart of docs/kubernetes as Helm renders it, with its defaults and with each example.

``check_chart.py DIRECTORY``: the directory has the packages of .ci/helm.txt. Every object must match the
schema of its kind; an unknown field or kind is an error. Some checks go beyond schemas:

- The objects that an object names exist.
- A trigger of KEDA has everything that it needs.
- Helm refuses values without a meaning.
- Prometheus takes all pods for one target.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from pydantic import BaseModel, ValidationError

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "docs" / "kubernetes"
PACKAGES = Path(sys.argv[1])

#: The oldest Kubernetes that the chart names, and the newest that the schemas know.
VERSIONS = ("1.30", kubernetes_validate.latest_version())

#: The required metadata of a KEDA trigger.
TRIGGER: dict[str, list[str]] = {
    "redis": ["address", "listName", "listLength"],
    "redis-cluster": ["addresses", "listName", "listLength"],
    "prometheus": ["serverAddress", "query", "threshold"],
    "redis-sentinel": ["addresses", "sentinelMaster", "listName", "listLength"],
}

#: The values that Helm has to refuse, and a word of its answer. What follows a space is set as a string.
REFUSED = {
    "keda.enabled=true": "keda.metadata",
    "wrker.replicas=3": "wrker",
    "worker.replicas=0": "replicas",
    "web.minReplicas=two": "minReplicas",
    "networkPolicy.serverPorts[0]=99999": "serverPorts",
    "keda.scaler=rabbitmq": "scaler",
    "keda.enabled=true,keda.metadata.address=one:6379 settings.REDIS_CELLS=16": "prometheus",
    "settings.REDIS_URL=redis://one": "REDIS_URL",
    "settings.sms_destinations=US": "sms_destinations",
}

Resource = dict[str, Any]


def unpack_helm(directory: Path) -> Path:
    """Extract the program, which the package has in an archive inside an archive. Returns its path."""
    (archive,) = PACKAGES.rglob("lambda-layer-kubectl-*.jsii.tgz")
    with tarfile.open(archive) as outer:
        outer.extract("package/lib/layer.zip", directory, filter="data")
    with zipfile.ZipFile(directory / "package/lib/layer.zip") as inner:
        program = Path(inner.extract("helm/helm", directory))
    program.chmod(0o755)
    return program


def models() -> dict[str, type[BaseModel]]:
    """The schemas of kinds that are not Kubernetes's own, by apiVersion and kind."""
    sys.path.append(str(PACKAGES))
    from cloudcoil.models.keda import v1alpha1 as keda  # it is not in the venv
    from cloudcoil.models.prometheus_operator import v1 as operator

    return {
        "keda.sh/v1alpha1 ScaledObject": keda.ScaledObject,
        "keda.sh/v1alpha1 TriggerAuthentication": keda.TriggerAuthentication,
        "monitoring.coreos.com/v1 ServiceMonitor": operator.ServiceMonitor,
    }


def check_schema(resource: Resource) -> Iterator[str]:
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(resource, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            where = ".".join(str(part) for part in error.path)
            yield f"Kubernetes {version}: {where}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError as error:
            yield error.message


def check_model(resource: Resource, model: type[BaseModel]) -> Iterator[str]:
    try:
        read = model.model_validate(resource)
    except ValidationError as error:
        yield from (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        return
    yield from dropped(resource, read.model_dump(mode="json", by_alias=True, exclude_unset=True))


def dropped(given: Any, known: Any, at: str = "") -> Iterator[str]:
    """The fields that a model has dropped, because it does not know them."""
    if isinstance(given, dict):
        yield from (f"{at}{key} is not known" for key in given.keys() - known.keys())
        for key in given.keys() & known.keys():
            yield from dropped(given[key], known[key], f"{at}{key}.")
    elif isinstance(given, list):
        for number, (one, other) in enumerate(zip(given, known, strict=True)):
            yield from dropped(one, other, f"{at}{number}.")


def check_trigger(trigger: dict[str, Any]) -> Iterator[str]:
    metadata, kind = trigger["metadata"], trigger["type"]
    yield from (f"a trigger {kind} has no {key}" for key in TRIGGER[kind] if not metadata.get(key))
    length = TRIGGER[kind][-1]
    if not re.fullmatch("[1-9][0-9]*", metadata.get(length, "")):
        yield f"{length} is {metadata.get(length)!r}, which is not a whole number over 0"


def check_names(resource: Resource, names: set[tuple[str, str]]) -> Iterator[str]:
    """Report each target, backend and setting that does not exist."""
    kind, spec = resource["kind"], resource.get("spec", {})
    wanted = [("Deployment", spec.get("scaleTargetRef", {}).get("name"))]
    for trigger in spec.get("triggers", []):
        yield from check_trigger(trigger)
        wanted.append(("TriggerAuthentication", trigger.get("authenticationRef", {}).get("name")))
    if kind == "Ingress":
        paths = [path for rule in spec["rules"] for path in rule["http"]["paths"]]
        wanted += [("Service", path["backend"]["service"]["name"]) for path in paths]
    if kind == "Deployment":
        labels = spec["template"]["metadata"]["labels"]
        if not spec["selector"]["matchLabels"].items() <= labels.items():
            yield "the selector does not match the pods"
        sources = spec["template"]["spec"]["containers"][0]["envFrom"]
        wanted += [
            ("ConfigMap", source["configMapRef"]["name"]) for source in sources if "configMapRef" in source
        ]
    if kind == "ConfigMap":
        known = re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
        yield from (f"{key} is not in .env.example" for key in resource["data"] if key not in known)
    yield from (f"there is no {kind} {name}" for kind, name in wanted if name and (kind, name) not in names)


def check_targets(monitor: Resource, directory: Path) -> Iterator[str]:
    """Let Prometheus apply the rules to two pods: both must become the same target."""
    relabelings = [
        {re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key): value for key, value in each.items()}
        for each in monitor["spec"]["endpoints"][0]["relabelings"]
    ]
    pods = [
        {
            "targets": [f"10.0.0.{number}:8000"],
            "labels": {"pod": f"web-{number}", "container": "web", "endpoint": "http", "namespace": "otpost"},
        }
        for number in (1, 2)
    ]
    config = directory / "prometheus.yml"
    scrapes = [{"job_name": "pods", "static_configs": pods, "relabel_configs": relabelings}]
    config.write_text(yaml.safe_dump({"scrape_configs": scrapes}))
    done = subprocess.run(
        ["promtool", "check", "service-discovery", config, "pods"], capture_output=True, text=True, check=True
    )
    targets = [found["labels"] for found in json.loads(done.stdout)]
    if len(targets) != len(pods) or targets[0] != targets[1] or targets[0]["job"] != "otpost":
        yield f"the pods are not one target, but {targets}"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        helm = unpack_helm(directory)
        known, errors, count = models(), [], 0
        subprocess.run([helm, "lint", "--strict", "--quiet", CHART], check=True)
        examples = sorted((CHART / "examples").glob("*.yaml"))
        everything = ["--set", "ingress.enabled=true,serviceMonitor.enabled=true"]
        for title, options in [
            ("the defaults", []),
            (
                "everything",
                [
                    *everything,
                    "--set",
                    "keda.enabled=true,keda.metadata.address=one:6379,settings.OTPOST_NAMESPACE=shop",
                ],
            ),
            *((file.name, ["--values", file]) for file in examples),
        ]:
            command = [helm, "template", "shop", CHART, "--namespace", "otpost", *options]
            rendered = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found = [each for each in yaml.safe_load_all(rendered) if each]
            names = {(each["kind"], each["metadata"]["name"]) for each in found}
            for resource in found:
                model = known.get(f"{resource['apiVersion']} {resource['kind']}")
                wrong = list(check_model(resource, model) if model else check_schema(resource))
                wrong = wrong or list(check_names(resource, names))
                if not wrong and resource["kind"] == "ServiceMonitor":
                    wrong = list(check_targets(resource, directory))
                errors += [f"{title}: {resource['kind']} {resource['metadata']['name']}: {e}" for e in wrong]
            count += len(found)
        for value, word in REFUSED.items():
            plain, _, text = value.partition(" ")
            command = [
                helm,
                "template",
                "shop",
                CHART,
                "--set",
                plain,
                *(["--set-string", text] if text else []),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0 or word not in done.stderr:
                errors.append(f"Helm does not refuse {value}, or does not name {word}")
    if errors:
        sys.exit("\n".join(errors))
    print(
        f"{count} objects out of {len(examples) + 2} sets of values are good for Kubernetes "
        f"{' and '.join(VERSIONS)}, and {len(REFUSED)} wrong values are refused"
    )


if __name__ == "__main__":
    main()
