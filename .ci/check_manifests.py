"""Check the manifests of docs/kubernetes: schemas, and that what they name is there.

`kubernetes-validate` as a command only warns about a kind that it does not know, and a slip in
`apiVersion` makes any kind unknown. So its schemas are used from here, where unknown is an error.
Only KEDA's own kinds and kustomize's files are looked at more lightly: no schema comes with them. Of
KEDA's: the apiVersion, the fields that each kind cannot do without, the keys and the target of each trigger
of a type that stands in TRIGGER, that KEDA gets strings, and that what they name is there. Of
kustomize's: that the files are there.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "docs" / "kubernetes"

#: The oldest that the README there names, and the newest that the schemas know.
VERSIONS = ("1.30", kubernetes_validate.latest_version())

#: What KEDA cannot do without, as paths; a number is a place in a list.
KEDA: dict[str, list[tuple[str | int, ...]]] = {
    "TriggerAuthentication": [("spec", "secretTargetRef", 0, key) for key in ("parameter", "name", "key")],
    "ScaledObject": [("spec", "scaleTargetRef", "name"), ("spec", "triggers", 0)],
}
TRIGGER: dict[str, list[str]] = {
    "redis": ["address", "listName", "listLength"],
    "redis-sentinel": ["addresses", "sentinelMaster", "listName", "listLength"],
    "rabbitmq": ["queueName", "mode", "value"],
}
#: The key of a trigger that says how much is a worker's part; KEDA reads it as a number over 0.
TARGET = {"redis": "listLength", "redis-sentinel": "listLength", "rabbitmq": "value"}


def has(found: Any, path: tuple[str | int, ...]) -> bool:
    for key in path:
        try:
            found = found[key]
        except (KeyError, IndexError, TypeError):
            return False
    return bool(found)


def check_schema(resource: dict[str, Any]) -> list[str]:
    errors = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(resource, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            where = ".".join(str(part) for part in error.path)
            errors.append(f"Kubernetes {version}: {where}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError as error:
            errors.append(error.message)
    return errors


def check_keda(resource: dict[str, Any], names: set[tuple[str, str]]) -> list[str]:
    kind = resource["kind"]
    if resource["apiVersion"] != "keda.sh/v1alpha1" or kind not in KEDA:
        return [f"{resource['apiVersion']} {kind} is not known here"]
    errors = [f"{path} is missing" for path in KEDA[kind] if not has(resource, path)]
    if errors or kind != "ScaledObject":
        return errors
    for trigger in resource["spec"]["triggers"]:
        if trigger.get("type") not in TRIGGER:
            errors.append(f"a trigger's type is {trigger.get('type')}")
            continue
        metadata = trigger.get("metadata", {})
        errors += [f"a trigger has no {key}" for key in TRIGGER[trigger["type"]] if not metadata.get(key)]
        errors += [f"{key} is no string" for key, value in metadata.items() if not isinstance(value, str)]
        target = TARGET[trigger["type"]]
        if not re.fullmatch("[1-9][0-9]*", str(metadata.get(target, "1"))):
            errors.append(f"{target} is {metadata[target]!r}, no whole number over 0")
        name = trigger.get("authenticationRef", {}).get("name")
        if ("TriggerAuthentication", name) not in names:
            errors.append(f"there is no TriggerAuthentication {name}")
    return errors


def check_names(resource: dict[str, Any], names: set[tuple[str, str]]) -> list[str]:
    """What a schema cannot see: a target or a setting that does not exist."""
    errors = []
    target = resource.get("spec", {}).get("scaleTargetRef", {}).get("name")
    if target and ("Deployment", target) not in names:
        errors.append(f"there is no Deployment {target}")
    if resource["kind"] == "Deployment":
        labels = resource["spec"]["template"]["metadata"]["labels"]
        if not resource["spec"]["selector"]["matchLabels"].items() <= labels.items():
            errors.append("the selector does not match the pods")
    if resource["kind"] == "ConfigMap":
        known = re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
        errors += [f"{key} is not in .env.example" for key in resource["data"] if key not in known]
    return errors


def main() -> None:
    files = sorted(HERE.rglob("*.yaml"))
    found = [(file, each) for file in files for each in yaml.safe_load_all(file.read_text())]
    names = {(each["kind"], each.get("metadata", {}).get("name", "")) for _, each in found}
    errors = [] if found else [f"there is nothing in {HERE}"]
    for file, resource in found:
        if resource["apiVersion"].startswith("kustomize.config.k8s.io/"):
            wrong = [
                f"there is no {name}"
                for name in resource.get("resources", []) + resource.get("components", [])
                if not (file.parent / name).exists()
            ]
        elif resource["apiVersion"].startswith("keda.sh/"):
            wrong = check_keda(resource, names) + check_names(resource, names)
        else:
            wrong = check_schema(resource) or check_names(resource, names)
        title = f"{file.relative_to(ROOT)}: {resource['kind']}"
        errors += [f"{title}: {error}" for error in wrong]
    if errors:
        sys.exit("\n".join(errors))
    print(f"{len(found)} manifests in {len(files)} files are good for Kubernetes {' and '.join(VERSIONS)}")


if __name__ == "__main__":
    main()
