# The commands of everyday work: what they build, run and check is decided here and nowhere else.

SHELL := bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Where cargo puts what it builds; cargo reads the same variable.
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

# More arguments for `make run` (flags of `jetgate dev`), `make test` (of `cargo test`) and `make bench`.
ARGS ?=

.PHONY: run
run: ## Build jetgate and run it beside a real nats-server, ready for grpcurl (ARGS= adds flags)
	@set -e; \
	nats_server=$$(deploy/dev/nats-server.sh --any); \
	cargo build --locked --bin jetgate; \
	exec '$(TARGET_DIR)/debug/jetgate' dev --nats-server "$$nats_server" $(ARGS)

# The tests wait for servers most of their time: more run at a time than there are cores.
# Without grpcurl the variable stays unset, `tool.sh` says why in one line and the tests use generated stubs.
.PHONY: test
test: ## Run every test, the deployment's included (ARGS= narrows it to some of cargo's)
	@set -e; unset JETGATE_TEST_GRPCURL; \
	JETGATE_TEST_NATS_SERVER=$$(deploy/dev/nats-server.sh --pinned); \
	export JETGATE_TEST_NATS_SERVER RUST_TEST_THREADS=$${RUST_TEST_THREADS:-4}; \
	if grpcurl=$$(deploy/dev/tool.sh grpcurl); then export JETGATE_TEST_GRPCURL="$$grpcurl"; fi; \
	cargo test --locked $(ARGS)
	$(if $(ARGS),,@$(MAKE) --no-print-directory test-deploy)
	$(if $(ARGS),,@$(MAKE) --no-print-directory test-clients)

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
	exec '$(TARGET_DIR)/release/jetgate-bench' --gateway '$(TARGET_DIR)/release/jetgate' \
		--nats-server "$$nats_server" $(ARGS)

.PHONY: lint
lint: lint-format lint-code lint-docs lint-proto lint-dependencies ## Check format, code, docs, protocol and dependencies

.PHONY: lint-format lint-code lint-docs lint-proto lint-dependencies
lint-format:
	cargo fmt --all --check

lint-code:
	cargo clippy --locked --workspace --all-targets -- -D warnings

lint-docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked

lint-proto:
	@buf=$$(deploy/dev/tool.sh buf) && echo "buf lint proto" && "$$buf" lint proto

# The fourth check, advisories, clones a database from outside the package registries; the other three work offline.
lint-dependencies:
	@cargo_deny=$$(deploy/dev/tool.sh cargo-deny) && echo "cargo deny check bans licenses sources" && \
	"$$cargo_deny" --locked check --hide-inclusion-graph bans licenses sources

# The clients. A toolchain that is missing is named, and fails where CI=true. JETGATE_BIN is the gateway that they call,
# by default the one that is built here.
.PHONY: test-clients bench-clients
test-clients: ## Run the tests of the client libraries, the scenarios included
bench-clients: ## Measure each client library beside its language's NATS client (ARGS= goes to each)

LEFT_OUT = { echo "LEFT OUT: $(1)" >&2; [[ "$$CI" != true ]]; exit; }
GATEWAY = nats_server=$$(deploy/dev/nats-server.sh --pinned); \
	if [[ -z "$$JETGATE_BIN" ]]; then \
		cargo build --locked $(1) --bin jetgate; \
		JETGATE_BIN=$(abspath $(TARGET_DIR))/$(if $(1),release,debug)/jetgate; \
	fi; \
	export JETGATE_BIN JETGATE_TEST_NATS_SERVER="$$nats_server"

# The clients: Python.
.PHONY: test-python lint-python bench-python
test-clients: test-python
bench-clients: bench-python
lint: lint-python

test-python: ## Run the tests of the Python client (ARGS= goes to pytest)
	@venv=$$(clients/python/venv.sh) || $(call LEFT_OUT,the tests of the Python client); \
	set -e; $(call GATEWAY); \
	cd clients/python; exec "$$venv/bin/python" -m pytest --quiet --numprocesses 6 $(ARGS)

lint-python:
	@venv=$$(clients/python/venv.sh) || $(call LEFT_OUT,the checks of the Python client); \
	set -e; echo "ruff and mypy on Python"; cd clients/python; \
	files=(. ../../tests/scenarios ../../tests/bench/clients); config=(--config pyproject.toml --quiet); \
	"$$venv/bin/ruff" check "$${config[@]}" "$${files[@]}"; \
	"$$venv/bin/ruff" format --check "$${config[@]}" "$${files[@]}"; \
	"$$venv/bin/mypy"; \
	cd ../../tests/scenarios; "$$venv/bin/mypy" --strict world.py matrix.py

bench-python:
	@set -e; venv=$$(clients/python/venv.sh); $(call GATEWAY,--release); \
	exec "$$venv/bin/python" tests/bench/clients/python.py $(ARGS)

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
