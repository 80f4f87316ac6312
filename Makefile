# The short way: each target is a line or two over CMake, for those who do not want to learn its
# options. `make help` lists them.
#
#   BUILD   preset to build: release (default), debug, portable, asan, tsan
#   JOBS    how many compilers and tests at once (default: all processors)
#   PREFIX  where `make install` installs (default /usr/local); DESTDIR is honoured

BUILD  ?= release
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
CMAKE  ?= cmake
CTEST  ?= ctest
FOLDER  = build/$(BUILD)

.DEFAULT_GOAL := build
MAKEFLAGS += --no-print-directory
.PHONY: deps build check demo bench format install clean help

deps: ## install the Debian packages that are missing
	@tools/install-deps.sh

build: ## build program and libraries: build/release/nicest
	@$(CMAKE) --preset $(BUILD)
	@$(CMAKE) --build $(FOLDER) -j $(JOBS)

check: deps ## build and run all tests
	@$(MAKE) --no-print-directory build
	@$(CTEST) --preset $(BUILD) -j $(JOBS)

demo: deps ## the tour: train, sample, inpaint, find outliers
	@$(CMAKE) --preset $(BUILD)
	@$(CMAKE) --build $(FOLDER) -j $(JOBS) --target nicest
	@NICEST="$(CURDIR)/$(FOLDER)/nicest" tools/demo.sh

bench: deps ## speed and quality, as figures
	@$(MAKE) --no-print-directory build
	@NICEST="$(CURDIR)/$(FOLDER)/nicest" bench/run.sh

format: ## lay out all C files as .clang-format says
	@command -v clang-format >/dev/null || { echo 'make format: apt-get install clang-format' >&2; exit 1; }
	@find include src cli tests fuzz bench tools -path tests/golden -prune -o \( -name '*.[ch]' -o -name '*.cpp' \) -print | \
	    xargs clang-format -i

install: ## build what is installed, install it under PREFIX
	@$(CMAKE) --preset $(BUILD)
	@$(CMAKE) --build $(FOLDER) -j $(JOBS) --target nicest_installed
	@$(CMAKE) --install $(FOLDER) --prefix "$(PREFIX)"

clean: ## remove all build folders
	@rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile
