# Packages, a container image, and what a release consists of: docs/packages.md. The same sources give the same bytes.

# Newer versions than 2.45 need modules that the Go module proxy alone does not have.
NFPM = github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
# Which packaging of the version this is.
PACKAGE_RELEASE = 1
# The time that files and packages are from: that of the last commit, or of the changelog where there is no repository.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)

PACKAGE = VERSION='$(VERSION)' PACKAGE_RELEASE='$(PACKAGE_RELEASE)' NFPM='$(NFPM)' SOURCE_DATE_EPOCH='$(SOURCE_DATE_EPOCH)' MAKE='$(MAKE)'

.PHONY: deb rpm deb-arm64 rpm-arm64 packages-test image image-arm64 release

# The architecture of the machine at hand, whose programs are in build; those of another one are in a directory of their own.
HOST_ARCHITECTURE = $(shell go env GOHOSTARCH)

# Packages for the machine at hand, and for arm64 with a cross compiler.
deb rpm: build
	@$(PACKAGE) packaging/package.sh $@ $(HOST_ARCHITECTURE)

deb-arm64 rpm-arm64: build build-arm64
	@$(PACKAGE) packaging/package.sh $(@:-arm64=) arm64

# Installing, using, upgrading and purging in clean roots, and all else that takes minutes.
packages-test: build
	@tools/setup.sh packages
	SOFTCSP_LONG=1 go test -count=1 -timeout 1h ./packaging

# A container image of the command and the library.
image: build
	@tools/setup.sh packages
	@$(PACKAGE) packaging/image.sh $(HOST_ARCHITECTURE)

image-arm64: build build-arm64
	@tools/setup.sh packages
	@$(PACKAGE) packaging/image.sh arm64

# What is published of a version: programs and packages for each architecture, what they are made of, and checksums.
RELEASE_ARCHITECTURES = amd64 arm64
release: $(patsubst %-$(HOST_ARCHITECTURE),%,$(foreach a,$(RELEASE_ARCHITECTURES),deb-$a rpm-$a))
	@$(PACKAGE) packaging/release.sh $(RELEASE_ARCHITECTURES)
