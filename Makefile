# The commands of everyday work: what they build, run and check is decided here and nowhere else.

SHELL := bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Where cargo puts what it builds; cargo reads the same variable.
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

# More arguments for `make run` (flags of `jetgate dev`), `make test` (of `cargo test`), `make bench`, `make faults`,
# `make soak` and `make simulate` (seeds).
ARGS ?=

.PHONY: run
run: ## Build jetgate and run it beside a real nats-server, ready for grpcurl (ARGS= adds flags)
	@set -e; \
	nats_server=$$(deploy/dev/nats-server.sh --any); \
	cargo build --locked --bin jetgate; \
	exec '$(TARGET_DIR)/debug/jetgate' dev --nats-server "$$nats_server" $(ARGS)

# Tested together, so that what they depend on is built once: its features are those of all of them.
PACKAGES := --package jetgate --package jetgate-faults --package jetgate-client

# The tests wait for servers most of their time: more run at a time than there are cores.
# Without grpcurl the variable stays unset, `tool.sh` says why in one line and the tests use generated stubs. Without a
# proxy or h2spec each of its tests says LEFT OUT.
.PHONY: test
test: ## Run every test, the deployment's included (ARGS= narrows it to some of cargo's)
	$(if $(ARGS),,@clients/console/scripts/build.sh || $(call LEFT_OUT,the console in the gateway that is tested))
	@set -e; unset JETGATE_TEST_GRPCURL; \
	JETGATE_TEST_NATS_SERVER=$$(deploy/dev/nats-server.sh --pinned); \
	export JETGATE_TEST_NATS_SERVER RUST_TEST_THREADS=$${RUST_TEST_THREADS:-6}; \
	if grpcurl=$$(deploy/dev/tool.sh grpcurl); then export JETGATE_TEST_GRPCURL="$$grpcurl"; fi; \
	for tool in envoy nginx haproxy h2spec; do \
		if path=$$(deploy/dev/tool.sh "$$tool"); then export "JETGATE_TEST_$${tool^^}=$$path"; fi; \
	done; \
	cargo test --locked $(PACKAGES) --lib --test integration $(ARGS)
	$(if $(ARGS),,@JETGATE_BIN='$(abspath $(TARGET_DIR))/debug/jetgate' $(MAKE) --keep-going --no-print-directory test-deploy test-clients)

# Without cluster and container engine; what a machine has no tool for is named, and fails where CI=true.
.PHONY: test-deploy
test-deploy: ## Run the tests of deploy/: chart, alerts, dashboards, image, examples (ARGS= names files)
	@set -e; \
	if [[ -z "$$JETGATE_BIN" ]]; then cargo build --locked --bin jetgate; fi; \
	exec python3 tests/deploy/run.py $(ARGS)

# The gateway is built by itself, so that nothing of the benchmark's dependencies is in what is measured.
.PHONY: bench
bench: ## Measure the gateway beside the native client and print tables (ARGS= selects rows and durations)
	@set -e; \
	nats_server=$$(deploy/dev/nats-server.sh --pinned); \
	cargo build --locked --release --bin jetgate; \
	cargo build --locked --release --package jetgate-bench; \
	envoy=$$(deploy/dev/tool.sh envoy) || true; \
	exec '$(TARGET_DIR)/release/jetgate-bench' --gateway '$(TARGET_DIR)/release/jetgate' \
		--nats-server "$$nats_server" $${envoy:+--envoy "$$envoy"} $(ARGS)

# A debug build of the gateway: an overflow or a broken assertion in it is a finding, too. Without a proxy its rows say
# SKIPPED.
faults_of = set -e; \
	commit=$$(git describe --always --abbrev=12 --dirty 2>/dev/null) || commit='an unknown commit'; \
	case "$$JETGATE_BIN" in '' | '$(TARGET_DIR)/debug/jetgate') ;; *) commit='another build'; esac; \
	nats_server=$$(deploy/dev/nats-server.sh --pinned); \
	if [[ -z "$$JETGATE_BIN" ]]; then cargo build --locked --bin jetgate; fi; \
	cargo build --locked --package jetgate-faults; \
	proxies=(); \
	for proxy in envoy nginx; do \
		if path=$$(deploy/dev/tool.sh "$$proxy"); then proxies+=("--$$proxy" "$$path"); fi; \
	done; \
	exec '$(TARGET_DIR)/debug/jetgate-faults' --commit "$$commit" --gateway "$${JETGATE_BIN:-$(TARGET_DIR)/debug/jetgate}" --nats-server "$$nats_server" "$${proxies[@]}"

