# spanring. `make help` lists the targets; config.mk holds what can be changed.

include config.mk

.DEFAULT_GOAL := all
.SUFFIXES:
.DELETE_ON_ERROR:

# --- flags ------------------------------------------------------------------

ifneq ($(SANITIZE),)
SANITIZE_FLAGS = -fsanitize=$(SANITIZE) -fno-omit-frame-pointer
HARDENING =
endif

CPPFLAGS += -D_GNU_SOURCE -DSPANRING_VERSION='"$(VERSION)"' -Iinclude
CFLAGS_ALL = -std=gnu11 $(OPTIMIZE) $(WARNINGS) $(WERROR) $(HARDENING) \
	     $(SANITIZE_FLAGS) -MMD -MP $(CFLAGS)

# The client is C11 and libc alone; hidden by default, listed in the map.
CLIENT_CFLAGS = -fPIC -fvisibility=hidden
CLIENT_LDFLAGS = -shared -Wl,-soname,libspanring.so.$(SOVERSION) \
		 -Wl,--version-script=libclient/spanring.map \
		 -Wl,-z,nodelete -Wl,-z,relro -Wl,-z,now

AGENT_PKGS = liburing libprotobuf-c libnghttp2 libcyaml yaml-0.1 jansson libmicrohttpd libcurl openssl zlib \
	     libdeflate libzstd libpcre2-8
AGENT_CFLAGS = -Iagent -I$(BUILD)/gen $(shell $(PKG_CONFIG) --cflags $(AGENT_PKGS) 2>/dev/null)
AGENT_LIBS = $(shell $(PKG_CONFIG) --libs $(AGENT_PKGS) 2>/dev/null) -lpthread -lm

SYSTEMD_LIBS := $(shell $(PKG_CONFIG) --libs libsystemd 2>/dev/null)
ifneq ($(SYSTEMD_LIBS),)
AGENT_CFLAGS += -DHAVE_SYSTEMD=1
AGENT_LIBS += $(SYSTEMD_LIBS)
endif

# --- sources ----------------------------------------------------------------

