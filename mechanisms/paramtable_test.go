package mechanisms

import (
	"bytes"
	"flag"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// The parameters of mechanisms against the table of parameters (internal/gen/types.txt, parameters.txt). In all tests of this package
// the functions of the rows see a copy of their parameter, in which everything that the table knows stands between guard
// bytes: what they read has to be in the table, what they write has to be called written there, and when they have returned the
// copy is overwritten, so that what they kept of it shows in the results.

// TestMain runs the tests over watched rows, and in a whole run sees that each mechanism with a parameter came by.
func TestMain(m *testing.M) {
	flag.Parse()
	benchmarks := flag.Lookup("test.bench").Value.String() != ""
	if !benchmarks {
		for i := range table {
			watchRow(&table[i])
		}
	}
	code := m.Run()
	if code == 0 && !watched.good(!benchmarks && allTestsRun()) {
		code = 1
	}
	os.Exit(code)
}

// allTestsRun says whether the flags leave no test out.
func allTestsRun() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz"} {
		if flag.Lookup(name).Value.String() != "" {
			return false
		}
	}
	return flag.Lookup("test.count").Value.String() != "0" && !testing.Short()
}

// TestParametersAreKnown sees that each row stands in the table of parameters.
func TestParametersAreKnown(t *testing.T) {
	t.Parallel()
	for _, m := range Types() {
		if _, _, known := ck.ParameterOf(m, ck.C_DeriveKey); !known {
			t.Error(notInParameters(m))
		}
	}
}

// watched is what the watchers of a run have seen.
var watched = watchLog{seen: make(map[paramForm]bool), wrong: make(map[string]bool)}

// A paramForm is a structure that a mechanism takes.
type paramForm struct {
	m    ck.MechanismType
	name string
}

type watchLog struct {
	mu    sync.Mutex
	seen  map[paramForm]bool
	wrong map[string]bool
}

func (l *watchLog) report(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong[fmt.Sprintf(format, args...)] = true
}

// good prints what was wrong, and which mechanisms have not been seen to take a parameter of the table.
func (l *watchLog) good(all bool) bool {
	for i := 0; all && i < len(table); i++ {
		for _, f := range []ck.Function{ck.C_EncryptInit, ck.C_WrapKey, ck.C_DeriveKey, ck.C_EncryptMessage} {
			forms, _, _ := ck.ParameterOf(table[i].Type, f)
			for _, form := range forms {
				if !l.seen[paramForm{table[i].Type, form.Name}] {
					l.report("no test ran %v with a %s that it takes, as internal/gen/parameters.txt says it does", table[i].Type, form.Name)
				}
			}
		}
	}
	for text := range l.wrong {
		fmt.Println("parameters:", text)
	}
	return len(l.wrong) == 0
}

const guardLen = 16 // bytes before and behind each region

// A region is memory of a parameter, and its copy between guard bytes.
type region struct {
	addr      uint64
	n         int
	name      string
	original  []byte
	guarded   []byte // with the guards
	overwrite bool   // all of it is the function's to write
}

func (r *region) inner() []byte { return r.guarded[guardLen : guardLen+r.n] }

// has says whether the region holds n bytes at an address.
func (r *region) has(addr uint64, n int) bool {
	return addr >= r.addr && addr+uint64(n) <= r.addr+uint64(r.n)
}

// A watcher watches one call of a column.
type watcher struct {
	m       ck.MechanismType
	form    *ck.Structure
	regions []*region
	written []region // fields that the function may write
}

// watch returns a copy of a parameter to be watched; the parameter itself and nil where the table cannot tell what there is in it.
func watch(m ck.MechanismType, p *ck.Param, f ck.Function) (*ck.Param, *watcher) {
	forms, _, _ := ck.ParameterOf(m, f)
	if len(forms) == 0 || !p.Present() {
		return p, nil
	}
	for _, form := range forms {
		w := &watcher{m: m, form: form}
		if w.copies(p) {
			q := ck.NewParam(w.regions[0].inner(), w.follow)
			return &q, w
		}
	}
	return p, nil
}

