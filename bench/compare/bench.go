package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	ours  = "softcsp"
	peer  = "SoftHSM2"
	third = "NSS"

	pin = "12345678"

	// derived is what CryptDeriveKey gives for 128 bits of RC2 from MD5 of "apple-camshaft": the MD5 value.
	derived = "16:b5dcb3b0488c0d08b7fd7386b1a90df5"
)

// A module is a library under the stopwatch, with the label of its tokens.
type module struct{ name, path, label string }

// A sample is one round of one operation, in nanoseconds; rates are calls a second.
type sample struct{ least, median float64 }

// A series names what was measured: whose, what, and with how many keys in the token, 0 where that is no matter.
type series struct {
	module, op string
	keys       int
}

type results map[series][]sample

type bench struct {
	plan
	ctx            context.Context
	stopwatch, dir string
	results        results
	gave           map[string]string // what operations gave, by name
	peerMany       int               // keys that SoftHSM2 got instead of many
	counted        int               // keys or objects that the last call made
	third          bool              // NSS is here
}

// tokenDir returns the directory of one token, which is one module's.
func (b *bench) tokenDir(m *module, name string) string { return filepath.Join(b.dir, m.name+"-"+name) }

// environment is the caller's, without what would lead softcsp elsewhere.
func (b *bench) environment(m *module, name string) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SOFTCSP_") })
	dir := b.tokenDir(m, name)
	if m.name == third {
		env = append(env, fmt.Sprintf("MODULE_PARAMETERS=configdir='sql:%s' certPrefix='' keyPrefix='' secmod='secmod.db' flags=", filepath.Join(dir, "tokens")))
	}
	return append(env, "SOFTCSP_CONF="+filepath.Join(dir, "softcsp.toml"), "SOFTHSM2_CONF="+filepath.Join(dir, "softhsm2.conf"))
}

// setup makes a token for a module. settings are softcsp's.
func (b *bench) setup(m *module, name, settings string) error {
	if err := b.configure(m, name, settings); err != nil {
		return err
	}
	return b.call(m, name, 0, "setup")
}

// configure writes the settings of a module.
func (b *bench) configure(m *module, name, settings string) error {
	dir := b.tokenDir(m, name)
	if err := os.MkdirAll(filepath.Join(dir, "tokens"), 0o700); err != nil {
		return err
	}
	files := map[string]string{
		"softhsm2.conf": "directories.tokendir = " + filepath.Join(dir, "tokens") + "\nobjectstore.backend = file\nlog.level = ERROR\n",
		"softcsp.toml":  "tokendir = '" + filepath.Join(dir, "tokens") + "'\n" + settings,
	}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// call runs a command of the stopwatch once and files what it prints.
func (b *bench) call(m *module, name string, keys int, command string, args ...string) error {
	cmd := exec.CommandContext(b.ctx, b.stopwatch, append([]string{m.path, command, m.label, pin}, args...)...)
	cmd.Env = b.environment(m, name)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %s: %w: %s", m.name, command, err, strings.TrimSpace(stderr.String()))
	}
	for line := range strings.Lines(string(out)) {
		if err := b.file(m, keys, strings.Fields(line)); err != nil {
			return fmt.Errorf("%s: %s: %w", m.name, strings.TrimSpace(line), err)
		}
	}
	return nil
}

