#!/bin/sh
# Times softcsp beside SoftHSM2, and NSS where its softoken is there, and prints tables: `make bench`, or `bench/run.sh [--quick] [--json FILE]`. With
# --scale it measures what depends on the number of objects and draws charts: `make bench-scale`. Flags may also stand in BENCHFLAGS:
# `make bench BENCHFLAGS=--quick`.
set -eu
cd "$(dirname "$0")/.."

peer=
for f in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so /usr/lib64/pkcs11/libsofthsm2.so; do
	if [ -e "$f" ]; then
		peer=$f
		break
	fi
done
nss=
for f in /usr/lib/*/libsoftokn3.so /usr/lib/*/nss/libsoftokn3.so /usr/lib64/libsoftokn3.so; do
	if [ -e "$f" ]; then
		nss=$f
		break
	fi
done
missing=
[ -n "$peer" ] || missing="$missing softhsm2"
command -v gcc >/dev/null || missing="$missing gcc"
[ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
if [ -n "$missing" ]; then
	echo "bench: missing:$missing. Install with: apt-get install$missing" >&2
	exit 1
fi
if [ ! -e build/libsoftcsp.so ]; then
	echo "bench: there is no build/libsoftcsp.so. Run: make build" >&2
	exit 1
fi

gcc -std=gnu11 -O2 -Wall -Wextra -Iinclude/softcsp -o build/stopwatch bench/*.c -lpthread -ldl
# shellcheck disable=SC2086 # a list of words
exec go run ./bench/compare --stopwatch build/stopwatch --softcsp build/libsoftcsp.so --softhsm "$peer" --nss "$nss" ${BENCHFLAGS:-} "$@"
