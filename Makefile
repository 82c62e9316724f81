# The habits of the house. `make` alone lists them.
# What a target needs beside cargo is installed when missing: into tools/, never globally,
# except packages of the system, which only root can install.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BUF := tools/node_modules/.bin/buf
DENY_VERSION := 0.20.2
DENY := tools/cargo-deny-$(DENY_VERSION)/bin/cargo-deny
FUZZ_VERSION := 0.13.2
FUZZ := tools/cargo-fuzz-$(FUZZ_VERSION)/bin/cargo-fuzz
# How long each target is fuzzed.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= request bulk_upload answer login_page config credentials
CYCLONEDX_VERSION := 0.5.9
CYCLONEDX := tools/cargo-cyclonedx-$(CYCLONEDX_VERSION)/bin/cargo-cyclonedx
# What `make reproducible` builds twice.
PACKAGE ?= wecomgw
PROFILE ?= release
# A copy of the RustSec database, for `make check`.
ADVISORY_DB ?=
BASELINE := proto/baseline.binpb
KUSTOMIZE := tools/deploy/kustomize-v5.8.2/kustomize
HELM := tools/deploy/helm-v3.22.0/helm
DEPLOY_PYTHON := tools/deploy/venv/bin/python
# What `make image` packs; another binary is taken as it is.
BINARY ?= target/release/wecomgw
# 45 at most, see tests/torture/server/soak.rs.
SOAK_MINUTES ?= 30
VENV := tools/venv
EXAMPLES := $(VENV)/bin/python clients/conformance/examples.py
GENERATORS := tools/bin/protoc-gen-go tools/bin/protoc-gen-go-grpc $(VENV)/bin/protoc-gen-mypy
# Each client carries a copy of the retry policy.
POLICIES := clients/go/gen/policy.json clients/python/src/wecomgw/v1/policy.json \
	clients/typescript/src/gen/policy.ts

# $(call say,what happens now)
say = @printf '\033[1m==> %s\033[0m\n' "$(1)"

# $(call need,command,Debian package that brings it)
define need
@command -v $(1) >/dev/null || { \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "==> install $(2), which brings $(1)"; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $(2); \
	else \
		echo "$(1) is missing. Install it, for example: sudo apt-get install $(2)" >&2; exit 1; \
	fi; }
endef

.PHONY: help
help: ## List what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do \
		printf '  \033[1mmake %-13s\033[0m %s\n' "$$target" "$$text"; done

.PHONY: dev
dev: compiler ## Run gateway and sandbox in one process, on loopback
	$(call say,run gateway and sandbox; stop with Ctrl-C)
	cargo run --locked -- dev

.PHONY: test
test: test-rust browser strangers clients ## Run every test

.PHONY: test-rust
test-rust: compiler ## Run the tests in Rust, PostgreSQL's among them
	$(call need,pg_ctlcluster,postgresql)
	$(call say,run the tests in Rust)
	cargo test --locked

.PHONY: browser
browser: compiler ## Log in through the example with a real browser
	$(call need,chromium,chromium)
	$(call say,log in with chromium)
	cargo test --locked --test it auth::browser -- --ignored

.PHONY: torture
torture: compiler ## Kill, starve and flood gateways as docs/RELIABILITY.md tells: 40 minutes or more, as root
	$(call need,strace,strace)
	$(call need,psql,postgresql)
	$(call say,abort at every crash point: the traps are in debug builds only)
	time cargo test --locked --test torture -- --ignored --nocapture --test-threads=1 r2:: r14::
	$(call say,everything else in a release build)
	time cargo test --locked --release --test torture -- --ignored --nocapture --test-threads=1 --skip r2:: --skip r14::

.PHONY: soak
soak: compiler ## Call a release build for SOAK_MINUTES (30), and watch its memory and descriptors, as root
	$(call say,soak for $(SOAK_MINUTES) minutes)
	time SOAK_MINUTES=$(SOAK_MINUTES) cargo test --locked --release --test torture -- --ignored --nocapture server::soak

