"""Checks of the clients: `clients.py lines` counts what is written by hand, `clients.py spec`
compares rules with cases, `clients.py schema` checks the form of the cases, `clients.py readmes` compares headings,
`clients.py grid` shows which case passed in which language."""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parents[1]
CLIENTS = ROOT / "clients"
LANGUAGES = ("go", "python", "java", "typescript", "rust")
# Lines by hand; blank ones, comments and imports are not counted.
BUDGET = 400
SOURCES = {
    "go": "*.go",
    "python": "src/wecomgw/*.py",
    "java": "src/main/java/**/*.java",
    "typescript": "src/*.ts",
    "rust": "src/*.rs",
}
# The runner of the cases and its budget: what it cannot do shortly, the conformance server does.
# Go is over 100: it names every type on the way, and each fault and each option that may be absent
# is three lines of it.
RUNNER_BUDGET = 100
RUNNERS = {
    "go": ("conformance_test.go", 141),
    "python": ("tests/test_conformance.py", RUNNER_BUDGET),
    "java": ("src/test/java/io/wecomgw/ConformanceTest.java", RUNNER_BUDGET),
    "typescript": ("test/conformance.test.ts", RUNNER_BUDGET),
    "rust": ("tests/conformance.rs", RUNNER_BUDGET),
}
COMMENT = re.compile(r"(//|/\*|\*|#[^\[]|#$|import\b|package\b|use\b|pub use\b|export [{*].* from |from\b.*\bimport\b)")


def code_lines(text: str) -> int:
    """Lines that are no blank line, comment or import; imports over several lines count once."""
    text = re.sub(r'(?m)^import \($.*?^\)$', "", text, flags=re.S)
    text = re.sub(r'(?m)^(use [\w:]+::\{|from [\w.]+ import \(|import (type )?\{)[^;]*?[})](;| from [^\n]*)?$', "", text)
    text = re.sub(r'(?s)"""[^"].*?"""', "", text)
    return sum(1 for line in text.splitlines() if line.strip() and not COMMENT.match(line.strip()))


def lines() -> bool:
    good = True
    for language in LANGUAGES:
        files = (CLIENTS / language).glob(SOURCES[language])
        count = sum(code_lines(f.read_text()) for f in files if not f.name.endswith("_test.go"))
        path, runner_budget = RUNNERS[language]
        runner = code_lines((CLIENTS / language / path).read_text())
        good &= 0 < count <= BUDGET and 0 < runner <= runner_budget
        print(f"{language:11} {count:4} of {BUDGET} lines, runner {runner:4} of {runner_budget}")
    return good


def readmes() -> bool:
    """Whether the README of every client has the same headings."""
    texts = {language: (CLIENTS / language / "README.md").read_text() for language in LANGUAGES}
    headings = {language: re.findall(r"(?m)^##+ .*", text) for language, text in texts.items()}
    for language, found in headings.items():
        if found != headings["go"]:
            print(f"{language}/README.md has {found}, go/README.md {headings['go']}", file=sys.stderr)
    return all(found == headings["go"] for found in headings.values())


def cases() -> list[dict]:
    files = sorted((CLIENTS / "conformance/cases").glob("*.json"))
    return [case for file in files for case in json.loads(file.read_text())]


def schema() -> bool:
    import jsonschema

    conformance = CLIENTS / "conformance"
    rules = json.loads((conformance / "schema.json").read_text())
    for file in (*(conformance / "cases").glob("*.json"), conformance / "examples.json"):
        jsonschema.validate(json.loads(file.read_text()), rules)
    return True


def spec() -> bool:
    rules = set(re.findall(r"\*\*(W\d+)\*\*", (CLIENTS / "SPEC.md").read_text()))
    proved = {rule for case in cases() for rule in case["rules"]}
    for rule in sorted(rules ^ proved):
        print(f"{rule} has no case" if rule in rules else f"{rule} is no rule", file=sys.stderr)
    names = [case["name"] for case in cases()]
    print(f"{len(rules)} rules, {len(names)} cases")
    return rules == proved and len(set(names)) == len(names)


def grid() -> bool:
    results = {}
    for language in (*LANGUAGES, "buf"):
        file = ROOT / "target/conformance" / f"{language}.json"
        if file.exists():
            results[language] = json.loads(file.read_text())
    good = True
    print(f"{'case':64}" + "".join(f"{language:>11}" for language in results))
    for case in cases():
        row = ""
        for language, result in results.items():
            wanted = language != "buf" or case.get("raw")
            passed = result.get(case["name"])
            good &= not wanted or passed is True
            row += f"{'-' if not wanted else 'ok' if passed else 'FAILED' if passed is False else 'not run':>11}"
        print(f"{case['name']:64}{row}")
    total = "".join(f"{sum(result.values()):>11}" for result in results.values())
    print(f"{'passed':64}{total}")
    return good


if __name__ == "__main__":
    checks = {"lines": lines, "schema": schema, "spec": spec, "readmes": readmes, "grid": grid}
    sys.exit(0 if all([checks[name]() for name in sys.argv[1:]]) else 1)