CLIENT_SRC := $(wildcard libclient/*.c)
# The check of records is on both sides of the border: what we read of our own ring, too,
# may have been written over by a stray pointer.
AGENT_SRC := $(filter-out agent/main.c,$(wildcard agent/*.c agent/*/*.c)) libclient/record_check.c
CLI_SRC := $(filter-out cli/main.c,$(wildcard cli/*.c))
PROTO_SRC := $(shell find proto -name '*.proto' 2>/dev/null)
PYTHON_SRC := $(wildcard python/native/*.c)
PYTHON_PY := $(wildcard python/spanring/*.py python/spanring/*/*.py python/spanring/*.pyi \
	python/spanring/py.typed)
EXAMPLE_SRC := $(wildcard examples/*.c)
UNIT_SRC := $(wildcard tests/unit/*/test_*.c)
SUPPORT_SRC := $(wildcard tests/support/*.c)
TOOL_SRC := $(wildcard tests/e2e/*.c tests/modules/*.c tests/stress/*.c tests/fault/*.c)
FUZZ_COMMON := tests/fuzz/fuzz.c tests/fuzz/agent_world.c
FUZZ_SRC := $(filter-out $(FUZZ_COMMON) tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c))

PROTO_C := $(PROTO_SRC:proto/%.proto=$(BUILD)/gen/%.pb-c.c)
PROTO_H := $(PROTO_C:.c=.h)

CLIENT_OBJ := $(CLIENT_SRC:%.c=$(BUILD)/obj/%.o)
AGENT_OBJ := $(AGENT_SRC:%.c=$(BUILD)/obj/%.o) $(PROTO_C:$(BUILD)/gen/%.c=$(BUILD)/obj/gen/%.o)
CLI_OBJ := $(CLI_SRC:%.c=$(BUILD)/obj/%.o)
PYTHON_OBJ := $(PYTHON_SRC:%.c=$(BUILD)/obj/%.o)
SUPPORT_OBJ := $(SUPPORT_SRC:%.c=$(BUILD)/obj/%.o)

UNIT_BIN := $(UNIT_SRC:%.c=$(BUILD)/%)
TOOL_BIN := $(TOOL_SRC:%.c=$(BUILD)/%)
EXAMPLE_BIN := $(EXAMPLE_SRC:%.c=$(BUILD)/%)
FUZZ_BIN := $(FUZZ_SRC:%.c=$(BUILD)/%)
FUZZ_COMMON_OBJ := $(FUZZ_COMMON:%.c=$(BUILD)/obj/%.o)

# --- products ---------------------------------------------------------------

.PHONY: all help
all: $(BUILD)/libspanring.so $(BUILD)/libspanring.a $(BUILD)/spanringd $(BUILD)/spanring

$(BUILD)/libspanring.so.$(SOVERSION): $(CLIENT_OBJ) libclient/spanring.map
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) $(CLIENT_LDFLAGS) -o $@ $(CLIENT_OBJ)

$(BUILD)/libspanring.so: $(BUILD)/libspanring.so.$(SOVERSION)
	ln -sf $(notdir $<) $@

# One object with the public names alone, so that a program that links it may
# call its own functions what it likes.
$(BUILD)/libspanring.a: $(CLIENT_OBJ)
	rm -f $@
	$(LD) -r -o $(BUILD)/obj/libspanring.o $(CLIENT_OBJ)
	$(OBJCOPY) --localize-hidden $(BUILD)/obj/libspanring.o
	$(AR) rcs $@ $(BUILD)/obj/libspanring.o

# What our own tests link: with its insides.
$(BUILD)/libclient.a: $(CLIENT_OBJ)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/libagent.a: $(AGENT_OBJ)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/libcli.a: $(CLI_OBJ)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/libsupport.a: $(SUPPORT_OBJ)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/spanringd: $(BUILD)/obj/agent/main.o $(BUILD)/libagent.a
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(AGENT_LIBS)

$(BUILD)/spanring: $(BUILD)/obj/cli/main.o $(BUILD)/libcli.a $(BUILD)/libagent.a $(BUILD)/libspanring.a
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(AGENT_LIBS)

# --- objects ----------------------------------------------------------------

$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h: proto/%.proto
	@mkdir -p $(BUILD)/gen
	protoc-c -Iproto --c_out=$(BUILD)/gen $<

# Made by a pattern and named by nobody: without this, make removes them.
.SECONDARY: $(PROTO_C) $(PROTO_H)

# Python brings google.protobuf itself; a second copy would be refused.
PROTO_PY_SRC := $(filter-out proto/google/protobuf/%,$(PROTO_SRC))
PYTHON_STUBS := $(BUILD)/gen/python/stamp

$(PYTHON_STUBS): $(PROTO_SRC)
	@mkdir -p $(@D)
	protoc -Iproto --python_out=$(@D) $(PROTO_PY_SRC)
	@touch $@

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c | $(PROTO_H)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(AGENT_CFLAGS) -w -c -o $@ $<

$(BUILD)/obj/libclient/%.o: libclient/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(CLIENT_CFLAGS) -c -o $@ $<

$(BUILD)/obj/agent/%.o: agent/%.c | $(PROTO_H)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(AGENT_CFLAGS) -c -o $@ $<

$(BUILD)/obj/cli/%.o: cli/%.c | $(PROTO_H)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(AGENT_CFLAGS) -Icli -c -o $@ $<

# The interpreter's interface has texts that are not const where they could be.
PYTHON_INCLUDE = $(shell $(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))')
$(BUILD)/obj/python/%.o: python/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -isystem $(PYTHON_INCLUDE) $(CFLAGS_ALL) -Wno-write-strings $(CLIENT_CFLAGS) \
		-Ilibclient -c -o $@ $<

$(BUILD)/obj/tests/%.o: tests/%.c | $(PROTO_H)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(AGENT_CFLAGS) -Icli -Ilibclient -Itests/support -c -o $@ $<

$(BUILD)/obj/examples/%.o: examples/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -c -o $@ $<

# Tests see the insides: they link the static archives, of which the linker
# takes only what each test names.
TEST_ARCHIVES = $(if $(SUPPORT_SRC),$(BUILD)/libsupport.a) $(if $(CLI_SRC),$(BUILD)/libcli.a) \
		$(BUILD)/libagent.a $(BUILD)/libclient.a

$(UNIT_BIN) $(TOOL_BIN): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(TEST_ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(AGENT_LIBS) -lcmocka

# Where allocations fail by the test's word, under the sanitizers, too.
WRAP_MEMORY = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=strndup,--wrap=free
$(BUILD)/tests/unit/assemble/test_no_memory: LDFLAGS += $(WRAP_MEMORY)

# A fuzz target is built twice: into a program that replays its corpus, and, by
# `make fuzz`, into one of libFuzzer's.
FUZZ_MAIN = $(BUILD)/obj/tests/fuzz/replay.o
$(FUZZ_BIN): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(FUZZ_COMMON_OBJ) $(FUZZ_MAIN) $(TEST_ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) $(FUZZ_LDFLAGS) -o $@ $^ $(AGENT_LIBS) -lcmocka

# Loaded in front of the agent's libraries by tests of failing disks.
FAULT_PRELOAD := $(patsubst tests/fault/preload/%.c,$(BUILD)/tests/fault/%.so,$(wildcard tests/fault/preload/*.c))

$(FAULT_PRELOAD): $(BUILD)/tests/fault/%.so: tests/fault/preload/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -std=gnu11 $(OPTIMIZE) $(WARNINGS) $(WERROR) -Wno-missing-prototypes \
		$(AGENT_CFLAGS) -fPIC -shared -o $@ $< -luring -ldl

# Some tests ask protobuf's own implementation whether ours is right.
$(UNIT_BIN): | $(PYTHON_STUBS)

# A library that has ours in it, and may be unloaded.
PLUGIN := $(BUILD)/tests/modules/plugin/plugin.so
$(PLUGIN): tests/modules/plugin/plugin.c $(BUILD)/libspanring.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(LDFLAGS) -fPIC -shared -o $@ $^

$(EXAMPLE_BIN): $(BUILD)/examples/%: $(BUILD)/obj/examples/%.o $(BUILD)/libspanring.so
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $< -L$(BUILD) -lspanring -Wl,-rpath,'$$ORIGIN/..:$$ORIGIN/../..'

# The package, to be used with PYTHONPATH=$(BUILD)/python; one file for all versions.
PYTHON_NATIVE := $(BUILD)/python/spanring/_native.abi3.so
PYTHON_NAMES := $(BUILD)/python/spanring/semconv.py
PYTHON_PACKAGE := $(PYTHON_PY:python/%=$(BUILD)/python/%) $(PYTHON_NATIVE) $(PYTHON_NAMES)

$(PYTHON_NATIVE): $(PYTHON_OBJ) $(CLIENT_OBJ) python/native/native.map
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) -shared -Wl,--version-script=python/native/native.map \
		-Wl,-z,nodelete -Wl,-z,relro -Wl,-z,now -o $@ $(PYTHON_OBJ) $(CLIENT_OBJ)

$(BUILD)/python/spanring/%: python/spanring/%
	@mkdir -p $(@D)
	cp $< $@

$(PYTHON_NAMES): include/spanring/semconv.h python/names_of.py
	@mkdir -p $(@D)
	$(PYTHON) python/names_of.py < $< > $@

.PHONY: unit examples tools replay python-package
python-package: $(PYTHON_PACKAGE)
unit: $(UNIT_BIN)
replay: $(FUZZ_BIN)
tools: $(TOOL_BIN) $(FAULT_PRELOAD) $(BUILD)/tests/modules/plugin/plugin.so $(PYTHON_PACKAGE)
examples: $(EXAMPLE_BIN)

# --- what people type --------------------------------------------------------

# The two commands that do everything on a fresh machine. Packages come first,
# and then a second make, because pkg-config could not answer the first one.
# The archived run that the repository shows; to be made again when what a file says changes.
.PHONY: sample
sample: all examples
	@rm -rf $(BUILD)/sample && mkdir -p $(BUILD)/sample
	@cd $(BUILD)/sample && BUILD=$(abspath $(BUILD)) SPANRING_DIR=$(abspath $(BUILD))/sample/ring \
		OTEL_RESOURCE_ATTRIBUTES=host.name=example $(CURDIR)/examples/run_all.sh
	@rm -f data/sample/*.otlp.json && cp $(BUILD)/sample/data/*.otlp.json data/sample/

.PHONY: demo test
demo:
	@deploy/needs.sh build
	@$(MAKE) --no-print-directory -s all examples
	@$(BUILD)/spanring demo

test:
	@deploy/needs.sh build test
	@$(MAKE) --no-print-directory test-build
	@tests/run.py --build $(BUILD) --sanitized $(BUILD)-asan --sanitized $(BUILD)-tsan

# The quick tier: everything with the packager's compiler, the unit tests once
# more with address and undefined-behaviour checks, the ring under the thread
# sanitizer, and a look by the other compiler.
JOBS ?= $(shell nproc 2>/dev/null || echo 1)
SANITIZED_OPTIMIZE = -O1 -g

.PHONY: test-build clang-check tsan-build
test-build:
	$(MAKE) --no-print-directory -s -j$(JOBS) all examples unit tools replay
	$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=$(BUILD)-asan \
		SANITIZE=address,undefined OPTIMIZE="$(SANITIZED_OPTIMIZE)" unit replay
	$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=$(BUILD)-tsan \
		SANITIZE=thread OPTIMIZE="$(SANITIZED_OPTIMIZE)" tsan-build
	$(MAKE) --no-print-directory -s -j$(JOBS) CC=clang BUILD=$(BUILD)-clang WERROR=-Werror \
		OPTIMIZE=-O0 clang-check

clang-check: $(CLIENT_OBJ) $(AGENT_OBJ) $(CLI_OBJ) $(PYTHON_OBJ) $(BUILD)/obj/agent/main.o \
		$(BUILD)/obj/cli/main.o

tsan-build: $(patsubst %.c,$(BUILD)/%,$(wildcard tests/stress/tsan_*.c))

# docs/conformance.md, from a run of the tests it needs: a row is `yes` when its
# tests passed in it.
.PHONY: conformance
conformance:
	@deploy/needs.sh build test
	@$(MAKE) --no-print-directory -s -j$(JOBS) all examples unit tools
	@mkdir -p docs
	@tests/run.py --build $(BUILD) --results $(BUILD)/conformance.tsv \
		$$(tests/conformance/report.py --programs); passed=$$?; \
		tests/conformance/report.py $(BUILD)/conformance.tsv > $(BUILD)/conformance.md && \
		mv $(BUILD)/conformance.md docs/conformance.md && exit $$passed

# The fault matrix: what becomes of every fault in tests/fault/rows. ROW=id runs
# one row alone.
ROW ?=
.PHONY: test-fault soak fault-build
test-fault:
	@deploy/needs.sh build test
	@$(MAKE) --no-print-directory fault-build
	@tests/fault/run.py --build $(BUILD) --asan $(BUILD)-asan $(ROW)

# The real Collector, Jaeger and SDKs, fetched and built once. NAME: some of them.
.PHONY: interop
interop:
	@deploy/needs.sh build test interop
	@$(MAKE) --no-print-directory -s -j$(JOBS) all tools $(PYTHON_STUBS)
	@tests/interop/run.py --build $(BUILD) $(NAME)

# The long tier takes hours. SEED=n replays one seed of the simulation, or of ROW.
SEED ?=
soak:
	@deploy/needs.sh build test
	@$(MAKE) --no-print-directory fault-build
	@tests/fault/run.py --build $(BUILD) --asan $(BUILD)-asan --tier N $(if $(SEED),--seed $(SEED)) \
		$(ROW)

fault-build:
	$(MAKE) --no-print-directory -s -j$(JOBS) all examples tools \
		$(BUILD)/tests/fault/kill_each_instruction_clang
	$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=$(BUILD)-asan \
		SANITIZE=address,undefined OPTIMIZE="$(SANITIZED_OPTIMIZE)" $(BUILD)-asan/spanringd

# The client as the other compiler makes it, dying after each of its instructions.
KILL_CLANG_SRC := tests/fault/kill_each_instruction.c tests/support/client_fixture.c \
		  tests/support/ring_view.c $(CLIENT_SRC)
$(BUILD)/tests/fault/kill_each_instruction_clang: $(KILL_CLANG_SRC) \
		$(wildcard libclient/*.h include/*.h include/wire/*.h)
	@mkdir -p $(@D)
	clang $(CPPFLAGS) -std=gnu11 -O2 -DVARIANT='"/clang"' -Ilibclient -Itests/support -Iagent \
		-o $@ $(KILL_CLANG_SRC) -lcmocka -lpthread

# Bursts of a million spans, for whoever wants to see it: takes minutes, some GB
# of memory and no network.
.PHONY: stress
stress:
	@deploy/needs.sh build
	@$(MAKE) --no-print-directory -s -j$(JOBS) all $(BUILD)/tests/stress/burst_writer
	@BUILD=$(BUILD) tests/stress/burst.py $(if $(SEED),--seed $(SEED))

# Each target over its corpus for FUZZ_SECONDS; what is found lies in
# $(BUILD)-fuzz/found.
FUZZ_SECONDS ?= 30
.PHONY: fuzz fuzz-build
fuzz:
	@deploy/needs.sh build fuzz
	@$(MAKE) --no-print-directory -s -j$(JOBS) fuzz-build
	@tests/fuzz/run.sh $(BUILD)-fuzz $(FUZZ_SECONDS)

fuzz-build:
	$(MAKE) --no-print-directory CC=clang BUILD=$(BUILD)-fuzz \
		SANITIZE=fuzzer-no-link,address,undefined OPTIMIZE="$(SANITIZED_OPTIMIZE)" \
		FUZZ_LDFLAGS=-fsanitize=fuzzer FUZZ_MAIN= replay

# One-line bugs in ring, drain and log, each of which a named test must find;
# MUTANT=name (or names in quotes) seeds these alone.
MUTANT ?=
.PHONY: mutants
mutants:
	@deploy/needs.sh build test
	@tests/mutants/run.py --jobs $(JOBS) --cc "$(CC)" $(MUTANT)

.PHONY: bench bench-build
bench:
	@deploy/needs.sh build bench
	@$(MAKE) --no-print-directory -s -j$(JOBS) all bench-build
	@bench/run.py --build $(BUILD)

# OTLP in, OTLP out, beside the real Collector.
.PHONY: bench-otlp
bench-otlp:
	@deploy/needs.sh build test interop
	@$(MAKE) --no-print-directory -s -j$(JOBS) all $(PYTHON_STUBS)
	@bench/otlp.py --build $(BUILD)

# A wheel for every CPython from 3.9 on, made from the source distribution as
# anybody would who has that alone.
PYTHON_STAGE = $(BUILD)/python/stage
PYTHON_DIST = $(BUILD)/python/dist
.PHONY: python python-test
python:
	@deploy/needs.sh build python
	@$(MAKE) --no-print-directory -s -j$(JOBS) python-package
	@rm -rf $(PYTHON_STAGE) $(PYTHON_DIST)
	@mkdir -p $(PYTHON_STAGE)/libclient $(PYTHON_DIST)
	@cp -r $(filter-out %.py,$(wildcard python/*)) python/setup.py include config.mk LICENSE $(PYTHON_STAGE)
	@cp libclient/*.[ch] $(PYTHON_STAGE)/libclient
	@cp $(PYTHON_NAMES) $(PYTHON_STAGE)/spanring
	@find $(PYTHON_STAGE) -name __pycache__ -prune -exec rm -rf {} +
	@cd $(PYTHON_STAGE) && $(PYTHON) setup.py -q sdist -d ../dist
	@cd $(PYTHON_DIST) && $(PYTHON) -m pip -q --disable-pip-version-check wheel --no-index \
		--no-build-isolation --no-deps -w . spanring-*.tar.gz
	@ls $(PYTHON_DIST)/*

# The wheel in a new environment of every CPython that is found here, and the tests
# of the package there; the source distribution built by each. PYTHONS: these alone.
PYTHONS ?=
python-test: python
	@deploy/needs.sh build test python
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@python/each_version.py --build $(BUILD) $(PYTHON_DIST) $(PYTHONS)

# A span from Python, beside the SDK.
.PHONY: bench-python
bench-python:
	@deploy/needs.sh build test interop
	@$(MAKE) --no-print-directory -s -j$(JOBS) all python-package
	@bench/python_cost.py --build $(BUILD)

bench-build: $(BUILD)/bench/client_cost $(BUILD)/bench/call_cost $(BUILD)/bench/redact_cost $(BUILD)/bench/genai_cost $(BUILD)/bench/count_calls.so $(BUILD)/bench/lttng_cost

$(BUILD)/bench/client_cost $(BUILD)/bench/call_cost $(BUILD)/bench/genai_cost: $(BUILD)/bench/%: bench/%.c \
		bench/returner.c $(BUILD)/libspanring.so
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $< bench/returner.c \
		-L$(BUILD) -lspanring -lpthread -Wl,-rpath,'$$ORIGIN/..'

$(BUILD)/bench/redact_cost: bench/redact_cost.c $(BUILD)/libagent.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(AGENT_CFLAGS) $(LDFLAGS) -o $@ $^ $(AGENT_LIBS)

$(BUILD)/bench/count_calls.so: bench/count_calls.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -Wno-missing-prototypes -fPIC -shared -o $@ $<

# The peer's macros do not meet our warnings; without its package the table
# says that it was not measured.
$(BUILD)/bench/lttng_cost: bench/lttng_cost.c bench/lttng_provider.h
	@mkdir -p $(@D)
	@if $(PKG_CONFIG) --exists lttng-ust; then \
		$(CC) -std=gnu11 -O2 -w -Ibench -o $@ $< -llttng-ust -ldl; fi

.PHONY: install
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include/spanring $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 755 $(BUILD)/spanring $(BUILD)/spanringd $(DESTDIR)$(PREFIX)/bin
	install -m 644 include/spanring.h $(DESTDIR)$(PREFIX)/include
	install -m 644 include/spanring/*.h $(DESTDIR)$(PREFIX)/include/spanring
	install -m 755 $(BUILD)/libspanring.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)
	ln -sf libspanring.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libspanring.so
	install -m 644 $(BUILD)/libspanring.a $(DESTDIR)$(LIBDIR)
	sed -e 's,@PREFIX@,$(PREFIX),' -e 's,@LIBDIR@,$(LIBDIR),' -e 's,@VERSION@,$(VERSION),' \
		libclient/spanring.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/spanring.pc
	$(if $(wildcard $(EXAMPLE_BIN)),install -d $(DESTDIR)$(PREFIX)/lib/spanring/examples && \
		install -m 755 $(filter %/agento_plan %/agento_ingest %/agento_revise,$(EXAMPLE_BIN)) \
		$(DESTDIR)$(PREFIX)/lib/spanring/examples)
	$(if $(DESTDIR),,-ldconfig $(LIBDIR) 2>/dev/null)
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's,/usr/local,$(PREFIX),' deploy/systemd/spanringd.service \
		> $(DESTDIR)$(PREFIX)/lib/systemd/system/spanringd.service

help:
	@echo 'make demo      install what is missing, build, and see it work'
	@echo 'make test      install what is missing, build, and run the quick tests'
	@echo 'make test-fault  run the fault matrix: what becomes of every fault we know'
	@echo 'make soak      its long tier, hours; ROW=id one row, SEED=n replays a simulation'
	@echo 'make interop   the real Collector, Jaeger and SDKs as peers; NAME=word some of them'
	@echo 'make conformance  run the tests behind docs/conformance.md and write it'
	@echo 'make           build $(BUILD)/libspanring.{so,a}, spanringd, spanring'
	@echo 'make examples  build the example modules'
	@echo 'make sample    run them as one run and keep its archive in data/sample'
	@echo 'make install   DESTDIR=... PREFIX=$(PREFIX)'
	@echo 'make stress    bursts of a million spans, a flooder, killed writers; SEED=n'
	@echo 'make mutants   seed one-line bugs; each must be found by the test named for it; MUTANT=name'
	@echo 'make bench     measure, beside LTTng-UST and a limit program'
	@echo 'make bench-otlp  the same for spans that are passed on, beside the real Collector'
	@echo 'make python    the wheel and the source distribution, in $(BUILD)/python/dist'
	@echo 'make python-test  the same, tried with every CPython found here; PYTHONS=... these'
	@echo 'make bench-python  a span from Python, beside the official SDK'
	@echo 'make fuzz      every fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS)'
	@echo 'make clean'

.PHONY: clean
clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-clang $(BUILD)-fuzz

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
