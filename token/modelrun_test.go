package token

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// A scenario is where an exploration begins: what keys there are, and which calls are tried. The victim's bytes are from 0x80 on.
type scenario struct {
	name  string
	setup []string // for conformance, in the order of keys
	keys  func(t *testing.T, m *model, s *modelState)
	calls []func(*model, *modelState) []*modelState
	depth int
	away  bool
	// always says that what it looks for is kept in standard tokens too.
	always bool
	// needs are the rules without each of which there is an attack.
	needs []string
}

// tagged is a value whose bytes nobody knows.
func tagged(from byte, n int) []byte {
	v := make([]byte, n)
	for i := range v {
		v[i] = from + byte(i)
	}
	return v
}

// put adds a key that was generated or imported.
func (m *model) put(t *testing.T, s *modelState, name string, how createdBy, value []byte, pairs ...any) {
	t.Helper()
	r := &request{how: how, template: with(rows(ck.CKA_VALUE_LEN, len(value)), pairs...), isSO: true,
		fixed: rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_AES, ck.CKA_VALUE, value)}
	if how == byCreate {
		r.template, r.fixed = append(r.fixed, r.template[1:]...), nil
	}
	o := m.made(r)
	if o == nil {
		t.Fatalf("the model cannot make %s", name)
	}
	s.add(modelKey{name: name, o: o}, -1)
}

// Keys of the scenarios: a victim that may be wrapped, one that may not leave, wrapping keys, and a key whose value is known.
const (
	genVictim = "C_GenerateKey s CKM_AES_KEY_GEN {CKA_VALUE_LEN=16,CKA_SENSITIVE=true,CKA_EXTRACTABLE=true,CKA_DERIVE=%v} &k"
	genNever  = "C_GenerateKey s CKM_AES_KEY_GEN {CKA_VALUE_LEN=16,CKA_SENSITIVE=%v,CKA_EXTRACTABLE=false} &k"
	genWrap   = "C_GenerateKey s CKM_AES_KEY_GEN {CKA_VALUE_LEN=16,CKA_SENSITIVE=true,CKA_EXTRACTABLE=%v,CKA_DERIVE=true} &%s"
	known     = "C_CreateObject s {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_VALUE=rep:16:07,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true,CKA_WRAP=%[1]v,CKA_UNWRAP=%[1]v,CKA_MODIFIABLE=%[1]v,CKA_COPYABLE=%[1]v,CKA_DERIVE=true} &r"
)

func (m *model) victim(t *testing.T, s *modelState, derive bool) {
	m.put(t, s, "k", byGenerate, tagged(0x80, 16), ck.CKA_SENSITIVE, true, ck.CKA_EXTRACTABLE, true, ck.CKA_DERIVE, derive)
}

func (m *model) wrapper(t *testing.T, s *modelState, name string, from byte, extractable bool) {
	m.put(t, s, name, byGenerate, tagged(from, 16), ck.CKA_SENSITIVE, true, ck.CKA_EXTRACTABLE, extractable, ck.CKA_DERIVE, true)
}

func (m *model) public(t *testing.T, s *modelState, wraps bool) {
	m.put(t, s, "r", byCreate, bytes.Repeat([]byte{7}, 16), ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true, ck.CKA_WRAP, wraps, ck.CKA_UNWRAP, wraps, ck.CKA_DERIVE, true,
		ck.CKA_MODIFIABLE, wraps, ck.CKA_COPYABLE, wraps)
}

// halves adds both halves of a pair.
func (m *model) halves(t *testing.T, s *modelState) {
	half := func(class ck.ObjectClass) *Object {
		template := rows(ck.CKA_CLASS, class, ck.CKA_KEY_TYPE, ck.CKK_RSA)
		return m.made(&request{how: byCreate, template: append(template, pairValues(t, tables[objectType{class, uint(ck.CKK_RSA)}])...)})
	}
	pub, priv, shared := half(ck.CKO_PUBLIC_KEY), half(ck.CKO_PRIVATE_KEY), len(s.roles)
	if pub == nil || priv == nil {
		t.Fatal("the model cannot make a pair")
	}
	s.add(modelKey{name: "pub", o: pub, pair: "pair"}, -1)
	s.add(modelKey{name: "priv", o: priv, pair: "pair"}, shared)
}