// copies copies all that a parameter has and leads to, if it is as the table says.
func (w *watcher) copies(p *ck.Param) bool {
	if w.form.Size != 0 && int(w.form.Size) != p.Len() {
		return false
	}
	q := *p
	w.add(0, "the structure", q.Rest(), false)
	err := w.form.Walk(p, func(p *ck.Place) {
		switch {
		case p.Field.Pointer && len(p.Target) > 0:
			w.add(p.Address, p.Path, p.Target, p.Field.Written && !p.Field.Read)
			if p.Field.Written {
				w.written = append(w.written, region{addr: p.Address, n: len(p.Target)})
			}
		case p.Field.Written && !p.Field.Pointer:
			w.written = append(w.written, region{addr: p.At, n: len(p.Value)})
		}
	})
	return err == nil
}

func (w *watcher) add(addr uint64, name string, original []byte, fresh bool) {
	if slices.ContainsFunc(w.regions, func(r *region) bool { return r.has(addr, len(original)) && r.addr == addr }) {
		return // two pointers to one place
	}
	r := &region{addr: addr, n: len(original), name: name, original: original, overwrite: fresh}
	r.guarded = slices.Concat(bytes.Repeat([]byte{0xdb}, guardLen), original, bytes.Repeat([]byte{0xdb}, guardLen))
	if fresh { // what is there is not to be read
		copy(r.inner(), bytes.Repeat([]byte{0xa5}, r.n))
	}
	w.regions = append(w.regions, r)
}

func (w *watcher) follow(addr uint64, n uint) []byte {
	for _, r := range w.regions[1:] {
		if r.has(addr, int(n)) {
			return r.inner()[addr-r.addr:][:n] // with what comes after it within reach
		}
	}
	if n >= 1<<30 { // what a wrong length asks for, of a parameter that is refused
		return nil
	}
	watched.report("%v: reads %d bytes that %s does not have in the table", w.m, n, w.form.Name)
	return nil
}

// end looks at what the function has done, gives the caller's memory what it wrote, and spoils the copy.
func (w *watcher) end(err error, targets ...*[]byte) {
	if w == nil {
		return
	}
	watched.mu.Lock()
	if err == nil {
		watched.seen[paramForm{w.m, w.form.Name}] = true
	}
	watched.mu.Unlock()
	for _, to := range targets {
		w.redirect(to)
	}
	for _, r := range w.regions {
		w.compare(r)
		for i := range r.guarded {
			r.guarded[i] = 0x5a
		}
	}
}

// compare looks for bytes of a region that were written and are not in the table.
func (w *watcher) compare(r *region) {
	want := slices.Concat(bytes.Repeat([]byte{0xdb}, guardLen), r.original, bytes.Repeat([]byte{0xdb}, guardLen))
	if r.overwrite {
		copy(want[guardLen:], bytes.Repeat([]byte{0xa5}, r.n))
	}
	for i := range want {
		at := r.addr + uint64(i-guardLen)
		switch {
		case want[i] == r.guarded[i]:
		case i >= guardLen && i < guardLen+r.n && slices.ContainsFunc(w.written, func(f region) bool { return f.has(at, 1) }):
			r.original[i-guardLen] = r.guarded[i]
		default:
			watched.report("%v: writes at byte %d of %s, which the table does not call written", w.m, i-guardLen, r.name)
		}
	}
}

// redirect makes memory that is written later, and that lies in a copy, that of the caller.
func (w *watcher) redirect(to *[]byte) {
	for _, r := range w.regions {
		inner := r.inner()
		for i := range inner {
			if len(*to) == 0 || &inner[i] != &(*to)[0] {
				continue
			}
			at := r.addr + uint64(i)
			if !slices.ContainsFunc(w.written, func(f region) bool { return f.has(at, len(*to)) }) {
				watched.report("%v: is to write %s, which the table does not call written", w.m, r.name)
			}
			*to = r.original[i:][:len(*to)]
			return
		}
	}
}

// starts wraps a column that begins an operation.
func starts[T any](m ck.MechanismType, f func(*Key, *ck.Param) (T, error)) func(*Key, *ck.Param) (T, error) {
	if f == nil {
		return nil
	}
	return func(k *Key, p *ck.Param) (T, error) {
		q, w := watch(m, p, ck.C_EncryptInit)
		v, err := f(k, q)
		w.end(err)
		return v, err
	}
}

