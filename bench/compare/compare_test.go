package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
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
	for _, l := range []string{"time hash 10 20 3", "rate gcm@2 1000", "result hash 1:aa", "count 7"} {
		for _, m := range []*module{us, it} {
			if err := b.file(m, 0, strings.Fields(l)); err != nil {
				t.Errorf("%s: %v", l, err)
			}
		}
	}
	if got := b.results[series{ours, "hash", 0}]; !slices.Equal(got, []sample{{10, 20}}) || b.counted != 7 {
		t.Errorf("%v, %d keys", got, b.counted)
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

// TestTogether sums threads up: the best round of each number of threads, and no line for what a module does not have.
func TestTogether(t *testing.T) {
	b := &bench{results: make(results)}
	for i, n := range counts {
		for _, rate := range []float64{100, 50} {
			s := series{ours, fmt.Sprintf("session@%d", n), 0}
			b.results[s] = append(b.results[s], sample{rate * float64(i+1), rate * float64(i+1)})
		}
	}
	got := b.together([]*module{{name: ours}, {name: peer}})
	if len(got) != 1 || got[0].Operation != "session" || !slices.Equal(got[0].Rates, []float64{100, 200, 300, 400, 500}) || !slices.Equal(got[0].Factors, []float64{1, 2, 3, 4, 5}) {
		t.Errorf("%+v", got)
	}
}

// TestText writes templates as template.c reads them.
func TestText(t *testing.T) {
	p256, err := p256Pair("p256")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(text(p256), "\n")
	if lines[0] != "object p256" || lines[1] != fmt.Sprintf("0 %x", ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY).value) || strings.Count(text(p256), "\nend\n") != 2 {
		t.Errorf("%q", lines)
	}
	for _, l := range lines {
		if f := strings.Fields(l); len(f) > 2 || len(f) == 2 && len(f[1]) > 8192 {
			t.Errorf("%q", l)
		}
	}
}

// TestRows compares the tables with the one of the stopwatch: what is timed alone, and what threads do together.
func TestRows(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("..", "ops.c"))
	if err != nil {
		t.Fatal(err)
	}
	var alone, together []string
	for _, m := range regexp.MustCompile(`(?m)^\t\{ "([^"]+)",.* ([012]), \w+ \},$`).FindAllSubmatch(source, -1) {
		name, how := string(m[1]), string(m[2])
		if how != "2" {
			alone = append(alone, name)
		}
		if how != "0" {
			together = append(together, name)
		}
	}
	sameNames(t, alone, slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return r.scale }))
	sameNames(t, together, togetherRows)
}

func sameNames(t *testing.T, c []string, rows []row) {
	t.Helper()
	var got []string
	for _, r := range rows {
		got = append(got, r.op)
	}
	slices.Sort(c)
	slices.Sort(got)
	if len(c) < 10 || !slices.Equal(c, got) {
		t.Errorf("ops.c has %v\nthe table has %v", c, got)
	}
}

// TestDraw draws charts that are well-formed and have a dot for each value there is, and none for others.
func TestDraw(t *testing.T) {
	points := []point{
		{ours, 100, map[string]float64{"find-known": 800, "each": 0}},
		{ours, 1000, map[string]float64{"find-known": 900, "each": 120}},
		{peer, 100, map[string]float64{"find-known": 4e6, "each": 9000}},
	}
	for _, theme := range themes {
		var b strings.Builder
		draw(&b, theme, caption{"a & b", "make bench-scale"}, points)
		d := xml.NewDecoder(strings.NewReader(b.String()))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if n := strings.Count(b.String(), " objects: "); n != 5 {
			t.Errorf("%s: %d dots, want 5", theme.name, n)
		}
		for _, s := range []string{"a &amp; b", "make bench-scale", "softcsp, 100 objects: 800 ns", "SoftHSM2, 100 objects: 4 ms", theme.ground} {
			if !strings.Contains(b.String(), s) {
				t.Errorf("%s: no %q", theme.name, s)
			}
		}
	}
}

func TestAxis(t *testing.T) {
	a := newAxis([]float64{0, 20, 5000}, 300)
	if a.low != 1 || a.high != 4 || a.at(10) != 0 || a.at(10000) != 300 || math.Abs(a.at(100)-100) > 1e-9 {
		t.Errorf("%+v", a)
	}
	for _, values := range [][]float64{nil, {0}, {1000}} {
		if a := newAxis(values, 1); a.high <= a.low {
			t.Errorf("%v: %+v", values, a)
		}
	}
}

func TestUnits(t *testing.T) {
	for want, got := range map[string]string{
		"800 ns": nanoseconds.text(800), "1 µs": nanoseconds.text(999.7), "7.35 ms": nanoseconds.text(7.35e6), "1 s": nanoseconds.text(1e9), "1250 s": nanoseconds.text(1.25e12),
		"13.7 MB": bytesUnit.text(13.7e6), "512 B": bytesUnit.text(512), "1.5": times.text(1.5), "-": times.text(0),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
