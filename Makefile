# Nothing has to be installed but Go. «make help» lists the targets.

GO   ?= go
TOOL  = $(GO) tool -modfile=tools/go.mod
# of each fuzz test under «make fuzz»
FUZZTIME ?= 20s

.DEFAULT_GOAL := help
.PHONY: help run build test race fuzz lint lint-proof fmt cover e2e browser bench chaos chaos-proof generate tidy check

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-11s %s\n", $$1, $$2}'

run: ## the demo: everything in one process, on embedded parts
	$(GO) run ./cmd/odziv demo

build: ## bin/odziv, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/odziv ./cmd/odziv

test: ## all tests, on embedded parts unless ODZIV_TEST_… name servers
	$(GO) test ./...

race: ## the same under the race detector
	$(GO) test -race -timeout 15m ./...

fuzz: ## every fuzz test for FUZZTIME each
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for name in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$name"; $(GO) test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; \
	done

lint: ## golangci-lint as in .golangci.yml
	$(TOOL) golangci-lint run ./...

lint-proof: ## the import rule catches what it has to catch
	bash tools/lint-proof.sh

fmt: ## format as the linter wants it
	$(TOOL) golangci-lint fmt ./...

cover: ## coverage by function
	$(GO) test -coverprofile=cover.out ./... && $(GO) tool cover -func=cover.out | tail -n 40

e2e: ## the end-to-end tests alone
	$(GO) test -count=1 -run 'E2E|Law' -v ./cmd/odziv

browser: ## the browser tests alone; ODZIV_TEST_CHROMIUM names the browser
	$(GO) test -count=1 -run 'Browser' -v ./cmd/odziv ./web/console

bench: ## throughput of each stage, with the limit beside it
	$(GO) run ./cmd/bench

chaos: ## kill -9, flushed Redis, failing providers, on both stores, four minutes each; CHAOS='-seed 7' repeats a run
	$(GO) run ./cmd/chaos $(CHAOS)

chaos-proof: ## the short form finds every bug that it can put in
	$(GO) run ./cmd/chaos -proof $(CHAOS)

generate: ## the example orders
	$(GO) run examples/generate.go > examples/orders.csv

tidy: ## go.mod says what is used
	$(GO) mod tidy

check: lint lint-proof race ## all that .ci/run checks but real servers, the browser and the example orders
	$(GO) mod tidy -diff
