# `make demo` and `make test` set up all that they need: see tools/setup.sh.

PREFIX  ?= /usr/local
DESTDIR ?=
BINDIR   = $(PREFIX)/bin
LIBDIR   = $(PREFIX)/lib
# Where the library itself is. Elsewhere than in LIBDIR, it has a link there, for programs that are linked with it.
MODULEDIR = $(LIBDIR)
INCDIR   = $(PREFIX)/include/softcsp
DATADIR  = $(PREFIX)/share
P11KITDIR ?= $(DATADIR)/p11-kit/modules
ZSHDIR    ?= $(DATADIR)/zsh/site-functions
# The directory of what is installed: build/arm64 for the other machine.
BUILT     ?= build
FUZZTIME ?= 10m
FUZZ     ?= ^Fuzz

# The one place of the version is the first heading of the changelog.
VERSION := $(shell sed -n 's/^\#\# \([0-9][0-9.]*\).*/\1/p' CHANGELOG.md | head -n 1)

# Temporary storage of secrets is erased: see internal/secret.
export GOEXPERIMENT = runtimesecret
# What is built does not depend on the state of the working tree.
export GOFLAGS += -buildvcs=false

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
# What the library and the command are built from, and a little more.
SOURCES   := $(shell find . \( -name build -o -name .git -o -name conformance -o -name bench \) -prune -o \( -name '*.go' -o -name '*.[ch]' -o -name '*.map' -o -name '*.ld' -o -name '*.pgo' \) ! -name '*_test.go' -print) go.mod go.sum Makefile tools/overlay.sh CHANGELOG.md
GENERATED  = $(shell find . -name 'z*.go') $(wildcard p11shim/stubs.c p11shim/cryptstubs.c include/softcsp/cryptoki.h docs/support.md docs/configuration.md README.md)
# What needs no C: everything but the boundary, and what drives the built library.
PURE       = $(shell go list ./... | grep -v -e /p11shim -e /conformance -e /packaging)

.PHONY: build build-arm64 demo gen test check check-arm64 long lint race pure conformance twoworlds clients bench bench-scale benchcmp profile fuzz fuzz-minute install clean setup setup-test
.NOTPARALLEL:

build: build/libsoftcsp.so build/softcsp

# Built aside and moved, so that nobody loads half a library. The Go runtime in it does not interrupt threads by signals: the
# kernel would put their registers, with what of a key is in them, on a signal stack that nobody erases, and a host's system
# calls would be interrupted. Nor does it end the process for an address within its own memory that a caller came by, nor keep
# files of the control group open to look at its limits again: guest.c looks once. The compiler knows from a profile which calls are short and
# frequent (make profile). Go's own build ID would tell the directory; the linker computes one from what is built.
define build_library
	@mkdir -p $(@D) && d=$$(mktemp -d $(@D)/tmp.XXXXXX) && \
	tools/overlay.sh $$d/runtime && \
	CGO_ENABLED=1 CGO_CPPFLAGS="$$CGO_CPPFLAGS -DSOFTCSP_VERSION=$(VERSION)" go build -buildmode=c-shared -trimpath -pgo=p11shim/calls.pgo -overlay $$d/runtime/overlay.json -ldflags \
	  "-s -w -buildid= -B none -X runtime.godebugDefault=asyncpreemptoff=1,invalidptr=0,rsa1024min=0,containermaxprocs=0,updatemaxprocs=0 \"-extldflags='-Wl,--build-id=sha1' '-Wl,--version-script=$(CURDIR)/p11shim/exports.map' '-Wl,-T,$(CURDIR)/p11shim/start.ld'\"" -o $$d/libsoftcsp.so ./p11shim && \
	mv $$d/libsoftcsp.so $@; s=$$?; rm -rf $$d; exit $$s
endef

build_command = CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $@ ./cmd/softcsp

build/libsoftcsp.so: $(SOURCES)
	@tools/setup.sh build
	$(build_library)

build/softcsp: $(SOURCES)
	$(build_command)

