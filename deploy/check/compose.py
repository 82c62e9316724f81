"""Checks docker-compose.yml: its form, and that the gateway takes the settings in it.

    python3 deploy/check/compose.py WECOMGW
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import compose_spec
import yaml

ROOT = Path(__file__).resolve().parents[2]


def main():
    text = (ROOT / "docker-compose.yml").read_text()
    # Unknown keys and names without a definition are errors.
    compose_spec.PyCompose.from_yaml(text).validate()
    file = yaml.safe_load(text)
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as settings:
        settings.write(file["configs"]["gateway"]["content"])
        settings.flush()
        environment = file["services"]["gateway"]["environment"]
        command = [sys.argv[1], "check", "--config", settings.name]
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    print(f"{len(file['services'])} services")


if __name__ == "__main__":
    main()