var scenarios = []scenario{
	{
		name: "a key that may not leave, and keys whose value is known", always: true, depth: 3,
		setup: []string{fmt.Sprintf(genNever, false), fmt.Sprintf(known, true)},
		keys: func(t *testing.T, m *model, s *modelState) {
			m.put(t, s, "k", byGenerate, tagged(0x80, 16), ck.CKA_EXTRACTABLE, false)
			m.public(t, s, true)
		},
		calls: []func(*model, *modelState) []*modelState{changeCalls, joinCalls, wrapCalls, unwrapCalls},
		needs: []string{"pieces", "types", "inherit"},
	},
	{
		name: "parts of a key that may not leave", always: true, depth: 4,
		setup: []string{strings.Replace(fmt.Sprintf(genNever, true), "{", "{CKA_DERIVE=true,", 1)},
		keys: func(t *testing.T, m *model, s *modelState) {
			m.put(t, s, "k", byGenerate, tagged(0x80, 16), ck.CKA_SENSITIVE, true, ck.CKA_EXTRACTABLE, false, ck.CKA_DERIVE, true)
		},
		calls: []func(*model, *modelState) []*modelState{joinCalls},
		needs: []string{"pieces", "types", "inherit"},
	},
	{
		name: "a sensitive key, a wrapping key, and a key that is known", depth: 4,
		setup: []string{fmt.Sprintf(genVictim, false), fmt.Sprintf(genWrap, false, "w"), fmt.Sprintf(known, false)},
		keys: func(t *testing.T, m *model, s *modelState) {
			m.victim(t, s, false)
			m.wrapper(t, s, "w", 0xa0, false)
			m.public(t, s, false)
		},
		calls: []func(*model, *modelState) []*modelState{wrapCalls, cipherCalls, unwrapCalls, changeCalls},
		needs: []string{"roles", "seals"},
	},
	{
		name: "a sensitive key that may be derived from", depth: 3,
		setup: []string{fmt.Sprintf(genVictim, true), fmt.Sprintf(genWrap, false, "w")},
		keys: func(t *testing.T, m *model, s *modelState) {
			m.victim(t, s, true)
			m.wrapper(t, s, "w", 0xa0, false)
		},
		calls: []func(*model, *modelState) []*modelState{wrapCalls, unwrapCalls, joinCalls},
		needs: []string{"pieces", "inherit"},
	},
	{
		name: "a wrapping key that may leave, and another process", depth: 5, away: true,
		setup: []string{fmt.Sprintf(genVictim, false), fmt.Sprintf(genWrap, true, "w"), fmt.Sprintf(genWrap, false, "v")},
		keys: func(t *testing.T, m *model, s *modelState) {
			m.victim(t, s, false)
			m.wrapper(t, s, "w", 0xa0, true)
			m.wrapper(t, s, "v", 0xc0, false)
		},
		calls: []func(*model, *modelState) []*modelState{wrapCalls, unwrapCalls, cipherCalls},
		needs: []string{"inside", "roles"},
	},
	{
		name: "a key for trusted wrapping keys alone, and a wrapping key that is known", depth: 4,
		setup: []string{strings.Replace(fmt.Sprintf(genVictim, true), "{", "{CKA_WRAP_WITH_TRUSTED=true,", 1), "trusted w", fmt.Sprintf(known, true)},
		keys: func(t *testing.T, m *model, s *modelState) {
			m.put(t, s, "k", byGenerate, tagged(0x80, 16), ck.CKA_SENSITIVE, true, ck.CKA_EXTRACTABLE, true, ck.CKA_WRAP_WITH_TRUSTED, true, ck.CKA_DERIVE, true)
			m.put(t, s, "w", byGenerate, tagged(0xa0, 16), ck.CKA_SENSITIVE, true, ck.CKA_TRUSTED, true)
			m.public(t, s, true)
		},
		calls: []func(*model, *modelState) []*modelState{wrapCalls, unwrapCalls, changeCalls},
		needs: []string{"opens", "seals"},
	},
	{
		name: "a key for trusted wrapping keys alone, and derivations", depth: 3,
		setup: []string{strings.Replace(fmt.Sprintf(genVictim, true), "{", "{CKA_WRAP_WITH_TRUSTED=true,", 1), fmt.Sprintf(known, true)},
		keys: func(t *testing.T, m *model, s *modelState) {
			m.put(t, s, "k", byGenerate, tagged(0x80, 16), ck.CKA_SENSITIVE, true, ck.CKA_EXTRACTABLE, true, ck.CKA_WRAP_WITH_TRUSTED, true, ck.CKA_DERIVE, true)
			m.public(t, s, true)
		},
		calls: []func(*model, *modelState) []*modelState{wrapCalls, joinCalls},
		needs: []string{"inherit", "pieces"},
	},
	{
		name: "a pair that wraps", depth: 4,
		setup: []string{fmt.Sprintf(genVictim, false), "C_GenerateKeyPair s CKM_RSA_PKCS_KEY_PAIR_GEN {CKA_MODULUS_BITS=1024} {} &pub &priv"},
		keys: func(t *testing.T, m *model, s *modelState) {
			m.victim(t, s, false)
			m.halves(t, s)
		},
		calls: []func(*model, *modelState) []*modelState{wrapCalls, unwrapCalls, cipherCalls, changeCalls},
		needs: []string{"roles"},
	},
}