// file keeps one line of the stopwatch. The words are explained in bench.c.
func (b *bench) file(m *module, keys int, words []string) error {
	if len(words) < 2 {
		return fmt.Errorf("not a line of the stopwatch")
	}
	s := series{m.name, words[1], keys}
	switch {
	case words[0] == "time" && len(words) == 5:
		least, err1 := strconv.ParseFloat(words[2], 64)
		median, err2 := strconv.ParseFloat(words[3], 64)
		if err1 != nil || err2 != nil {
			return fmt.Errorf("not a number")
		}
		b.results[s] = append(b.results[s], sample{least, median})
	case slices.Contains([]string{"rate", "span", "memory", "contents"}, words[0]) && len(words) == 3:
		v, err := strconv.ParseFloat(words[2], 64)
		if err != nil {
			return err
		}
		b.results[s] = append(b.results[s], sample{v, v})
	case words[0] == "result" && len(words) == 3:
		return b.agree(words[1], words[2])
	case words[0] == "count":
		n, err := strconv.Atoi(words[1])
		b.counted = n
		return err
	case words[0] == "none" && m.name == ours:
		return fmt.Errorf("a mechanism is missing")
	case words[0] != "none":
		return fmt.Errorf("not a line of the stopwatch")
	}
	return nil
}

// agree compares a result with the known answer, where there is one, and with every other of the same operation.
func (b *bench) agree(op, got string) error {
	if b.gave == nil {
		b.gave = map[string]string{"derive-base": derived, "derive-digest": derived}
	}
	if want, ok := b.gave[op]; ok && got != want {
		return fmt.Errorf("wrong result, want %s", want)
	}
	b.gave[op] = got
	return nil
}

// budget is the time of one operation in one round.
func (b *bench) budget() string { return seconds(b.seconds) }

func seconds(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// operations times what does not depend on the number of keys: of one thread, and of several together.
func (b *bench) operations(modules []*module) error {
	keys := filepath.Join(b.dir, "keys")
	templates, err := pairs()
	if err != nil {
		return err
	}
	if err := os.WriteFile(keys, []byte(text(templates)), 0o600); err != nil {
		return err
	}
	for _, m := range modules {
		if err := b.setup(m, "operations", ""); err != nil {
			return err
		}
	}
	for i := range max(b.rounds, b.togetherRounds) {
		for _, m := range modules {
			if i < b.rounds {
				if err := b.call(m, "operations", 0, "time", keys, b.budget()); err != nil {
					return err
				}
			}
			if i < b.togetherRounds {
				if err := b.call(m, "operations", 0, "together", keys, seconds(b.togetherSeconds)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// scale times what may depend on it.
func (b *bench) scale(modules []*module) error {
	for _, keys := range b.keys {
		for _, m := range modules {
			if err := b.fill(m, keys); err != nil {
				return err
			}
		}
	}
	for i := range b.coldRounds {
		by := []string{"label", "id"}
		if i%2 == 1 {
			slices.Reverse(by)
		}
		for _, how := range by {
			for _, keys := range b.keys {
				for _, m := range modules {
					if err := b.cold(m, keys, how); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// fill makes the keys of one token. Here softcsp does not wait for the disk, which is no matter for what is measured then,
// and a PIN costs it the least. SoftHSM2 never waits for the disk; but it becomes slower with each key, and so gets fewer.
func (b *bench) fill(m *module, keys int) error {
	name := "keys-" + strconv.Itoa(keys)
	if err := b.setup(m, name, "kdf = 'test'\ndurability = 'relaxed'\n"); err != nil {
		return err
	}
	n, limit := keys, 600.0
	if m.name == peer {
		n, limit = min(keys, b.peerKeys), b.peerFillLimit
	}
	err := b.call(m, name, keys, "fill", strconv.Itoa(n), seconds(limit))
	if m.name == peer {
		b.peerMany = max(b.peerMany, b.counted)
	}
	return err
}

// cold runs one process from its first call to its first result. Its steps are filed under how the key was found.
func (b *bench) cold(m *module, keys int, how string) error {
	n := keys
	if m.name == peer && keys == b.keys[1] {
		n = b.peerMany
	}
	before := b.results
	b.results = make(results)
	err := b.call(m, "keys-"+strconv.Itoa(keys), keys, "cold", how, strconv.Itoa(n), b.budget())
	for s, v := range b.results {
		if strings.HasPrefix(s.op, "find") {
			s.op += "-" + how
		}
		before[s] = append(before[s], v...)
	}
	b.results = before
	return err
}