# Without a sanitizer: no code here is unsafe, and the limit of memory is then that of the code.
.PHONY: fuzz
fuzz: compiler $(FUZZ) ## Fuzz each target for FUZZ_SECONDS, with the nightly compiler
	@rustup run nightly rustc --version >/dev/null || { echo "install the nightly compiler: rustup toolchain install nightly" >&2; exit 1; }
	$(call say,build the targets)
	PATH="$(CURDIR)/$(dir $(FUZZ)):$$PATH" cargo +nightly fuzz build --fuzz-dir fuzz --sanitizer none
	@for target in $(FUZZ_TARGETS); do \
		printf '\033[1m==> fuzz %s for %s s\033[0m\n' "$$target" "$(FUZZ_SECONDS)"; \
		mkdir -p "fuzz/target/corpus/$$target" "fuzz/artifacts/$$target"; \
		fuzz/target/*-linux-*/release/"$$target" -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=256 -timeout=1 \
			-print_final_stats=1 -verbosity=0 -artifact_prefix="fuzz/artifacts/$$target/" \
			"fuzz/target/corpus/$$target" "fuzz/corpus/$$target"; \
	done

.PHONY: strangers
strangers: compiler ## Run other people's WeCom SDKs against the sandbox
	tests/strangers/run

.PHONY: check
check: compiler $(BUF) $(DENY) ## Check form, lints, layers, contract and dependencies
	$(call say,check the form of the code)
	cargo fmt --check
	$(call say,lint the code)
	cargo clippy --locked --all-targets -- -D warnings
	$(call say,check who imports whom)
	cargo test --locked --quiet --test layers
	$(call say,lint the contract)
	$(BUF) lint
	$(call say,compare the contract with the last release)
	@[ -f $(BASELINE) ] || { echo "$(BASELINE) is missing: run 'make baseline' on the last release" >&2; exit 1; }
	$(BUF) breaking --against $(BASELINE)
	$(call say,check licences and sources of dependencies)
	$(DENY) --locked check bans licenses sources
	@if [ -n "$(ADVISORY_DB)" ]; then \
		mkdir -p target/advisory-dbs && ln -sfn "$(abspath $(ADVISORY_DB))" target/advisory-dbs/advisory-db-3157b0e258782691; \
		$(DENY) --locked check advisories --disable-fetch; \
	else echo "no advisories checked: say ADVISORY_DB=folder, a copy of the RustSec database"; fi
	$(MAKE) gen-check
	$(VENV)/bin/python tools/clients.py lines schema spec readmes
	$(VENV)/bin/python tools/version.py check

.PHONY: fmt
fmt: $(BUF) ## Bring code and contract into form
	$(call say,format code and contract)
	cargo fmt
	$(BUF) format --write

.PHONY: gen
gen: $(BUF) $(GENERATORS) ## Write the generated code of the clients anew (the server's is made by build.rs)
	$(call say,generate the code of the clients)
	rm -rf clients/go/gen clients/python/src/wecomgw/v1 clients/typescript/src/gen clients/rust/*/gen
	mkdir -p clients/rust/src/gen clients/rust/tests/gen
	$(BUF) generate
	$(BUF) generate --template buf.gen.rpc.yaml
	touch clients/python/src/wecomgw/v1/__init__.py
	$(BUF) build -o - | $(VENV)/bin/python tools/policy.py clients/policy.json $(POLICIES)
	cargo run --locked --quiet -p gen-rust -- proto clients/policy.json clients/rust

.PHONY: gen-check
gen-check: gen ## Fail when the committed code of the clients is not what the contract gives
	$(call say,compare the generated code with the committed)
	@changes=$$(git status --porcelain -- clients/policy.json $(POLICIES) clients/go/gen \
		clients/python/src/wecomgw/v1 clients/typescript/src/gen clients/rust/*/gen); \
	if [ -n "$$changes" ]; then echo "$$changes"; echo "run 'make gen' and commit" >&2; exit 1; fi

.PHONY: clients
clients: client-go client-python client-java client-typescript client-rust client-buf client-packages client-drain ## Test the clients in every language against one gateway
	$(call say,the cases by language)
	$(VENV)/bin/python tools/clients.py grid

# $(call program,command,how to get it)
program = @command -v $(1) >/dev/null || { echo "$(1) is missing: install $(2)" >&2; exit 1; }

.PHONY: conformance-server
conformance-server: compiler
	$(call say,build the gateway that clients are tested against)
	cargo build --locked --quiet --example conformance-server