.PHONY: faults
faults: ## Prove the guarantees under faults of every kind in about ten minutes (ARGS='--suite all' for every fault, --list names them)
	@$(faults_of) $(ARGS)

.PHONY: soak
soak: ## Inject faults at random for an hour (ARGS='--time 8h' for longer)
	@$(faults_of) --suite soak $(ARGS)

# A part of the unit tests, which run a fixed set of seeds.
.PHONY: simulate
simulate: ## Run gateways in simulated time, a fault at every turn (ARGS=7 or ARGS=1..5000 names the seeds)
	@JETGATE_SIMULATE='$(or $(ARGS),1..5000)' cargo test --locked --profile simulation --lib no_seed_breaks -- --nocapture

# A part of the integration tests, which judge errors and memory, and no times.
.PHONY: attacks
attacks: ## Attack a gateway on a machine that has nothing else to do, and judge how long another caller waits
	@set -e; \
	JETGATE_TEST_NATS_SERVER=$$(deploy/dev/nats-server.sh --pinned); \
	export JETGATE_TEST_NATS_SERVER JETGATE_TEST_JUDGE_TIMES=1; \
	cargo test --locked $(PACKAGES) --test integration attacks::

# How long each target is fuzzed, in seconds.
FUZZ_SECONDS ?= 30