# The same for arm64, with a cross compiler.
build-arm64: build/arm64/libsoftcsp.so build/arm64/softcsp

build/arm64/%: export GOARCH = arm64
build/arm64/%: export CC = aarch64-linux-gnu-gcc

build/arm64/libsoftcsp.so: $(SOURCES)
	@tools/setup.sh arm64
	$(build_library)

build/arm64/softcsp: $(SOURCES)
	$(build_command)

demo: build
	go run ./conformance/demo -module '$(CURDIR)/build/libsoftcsp.so' -cli '$(CURDIR)/build/softcsp'

gen:
	go run ./internal/gen

test: setup-test build
	go test ./...

check: setup-test lint build pure race conformance demo test fuzz-minute

lint:
	@mkdir -p build && sha256sum $(GENERATED) > build/generated.sum && go run ./internal/gen && sha256sum --check --quiet build/generated.sum || { echo 'lint: generated files were not up to date; commit them'; exit 1; }
	@test -z "$$(gofmt -l .)" || { echo 'lint: gofmt:'; gofmt -l .; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...

pure:
	CGO_ENABLED=0 go build $(PURE)

# The many vectors of the mechanisms and the many files of keys are worked on in one thread each and tell the race detector nothing: some are
# enough. So is what the command does itself, without the programs and documents that run it as it was built.
RACE_SHORT = %/mechanisms %/cmd/softcsp %/internal/keyfile %/internal/doctor
race:
	GORACE=atexit_sleep_ms=10 CGO_ENABLED=1 go test -race $(filter-out $(RACE_SHORT),$(PURE))
	GORACE=atexit_sleep_ms=10 CGO_ENABLED=1 go test -race -short $(filter $(RACE_SHORT),$(PURE))

conformance: setup-test build
	go test ./conformance/...

# The core of conformance against the library for arm64, in an emulator. docs/testing.md says what is left out, and why.
ARM64_TESTS = Attacks|AttacksWithoutSeparation|Boundary|DamagedFiles|EveryFunction|Exports|Faults|Footnotes|FullDisk|Headers|HeaderNumbers|HostileDirectory|Kill|KilledWithChild|Leaks|Life|Model.*|NarrowHSM|Needs|NoPlace|NotInitialized|Nulls|PaddingOracles?|ReadonlyDisk|Records|RightsLost|Scripts|SessionFirst|SignaturesThatDecrypt|Stateful|States|Stop|Tamper|TamperPublic|Wycheproof

check-arm64: setup-test build build-arm64
	@tools/setup.sh test-arm64
	MODULE='$(CURDIR)/build/arm64/libsoftcsp.so' MODULE_CC=aarch64-linux-gnu-gcc MODULE_EMULATOR='qemu-aarch64 -L /usr/aarch64-linux-gnu' \
	  go test -count=1 -timeout 1h ./conformance -run '^Test($(ARM64_TESTS))$$'

# The programs of conformance/clients, all of them: their packages are large together. Then the lines that the command says are to be pasted for them.
clients: build
	@tools/setup.sh clients
	SOFTCSP_CLIENTS=1 go test -count=1 -timeout 2h ./conformance/clients
	SOFTCSP_CLIENTS=1 SOFTCSP_LONG=1 go test -count=1 ./cmd/softcsp -run '^TestPaste$$'

# What takes minutes: run before a version is called done. docs/testing.md says what it is.
long: check
	@tools/setup.sh long
	SOFTCSP_LONG=1 go test -count=1 -timeout 4h ./store ./token ./csp ./internal/algorithm/... ./conformance/... ./cmd/softcsp ./packaging
	$(MAKE) clients

# The programs of conformance/twoworlds under Wine and here, beside each other. Its packages are large: check does without.
twoworlds: build
	tools/twoworlds.sh

bench: setup-test build
	./bench/run.sh

# What calls cost with up to 100,000 objects in the token, and the charts of docs/performance.md.
bench-scale: setup-test build
	./bench/run.sh --scale

# The Go benchmarks at BASE and now: make benchcmp BASE=v1.0. BENCH='GCM|HMAC' chooses some of them; tools/benchcmp.sh has the rest.
benchcmp:
	@tools/benchcmp.sh '$(BASE)'

# The profile of short calls with which the library is built. It holds for other versions of the code and other processors: it is made again
# when functions on the way of a call have new names.
profile: SHORT = Boundary|Encrypt|CMAC|Wrap|Unwrap|Derive|Create|Call/(Get|Open|Digest|Random|CBC|GCM|HMAC|Find)
profile:
	@d=$$(mktemp -d) && for p in token p11shim; do go test -trimpath -run '^$$' -bench '$(SHORT)' -benchtime 2s -cpuprofile $$d/$$p.pgo -o $$d/$$p.test ./$$p || exit 1; done && \
	(cd $$d && go tool pprof -proto -symbolize=none token.pgo p11shim.pgo > calls.pgo) && mv $$d/calls.pgo p11shim/calls.pgo && rm -rf $$d

# Each fuzzer for FUZZTIME: those that drive the built library, and then Go's. In `make check` Go's are those of token files and configuration;
# the seeds of the others run in every `make test`. Making an input smaller takes a second at most, not the minute that go test gives it.
fuzz: setup-test build
	SOFTCSP_FUZZ=$(FUZZTIME) go test -count=1 -timeout 0 ./conformance -run '^Test(Boundary|Stateful|CryptBoundary)$$'
	@for p in $$(go list ./...); do list=$$(go test -list '$(FUZZ)' $$p) || exit 1; for f in $$(echo "$$list" | grep '^Fuzz'); do \
	echo "$$p $$f" && go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $$p || exit 1; done; done

fuzz-minute:
	$(MAKE) fuzz FUZZTIME=1m FUZZ='^Fuzz(TokenFile|File)$$$$'

install: build
	for d in $(BINDIR) $(LIBDIR)/pkgconfig $(MODULEDIR) $(INCDIR) $(P11KITDIR) $(DATADIR)/man/man1 \
	  $(DATADIR)/bash-completion/completions $(ZSHDIR) $(DATADIR)/fish/vendor_completions.d; do install -d "$(DESTDIR)$$d" || exit 1; done
	install -m 755 $(BUILT)/softcsp "$(DESTDIR)$(BINDIR)/softcsp"
	install -m 644 $(BUILT)/libsoftcsp.so "$(DESTDIR)$(MODULEDIR)/libsoftcsp.so"
	[ '$(MODULEDIR)' = '$(LIBDIR)' ] || ln -sfr "$(DESTDIR)$(MODULEDIR)/libsoftcsp.so" "$(DESTDIR)$(LIBDIR)/libsoftcsp.so"
	install -m 644 include/softcsp/*.h "$(DESTDIR)$(INCDIR)"
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@MODULEDIR@|$(MODULEDIR)|' -e 's|@INCDIR@|$(INCDIR)|' -e 's|@VERSION@|$(VERSION)|' packaging/softcsp.pc.in > "$(DESTDIR)$(LIBDIR)/pkgconfig/softcsp.pc"
	sed -e 's|@MODULEDIR@|$(MODULEDIR)|' packaging/softcsp.module.in > "$(DESTDIR)$(P11KITDIR)/softcsp.module"
	build/softcsp man "$(DESTDIR)$(DATADIR)/man/man1"
	build/softcsp completion bash > "$(DESTDIR)$(DATADIR)/bash-completion/completions/softcsp"
	build/softcsp completion zsh > "$(DESTDIR)$(ZSHDIR)/_softcsp"
	build/softcsp completion fish > "$(DESTDIR)$(DATADIR)/fish/vendor_completions.d/softcsp.fish"

clean:
	rm -rf build

setup:
	@tools/setup.sh build

setup-test:
	@tools/setup.sh test

# deb, rpm, packages-test, image, release
include packaging/packages.mk