// wraps wraps a column that turns bytes into bytes.
func wraps(m ck.MechanismType, f func(*Key, *ck.Param, []byte) ([]byte, error)) func(*Key, *ck.Param, []byte) ([]byte, error) {
	if f == nil {
		return nil
	}
	return func(k *Key, p *ck.Param, b []byte) ([]byte, error) {
		q, w := watch(m, p, ck.C_WrapKey)
		out, err := f(k, q, b)
		w.end(err)
		return out, err
	}
}

// makes wraps a column that generates.
func makes[S, T any](m ck.MechanismType, f func(io.Reader, *ck.Param, S) (T, error)) func(io.Reader, *ck.Param, S) (T, error) {
	if f == nil {
		return nil
	}
	return func(r io.Reader, p *ck.Param, s S) (T, error) {
		q, w := watch(m, p, ck.C_GenerateKey)
		v, err := f(r, q, s)
		w.end(err)
		return v, err
	}
}

// watchRow wraps the columns of a row that read a parameter.
func watchRow(m *Mechanism) {
	t := m.Type
	m.Encrypt, m.Decrypt = starts(t, m.Encrypt), starts(t, m.Decrypt)
	m.Sign, m.Verify = starts(t, m.Sign), starts(t, m.Verify)
	m.SignRecover, m.VerifyRecover = starts(t, m.SignRecover), starts(t, m.VerifyRecover)
	m.Wrap, m.Unwrap, m.UnwrapImplicit = wraps(t, m.Wrap), wraps(t, m.Unwrap), wraps(t, m.UnwrapImplicit)
	m.Generate = makes(t, m.Generate)
	if f := m.Digest; f != nil {
		begin := starts(t, func(_ *Key, p *ck.Param) (hash.Hash, error) { return f(p) })
		m.Digest = func(p *ck.Param) (hash.Hash, error) { return begin(nil, p) }
	}
	if f := m.GeneratePair; f != nil { // none has a parameter
		m.GeneratePair = func(r io.Reader, p *ck.Param, public []ck.Attribute) (pub, priv []ck.Attribute, err error) {
			q, w := watch(t, p, ck.C_WrapKey)
			pub, priv, err = f(r, q, public)
			w.end(err)
			return pub, priv, err
		}
	}
	if f := m.WrapSize; f != nil {
		m.WrapSize = func(p *ck.Param, n int) (int, error) {
			q, w := watch(t, p, ck.C_WrapKey)
			size, err := f(q, n)
			w.end(err)
			return size, err
		}
	}
	watchDerivations(m)
}

// targetsOf are what a derivation has the token write.
func targetsOf(d *Derived) (all []*[]byte) {
	for i := range d.Results {
		all = append(all, &d.Results[i].To)
	}
	for i := range d.AdditionalKeys {
		all = append(all, &d.AdditionalKeys[i].Handle)
	}
	return all
}

func watchDerivations(m *Mechanism) {
	t := m.Type
	if f := m.Derive; f != nil {
		m.Derive = func(b *Base, p *ck.Param, d *Derived) error {
			q, w := watch(t, p, ck.C_DeriveKey)
			err := f(b, q, d)
			w.end(err, targetsOf(d)...)
			return err
		}
	}
	if f := m.FromPassword; f != nil {
		m.FromPassword = func(p *ck.Param, template []ck.Attribute, d *Derived) error {
			q, w := watch(t, p, ck.C_DeriveKey)
			err := f(q, template, d)
			w.end(err, targetsOf(d)...)
			return err
		}
	}
	if f := m.Encapsulate; f != nil {
		m.Encapsulate = func(b *Base, p *ck.Param) (*Encapsulation, error) {
			q, w := watch(t, p, ck.C_EncapsulateKey)
			e, err := f(b, q)
			if err != nil {
				w.end(err)
				return e, err
			}
			watchedMake := func(d *Derived) ([]byte, error) { // it is in the same call
				ciphertext, err := e.Make(d)
				w.end(err, targetsOf(d)...)
				return ciphertext, err
			}
			return &Encapsulation{Size: e.Size, Make: watchedMake}, nil
		}
	}
	if f := m.Decapsulate; f != nil {
		m.Decapsulate = func(b *Base, p *ck.Param, ciphertext []byte, d *Derived) error {
			q, w := watch(t, p, ck.C_DecapsulateKey)
			err := f(b, q, ciphertext, d)
			w.end(err, targetsOf(d)...)
			return err
		}
	}
	if f := m.GenerateDomain; f != nil {
		m.GenerateDomain = func(r io.Reader, p *ck.Param, template []ck.Attribute) ([]ck.Attribute, []Result, error) {
			q, w := watch(t, p, ck.C_DeriveKey)
			made, results, err := f(r, q, template)
			w.end(err, targetsOf(&Derived{Results: results})...)
			return made, results, err
		}
	}
	if f := m.Message; f != nil {
		m.Message = func(k *Key, p *ck.Param, decrypt bool) (MessageCipher, error) {
			q, w := watch(t, p, ck.C_EncryptMessage)
			c, err := f(k, q, decrypt)
			w.end(err)
			if err != nil {
				return nil, err
			}
			return watchedMessages{c, t}, nil
		}
	}
}

