"""Builds the package of each client and installs it where nothing else of ours is: a wheel in a
new environment, a tarball in a new folder, a jar by its coordinates from a repository of its own,
a crate as it would be published, a Go module by `replace`. `examples.py --packages` then runs the
example there."""

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


POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>example</groupId>
  <artifactId>example</artifactId>
  <version>1</version>
  <properties>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
    <maven.compiler.source>17</maven.compiler.source>
    <maven.compiler.target>17</maven.compiler.target>
  </properties>
  <repositories>
    <repository><id>packages</id><url>file://{repository}</url></repository>
  </repositories>
  <dependencies>
    <dependency><groupId>io.wecomgw</groupId><artifactId>wecomgw-client</artifactId><version>{version}</version></dependency>
  </dependencies>
</project>
"""


def java() -> tuple[list[str], Path]:
    out = folder("java")
    repository = out / "repository"
    plugins = "org.apache.maven.plugins:maven-"
    maven = ["mvn", "--batch-mode", "--quiet"]
    # A cache apart: no client that was installed before can stand in for this one. Kept, since
    # filling it anew takes a minute.
    cache = ROOT / "target/maven"
    shutil.rmtree(cache / "io/wecomgw", ignore_errors=True)
    run(*maven, "-Dmaven.test.skip=true", "package", f"{plugins}deploy-plugin:3.1.4:deploy",
        f"-DaltDeploymentRepository=packages::file://{repository}", cwd=CLIENTS / "java")  # fmt: skip
    (out / "pom.xml").write_text(POM.format(repository=repository, version=VERSION))
    sources = out / "src/main/java/io/wecomgw/examples"
    sources.mkdir(parents=True)
    shutil.copy(CLIENTS / "java/src/test/java/io/wecomgw/examples/SendText.java", sources)
    run(*maven, f"-Dmaven.repo.local={cache}", "compile", f"{plugins}dependency-plugin:3.6.1:build-classpath",
        f"-Dmdep.outputFile={out}/classpath", cwd=out)  # fmt: skip
    path = f"target/classes:{(out / 'classpath').read_text().strip()}"
    return ["java", "-cp", path, "io.wecomgw.examples.SendText"], out


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
