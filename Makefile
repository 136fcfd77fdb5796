# The short commands; CMake does the work. `make help` lists them.
BUILD ?= build
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
TEST_JOBS ?= $(shell echo $$((2 * $(JOBS))))
PREFIX ?= /usr/local
CMAKE_ARGS ?=
MAKEFLAGS += --no-print-directory

all: deps
	@cmake -S . -B $(BUILD) $(CMAKE_ARGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target product

deps:
	@scripts/install-deps build

test-deps:
	@scripts/install-deps test

demo: all
	@$(BUILD)/keyway demo

test: test-deps
	@cmake -S . -B $(BUILD) -DKEYWAY_TESTS=ON $(CMAKE_ARGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS)
	@cd $(BUILD) && ctest --output-on-failure -j $(TEST_JOBS)

# Other people's clients on the lab. SKIP="ioredis node-redis" leaves some out; CLIENTS= names some.
npm_clients = $(if $(CLIENTS),$(filter ioredis node-redis,$(CLIENTS)),$(filter-out $(SKIP),ioredis node-redis))
test-clients: all
	@scripts/install-deps clients
	@$(if $(npm_clients),[ test/clients/node_modules/.package-lock.json -nt test/clients/package-lock.json ] || \
	  (cd test/clients && npm ci --ignore-scripts))
	@KEYWAY=$(abspath $(BUILD))/keyway test/clients/run $(addprefix --skip ,$(SKIP)) $(CLIENTS)

check: test-deps
	@scripts/check

SEEDS ?= 2000
FROM ?= 1
sim: test-deps
	@cmake -S . -B $(BUILD) -DKEYWAY_TESTS=ON $(CMAKE_ARGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target sim_sim_test
	@KEYWAY_SIM_SEEDS=$(SEEDS) KEYWAY_SIM_FIRST=$(FROM) $(BUILD)/sim_sim_test

sim-long:
	@from=$(FROM); while $(MAKE) sim SEEDS=$(SEEDS) FROM=$$from; do from=$$((from + $(SEEDS))); done

CHAOS_SECONDS ?= 600
valgrind: test-deps
	@cmake -S . -B $(BUILD) -DKEYWAY_TESTS=ON $(CMAKE_ARGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS)
	@BUILD=$(BUILD) scripts/check-valgrind

# Memory that runs out: each scenario with PAIRS pairs of failed allocations, beside each one alone.
PAIRS ?= 2000
oom: test-deps
	@cmake -S . -B $(BUILD) -DKEYWAY_TESTS=ON $(CMAKE_ARGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS)
	@cd $(BUILD) && KEYWAY_OOM_PAIRS=$(PAIRS) ctest -L oom -V -j $(JOBS) --timeout 36000 | grep -E 'pairs|FAILED|failed'

chaos: test-deps
	@cmake -S . -B $(BUILD) -DKEYWAY_TESTS=ON $(CMAKE_ARGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target integration_chaos_test
	@CHAOS_SECONDS=$(CHAOS_SECONDS) scripts/chaos $(BUILD)

coverage: test-deps
	@scripts/coverage

# What a command costs: counted under callgrind, the same in each run; KEEP=DIR leaves the profiles.
bench-count: test-deps
	@cmake -S . -B $(BUILD) -DKEYWAY_BENCH=ON $(CMAKE_ARGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target bench-count bench-peer
	@scripts/bench-count --build $(BUILD) $(addprefix --keep ,$(KEEP))

# CPU time beside others' clients, on a real cluster: writes the tables of docs/performance.md.
bench: test-deps
	@cmake -S . -B $(BUILD) -DKEYWAY_BENCH=ON $(CMAKE_ARGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target bench-speed bench-threads
	@scripts/bench --build $(BUILD) --write

fuzz: test-deps
	@scripts/fuzz $(TARGETS)

# For hours; goes on where it was. UNTIL=HH:MM, TARGETS="resp url", JOBS at once.
fuzz-long: test-deps
	@scripts/fuzz-long --jobs $(JOBS) $(if $(UNTIL),--until $(UNTIL)) $(TARGETS)

install: all
	@DESTDIR="$(DESTDIR)" cmake --install $(BUILD) --prefix "$(PREFIX)" >/dev/null
	@echo "installed into $(DESTDIR)$(PREFIX)"
	@[ -n "$(DESTDIR)" ] || ldconfig 2>/dev/null || true

uninstall:
	@DESTDIR="$(DESTDIR)" cmake -DBUILD=$(BUILD) -P cmake/uninstall.cmake

clean:
	@rm -rf $(BUILD) build-*

help:
	@echo 'make            build/keyway and the libraries (installs what the build needs, if missing)'
	@echo 'make demo       the main job on an embedded cluster, live in the terminal'
	@echo 'make test       all tests (installs what they need, if missing)'
	@echo 'make test-clients  redis-py, ioredis, node-redis, redis-cli and redis-benchmark on the lab'
	@echo 'make check      layers, format, tidy, compilers, sanitizers, symbols, documents, installation'
	@echo 'make sim        the simulation: SEEDS=2000 runs from FROM=1; make sim-long never stops'
	@echo 'make oom        scenarios in which memory runs out, with many pairs (PAIRS=2000)'
	@echo 'make valgrind   the unit tests and dialogues under memcheck'
	@echo 'make chaos      a real cluster in trouble for ten minutes (CHAOS_SECONDS=600)'
	@echo 'make coverage   what the tests run of src/core and src/node, into docs/coverage.md'
	@echo 'make bench      CPU time beside hiredis and a bare socket, into docs/performance.md'
	@echo 'make bench-count  instructions, allocations and bytes a command costs, against their targets'
	@echo 'make fuzz       each fuzz target for a minute (FUZZ_SECONDS=60); make fuzz-long for an hour'
	@echo 'make install    into PREFIX=/usr/local, below DESTDIR= if given'
	@echo 'make uninstall  removes what the last make install put there'
	@echo 'make clean      removes build/ and build-*/'

.PHONY: all deps test-deps demo test test-clients check sim sim-long oom valgrind chaos coverage bench bench-count fuzz fuzz-long install uninstall clean help
