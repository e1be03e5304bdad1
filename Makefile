# The commands of everyday work: what they build, run and check is decided here and nowhere else.

SHELL := bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Where cargo puts what it builds; cargo reads the same variable.
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

# More arguments for `make run` (flags of `jetgate dev`), `make test` (of `cargo test`), `make bench`, `make faults` and
# `make soak`.
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
	cargo test --locked --package jetgate --package jetgate-faults $(ARGS)
	$(if $(ARGS),,@$(MAKE) --no-print-directory test-deploy)

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

# A debug build of the gateway: an overflow or a broken assertion in it is a finding, too.
faults_of = set -e; \
	nats_server=$$(deploy/dev/nats-server.sh --pinned); \
	cargo build --locked --bin jetgate; \
	cargo build --locked --package jetgate-faults; \
	exec '$(TARGET_DIR)/debug/jetgate-faults' --gateway '$(TARGET_DIR)/debug/jetgate' --nats-server "$$nats_server"

.PHONY: faults
faults: ## Prove the guarantees under every fault in about ten minutes (ARGS= selects faults and the seed, --list names them)
	@$(faults_of) $(ARGS)

.PHONY: soak
soak: ## Inject faults at random for an hour (ARGS='--time 8h' for longer)
	@$(faults_of) --suite soak $(ARGS)

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

.PHONY: tools
tools: ## Fetch the pinned tools into .tools/ (the other targets do so when they need one)
	@for tool in nats-server grpcurl buf cargo-deny helm kubeconform prometheus nats-exporter hadolint; do deploy/dev/tool.sh "$$tool" || exit 1; done

.PHONY: clean
clean: ## Remove what was built and fetched
	cargo clean
	rm -rf .tools

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
