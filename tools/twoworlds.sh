#!/bin/sh
# Runs the programs of conformance/twoworlds in two worlds: built by the mingw-w64 compiler, under Wine, and built by gcc with
# the library of this tree. What they print under Wine goes to build/twoworlds; a test compares. Wine's packages are large:
# `make check` does without, and compares with what was recorded.
set -eu
cd "$(dirname "$0")/.."

missing=
command -v x86_64-w64-mingw32-gcc >/dev/null || missing="$missing gcc-mingw-w64-x86-64"
wine=$(command -v wine64 || ls /usr/lib/wine/wine64 2>/dev/null || true)
[ -n "$wine" ] || missing="$missing wine64"
if [ -n "$missing" ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "twoworlds: missing:$missing" >&2
		exit 1
	fi
	echo "twoworlds: installing$missing"
	# shellcheck disable=SC2086 # a list of words
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >/dev/null
	wine=$(command -v wine64 || ls /usr/lib/wine/wine64)
fi

out=$PWD/build/twoworlds
mkdir -p "$out"
export WINEPREFIX="$out/prefix" WINEDEBUG=-all
rm -f "$out"/*.txt
TWOWORLDS=$out go test ./conformance -count=1 -run Replay # writes the requests
for source in conformance/twoworlds/*.c; do
	name=$(basename "$source" .c)
	x86_64-w64-mingw32-gcc -O2 -Wall -Wextra "$source" -o "$out/$name.exe" -ladvapi32
	in=/dev/null
	[ "$name" != replay ] || in=$out/requests
	echo "twoworlds: $name under $("$wine" --version)"
	"$wine" "$out/$name.exe" <"$in" 2>/dev/null | tr -d '\r' >"$out/$name.txt"
done
for recorded in conformance/twoworlds/recorded/*.txt; do
	cmp -s "$recorded" "$out/$(basename "$recorded")" || echo "twoworlds: $recorded differs from what this Wine prints"
done
gcc -O2 -Iinclude/softcsp conformance/twoworlds/speed.c -o "$out/speed" -Lbuild -lsoftcsp -Wl,-rpath,"$PWD/build"
TWOWORLDS=$out go test ./conformance -count=1 -run 'TwoWorlds|Replay' -v
echo "hash, derive, destroy both: Wine $(cat "$out/speed.txt"), softcsp $("$out/speed")"
