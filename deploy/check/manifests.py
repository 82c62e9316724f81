"""Checks deploy/kustomize and deploy/helm without a cluster: everything renders, every object
passes the strict schema of each Kubernetes version, every pod passes the restricted profile, the
names that one object uses exist in another, the gateway takes the settings that a pod gives it,
and both ways render the same.

    python3 deploy/check/manifests.py WECOMGW

WECOMGW is the binary; kustomize and helm are on the PATH.
"""

import difflib
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/wecomgw"
# From the oldest that the chart takes to the newest with a schema.
VERSIONS = [f"1.{minor}" for minor in range(29, 38)]
# Helm renders for this cluster.
NEWEST = ["--kube-version", VERSIONS[-1]]
# The operator's kinds have no schema here; promtool checks what is in the rules.
WITHOUT_SCHEMA = {"ServiceMonitor", "PrometheusRule"}
# What must render the same.
PAIRS = {
    "deploy/kustomize/overlays/embedded": "sqlite",
    "deploy/kustomize/overlays/postgres": "postgres",
    "deploy/check/all": "all",
}
# Helm's own labels, and the two ways to roll pods when the configuration changes.
HELM_LABELS = {"helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/version"}
HASH_ANNOTATION = "checksum/config"
HASH_SUFFIX = re.compile(r"^(wecomgw-config)-[a-z0-9]{10}$")

faults = []


def render(*command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}:\n{done.stderr}")
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def name_of(item):
    return f"{item['kind']}/{item['metadata']['name']}"


def is_hook(item):
    """Helm's, such as the test pod."""
    return "helm.sh/hook" in item["metadata"].get("annotations", {})


def kustomize(folder):
    return render("kustomize", "build", folder)


def helm(values):
    options = ["--namespace", "wecomgw", *NEWEST, "--values", str(CHART / f"ci/{values}.yaml")]
    return render("helm", "template", "wecomgw", str(CHART), *options)


def check_schema(source, items):
    for item in items:
        if item["kind"] in WITHOUT_SCHEMA:
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(item, version, strict=True)
            except Exception as error:
                faults.append(f"{source}: {name_of(item)}, Kubernetes {version}: {error}")


def pod_of(item):
    if item["kind"] == "Pod":
        return item["spec"]
    return item.get("spec", {}).get("template", {}).get("spec")


def check_restricted(source, items):
    """The restricted profile of Pod Security Standards, and what the house adds to it."""
    for item in items:
        pod = pod_of(item)
        if not pod:
            continue
        security = pod.get("securityContext", {})
        rules = {
            "runs as 65532": security.get("runAsNonRoot") and security.get("runAsUser") == 65532,
            "seccomp RuntimeDefault": security.get("seccompProfile") == {"type": "RuntimeDefault"},
            "no token": pod.get("automountServiceAccountToken") is False,
            "no service links": pod.get("enableServiceLinks") is False,
            "nothing of the host": not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(),
            "plain volumes": all(
                volume.keys() & {"configMap", "secret", "emptyDir", "projected"} for volume in pod.get("volumes", [])
            ),
            "secrets read only by the group": all(
                volume.get(kind, {"defaultMode": 0o440})["defaultMode"] == 0o440
                for volume in pod.get("volumes", [])
                for kind in ("configMap", "secret")
            ),
        }
        for container in pod["containers"] + pod.get("initContainers", []):
            context = container.get("securityContext", {})
            rules |= {
                "no escalation": context.get("allowPrivilegeEscalation") is False,
                "no capabilities": context.get("capabilities") == {"drop": ["ALL"]},
                "read-only root": context.get("readOnlyRootFilesystem") is True,
                "not privileged": not context.get("privileged"),
                "no host ports": not any("hostPort" in port for port in container.get("ports", [])),
                "a memory limit": "memory" in container.get("resources", {}).get("limits", {}),
                "no processor limit": "cpu" not in container.get("resources", {}).get("limits", {}),
                "no subPath": not any("subPath" in mount for mount in container.get("volumeMounts", [])),
            }
        for rule, holds in rules.items():
            if not holds:
                faults.append(f"{source}: {name_of(item)}: {rule}: not so")


def selects(selector, labels):
    return bool(selector) and selector.items() <= labels.items()


def check_references(source, items):
    """Selectors, ports, volumes and accounts name what is there."""
    (workload,) = [item for item in items if item["kind"] in ("Deployment", "StatefulSet")]
    template, names = workload["spec"]["template"], {name_of(item) for item in items}
    pod, labels = template["spec"], template["metadata"]["labels"]
    container = pod["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    volumes = {volume["name"] for volume in pod["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}

    def expect(holds, what):
        if not holds:
            faults.append(f"{source}: {what}")

    expect({mount["name"] for mount in container["volumeMounts"]} == volumes, "volumes and mounts differ")
    expect(f"ServiceAccount/{pod['serviceAccountName']}" in names, "the account is missing")
    config = next(volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume)
    expect(f"ConfigMap/{config}" in names, f"ConfigMap {config} is missing")
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        expect(container[probe]["grpc"]["port"] == ports["health"], f"{probe} asks another port")
    for item in items:
        spec, kind = item.get("spec", {}), item["kind"]
        if kind == "Service":
            expect(selects(spec["selector"], labels), f"{name_of(item)} selects no pod")
            for port in spec["ports"]:
                expect(port["targetPort"] in ports, f"{name_of(item)}: no port {port['targetPort']}")
        elif kind in ("PodDisruptionBudget", "Deployment", "StatefulSet"):
            expect(selects(spec["selector"]["matchLabels"], labels), f"{name_of(item)} selects no pod")
        elif kind == "NetworkPolicy":
            expect(selects(spec["podSelector"]["matchLabels"], labels), f"{name_of(item)} selects no pod")
            for rule in spec["ingress"]:
                for port in rule["ports"]:
                    expect(port["port"] in ports, f"{name_of(item)}: no port {port['port']}")
        elif kind == "HorizontalPodAutoscaler":
            target = f"{spec['scaleTargetRef']['kind']}/{spec['scaleTargetRef']['name']}"
            expect(target in names, f"{name_of(item)} scales {target}, which is missing")
            expect("replicas" not in workload["spec"], "replicas are set beside an autoscaler")


