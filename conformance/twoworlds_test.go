package conformance

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// freshVariable names the directory where make twoworlds puts what the programs print under Wine.
const freshVariable = "TWOWORLDS"

// worldPlace is the environment of a program that keeps containers in a token of its own.
func worldPlace(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	env, err := module.place(dir)
	if err != nil {
		t.Fatal(err)
	}
	env = append(env, "SOFTCSP_PIN=1234", "SOFTCSP_SO_PIN=12345678")
	mustRun(t, 30*time.Second, env, tool, "token", "init", "--label", "worlds")
	return env
}

// TestTwoWorlds runs the programs of twoworlds/ against the library and compares what they print with what they printed under
// Wine (make twoworlds does both anew). Where differences.txt says that Windows differs from Wine, Windows counts.
func TestTwoWorlds(t *testing.T) {
	t.Parallel()
	only(t)
	recorded, err := filepath.Glob("twoworlds/recorded/*.txt")
	if err != nil || len(recorded) < 5 {
		t.Fatalf("%d recordings, %v", len(recorded), err)
	}
	dir := "twoworlds/recorded"
	if fresh := os.Getenv(freshVariable); fresh != "" {
		dir = fresh
	}
	differences := readDifferences(t, "twoworlds/differences.txt")
	for _, file := range recorded {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			wine, err := os.ReadFile(filepath.Join(dir, filepath.Base(file)))
			if err != nil {
				t.Fatal(err)
			}
			got := mustRun(t, time.Minute, worldPlace(t), buildWincrypt(t, "twoworlds/"+name+".c"))
			compareLines(t, differences, name, strings.Split(string(wine), "\n"), strings.Split(got, "\n"))
		})
	}
	for _, d := range differences {
		if d.used == 0 {
			t.Errorf("differences.txt:%d: no line of %s is like that", d.line, d.program)
		}
	}
}

func compareLines(t *testing.T, differences []*difference, program string, wine, got []string) {
	t.Helper()
	bad := 0
	for i, want := range wine {
		for _, d := range differences {
			want = d.apply(program, want)
		}
		line := "(nothing)"
		if i < len(got) {
			line = got[i]
		}
		if line != want {
			if bad++; bad <= 10 {
				t.Errorf("line %d is %q, want %q", i+1, line, want)
			}
		}
	}
	if bad > 10 || len(got) != len(wine) {
		t.Errorf("%d of %d lines differ; there are %d", bad, len(wine), len(got))
	}
}

// A difference is a row of differences.txt: lines of a program that are another in Windows than in Wine.
type difference struct {
	program string
	wine    *regexp.Regexp
	windows string // what stands in place of what wine matches
	line    int
	used    int
}

func (d *difference) apply(program, line string) string {
	if program != d.program || !d.wine.MatchString(line) {
		return line
	}
	d.used++
	return d.wine.ReplaceAllString(line, d.windows)
}

// readDifferences reads differences.txt: a line that begins with # is a remark; the others are in columns that tabs divide:
// the program, an expression for what Wine prints, what Windows prints in its place, and the fact.
func readDifferences(t *testing.T, name string) (all []*difference) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		if line := lines.Text(); line != "" && !strings.HasPrefix(line, "#") {
			f := strings.Split(line, "\t")
			if len(f) != 4 || f[3] == "" {
				t.Fatalf("%s:%d: %d columns", name, n, len(f))
			}
			all = append(all, &difference{program: f[0], wine: regexp.MustCompile(f[1]), windows: f[2], line: n})
		}
	}
	return all
}

// TestReplay has a C program make the recorded calls of CryptDeriveKey through the functions of wincrypt.h, and compares what
// it says of each with the record: errors, handles, parameters, blobs, ciphertexts.
func TestReplay(t *testing.T) {
	t.Parallel()
	only(t)
	records := readReplay(t)
	var requests strings.Builder
	for i := range records {
		fmt.Fprintln(&requests, records[i].request())
	}
	dir := os.Getenv(freshVariable)
	if dir == "" {
		dir = t.TempDir()
	}
	in := filepath.Join(dir, "requests")
	if err := os.WriteFile(in, []byte(requests.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	prog := buildWincrypt(t, "twoworlds/replay.c")
	lines := answers(t, records, mustRun(t, 2*time.Minute, worldPlace(t), "/bin/sh", "-c", `"$0" < "$1"`, prog, in))
	equal, otherwise := 0, 0
	for i := range records {
		want, explained := records[i].answer()
		wrong := differ(want, strings.Fields(lines[i])[1:])
		switch {
		case wrong != "":
			t.Errorf("%s: %s", records[i].ID, wrong)
		case explained:
			otherwise++
		default:
			equal++
		}
	}
	checkWine(t, records, filepath.Join(dir, "replay.txt"))
	t.Logf("%d answers are Wine's, %d are those of Windows where it differs", equal, otherwise)
}

// answers are the lines of the program, one for each record.
func answers(t *testing.T, records []replay, out string) []string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(records) {
		t.Fatalf("%d answers to %d requests", len(lines), len(records))
	}
	return lines
}

// checkWine holds the program itself, where make twoworlds has run it: under Wine it has to say what the record says.
func checkWine(t *testing.T, records []replay, file string) {
	t.Helper()
	out, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range answers(t, records, string(out)) {
		if wrong := differ(records[i].wine(), strings.Fields(line)[1:]); wrong != "" {
			t.Errorf("%s under Wine: %s", records[i].ID, wrong)
		}
	}
	t.Logf("under Wine the program says what %d records say", len(records))
}

// differ tells the first field that is not what it should be.
func differ(want map[string]string, got []string) string {
	have := make(map[string]string)
	for _, f := range got {
		name, value, _ := strings.Cut(f, "=")
		have[name] = value
	}
	for name, value := range want {
		if have[name] != value {
			return fmt.Sprintf("%s is %q, want %q", name, have[name], value)
		}
	}
	return ""
}
