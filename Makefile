# The short commands; CMake does the work.
BUILD ?= build
JOBS ?= $(shell nproc)

all:
	@cmake -S . -B $(BUILD) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS)

.PHONY: all
