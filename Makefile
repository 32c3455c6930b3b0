# Tarn. `make demo` shows it, `make test` proves it; both work on a fresh
# Debian or Ubuntu with Go and git.

SHELL       := /bin/bash
GO          ?= go
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 30s

# Packages in which goroutines meet: the race detector runs over these.
RACE := ./client ./client/source/... ./client/sql/... ./client/wire/... ./client/credential/... ./daemon/... ./fuse/... ./tiering/... ./format/codec

export CGO_ENABLED ?= 0

# The kernels of format/kern are SIMD under this experiment of Go, and scalar
# without it: GOEXPERIMENT= make build.
export GOEXPERIMENT ?= simd

.PHONY: build test plain kern quick race sim plants e2e kill test-cluster cluster-short bench-cluster scale lint fuzz demo bench clean help

build: ## bin/tarn
	$(GO) build -trimpath -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o bin/tarn ./cmd/tarn

test: deps lint build ## every test: unit, plain build, race, fuzz seeds, end to end beside DuckDB
	$(GO) test ./...
	$(MAKE) plain race e2e cluster-short

plain: ## what a build without SIMD kernels gives, and the kernels' own tests on every tier
	GOEXPERIMENT= $(GO) build ./... && GOEXPERIMENT= $(GO) test ./format/...
	for tier in scalar avx2 avx512; do TARN_KERN=$$tier $(GO) test -count=1 -short ./format/codec ./format || exit 1; done

kern: ## the kernels, timed on every tier
	$(GO) test -run '^$$' -bench . -benchtime 50ms ./format/kern

quick: ## the tests of one module, without the race detector and the oracle
	$(GO) vet ./... && $(GO) test -short ./...

# The kernels have no goroutines, and instrumented they take minutes to compile.
race: deps ## the concurrent packages under the race detector
	GOEXPERIMENT= CGO_ENABLED=1 $(GO) test -race -short -timeout 20m $(RACE)
	GOEXPERIMENT= CGO_ENABLED=1 $(GO) test -race -short -run 'Cache|Concurrent|InOrder|Goroutines' ./format

sim: ## whole clusters in one process: SEEDS=n of them, from FROM=n on, or SEED=n alone with what the nodes log
	TARN_SIM_SEED='$(SEED)' TARN_SIM_SEEDS='$(SEEDS)' TARN_SIM_FROM='$(FROM)' $(GO) test -count=1 -timeout 24h -run TestSeeds $(if $(SEED),-v) ./daemon/sim

plants: ## faults planted on purpose, and that the simulation catches each of them
	$(GO) test -tags plant -count=1 -timeout 60m -v -run TestPlants ./daemon/sim

e2e: deps build ## the real binary on real data, answers compared with DuckDB
	cd test/e2e && CGO_ENABLED=1 TARN_BIN=$(CURDIR)/bin/tarn $(GO) test -timeout 60m -count=1 ./...

kill: build ## kill -9 in a loop while appending, 200 rounds
	cd test/e2e && CGO_ENABLED=1 TARN_BIN=$(CURDIR)/bin/tarn TARN_KILL_ROUNDS=200 $(GO) test -timeout 60m -count=1 -v -run TestKill ./...

test-cluster: build ## real nodes in network namespaces: killed, frozen, cut off, wiped, filled, replaced; needs root
	cd test/cluster && TARN_BIN=$(CURDIR)/bin/tarn $(GO) test -timeout 60m -count=1 -v ./...

cluster-short: build
	cd test/cluster && TARN_BIN=$(CURDIR)/bin/tarn $(GO) test -timeout 15m -count=1 -short ./...

bench-cluster: build ## what a cluster costs and gives on this machine; writes docs/benchmarks-cluster.md; needs root
	cd test/cluster && TARN_BIN=$(CURDIR)/bin/tarn $(GO) test -timeout 60m -count=1 -v -run '^TestMeasure$$' -measure ../../docs ./...

scale: ## the tables of docs/scale.md: placement, repair, nines, metadata, gossip; minutes, for 1,000 nodes
	$(GO) run ./scale -write docs/scale.md

lint: ## gofmt, vet, staticcheck (on the plain build: it does not know SIMD), import order, documented exports
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo 'run: gofmt -w .'; exit 1; }
	$(GO) vet ./... && GOEXPERIMENT= $(GO) vet ./format/...
	GOEXPERIMENT= $(GO) run $(STATICCHECK) -checks all,-ST1000,-ST1003,-ST1005,-ST1016,-ST1020,-ST1021,-ST1022 ./...
	$(GO) test -run 'TestImportOrder|TestExportedDocs' .

# Go would look for a smaller input that reaches the same code for up to a
# minute, each time one reaches new code: all of FUZZTIME, for some targets.
fuzz: ## every fuzz target for FUZZTIME each
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "== $$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$pkg || exit 1; \
	  done; \
	done

demo: build ## a guided tour; INPUT=path/to/files uses your own, ROWS=n changes the size
	INPUT='$(INPUT)' ROWS='$(ROWS)' ./demo.sh

bench: deps build ## side by side with the peers; WORK=name,… ROWS=n BENCHFLAGS=… narrow it down
	cd bench && CGO_ENABLED=1 $(GO) build -o ../bin/tarn-bench . && \
	  TARN_BIN=$(CURDIR)/bin/tarn ../bin/tarn-bench $(if $(WORK),-work $(WORK)) $(if $(ROWS),-rows $(ROWS)) $(BENCHFLAGS)
	$(if $(ROWS),,cd bench && CGO_ENABLED=0 $(GO) run ./report)

# What a fresh machine lacks for the tests: a C compiler, for the race detector
# and for DuckDB in the test-only module.
.PHONY: deps
deps:
	@command -v gcc >/dev/null && command -v g++ >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo 'installing a C compiler for the tests'; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq gcc g++ >/dev/null; \
	else \
	  echo 'the tests need a C compiler: sudo apt-get install gcc g++'; exit 1; \
	fi

clean: ## what builds and demos leave
	rm -rf bin demo-lake

help: ## this list
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12