.PHONY: client-go
client-go: conformance-server $(GENERATORS) ## Test the Go client (modules go into the cache of Go)
	$(call program,go,Go 1.26 or newer)
	$(call say,test the Go client)
	cd clients/go && go vet ./... && go test -count=1 ./...
	$(EXAMPLES) go

.PHONY: client-python
client-python: conformance-server $(GENERATORS) ## Test the Python client (packages go into tools/venv)
	$(call say,test the Python client)
	cd clients/python && ../../$(VENV)/bin/pytest -q
	$(EXAMPLES) python

.PHONY: client-java
client-java: conformance-server $(GENERATORS) ## Test the Java client (artefacts go into the repository of Maven)
	$(call program,javac,a JDK 17 or newer)
	$(call program,mvn,Maven 3.8 or newer)
	$(call say,test the Java client)
	cd clients/java && mvn --batch-mode --quiet test \
		org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath -Dmdep.outputFile=target/classpath
	$(EXAMPLES) java

.PHONY: client-typescript
client-typescript: conformance-server $(GENERATORS) clients/typescript/node_modules/.package-lock.json ## Test the TypeScript client (packages go into its node_modules)
	$(call say,test the TypeScript client)
	cd clients/typescript && npm test --silent
	$(EXAMPLES) typescript

.PHONY: client-rust
client-rust: conformance-server $(GENERATORS) ## Test the Rust client
	$(call say,test the Rust client)
	cargo clippy --locked --quiet -p wecomgw-client --all-targets -- -D warnings
	cargo test --locked --quiet -p wecomgw-client
	$(EXAMPLES) rust

.PHONY: client-buf
client-buf: conformance-server $(BUF) $(GENERATORS) ## Test the gateway by buf curl, without a client of ours
	$(call say,test the gateway by buf curl)
	$(VENV)/bin/python clients/conformance/buf.py

# Java's and TypeScript's programs are built by their tests.
.PHONY: client-drain
client-drain: client-java client-typescript ## Stop gateways in turn while every client calls; no call may fail
	$(call need,pg_ctlcluster,postgresql)
	cargo build --locked --quiet
	$(call say,stop gateways in turn while every client calls)
	$(VENV)/bin/python clients/conformance/drain.py go python java typescript rust

.PHONY: client-packages
client-packages: conformance-server $(GENERATORS) clients/typescript/node_modules/.package-lock.json ## Build the package of each client, install it apart and try it
	$(call say,build the packages of the clients in target/packages and try them)
	$(EXAMPLES) --packages go python java typescript rust

clients/typescript/node_modules/.package-lock.json: clients/typescript/package-lock.json
	$(call program,npm,Node.js 20.19 or newer)
	$(call say,install the packages of the TypeScript client)
	npm ci --prefix clients/typescript --no-audit --no-fund
	@touch $@

.PHONY: baseline
baseline: $(BUF) ## Record the contract as released; later changes are compared with it
	$(call say,record the contract in $(BASELINE))
	$(BUF) build --exclude-source-info -o $(BASELINE)

.PHONY: bench
bench: compiler ## Measure the gateway beside its parts
	$(call say,measure)
	cargo bench --locked --bench compare -- measure

.PHONY: bench-gate
bench-gate: compiler ## Count instructions of a send, and fail when they exceed their limit
	$(call need,valgrind,valgrind)
	$(call say,count instructions)
	cargo bench --locked --bench compare -- instructions gate

