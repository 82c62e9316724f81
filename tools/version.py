"""One version for server and clients: `version.py check`, `version.py set X.Y.Z`.

The one in Cargo.toml rules."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parents[1]
# Where the version stands, first of all in Cargo.toml.
PLACES = {
    "Cargo.toml": r'^version = "(.+)"',
    "clients/rust/Cargo.toml": r'^version = "(.+)"',
    "clients/python/pyproject.toml": r'^version = "(.+)"',
    "clients/python/src/wecomgw/client.py": r'^VERSION = "(.+)"',
    "clients/go/client.go": r'^\tVersion = "(.+)"',
    "clients/java/pom.xml": r"^  <version>(.+)</version>",
    "clients/java/src/main/java/io/wecomgw/Client.java": r'String VERSION = "(.+)"',
    "clients/typescript/package.json": r'^  "version": "(.+)"',
    "clients/typescript/package-lock.json": r'^  "version": "(.+)"',
    "clients/typescript/src/client.ts": r'^export const VERSION = "(.+)"',
}


def find(place: str) -> tuple[str, re.Match[str]]:
    text = (ROOT / place).read_text()
    match = re.search(PLACES[place], text, re.M)
    if not match:
        sys.exit(f"{place} has no version")
    return text, match


def check() -> bool:
    versions = {place: find(place)[1][1] for place in PLACES}
    wanted = versions["Cargo.toml"]
    wrong = {place: version for place, version in versions.items() if version != wanted}
    for place, version in wrong.items():
        print(f"{place} says {version}, Cargo.toml {wanted}", file=sys.stderr)
    return not wrong


def put(version: str) -> None:
    for place in PLACES:
        text, match = find(place)
        (ROOT / place).write_text(text[: match.start(1)] + version + text[match.end(1) :])
    # The lock files repeat it for the packages themselves.
    lock = ROOT / "clients/typescript/package-lock.json"
    own = r'("name": "@wecomgw/client",\s+"version": ")[^"]+'
    lock.write_text(re.sub(own, rf"\g<1>{version}", lock.read_text()))
    lock = ROOT / "Cargo.lock"
    own = r'(name = "wecomgw(-client)?"\nversion = ")[^"]+'
    lock.write_text(re.sub(own, rf"\g<1>{version}", lock.read_text()))


match sys.argv[1:]:
    case ["check"]:
        sys.exit(not check())
    case ["set", version] if re.fullmatch(r"\d+\.\d+\.\d+", version):
        put(version)
    case _:
        sys.exit(__doc__)