# Without a sanitizer: the gateway has no unsafe code, and what libFuzzer itself needs the stable compiler can do. Beside
# the other builds, whose build scripts and macros are used again. cargo-fuzz knows no --locked.
.PHONY: fuzz
fuzz: ## Fuzz the parsers of what strangers send with libFuzzer, three at a time (ARGS= names targets; FUZZ_SECONDS is 30 each)
	@cargo_fuzz=$$(deploy/dev/tool.sh cargo-fuzz) && $${CXX:-c++} --version >/dev/null || $(call LEFT_OUT,fuzzing); \
	set -e; cargo fetch --quiet --locked --manifest-path fuzz/Cargo.toml; \
	"$$cargo_fuzz" fuzz build --dev --sanitizer none --target-dir '$(abspath $(TARGET_DIR))'; \
	printf '%s\n' $(or $(ARGS),$(notdir $(wildcard fuzz/corpus/*))) | \
		xargs -P 3 -I NAME fuzz/run.sh '$(abspath $(TARGET_DIR))' NAME $(FUZZ_SECONDS)

.PHONY: lint
lint: lint-format lint-code lint-docs lint-proto lint-dependencies lint-advisories ## Check format, code, docs, protocol and dependencies

.PHONY: lint-format lint-code lint-docs lint-proto lint-dependencies lint-advisories
lint-format:
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check

lint-code:
	cargo clippy --locked --workspace --all-targets -- -D warnings

lint-docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked --package jetgate --package jetgate-client

lint-proto:
	@buf=$$(deploy/dev/tool.sh buf) && echo "buf lint proto" && "$$buf" lint proto

lint-dependencies:
	@cargo_deny=$$(deploy/dev/tool.sh cargo-deny) && echo "cargo deny check bans licenses sources" && \
	"$$cargo_deny" --locked check --hide-inclusion-graph bans licenses sources

# Apart, as it clones a database from outside the package registries: the other three work offline.
lint-advisories:
	@cargo_deny=$$(deploy/dev/tool.sh cargo-deny) && \
	if timeout 120 "$$cargo_deny" --locked fetch db; then \
		echo "cargo deny check advisories" && "$$cargo_deny" --locked check --hide-inclusion-graph --disable-fetch advisories; \
	else \
		echo "LEFT OUT: security advisories of dependencies, as their database cannot be reached" >&2; \
	fi

.PHONY: sbom
sbom: ## Write what is in the gateway's binary as CycloneDX, into target/jetgate.cdx.json
	@set -e; mkdir -p '$(TARGET_DIR)'; python3 deploy/sbom.py >'$(TARGET_DIR)/jetgate.cdx.json.part'; \
	mv '$(TARGET_DIR)/jetgate.cdx.json.part' '$(TARGET_DIR)/jetgate.cdx.json'; echo '$(TARGET_DIR)/jetgate.cdx.json'

# The clients. A toolchain that is missing is named, and fails where CI=true. JETGATE_BIN is the gateway that they call,
# by default the one that is built here.
.PHONY: test-clients bench-clients
test-clients: ## Run the tests of the client libraries and the console, the scenarios included, two suites at a time
bench-clients: ## Measure each client library beside its language's NATS client (ARGS= goes to each)

LEFT_OUT = { echo "LEFT OUT: $(1)" >&2; [[ "$$CI" != true ]]; exit; }
GATEWAY = nats_server=$$(deploy/dev/nats-server.sh --pinned); \
	if [[ -z "$$JETGATE_BIN" ]]; then \
		cargo build --locked $(1) --bin jetgate; \
		JETGATE_BIN=$(abspath $(TARGET_DIR))/$(if $(1),release,debug)/jetgate; \
	fi; \
	export JETGATE_BIN JETGATE_TEST_NATS_SERVER="$$nats_server"

# Suites wait for servers more than they compute. The console's is behind TypeScript's, as both compile that client.
test-clients:
	@clients/console/scripts/build.sh || $(call LEFT_OUT,the console in the gateway that is tested)
	@set -e; $(call GATEWAY); exec clients/test.sh 'typescript console go' 'java rust python'

# The clients: Python.
.PHONY: test-python lint-python bench-python
bench-clients: bench-python
lint: lint-python

test-python: ## Run the tests of the Python client (ARGS= goes to pytest)
	@venv=$$(clients/python/venv.sh) || $(call LEFT_OUT,the tests of the Python client); \
	set -e; $(call GATEWAY); \
	cd clients/python; exec "$$venv/bin/python" -m pytest --quiet --numprocesses 6 $(ARGS)

lint-python:
	@venv=$$(clients/python/venv.sh) || $(call LEFT_OUT,the checks of the Python client); \
	set -e; echo "ruff, mypy and the stubs of Python"; "$$venv/bin/python" clients/python/generate.py --check; cd clients/python; \
	files=(. ../../tests/scenarios ../../tests/bench/clients); config=(--config pyproject.toml --quiet); \
	"$$venv/bin/ruff" check "$${config[@]}" "$${files[@]}"; \
	"$$venv/bin/ruff" format --check "$${config[@]}" "$${files[@]}"; \
	"$$venv/bin/mypy"; \
	cd ../../tests/scenarios; "$$venv/bin/mypy" --strict world.py matrix.py

bench-python:
	@set -e; venv=$$(clients/python/venv.sh); $(call GATEWAY,--release); \
	exec "$$venv/bin/python" tests/bench/clients/python.py $(ARGS)

# The clients: Go.
.PHONY: test-go lint-go bench-go
bench-clients: bench-go
lint: lint-go

test-go: ## Run the tests of the Go client (ARGS= goes to go test)
	@go version >/dev/null || $(call LEFT_OUT,the tests of the Go client); \
	set -e; $(call GATEWAY); \
	cd clients/go; exec go test -count=1 -timeout 10m $(ARGS) ./...

lint-go:
	@go version >/dev/null || $(call LEFT_OUT,the checks of the Go client); \
	set -e; echo "gofmt, go vet and the stubs of Go"; deploy/dev/generate-go.sh --check; cd clients/go; \
	unformatted=$$(gofmt -l . ../../tests/bench/clients/go); [[ -z "$$unformatted" ]] || { echo "$$unformatted"; exit 1; }; \
	go vet ./...

bench-go:
	@set -e; $(call GATEWAY,--release); cd tests/bench/clients/go; exec go run . $(ARGS)

# The clients: Rust. Its unit tests run with the gateway's, and `lint` is that of the workspace.
.PHONY: test-rust bench-rust generate-rust
bench-clients: bench-rust

test-rust: ## Run the tests of the Rust client (ARGS= goes to cargo test)
	@set -e; $(call GATEWAY); export RUST_TEST_THREADS=$${RUST_TEST_THREADS:-4}; \
	cargo build --locked $(PACKAGES) --examples; \
	cargo test --locked $(PACKAGES) --test client $(ARGS); \
	$(if $(ARGS),,cargo test --locked $(PACKAGES) --doc)

bench-rust:
	@set -e; $(call GATEWAY,--release); cargo build --locked --release --package jetgate-bench; \
	exec '$(TARGET_DIR)/release/jetgate-bench-rust' $(ARGS)

generate-rust: ## Make the Rust client's generated code from the contract
	JETGATE_GENERATE=1 cargo test --locked $(PACKAGES) --test client generated

# The clients: Java.
.PHONY: test-java bench-java
bench-clients: bench-java

test-java: ## Run the tests of the Java client (ARGS= goes to Maven)
	@mvn --version >/dev/null || $(call LEFT_OUT,the tests of the Java client); \
	set -e; $(call GATEWAY); \
	cd clients/java; exec mvn --batch-mode --no-transfer-progress --quiet test $(ARGS)

# The benchmark takes the client from Maven's local repository.
bench-java:
	@set -e; $(call GATEWAY,--release); mvn=(mvn --batch-mode --no-transfer-progress --quiet); \
	(cd clients/java; "$${mvn[@]}" -Dmaven.test.skip=true install); \
	cd tests/bench/clients/java; exec "$${mvn[@]}" compile exec:java -Dexec.args="$(ARGS)"

# The clients: TypeScript.
.PHONY: test-typescript lint-typescript bench-typescript typescript
bench-clients: bench-typescript
lint: lint-typescript

test-typescript: ## Run the tests of the TypeScript client, in Node and in Chromium
	@clients/typescript/scripts/ready.sh || $(call LEFT_OUT,the tests of the TypeScript client); \
	set -e; $(call GATEWAY); \
	cd clients/typescript; npx tsc --project tsconfig.tests.json; \
	exec node --test --test-concurrency=3 --test-reporter=spec build/tests/

lint-typescript:
	@clients/typescript/scripts/ready.sh || $(call LEFT_OUT,the checks of the TypeScript client); \
	set -e; echo "tsc and eslint on TypeScript"; cd clients/typescript; \
	npx tsc --project tsconfig.tests.json --noEmit; exec npx eslint .

bench-typescript:
	@set -e; clients/typescript/scripts/ready.sh; $(call GATEWAY,--release); \
	cd tests/bench/clients/typescript; npm ci --no-audit --no-fund --loglevel=error; exec node bench.js $(ARGS)

typescript: ## Pack the TypeScript client as a package of npm, into target/clients
	@clients/typescript/scripts/ready.sh; mkdir -p target/clients; \
	cd clients/typescript; exec npm pack --silent --ignore-scripts --pack-destination ../../target/clients

# The console. Its pages are inside the gateways that are built after it.
.PHONY: console test-console lint-console
lint: lint-console

console: ## Build the console's pages; the next cargo build takes them into the binary
	@clients/console/scripts/build.sh

test-console: ## Run the tests of the console in Chromium, against a gateway that has it
	@clients/console/scripts/build.sh || $(call LEFT_OUT,the tests of the console); \
	set -e; $(call GATEWAY); \
	(cd clients/typescript; npx tsc --project tsconfig.tests.json); \
	cd clients/console; npx tsc --project tsconfig.tests.json; \
	exec node --test --test-concurrency=2 --test-reporter=spec build/

lint-console:
	@clients/console/scripts/ready.sh || $(call LEFT_OUT,the checks of the console); \
	set -e; echo "tsc and eslint on the console"; \
	(cd clients/typescript; npx tsc --project tsconfig.tests.json); cd clients/console; \
	npx tsc --project tsconfig.json; npx tsc --project tsconfig.tests.json --noEmit; \
	exec node ../typescript/node_modules/eslint/bin/eslint.js .

.PHONY: tools
tools: ## Fetch the pinned tools into .tools/ (the other targets do so when they need one)
	@for tool in nats-server grpcurl buf cargo-deny helm kubeconform prometheus nats-exporter hadolint; do deploy/dev/tool.sh "$$tool" || exit 1; done

.PHONY: clean
clean: ## Remove what was built and fetched
	cargo clean
	rm -rf .tools

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
