#!/bin/sh
# Compares Go benchmarks of a commit with those of the working tree: `make benchcmp BASE=COMMIT`. The two take turns, so that what else
# the machine does meanwhile is in both. In the environment: BENCH and BENCHTIME are as go test's -bench and -benchtime, BENCHCOUNT is how
# often each is run, BENCHPKGS are the packages.
set -eu
cd "$(dirname "$0")/.."
base=${1:-}
packages=${BENCHPKGS:-./token ./mechanisms ./store ./p11shim ./internal/algorithm/...}
if [ -z "$base" ] || ! commit=$(git rev-parse --verify --quiet "$base^{commit}"); then
	echo "benchcmp: ${base:-BASE} is not a commit. Say with which one to compare: make benchcmp BASE=HEAD~1" >&2
	exit 1
fi

dir=$(mktemp -d)
leave() {
	git worktree remove --force "$dir/base" 2>/dev/null || true
	rm -rf "$dir"
}
trap leave EXIT
trap 'exit 1' INT TERM
git worktree add --quiet --detach "$dir/base" "$commit"

# Builds the test programs of one tree, those with a benchmark, and lists them: directory and program. A package that the tree does not have is left out.
build() {
	(
		cd "$1"
		# shellcheck disable=SC2086 # a list of words
		go list -e -f '{{if .Dir}}{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}} {{.ImportPath}}{{end}}{{end}}' $packages
	) | while read -r at path; do
		grep -qs '^func Benchmark' "$at"/*_test.go || continue
		name=$(echo "${path#*/softcsp/softcsp/}" | tr / -)
		(cd "$at" && go test -c -o "$2/$name" .) || exit 1
		echo "$at $2/$name"
	done
}
mkdir "$dir/old" "$dir/new"
build "$dir/base" "$dir/old" >"$dir/old.list"
build "$PWD" "$dir/new" >"$dir/new.list"

# A benchmark that fails is named and fails the command at the end: in the other tree it may not exist yet, or work.
run() {
	while read -r at program; do
		(cd "$at" && "$program" -test.run '^$' -test.bench "${BENCH:-.}" -test.benchmem -test.benchtime "${BENCHTIME:-0.3s}") >>"$dir/$1.txt" 2>&1 ||
			echo "$1 $(basename "$program")" >>"$dir/failed"
	done <"$dir/$1.list"
}
for round in $(seq "${BENCHCOUNT:-6}"); do
	echo "benchcmp: round $round of ${BENCHCOUNT:-6}" >&2
	run old
	run new
done
go tool benchstat "$base=$dir/old.txt" "now=$dir/new.txt"
if [ -e "$dir/failed" ]; then
	echo "benchcmp: failed (old is $base):" >&2
	sort -u "$dir/failed" >&2
	grep -h -B 2 -A 5 -e '^--- FAIL' -e '^panic' "$dir/old.txt" "$dir/new.txt" >&2 || true
	exit 1
fi