# The first run builds kustomize and helm, which takes minutes; the next ones half a minute.
.PHONY: deploy-check
deploy-check: compiler $(KUSTOMIZE) $(HELM) $(DEPLOY_PYTHON) ## Check manifests, chart, alerts, dashboard, Dockerfile and compose file
	$(call need,promtool,prometheus)
	$(call need,shellcheck,shellcheck)
	cargo build --locked
	$(call say,lint the Dockerfile and its scripts)
	tools/deploy/venv/bin/hadolint deploy/docker/Dockerfile
	shellcheck deploy/docker/*.sh deploy/check/*.sh
	$(call say,check the compose file)
	$(DEPLOY_PYTHON) deploy/check/compose.py target/debug/wecomgw
	$(call say,render and check the manifests)
	PATH="$(CURDIR)/$(dir $(KUSTOMIZE)):$(CURDIR)/$(dir $(HELM)):$$PATH" \
		$(DEPLOY_PYTHON) deploy/check/manifests.py target/debug/wecomgw
	$(call say,check alerts and dashboard)
	$(DEPLOY_PYTHON) deploy/check/monitoring.py target/debug/wecomgw

.PHONY: image
image: compiler ## Build the image of a release build, and run it as Kubernetes would (root, Debian)
	$(call need,buildah,buildah)
	@[ "$(BINARY)" != target/release/wecomgw ] || cargo build --locked --release --bin wecomgw
	$(call say,build and test the image)
	deploy/docker/image.sh $(BINARY) localhost/wecomgw:latest

# SQLite is compiled from C.
.PHONY: compiler
compiler:
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust with rustup" >&2; exit 1; }
	$(call need,cc,gcc libc6-dev)

$(BUF): tools/package.json
	$(call need,npm,npm)
	$(call say,install buf into tools/)
	npm install --prefix tools --no-package-lock --no-audit --no-fund
	@touch $@

.PHONY: sbom
sbom: compiler $(CYCLONEDX) ## Write target/sbom/wecomgw.cdx.json, and check that each crate of the binary is in it
	$(call say,list the crates of the binary)
	mkdir -p target/sbom
	trap 'rm -f {.,clients/rust,tools/gen-rust}/wecomgw.sbom.json' EXIT; \
	PATH="$(CURDIR)/$(dir $(CYCLONEDX)):$$PATH" cargo cyclonedx --quiet --format json --spec-version 1.5 \
		--all-features --override-filename wecomgw.sbom; \
	mv wecomgw.sbom.json target/sbom/wecomgw.cdx.json
	python3 deploy/check/sbom.py target/sbom/wecomgw.cdx.json

.PHONY: reproducible
reproducible: compiler ## Build PACKAGE twice in two folders, and compare the binaries: an hour or less
	$(call say,build $(PACKAGE) twice with the profile $(PROFILE))
	deploy/check/reproducible.sh $(PACKAGE) $(PROFILE)

$(FUZZ):
	$(call say,build cargo-fuzz into tools/)
	cargo install --debug --locked --root tools/cargo-fuzz-$(FUZZ_VERSION) cargo-fuzz@$(FUZZ_VERSION)

$(CYCLONEDX):
	$(call say,build cargo-cyclonedx into tools/)
	cargo install --debug --locked --root tools/cargo-cyclonedx-$(CYCLONEDX_VERSION) cargo-cyclonedx@$(CYCLONEDX_VERSION)

# A debug build: it takes a minute instead of several, and runs for seconds.
$(DENY):
	$(call say,build cargo-deny into tools/)
	cargo install --debug --locked --root tools/cargo-deny-$(DENY_VERSION) cargo-deny@$(DENY_VERSION)

# Helm and kustomize come as Go modules; nothing is put into GOPATH/bin.
$(KUSTOMIZE): PACKAGE := sigs.k8s.io/kustomize/kustomize/v5
$(HELM): PACKAGE := helm.sh/helm/v3/cmd/helm
$(KUSTOMIZE) $(HELM):
	@command -v go >/dev/null || { echo "go is missing: install Go 1.26 or later" >&2; exit 1; }
	$(call say,build $(notdir $@) into tools/)
	GOBIN="$(CURDIR)/$(@D)" go install $(PACKAGE)@$(lastword $(subst -, ,$(notdir $(@D))))

$(DEPLOY_PYTHON): deploy/check/requirements.txt
	$(call need,python3,python3-venv)
	$(call say,install the checkers of deploy/ into tools/)
	python3 -m venv tools/deploy/venv
	$@ -m pip install --quiet --requirement $<

tools/bin/protoc-gen-go tools/bin/protoc-gen-go-grpc &: tools/go.mod
	@command -v go >/dev/null || { echo "go is missing: install Go 1.26 or newer" >&2; exit 1; }
	$(call say,build the generators for Go into tools/)
	cd tools && go build -o bin/ google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
	@touch $@

$(VENV)/bin/protoc-gen-mypy: tools/requirements.txt
	@command -v python3 >/dev/null || { echo "python3 is missing: install Python 3.10 or newer" >&2; exit 1; }
	$(call say,install the generators for Python into tools/)
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet -r tools/requirements.txt
	@touch $@
