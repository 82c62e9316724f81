"""Checks deploy/monitoring: the alerts by promtool, every expression in a Prometheus that has
scraped a gateway, and every metric's name against what the gateway exports.

    python3 deploy/check/monitoring.py WECOMGW [--write]

WECOMGW is the binary. --write writes prometheusrule.yaml anew from alerts.yaml.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/monitoring"
RUNBOOK = ROOT / "docs/runbook"
LABELS = {"app.kubernetes.io/name": "wecomgw", "app.kubernetes.io/instance": "wecomgw"}
# Named by alerts or dashboard, and exported by a later version.
# What the gateway exports begins so; labels do not.
METRIC = re.compile(r"\b(?:wecomgw[_:]|rpc_server_|http_client_)[\w:]+")
REGISTERED = re.compile(r'\bregister(?:_with_unit)?\(\s*"((?:wecomgw|rpc|http)_\w+)"')
# What the exposition format adds to a registered name.
SUFFIXES = ["", "_total", "_info", "_seconds"] + [f"_seconds_{of}" for of in ("bucket", "count", "sum")]
START_SECONDS = 30

faults = []


def alerts():
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions():
    """Where it stands, and the expression as Grafana would send it."""
    for rule in alerts():
        yield rule.get("alert") or rule["record"], rule["expr"]
    for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"].replace("$job", ".*").replace("$__rate_interval", "5m")
            yield f"dashboard, {panel['title']}", text


def check_rules():
    for command in (["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]):
        done = subprocess.run(["promtool", *command], cwd=FOLDER, capture_output=True, text=True)
        if done.returncode != 0:
            faults.append(f"promtool {' '.join(command)}:\n{done.stdout}{done.stderr}")
    tests = yaml.safe_load((FOLDER / "alerts.test.yaml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    pages = set()
    for rule in (rule for rule in alerts() if "alert" in rule):
        name, page = rule["alert"], rule["annotations"]["runbook"]
        kinds = {bool(case["exp_alerts"]) for case in cases if case["alertname"] == name}
        if kinds != {True, False}:
            faults.append(f"{name}: alerts.test.yaml must show that it fires, and that it stays quiet")
        pages.add(page)
        if not (ROOT / page).exists() or name not in (ROOT / page).read_text():
            faults.append(f"{name}: {page} is missing, or does not name it")
    for page in sorted(RUNBOOK.glob("*.md")):
        if page.name != "README.md" and str(page.relative_to(ROOT)) not in pages:
            faults.append(f"{page.relative_to(ROOT)}: no alert leads here")


def check_rule_resource(write):
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "wecomgw", "labels": LABELS},
        "spec": yaml.safe_load((FOLDER / "alerts.yaml").read_text()),
    }
    head = "# Generated from alerts.yaml: python3 deploy/check/monitoring.py WECOMGW --write\n"
    text = head + yaml.safe_dump(rule, sort_keys=False, width=1000, allow_unicode=True)
    path = FOLDER / "prometheusrule.yaml"
    if write:
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        faults.append("prometheusrule.yaml is stale: run deploy/check/monitoring.py with --write")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, question):
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            if answer := question():
                return answer
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.2)
    raise SystemExit(f"{what} did not come within {START_SECONDS} s")


def ask(url, **query):
    url = f"{url}?{urllib.parse.urlencode(query)}" if query else url
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def run_gateway(binary, folder):
    """A gateway beside a sandbox; one message sent, one refused, and a bulk job."""
    grpc, admin = free_port(), free_port()
    environment = {
        **os.environ,
        "WECOMGW_GRPC__LISTEN": f"127.0.0.1:{grpc}",
        "WECOMGW_GRPC__DRAIN_ACCEPT": "0s",
        "WECOMGW_HEALTH__LISTEN": "127.0.0.1:0",
        "WECOMGW_ADMIN__LISTEN": f"127.0.0.1:{admin}",
    }
    command = [binary, "dev", "--sandbox-listen", "127.0.0.1:0"]
    with open(folder / "gateway.log", "w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    wait_for("the gateway", lambda: ask(f"http://127.0.0.1:{admin}/readyz"))
    (folder / "members").write_text("zhangsan\nnobody\n")
    for command in (
        ["send", "--to", "zhangsan"],
        ["send", "--to", "nobody"],
        ["bulk", "--recipients", "members", "--outcomes", "outcomes"],
    ):
        command += ["--address", f"http://127.0.0.1:{grpc}", "--app", "youxiao", "--text", "Lunch"]
        subprocess.run([binary, *command], cwd=folder, capture_output=True)
    return process, admin


def check_metrics(admin):
    """promtool lints Prometheus' older text only: what OpenMetrics writes in another way is rewritten."""
    text = ask(f"http://127.0.0.1:{admin}/metrics")
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    added = {"counter": "_total", "info": "_info"}
    name = lambda found: f"# {found[1]} {found[2]}{added.get(kinds[found[2]], '')} "
    text = re.sub(r"^# (?:UNIT .*|EOF)\n", "", text, flags=re.M)
    text = re.sub(r"^# (HELP|TYPE) (\S+) ", name, text, flags=re.M)
    text = re.sub(r"^(# TYPE \S+) info$", r"\1 gauge", text, flags=re.M)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    if done.returncode != 0:
        faults.append(f"promtool check metrics:\n{done.stdout}{done.stderr}")


def run_prometheus(folder, admin):
    port = free_port()
    job = {"job_name": "wecomgw", "static_configs": [{"targets": [f"127.0.0.1:{admin}"]}]}
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(FOLDER / "alerts.yaml")],
        "scrape_configs": [job],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(settings))
    command = ["prometheus", f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data"]
    command.append(f"--web.listen-address=127.0.0.1:{port}")
    with open(folder / "prometheus.log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}/api/v1"
    up = lambda: json.loads(ask(f"{address}/query", query="up == 1"))["data"]["result"]
    wait_for("the first scrape", up)
    # The second evaluation sees what the first has recorded.
    time.sleep(3)
    return process, address


def check_expressions(address):
    names = set(json.loads(ask(f"{address}/label/__name__/values"))["data"])
    in_code = set()
    for source in (ROOT / "src").rglob("*.rs"):
        for name in REGISTERED.findall(source.read_text()):
            in_code |= {name + suffix for suffix in SUFFIXES}
    in_code |= {rule["record"] for rule in alerts() if "record" in rule}
    used = set()
    for place, expression in expressions():
        try:
            ask(f"{address}/query", query=expression)
        except urllib.error.HTTPError as error:
            faults.append(f"{place}: {error.read().decode()}")
        metrics = set(METRIC.findall(expression))
        used |= metrics
        for name in metrics - names - in_code:
            faults.append(f"{place}: the gateway exports no {name}")
    own = [name for name in names if METRIC.match(name)]
    print(f"{len(own)} names scraped, {len(used)} used, in {len(list(expressions()))} expressions")


def main():
    binary, write = str(Path(sys.argv[1]).resolve()), "--write" in sys.argv[2:]
    check_rules()
    check_rule_resource(write)
    running = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            gateway, admin = run_gateway(binary, Path(folder))
            running.append(gateway)
            check_metrics(admin)
            prometheus, address = run_prometheus(Path(folder), admin)
            running.append(prometheus)
            check_expressions(address)
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait()
    for fault in faults:
        print(f"FAULT {fault}", file=sys.stderr)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
