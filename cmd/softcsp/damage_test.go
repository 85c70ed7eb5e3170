package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A desk runs commands in this process, over a token directory of its own.
type desk struct {
	t   *testing.T
	dir string

	named, alike int // how many damaged objects were told by their names, and by those of others
}

// run runs a command, and returns its exit code and what it says.
func (d *desk) run(args ...string) (code int, out, said string) {
	d.t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{in: os.Stdin, out: &stdout, err: &stderr}
	code = a.run(append([]string{"--tokendir", filepath.Join(d.dir, "tokens")}, args...))
	return code, stdout.String(), stderr.String()
}

func (d *desk) must(args ...string) string {
	d.t.Helper()
	code, out, said := d.run(args...)
	if code != 0 {
		d.t.Fatalf("softcsp %v: exit code %d\n%s", args, code, said)
	}
	return out
}

// file writes a file of the desk and returns its path.
func (d *desk) file(name, text string) string {
	d.t.Helper()
	path := filepath.Join(d.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

// TestDamagedPages damages each page of a token file, and looks at it with the commands that people look with: each of them ends with its
// table, its exit code is that of what is sound or damaged, and the objects that a list shows and those that it names as damaged are all.
func TestDamagedPages(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Setenv("SOFTCSP_KDF", "test")
	t.Setenv("SOFTCSP_DURABILITY", "relaxed")
	t.Setenv("SOFTCSP_CONF", "/dev/null")
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	d := &desk{t: t, dir: t.TempDir()}
	pin, so := d.file("pin", "1234"), d.file("so", "87654321")
	d.must("token", "init", "--label", "lab", "--pin-file", pin, "--so-pin-file", so, "--quiet")
	const pairs = 12
	for i := range pairs {
		d.must("key", "generate", "--type", "ec:p256", "--label", fmt.Sprintf("pair %d", i), "--pin-file", pin, "--quiet")
	}
	files, err := filepath.Glob(filepath.Join(d.dir, "tokens", "*.token"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	clean, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	size := os.Getpagesize()
	r := rand.New(rand.NewPCG(5, 6))
	partly := 0
	unread := make([]byte, size)
	for n := range len(clean) / size {
		if n > 2 && bytes.Equal(clean[n*size:(n+1)*size], unread) && bytes.Equal(clean[(n-1)*size:n*size], unread) {
			continue // of pages that nobody reads one is enough
		}
		for name, damage := range map[string]func(page []byte){
			"noise":        func(p []byte) { fill(p, r) },
			"half":         func(p []byte) { fill(p[len(p)/2:], r) },
			"a bit":        func(p []byte) { p[max(0, len(bytes.TrimRight(p, "\x00"))-1)] ^= 1 }, // the last one in use
			"another page": func(p []byte) { copy(p, clean[(n+1)*size%len(clean):][:size]) },
		} {
			b := bytes.Clone(clean)
			damage(b[n*size : (n+1)*size])
			if bytes.Equal(b, clean) {
				continue
			}
			if err := os.WriteFile(files[0], b, 0o600); err != nil {
				t.Fatal(err)
			}
			if d.look(fmt.Sprintf("page %d, %s", n, name), pin, 2*pairs) {
				partly++
			}
		}
	}
	if partly == 0 || d.named == 0 || d.alike == 0 {
		t.Errorf("a part of the objects was listed %d times, %d damaged ones told by their names, %d by those of others", partly, d.named, d.alike)
	}
}

func fill(p []byte, r *rand.Rand) {
	for i := range p {
		p[i] = byte(r.Uint32())
	}
}

// look looks at a damaged token, and reports whether some of its objects are listed and others are not.
func (d *desk) look(what, pin string, objects int) bool {
	d.t.Helper()
	code, out, said := d.run("token", "check", "--pin-file", pin, "--json")
	var rows []checkRow
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) != 1 {
		d.t.Fatalf("%s: token check has no table: %v\n%s%s", what, err, out, said)
	}
	sound := len(rows[0].Faults) == 0
	if code != 0 && code != exitDamaged || sound != (code == 0) || strings.Contains(said, "softcsp token check") {
		d.t.Errorf("%s: token check, %d faults: exit code %d\n%s", what, len(rows[0].Faults), code, said)
	}
	for _, o := range rows[0].Damaged {
		if o.Class != "" {
			d.named++
		}
		if o.Like != "" {
			d.alike++
		}
	}
	for _, args := range [][]string{{"token", "list"}, {"token", "show", "lab", "--pin-file", pin}} {
		code, out, said := d.run(args...)
		login := code == exitPIN && args[1] == "show" // the PIN's own page may be the one
		if code != 0 && code != exitDamaged && !login && rows[0].Label != "" || sound && code != 0 {
			d.t.Errorf("%s: %v: exit code %d\n%s%s", what, args, code, out, said)
		}
	}
	code, out, said = d.run("key", "list", "--pin-file", pin, "--json")
	var list []objectRow
	if code == 0 || code == exitDamaged && out != "" {
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			d.t.Errorf("%s: key list: %v\n%s%s", what, err, out, said)
		}
	}
	named := strings.Count(said, "\n  object ")
	switch {
	case code == 0 && len(list) != objects, sound && code != 0, code != 0 && code != exitDamaged && code != exitPIN:
		d.t.Errorf("%s: key list shows %d of %d objects: exit code %d\n%s", what, len(list), objects, code, said)
	case code == exitDamaged && len(list) > 0 && len(list)+named < objects: // what has lost its name is named by a new one, too
		d.t.Errorf("%s: key list shows %d objects and names %d, of %d\n%s", what, len(list), named, objects, said)
	}
	return code == exitDamaged && len(list) > 0
}
