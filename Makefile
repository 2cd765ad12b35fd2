# `make demo` and `make test` are all a newcomer needs: each sets up .venv first, with uv if it is here, else with venv and pip.
PY ?= python3
UV := $(shell command -v uv 2>/dev/null)
BIN := .venv/bin
TOOLS := $(CURDIR)/.tools/bin
export PATH := $(TOOLS):$(CURDIR)/$(BIN):$(PATH)

# The languages of clients/; each has a rule clients-NAME.
LANGUAGES := go java rust typescript
# Those of bench/peers/; each has a rule bench-peers-NAME.
PEERS := go node python

.PHONY: demo test check coverage proto proto-baseline docs lock tools clients $(LANGUAGES:%=clients-%) bench bench-peers $(PEERS:%=bench-peers-%) wheel clean

demo: .venv/.ready
	$(BIN)/gosynq demo $(ARGS)

# A file's tests stay together: they share what they start.
test: .venv/.ready
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

# What `make test ARGS=--cov` measured last, held against what is wanted.
coverage: .venv/.ready
	$(BIN)/python tools/check_coverage.py

check: .venv/.ready
	$(BIN)/python tools/check.py $(ARGS)

proto: .venv/.ready
	$(BIN)/python tools/generate_stubs.py

# At a release: from here on `make check` refuses to break this contract.
proto-baseline: proto
	cp gosynq/v1/contract.binpb proto/baseline.binpb

docs: .venv/.ready
	$(BIN)/python tools/document_settings.py

lock: .venv/.ready
	$(BIN)/python tools/lock.py

# The real gRPC tools and the packages of the Node client, for the end-to-end tests; needs Go and npm.
tools:
	GOBIN=$(TOOLS) go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
	GOBIN=$(TOOLS) go install github.com/grpc-ecosystem/grpc-health-probe@v0.4.61
	npm ci --prefix tests/e2e/node --ignore-scripts --no-audit --no-fund --loglevel=error

# Stubs, and the examples on them, in each language; it downloads what they are made of. One language: make clients-go.
clients: $(LANGUAGES:%=clients-%)

clients-go: .venv/.ready
	buf generate --template clients/go/buf.gen.yaml
	go -C clients/go vet ./...
	go -C clients/go build -o bin/ ./...

clients-java: .venv/.ready
	mvn -q -B -f clients/java/pom.xml initialize
	chmod +x clients/java/target/generators/*
	buf generate --template clients/java/buf.gen.yaml
	mvn -q -B -f clients/java/pom.xml -Dmaven.test.skip package

# Its stubs are made while it builds.
clients-rust:
	cargo build --quiet --manifest-path clients/rust/Cargo.toml

clients-typescript: .venv/.ready
	npm ci --prefix clients/typescript --ignore-scripts --no-audit --no-fund --loglevel=error
	buf generate --template clients/typescript/buf.gen.yaml
	npm run build --prefix clients/typescript --silent

bench: .venv/.ready
	$(BIN)/python -m bench $(ARGS)

# The job systems that are measured beside ours, each of its own language; it downloads them. One language: make bench-peers-node.
bench-peers: $(PEERS:%=bench-peers-%)

bench-peers-python: bench/peers/python/.venv/.ready

bench/peers/python/.venv/.ready: bench/peers/python/requirements.txt
ifeq ($(UV),)
	$(PY) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install -q --disable-pip-version-check --no-deps -r $<
else
	uv venv -q --clear --python $(PY) $(@D)
	VIRTUAL_ENV=$(CURDIR)/$(@D) uv pip install -q --no-deps -r $<
endif
	@touch $@

bench-peers-node:
	npm ci --prefix bench/peers/node --ignore-scripts --no-audit --no-fund --loglevel=error

bench-peers-go:
	go -C bench/peers/go build -o bin/ .

wheel: .venv/.ready
	$(BIN)/python -m build --wheel --no-isolation

MEASURED := bench/peers/go/bin bench/peers/node/node_modules bench/peers/python/.venv
BUILT := clients/go/bin clients/go/gen/gosynq clients/java/target clients/rust/target $(addprefix clients/typescript/, dist node_modules src/gen)

clean:
	rm -rf .venv .tools tests/e2e/node/node_modules dist build $(BUILT) $(MEASURED) .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/.ready: pyproject.toml requirements.lock hatch_build.py
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'gosynq needs Python 3.11 or newer, and "$(PY)" is not; name one: make PY=python3.12 $(MAKECMDGOALS)' >&2; exit 1; }
ifeq ($(UV),)
	@$(PY) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo 'the venv module of "$(PY)" is missing; on Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	@test -x $(BIN)/python || $(PY) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
else
	@test -x $(BIN)/python || uv venv -q --python $(PY) .venv
	VIRTUAL_ENV=$(CURDIR)/.venv uv pip install -q --no-deps --require-hashes -r requirements.lock
	VIRTUAL_ENV=$(CURDIR)/.venv uv pip install -q --no-build-isolation --no-deps -e .
endif
	@touch $@
