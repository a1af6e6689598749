# `make test` alone tells whether a change is good. The rest is for people with more time.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

CARGO ?= cargo
# Seeds of the storms, and short calls through the binary, in `make long`.
SEEDS ?= 100000
# How often a serving process is killed in `make long`.
KILLS ?= 1000

# How long `make fuzz` tries each reader.
MINUTES ?= 10

.PHONY: help test needs fmt lint docs core tests locks long fuzz bench pages planted dist

help: ## What there is to make
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

test: needs fmt lint docs core tests locks ## Everything that must hold; installs what it needs
	@echo "All good."

needs: ## Installs the phones and voices that tests talk to, when they are missing
	@tests/needs.sh

fmt:
	$(CARGO) fmt --check

lint:
	$(CARGO) clippy --locked --release --all-targets -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --release --no-deps

# The first lock: the computing rooms build without sockets, threads and HTTP.
core:
	$(CARGO) check --locked --release --lib --no-default-features

tests:
	MOONSWITCH_INTEROP=1 $(CARGO) test --locked --release

locks: ## Breaks each border of the house once and expects to be stopped
	@tests/locks.sh

long: ## The storms, the volume and the kills, with many of each (SEEDS=100000, KILLS=1000)
	MOONSWITCH_SEEDS=$(SEEDS) MOONSWITCH_CALLS=$(SEEDS) MOONSWITCH_KILLS=$(KILLS) $(CARGO) test --locked --release

fuzz: ## Tries every reader of foreign bytes for a while (MINUTES=10) and keeps what fails
	MOONSWITCH_FUZZ_MINUTES=$(MINUTES) $(CARGO) test --locked --release --test torture fuzz:: -- --nocapture

dist: ## The binary that ships
	$(CARGO) build --locked --profile dist --bin moonswitch

bench: dist ## What a registration, a call and a packet cost the binary that ships
	$(CARGO) bench --locked --profile release --bench load

pages: ## Writes the pages that are printed from the code
	MOONSWITCH_PAGES=write $(CARGO) test --locked --release --test pages

planted: ## Plants known bugs one by one and expects a test to find each
	@tests/planted/run.sh
