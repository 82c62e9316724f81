"""The example programs of each client, as `make clients` leaves them."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "clients"


def command(language: str, example: str) -> list[str]:
    """What starts an example, in the folder of the language."""
    if language == "go":
        program = ROOT / "target/examples-go" / example
        subprocess.run(["go", "build", "-o", program, f"./examples/{example}"], cwd=CLIENTS / "go", check=True)
        return [str(program)]
    if language == "python":
        return [str(ROOT / "tools/venv/bin/python"), f"examples/{example}.py"]
    if language == "typescript":
        return ["node", f"dist/examples/{example}.js"]
    if language == "rust":
        build = ["cargo", "build", "--locked", "--quiet", "-p", "wecomgw-client", "--example", example]
        subprocess.run(build, cwd=ROOT, check=True)
        return [str(ROOT / "target/debug/examples" / example)]
    name = "".join(part.title() for part in example.split("_"))
    path = (CLIENTS / "java/target/classpath").read_text().strip()
    return ["java", "-cp", f"target/classes:target/test-classes:{path}", f"io.wecomgw.examples.{name}"]
