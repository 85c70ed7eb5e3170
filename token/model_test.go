package token

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// A model of what an application with the user's PIN can do with keys, after M. Bortolozzo, M. Centenaro, R. Focardi and G. Steel,
// "Attacking and Fixing PKCS#11 Security Tokens", CCS 2010. It tries all sequences of calls up to a length and looks for one that gives
// a byte of a key that is to stay secret. The objects are the token's, made by build, changed and protectLike, and derivations are the rows of the
// table; what is left out is sessions, the store and the arithmetic of ciphers, of which the model knows what modelalgebra_test.go
// finds out about each row. Whether a call is permitted is asked of the functions that the token itself asks.

// Bytes of a value from secretByte on are bytes that nobody knows, each of them different.
const secretByte = 0x80

// A modelKey is a key in a state.
type modelKey struct {
	name string
	o    *Object
	pair string // of halves of a pair
	cell int    // where its role is, which copies share
	away bool   // it is in another process
	dead bool
}

func (k *modelKey) identity() string {
	if k.pair != "" {
		return k.pair
	}
	return string(k.o.mechanismKey.Value)
}

// A modelBlob is a wrapped key.
type modelBlob struct {
	name, with string // with is the identity of the wrapping key
	by         *algebra
	content    string
}

// A modelState is what there is after some calls.
type modelState struct {
	keys    []modelKey
	roles   []role
	blobs   []modelBlob
	streams map[string]bool // the keys whose cipher is known at the counters that wrapping uses
	begun   map[string]bool // the keys with which an operation that decrypts is in progress
	log     []string
	attack  string // how a secret came out
}

func (s *modelState) clone(line string, args ...any) *modelState {
	n := &modelState{keys: slices.Clone(s.keys), roles: slices.Clone(s.roles), blobs: slices.Clip(s.blobs), streams: s.streams, begun: s.begun}
	n.log = append(slices.Clip(s.log), fmt.Sprintf(line, args...))
	return n
}

// name is the name of what the next call makes.
func (s *modelState) name() string { return fmt.Sprintf("x%d", len(s.log)) }

// has returns a set with one more.
func has(set map[string]bool, what string) map[string]bool {
	n := map[string]bool{what: true}
	for k := range set {
		n[k] = true
	}
	return n
}

// learns notes that bytes have become known.
func (s *modelState) learns(content, how string) {
	if s.attack == "" && strings.ContainsFunc(latin(content), func(r rune) bool { return r >= secretByte }) {
		s.attack = how
	}
}

// latin makes a rune of each byte.
func latin(b string) string {
	var out strings.Builder
	for i := range len(b) {
		out.WriteRune(rune(b[i]))
	}
	return out.String()
}

// canonical is a state without the names and the order in which things came to be.
func (s *modelState) canonical() string {
	var parts []string
	for i := range s.keys {
		k := &s.keys[i]
		if !k.dead {
			known := k.o.protection().knownBytes
			parts = append(parts, fmt.Sprintf("k%x %s %x %v %v %d %v %d %x", k.o.bools, k.pair, k.o.mechanismKey.Value, k.o.table.class, k.o.table.subtype, s.roles[k.cell], k.away, known,
				k.o.bytes(ck.CKA_ALLOWED_MECHANISMS)))
		}
	}
	for _, b := range s.blobs {
		parts = append(parts, fmt.Sprintf("b%x %v %x", b.with, b.by.row.Type, b.content))
	}
	for k := range s.streams {
		parts = append(parts, "s"+k)
	}
	for k := range s.begun {
		parts = append(parts, "d"+k)
	}
	slices.Sort(parts)
	return strings.Join(slices.Compact(parts), "\n")
}

// A model is the rules that are in force and the calls that are tried.
type model struct {
	t      testing.TB
	strict bool
	off    string // the rule that is left out
	calls  []func(*model, *modelState) []*modelState
	ways   []*algebra      // to wrap
	away   bool            // there is another process, too
	kinds  map[string]bool // the ways in which secrets came out, where all are looked for
}

// allowed reports whether a call is permitted, given what a rule says of it. The rule that is left out says nothing.
func (m *model) allowed(err error, rule string) bool {
	return err == nil || rule != "" && rule == m.off
}

