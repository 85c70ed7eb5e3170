#!/bin/sh
# Sees that what `make` needs is there: `setup.sh build`, `test` or `long`, and `setup.sh arm64`, `test-arm64` or `packages`. On Debian, as root,
# it installs exactly what is missing. Otherwise it says what is missing, and fails.
set -eu

missing=
need() { # need PACKAGE TEST...: the package is missing unless the test succeeds
	package=$1
	shift
	"$@" >/dev/null 2>&1 || missing="$missing $package"
}

need gcc command -v gcc
need libc6-dev test -e /usr/include/stdio.h
case ${1:-build} in
test | long | clients)
	need binutils command -v nm
	need g++ command -v g++
	need gnutls-bin command -v p11tool
	need libengine-pkcs11-openssl test -e /usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so
	need libnss3-tools command -v certutil
	need lintian command -v lintian
	need opensc command -v pkcs11-tool
	need openssh-client command -v ssh
	need openssh-server test -x /usr/sbin/sshd
	need openssl command -v openssl
	need pkg-config command -v pkg-config
	need python3 command -v python3
	need python3-cryptography-vectors test -d /usr/lib/python3/dist-packages/cryptography_vectors
	need softhsm2 test -e /usr/lib/softhsm/libsofthsm2.so
	;;
esac
case ${1:-build} in
arm64 | test-arm64)
	need gcc-aarch64-linux-gnu command -v aarch64-linux-gnu-gcc
	need libc6-dev-arm64-cross test -e /usr/aarch64-linux-gnu/include/stdio.h
	;;
esac
if [ "${1:-build}" = test-arm64 ]; then
	need qemu-user command -v qemu-aarch64
fi
case ${1:-build} in
packages | long)
	need buildah command -v buildah
	need lintian command -v lintian
	need mmdebstrap command -v mmdebstrap
	need rpm command -v rpm
	;;
esac
if [ "${1:-build}" = long ]; then
	need apache2-bin test -e /usr/lib/apache2/modules/mod_ssl.so
	need openjdk-17-jdk-headless command -v javac
	need libpkcs11-helper1-dev test -e /usr/include/pkcs11-helper-1.0/pkcs11h-core.h
	need nginx-light command -v nginx
fi
# The packages of the scripts in conformance/clients stand in their headers.
headers() { # headers KEY FILE...: the words of a key
	key=$1
	shift
	sed -n "s/^# $key: //p" "$@" | tr ' ' '\n' | sort -u
}
installed() { dpkg -s "$1" || command -v "$1"; } # other sources of packages have npm in nodejs
# backport PACKAGE: it is there, on Debian 12 in the version of its backports.
backport() {
	version=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null) || return 1
	case "$(. /etc/os-release && echo "$VERSION_ID") $version" in
	"12 installed "*bpo12*) true ;;
	"12 "*) false ;;
	*" installed "*) true ;;
	*) false ;;
	esac
}
clients=$(dirname "$0")/../conformance/clients
backports=
case ${1:-build} in
clients)
	for package in $(headers packages "$clients"/*.txt); do need "$package" installed "$package"; done
	for package in $(headers backports "$clients"/*.txt); do
		backport "$package" || backports="$backports $package"
	done
	;;
test | long)
	# shellcheck disable=SC2046 # a list of files
	for package in $(headers packages $(grep -l '^# size: small' "$clients"/*.txt)); do need "$package" installed "$package"; done
	;;
esac

# Packages that Debian 12 has in its backports, or in a newer version there, from a list of sources that is used this once.
backported() {
	[ -n "$backports" ] || return 0
	echo "setup: installing$backports"
	dir=$(mktemp -d)
	mkdir -p "$dir/lists/partial" "$dir/parts"
	. /etc/os-release
	# shellcheck disable=SC2016 # apt's own variable
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' "Codename: $VERSION_CODENAME" | head -n 1)
	printf 'deb %s %s main\n' "$mirror" "$VERSION_CODENAME" "$mirror" "$VERSION_CODENAME-backports" >"$dir/sources.list"
	if [ "$VERSION_ID" = 12 ]; then
		set -- -o "Dir::Etc::SourceList=$dir/sources.list" -o "Dir::Etc::SourceParts=$dir/parts" -o "Dir::State::Lists=$dir/lists" -t "$VERSION_CODENAME-backports"
	else
		set --
	fi
	# shellcheck disable=SC2086 # a list of words
	apt-get "$@" update >/dev/null && apt-get "$@" install -y --no-install-recommends $backports >/dev/null
	s=$?
	rm -rf "$dir"
	return $s
}

status=0
if ! command -v go >/dev/null; then
	echo "setup: there is no go command. Install Go 1.26 or later: https://go.dev/doc/install" >&2
	status=1
elif ! said=$(cd "$(dirname "$0")/.." && go list -m 2>&1); then
	printf '%s\n' "$said" >&2
	echo "setup: $(GOEXPERIMENT='' go version) does not do. Install Go 1.26 or later: https://go.dev/doc/install" >&2
	status=1
fi
[ -n "$missing$backports" ] || exit $status
if [ $status != 0 ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "setup: missing:$missing$backports" >&2
	echo "setup: install them as root: apt-get install$missing$backports" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
if [ -n "$missing" ]; then
	echo "setup: installing$missing"
	# shellcheck disable=SC2086 # a list of words
	apt-get install -y --no-install-recommends $missing >/dev/null 2>&1 || {
		apt-get update >/dev/null && apt-get install -y --no-install-recommends $missing >/dev/null
	} || {
		echo "setup: missing:$missing" >&2
		echo "setup: apt-get could not install them" >&2
		exit 1
	}
fi
backported || {
	echo "setup: missing:$backports" >&2
	echo "setup: the backports of Debian could not be had" >&2
	exit 1
}
