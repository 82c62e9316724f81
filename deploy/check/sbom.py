"""Whether a list of components (CycloneDX) has every crate that is compiled into the binary.

    sbom.py target/sbom/wecomgw.cdx.json
"""

import json
import subprocess
import sys

TREE = ["cargo", "tree", "--locked", "--package", "wecomgw", "--edges", "normal",
        "--prefix", "none", "--format", "{p}"]

with open(sys.argv[1], encoding="utf-8") as file:
    bom = json.load(file)
listed = {(part["name"], part["version"]) for part in [bom["metadata"]["component"], *bom["components"]]}
lines = subprocess.run(TREE, check=True, capture_output=True, text=True).stdout.split("\n")
crates = {(name, version.removeprefix("v")) for name, version, *_ in (line.split() for line in lines if line)}
if missing := sorted(crates - listed):
    sys.exit(f"FAULT not in {sys.argv[1]}: {missing}")
unnamed = [part["name"] for part in bom["components"] if not part.get("purl") or not part.get("licenses")]
if unnamed:
    sys.exit(f"FAULT without a purl or a licence: {unnamed}")
print(f"{sys.argv[1]}: {len(listed)} components, all {len(crates)} crates of the binary among them")