// run explores a scenario.
func (c *scenario) run(t *testing.T, strict bool, off string) (*modelState, int) {
	t.Helper()
	m := &model{t: t, strict: strict, off: off, calls: c.calls, ways: algebras(t), away: c.away}
	s := &modelState{}
	c.keys(t, m, s)
	return m.explore(s, c.depth)
}

// TestModelFinds wants the model to find every kind of attack in a standard token that it knows of.
func TestModelFinds(t *testing.T) {
	t.Parallel()
	kinds := map[string]bool{}
	for _, c := range scenarios {
		m := &model{t: t, calls: c.calls, ways: algebras(t), away: c.away, kinds: kinds}
		s := &modelState{}
		c.keys(t, m, s)
		m.explore(s, min(c.depth, 3))
	}
	for _, k := range []string{"read x", "guess x", "take apart x", "decrypt", "add the key stream", "decapsulate", "sign with the bare function", "sign two blocks", "decrypt what a known key wraps"} {
		if !kinds[k] {
			t.Errorf("%q is not found", k)
		}
	}
	t.Log(kinds)
}

// walk returns calls that are permitted, one after another, chosen by a number.
func (c *scenario) walk(t *testing.T, strict bool, seed int) *modelState {
	t.Helper()
	m := &model{t: t, strict: strict, calls: c.calls, ways: algebras(t)}
	s := &modelState{}
	c.keys(t, m, s)
	for range 6 {
		var next []*modelState
		for _, call := range m.calls {
			next = append(next, call(m, s)...)
		}
		if len(next) == 0 {
			break
		}
		seed = (seed*1103515245 + 12345) & 0x7fffffff
		s = next[(seed>>8)%len(next)]
	}
	return s
}

// TestModel finds no way to a key while all rules are in force, and one where any of those that a scenario needs is left out. What
// it finds stands in testdata/attacks.txt, for conformance to try on the library.
func TestModel(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, c := range scenarios {
		settings := []bool{true}
		if c.always {
			settings = append(settings, false)
		}
		for _, strict := range settings {
			found, states := c.run(t, strict, "")
			if found != nil {
				t.Errorf("%s, strict %v: %s:\n%s", c.name, strict, found.attack, strings.Join(found.log, "\n"))
			}
			t.Logf("%s, strict %v: %d states", c.name, strict, states)
		}
		if !c.always {
			found, _ := c.run(t, false, "")
			if found == nil {
				t.Errorf("%s: no attack in a standard token", c.name)
				continue
			}
			c.write(&out, "standard", found)
		}
		for _, rule := range c.needs {
			found, _ := c.run(t, true, rule)
			if found == nil {
				t.Errorf("%s: no attack without the rule %q", c.name, rule)
				continue
			}
			c.write(&out, rule, found)
		}
	}
	written(t, "testdata/attacks.txt", out.String())
}

// TestModelWalks writes sequences of calls that are permitted, for conformance to see that the library permits them as well.
func TestModelWalks(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, c := range scenarios {
		for seed := range 4 {
			s := c.walk(t, true, seed)
			fmt.Fprintf(&out, "# %s\n%s\n\n", c.name, strings.Join(append(slices.Clip(c.setup), s.log...), "\n"))
		}
	}
	written(t, "testdata/walks.txt", out.String())
}

// written wants a text to stand in a file.
func written(t *testing.T, file, text string) {
	t.Helper()
	if *update {
		must(t, os.WriteFile(file, []byte(text), 0o644))
	}
	if is, err := os.ReadFile(file); err != nil || string(is) != text {
		t.Errorf("what the model finds is not what stands in %s (-update writes it anew): %v", file, err)
	}
}

// write writes an attack as a script.
func (c *scenario) write(out *strings.Builder, rule string, found *modelState) {
	kept := ""
	if c.always {
		kept = ", always"
	}
	fmt.Fprintf(out, "# %s: without %s, %s%s\n", c.name, rule, found.attack, kept)
	for _, l := range append(slices.Clip(c.setup), found.log...) {
		fmt.Fprintln(out, l)
	}
	if name, reads := strings.CutPrefix(found.attack, "read "); reads {
		fmt.Fprintf(out, "C_GetAttributeValue s %s {CKA_VALUE=?64}\n", name)
	}
	fmt.Fprintln(out)
}