// A watchedMessages is a MessageCipher over watched parameters.
type watchedMessages struct {
	MessageCipher
	m ck.MechanismType
}

func (c watchedMessages) Whole(p *ck.Param, aad, dst, src []byte) error {
	q, w := watch(c.m, p, ck.C_EncryptMessage)
	err := c.MessageCipher.Whole(q, aad, dst, src)
	w.end(err)
	return err
}

func (c watchedMessages) Begin(p *ck.Param, aad []byte) error {
	q, w := watch(c.m, p, ck.C_EncryptMessage)
	err := c.MessageCipher.Begin(q, aad)
	w.end(err)
	return err
}

func (c watchedMessages) Next(p *ck.Param, dst, src []byte, last bool) error {
	q, w := watch(c.m, p, ck.C_EncryptMessage)
	err := c.MessageCipher.Next(q, dst, src, last)
	w.end(err)
	return err
}

// TestWrapForms wraps with what is the parameter of wrapping alone.
func TestWrapForms(t *testing.T) {
	t.Parallel()
	n := 0
	for i := range table {
		m := &table[i]
		forms, _, _ := ck.ParameterOf(m.Type, ck.C_WrapKey)
		for _, form := range forms {
			if m.Wrap == nil || ofPairs(m) || slices.Contains(formsOf(m), form) {
				continue
			}
			n++
			s := sample{row: m, form: form, param: exampleOf(t, m.Type, form)}
			for _, kt := range m.Keys {
				k, p, again := secretKey(kt, pattern(int(sampleLen(m, kt)))), s.sized(33), s.sized(33)
				wrapped, err := m.Wrap(k, &p, pattern(33))
				if err != nil {
					t.Fatalf("%v with a %s: %v", m.Type, form.Name, err)
				}
				if got, err := m.Unwrap(k, &again, wrapped); err != nil || !bytes.Equal(got, pattern(33)) {
					t.Errorf("%v with a %s: %x, %v", m.Type, form.Name, got, err)
				}
			}
		}
	}
	if n < 2 {
		t.Errorf("%d parameters", n)
	}
}

// TestRareParameters runs the rows whose parameter no other test gives to the row of the table.
func TestRareParameters(t *testing.T) {
	t.Parallel()
	if _, err := Lookup(ck.CKM_HOTP).Sign(hotpKey(pattern(20)), ptr(params(otpFields(ck.CK_OTP_COUNTER, pattern(8))...))); err != nil {
		t.Error(err)
	}
	for _, m := range []ck.MechanismType{ck.CKM_ECDH_AES_KEY_WRAP, ck.CKM_ECDH_COF_AES_KEY_WRAP, ck.CKM_ECDH_X_AES_KEY_WRAP} {
		row := Lookup(m)
		for _, c := range curves {
			if c.Agree == nil || !row.Takes(ck.CKO_PUBLIC_KEY, c.Type) {
				continue
			}
			pub, priv := c.pair(t)
			param := func() *ck.Param { return ecdhWrapParams(128, ck.CKD_SHA256_KDF, []byte("shared")) }
			wrapped, err := row.Wrap(pub, param(), pattern(20))
			if err != nil {
				t.Fatalf("%v: %v", m, err)
			}
			if got, err := row.Unwrap(priv, param(), wrapped); err != nil || !bytes.Equal(got, pattern(20)) {
				t.Errorf("%v: %x, %v", m, got, err)
			}
			break
		}
	}
}
