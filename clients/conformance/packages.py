"""Builds the package of each client and installs it where nothing else of ours is: a wheel in a
new environment, a tarball in a new folder, a jar, a crate as it would be published, a Go module
by `replace`. `examples.py --packages` then runs the example there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "clients"
OUT = ROOT / "target/packages"
VERSION = next(
    line.split('"')[1] for line in (ROOT / "Cargo.toml").read_text().splitlines() if line.startswith("version")
)


def run(*command: object, cwd: Path) -> None:
    subprocess.run([str(part) for part in command], cwd=cwd, check=True, stdout=sys.stderr)


def folder(language: str) -> Path:
    path = OUT / language
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def python() -> tuple[list[str], Path]:
    out = folder("python")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", out, cwd=CLIENTS / "python")
    run(sys.executable, "-m", "venv", out / "venv", cwd=out)
    run(out / "venv/bin/pip", "install", "--quiet", *out.glob("*.whl"), cwd=out)
    shutil.copy(CLIENTS / "python/examples/send_text.py", out)
    return [str(out / "venv/bin/python"), "send_text.py"], out


def typescript() -> tuple[list[str], Path]:
    out = folder("typescript")
    run("npx", "tsc", cwd=CLIENTS / "typescript")
    run("npm", "pack", "--silent", "--pack-destination", out, cwd=CLIENTS / "typescript")
    (out / "package.json").write_text('{"private": true, "type": "module"}')
    run("npm", "install", "--no-audit", "--no-fund", "--silent", *out.glob("*.tgz"), cwd=out)
    shutil.copy(CLIENTS / "typescript/dist/examples/send_text.js", out)
    return ["node", "send_text.js"], out


def go() -> tuple[list[str], Path]:
    out = folder("go")
    shutil.copy(CLIENTS / "go/examples/send_text/main.go", out)
    module = CLIENTS / "go"
    requires = (module / "go.mod").read_text().split("\n", 1)[1]
    own = f"require wecomgw/clients/go v{VERSION}\nreplace wecomgw/clients/go => {module}\n"
    (out / "go.mod").write_text(f"module example\n{requires}\n{own}")
    shutil.copy(module / "go.sum", out)
    run("go", "build", "-o", "send_text", ".", cwd=out)
    return ["./send_text"], out


def java() -> tuple[list[str], Path]:
    out = folder("java")
    run("mvn", "--batch-mode", "--quiet", "-DskipTests", "package",
        "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath",
        "-DincludeScope=runtime", f"-Dmdep.outputFile={out}/classpath", cwd=CLIENTS / "java")  # fmt: skip
    shutil.copy(CLIENTS / f"java/target/wecomgw-client-{VERSION}.jar", out)
    path = f"wecomgw-client-{VERSION}.jar:{(out / 'classpath').read_text().strip()}"
    source = CLIENTS / "java/src/test/java/io/wecomgw/examples/SendText.java"
    run("javac", "-cp", path, "-d", "classes", source, cwd=out)
    return ["java", "-cp", f"classes:{path}", "io.wecomgw.examples.SendText"], out


def rust() -> tuple[list[str], Path]:
    out = folder("rust")
    run("cargo", "package", "--quiet", "--no-verify", "--allow-dirty", "-p", "wecomgw-client", cwd=ROOT)
    run("tar", "xzf", ROOT / f"target/package/wecomgw-client-{VERSION}.crate", cwd=out)
    crate = out / f"wecomgw-client-{VERSION}"
    # Not a member of the workspace above it.
    with (crate / "Cargo.toml").open("a") as manifest:
        manifest.write("\n[workspace]\n")
    shutil.copy(ROOT / "Cargo.lock", crate)
    os.environ["CARGO_TARGET_DIR"] = str(ROOT / "target")
    run("cargo", "build", "--quiet", "--example", "send_text", cwd=crate)
    return [str(ROOT / "target/debug/examples/send_text")], out
