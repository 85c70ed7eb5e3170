package main

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestSummarise(t *testing.T) {
	rounds := []sample{{2000, 9000}, {1000, 3000}, {1500, 4000}}
	if got, want := summarise(rounds, false), (summary{3, 4, 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := summarise(rounds, true), (summary{9000, 4000, 3000}); got != want {
		t.Errorf("rates: %+v, want %+v", got, want)
	}
	if got := summarise(nil, false); got != (summary{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

// TestFile reads what a stopwatch would print.
func TestFile(t *testing.T) {
	b := &bench{results: make(results)}
	us, it := &module{name: ours}, &module{name: peer}
	for _, l := range []string{"time hash 10 20 3", "rate gcm 1000", "result hash 1:aa", "count 7"} {
		for _, m := range []*module{us, it} {
			if err := b.file(m, 0, strings.Fields(l)); err != nil {
				t.Errorf("%s: %v", l, err)
			}
		}
	}
	if got := b.results[series{ours, "hash", 0}]; !slices.Equal(got, []sample{{10, 20}}) || b.peerMany != 7 {
		t.Errorf("%v, %d keys", got, b.peerMany)
	}
	if err := b.file(it, 0, []string{"none", "wrap"}); err != nil {
		t.Error(err)
	}
	for _, l := range []string{"none wrap", "result hash 1:ab", "result derive-base 16:00", "time hash 10 x 3", "time hash", "tick hash 1", "count x", ""} {
		if b.file(us, 0, strings.Fields(l)) == nil {
			t.Errorf("%q was accepted", l)
		}
	}
}

func TestLimits(t *testing.T) {
	b := &bench{results: make(results), plan: plan{keys: [2]int{100, 10000}}, peerMany: 500}
	put := func(m, op string, keys int, ns float64) { b.results[series{m, op, keys}] = []sample{{ns, ns}} }
	put(ours, "derive-base", 0, 4000)
	put(ours, "gcm-16-session", 0, 1000)
	put(peer, "gcm-16-session", 0, 10000)
	put(ours, "hmac-32-token", 0, 1001)
	put(peer, "hmac-32-token", 0, 10000)
	put(ours, "find-id", 100, 1000)
	put(ours, "find-id", 10000, 2000)
	put(ours, "cold", 100, 1000)
	put(ours, "cold", 10000, 2001)
	want := map[string]bool{"derive-base": true, "gcm-16-session": true, "hmac-32-token": false, "find-id": true, "cold": false, "gcm-1k-token": false}
	for _, l := range b.lines() {
		met, named := want[l.Operation]
		if named && l.Met != nil && *l.Met != met {
			t.Errorf("%s: met is %v", l.Operation, *l.Met)
		}
		if named && l.Keys != 100 && l.Met == nil {
			t.Errorf("%s has no limit", l.Operation)
		}
		if math.IsNaN(l.Ratio) || math.IsInf(l.Ratio, 0) {
			t.Errorf("%s: ratio %v", l.Operation, l.Ratio)
		}
	}
}

// TestRows compares the table with the one of the stopwatch.
func TestRows(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("..", "ops.c"))
	if err != nil {
		t.Fatal(err)
	}
	var c, got []string
	for _, m := range regexp.MustCompile(`(?m)^\t\{ "([^"]+)",`).FindAllSubmatch(source, -1) {
		c = append(c, string(m[1]))
	}
	for _, r := range rows {
		if !r.scale {
			got = append(got, r.op)
		}
	}
	slices.Sort(c)
	slices.Sort(got)
	if len(c) < 10 || !slices.Equal(c, got) {
		t.Errorf("ops.c has %v\nthe table has %v", c, got)
	}
}