def check_settings(source, items, binary):
    """`wecomgw check` on the file and the environment of the pod, with made-up secrets."""
    (config,) = [item["data"]["wecomgw.toml"] for item in items if "wecomgw.toml" in item.get("data", {})]
    (workload,) = [item for item in items if item["kind"] in ("Deployment", "StatefulSet")]
    container = workload["spec"]["template"]["spec"]["containers"][0]
    with tempfile.TemporaryDirectory() as folder:
        for mount in container["volumeMounts"]:
            Path(folder + mount["mountPath"]).mkdir(parents=True, exist_ok=True)
        move = lambda text: re.sub(r"/(etc|var)/", lambda found: folder + found[0], text)
        environment = {
            variable["name"]: move(variable.get("value", "http://made-up.example.com"))
            for variable in container["env"]
        }
        certificate, key = Path(folder, "crt"), Path(folder, "key")
        command = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=made-up"]
        subprocess.run([*command, "-keyout", key, "-out", certificate], capture_output=True, check=True)
        files = re.findall(r'_file = "(.+?)"', move(config))
        files += [value for name, value in environment.items() if name.endswith("_FILE")]
        for file in map(Path, files):
            made_up = {".crt": certificate.read_text(), ".key": key.read_text()}
            file.write_text(made_up.get(file.suffix, "made up"))
        Path(folder, "wecomgw.toml").write_text(move(config))
        command = [binary, "check", "--config", f"{folder}/wecomgw.toml"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            faults.append(f"{source}: wecomgw check: {done.stderr}")


def plain(value):
    """Without what the two ways write differently on purpose; lists by name, not by order."""
    if isinstance(value, dict):
        return {
            key: plain(inner)
            for key, inner in value.items()
            if key not in HELM_LABELS and inner not in ({}, None)
            and not (key == "annotations" and set(inner) == {HASH_ANNOTATION})
        }
    if isinstance(value, list):
        inner = [plain(entry) for entry in value]
        if all(isinstance(entry, dict) and "name" in entry for entry in inner):
            inner.sort(key=lambda entry: entry["name"])
        return inner
    if isinstance(value, str):
        return HASH_SUFFIX.sub(r"\1", value)
    return value


def comparable(items):
    texts = []
    for item in items:
        # A chart makes no namespace, an overlay no test.
        if item["kind"] != "Namespace" and not is_hook(item):
            texts.append(yaml.safe_dump(plain(item), width=1000))
    return "---\n".join(sorted(texts)).splitlines()


def check_same(folder, values, items, others):
    ours, theirs = comparable(items), comparable(others)
    if difference := list(difflib.unified_diff(ours, theirs, folder, f"ci/{values}.yaml", lineterm="")):
        faults.append("kustomize and helm differ:\n" + "\n".join(difference))


def check_version(items):
    """What names a version names that of Cargo.toml."""
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    images = {pod_of(item)["containers"][0]["image"] for item in items if pod_of(item)}
    dockerfile = (ROOT / "deploy/docker/Dockerfile").read_text()
    if images != {f"wecomgw:{version}"} or {chart["version"], chart["appVersion"]} != {version}:
        faults.append(f"the version is {version}, not so in {images} or Chart.yaml")
    if f"ARG VERSION={version}\n" not in dockerfile:
        faults.append(f"the version is {version}, not so in the Dockerfile")


def check_refusals():
    """What must not render: the chart says no, and the schema does."""
    for options in (["--set", "tls.enabld=true"], ["--set", "autoscaling.enabled=true"]):
        command = ["helm", "template", "wecomgw", CHART, *NEWEST, *options]
        if subprocess.run(command, capture_output=True).returncode == 0:
            faults.append(f"helm takes {options[1]}")
    (service, *_) = [item for item in helm("sqlite") if item["kind"] == "Service"]
    service["spec"]["ports"][0]["targetport"] = "grpc"
    before = len(faults)
    check_schema("a misspelt field", [service])
    if len(faults) != before + len(VERSIONS):
        faults.append("the schemas do not notice a misspelt field")
    else:
        del faults[before:]


def main():
    rendered = {folder: kustomize(folder) for folder in PAIRS}
    rendered |= {path.stem: helm(path.stem) for path in sorted((CHART / "ci").glob("*.yaml"))}
    binary, objects = str(Path(sys.argv[1]).resolve()), 0
    for source, items in rendered.items():
        objects += len(items)
        check_schema(source, items)
        check_restricted(source, items)
        items = [item for item in items if not is_hook(item)]
        check_references(source, items)
        check_settings(source, items, binary)
    for folder, values in PAIRS.items():
        check_same(folder, values, rendered[folder], rendered[values])
    check_version(rendered["sqlite"] + rendered["deploy/kustomize/overlays/embedded"])
    check_refusals()
    lint = subprocess.run(["helm", "lint", "--strict", *NEWEST, CHART], capture_output=True, text=True)
    if lint.returncode != 0:
        faults.append(lint.stdout + lint.stderr)
    print(f"{len(rendered)} renderings, {objects} objects, Kubernetes {VERSIONS[0]} to {VERSIONS[-1]}")
    for fault in faults:
        print(f"FAULT {fault}", file=sys.stderr)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