// assume is session.takeRole.
func (m *model) assume(s *modelState, i int, u keyUse) bool {
	k := &s.keys[i]
	if !m.strict || m.off == "roles" || k.o.isExempt() {
		return true
	}
	need, has := u.neededRole(), s.roles[k.cell]
	next, err := has.afterUse(need)
	if err != nil || next == has {
		return err == nil
	}
	if need == notWrapping && !mayEverWrap(k.o.class(), k.o.keyType(), k.o.flag(ck.CKA_WRAP), k.o.stayedInside()) {
		s.roles[k.cell] = notWrapping
		return true
	}
	for j := range s.keys {
		other := &s.keys[j]
		if other.dead || other.away != k.away || other.identity() != k.identity() {
			continue
		}
		if need >= wrapping && other.o.class() == ck.CKO_PRIVATE_KEY && !m.allowed(outsideOf(other.o), "inside") {
			return false
		}
		next, err := s.roles[other.cell].afterUse(need)
		if err != nil {
			return false
		}
		s.roles[other.cell] = next
	}
	return true
}

func outsideOf(o *Object) error {
	if !o.stayedInside() {
		return errMayHaveLeft
	}
	return nil
}

// protection returns what protects a key, with its role in the state.
func (s *modelState) protection(i int) protection {
	k := &s.keys[i]
	k.o.role.Store(uint32(s.roles[k.cell]))
	return k.o.protection()
}

// add adds a key to a state. It has a role of its own unless cell says with which it shares one.
func (s *modelState) add(k modelKey, cell int) {
	if cell < 0 {
		cell = len(s.roles)
		s.roles = append(s.roles, k.o.recordedRole())
	}
	k.cell = cell
	s.keys = append(s.keys, k)
	s.judge(&k)
}

// judge looks whether a key gives itself away: where so few of its bytes are unknown that they can be found by trying, or where it is
// of a type that lets them be found apart.
func (s *modelState) judge(k *modelKey) {
	value := string(k.o.mechanismKey.Value)
	if k.o.class() != ck.CKO_SECRET_KEY {
		return
	}
	seen := map[byte]bool{}
	for i := range len(value) {
		if value[i] >= secretByte {
			seen[value[i]] = true
		}
	}
	joined := len(seen) < len(value)
	switch {
	case len(seen) == 0:
	case !k.o.isConcealed():
		s.learns(value, "read "+k.name)
	case len(seen) < guessable:
		s.learns(value, "guess "+k.name)
	case joined && (k.o.keyType() == ck.CKK_RC4 || k.o.keyType() == ck.CKK_DES3):
		s.learns(value, "take apart "+k.name)
	}
}

// explore looks for an attack of at most so many calls, a shortest one. It returns nil where there is none.
func (m *model) explore(start *modelState, depth int) (found *modelState, states int) {
	seen := map[string]bool{start.canonical(): true}
	level := []*modelState{start}
	for range depth {
		var next []*modelState
		for _, s := range level {
			for _, call := range m.calls {
				for _, n := range call(m, s) {
					if n.attack != "" && m.kinds == nil {
						return n, len(seen)
					}
					if n.attack != "" {
						m.kinds[strings.TrimRight(n.attack, "0123456789")] = true
						continue
					}
					if f := n.canonical(); !seen[f] {
						seen[f] = true
						next = append(next, n)
					}
				}
			}
		}
		level = next
	}
	return nil, len(seen)
}

// made makes an object. What cannot be made is nil.
func (m *model) made(r *request) *Object {
	r.strict = m.strict
	o, err := build(r)
	if err != nil {
		return nil
	}
	return o
}

// derivationOf is a call of a row that hands on bytes.
func derivationOf(row *mechanisms.Mechanism, base, other *Object, p *ck.Mechanism, template []ck.Attribute) (*derivation, error) {
	d := &derivation{row: row}
	d.base = mechanisms.Base{Key: base.key(), Template: template, Lookup: func(ck.ObjectHandle) (*mechanisms.Key, error) {
		if other == nil {
			return nil, errors.New("no other")
		}
		d.others = append(d.others, other)
		return other.key(), nil
	}}
	return d, row.Derive(&d.base, &p.Param, &d.out)
}

// heirOf makes the object of a derivation, as makeDerived does.
func (m *model) heirOf(d *derivation, base *Object, template []ck.Attribute) *Object {
	r := madeFrom(base, &request{how: byDerive, template: template, fixed: d.fixedAttributes(), historyOfAny: d.row.HistoryOfAnyKey, others: d.others,
		takesKeyBytes: len(d.out.Taken) > 0 || d.out.Inherits, strict: m.strict})
	s := &session{strict: m.strict}
	err := s.checkInheritance(r, d.row, d)
	if !m.allowed(err, map[ck.RV]string{ck.CKR_KEY_SIZE_RANGE: "pieces", ck.CKR_TEMPLATE_INCONSISTENT: "types"}[ck.Code(err)]) {
		return nil
	}
	r.inherits = r.inherits && m.off != "inherit"
	return m.made(r)
}
