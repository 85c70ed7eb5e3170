package token

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
	"github.com/softcsp/softcsp/mechanisms"
)

// An algebra is what the model knows of a mechanism that wraps.
type algebra struct {
	row    *mechanisms.Mechanism
	script string // the mechanism with its parameter, as conformance's scripts write it
	// stream says that it adds a key stream, which depends on the parameter alone: two keys wrapped with one parameter tell their difference.
	stream bool
	// cut is the length to which a wrapped key can be cut so that it unwraps to its own beginning, 0 where there is none.
	cut int
}

// sealedLen is how many bytes are wrapped to find out what a mechanism does.
const sealedLen = 32

// wrapForm is the structure that a mechanism wraps with, that of wrapping alone where there is one; nil where it needs none.
func wrapForm(m ck.MechanismType) *ck.Structure {
	forms, optional, _ := ck.ParameterOf(m, ck.C_WrapKey)
	if optional {
		return nil
	}
	return forms[len(forms)-1]
}

var examples = sync.OnceValues(func() (*vectors.Examples, error) { return vectors.LoadExamples(os.DirFS("../mechanisms/testdata")) })

// wrapParam makes a parameter for wrapping with a mechanism.
func wrapParam(t testing.TB, m ck.MechanismType) *ck.Mechanism {
	t.Helper()
	form := wrapForm(m)
	if form == nil {
		return inMemory(m, nil)
	}
	all, err := examples()
	if err != nil {
		t.Fatal(err)
	}
	fields, err := all.Fields(m, form)
	if err != nil {
		t.Fatal(err)
	}
	image := vectors.LayOut(fields)
	for i := range form.Fields {
		switch f := &form.Fields[i]; {
		case f.Name == "ulDataLen":
			binary.NativeEndian.PutUint64(image.Data[f.Offset:], sealedLen)
		case !f.Number && !f.Pointer:
			clear(image.Data[f.Offset:][:f.Size])
		}
	}
	var memory [][]byte
	for i, r := range image.Refs { // zeros keep the scripts short
		memory = append(memory, make([]byte, len(r.To.Data)))
		binary.NativeEndian.PutUint64(image.Data[r.At:], uint64(at(uint(i+1))))
	}
	return inMemory(m, image.Data, memory...)
}

// inScript writes a mechanism and its parameter as conformance's scripts have it: "" where the parameter hangs on the length of the key.
func inScript(t testing.TB, mech *ck.Mechanism) string {
	t.Helper()
	form := wrapForm(mech.Type)
	if form == nil {
		return mech.Type.String()
	}
	script := fmt.Sprintf("%v:%s{", mech.Type, form.Name)
	sized := false
	err := form.Walk(&mech.Param, func(p *ck.Place) {
		sized = sized || p.Field.Name == "ulDataLen"
		switch {
		case p.Field.Pointer:
			script += fmt.Sprintf("%s=%s,", p.Field.Name, bytesInScript(p.Target))
		case p.Field.Number && p.Number() == 0:
		case p.Field.Number:
			script += fmt.Sprintf("%s=%d,", p.Field.Name, p.Number())
		case len(form.Fields) > 1:
			script += fmt.Sprintf("%s=%s,", p.Field.Name, bytesInScript(p.Value))
		default: // it is no structure, but bytes
			script = fmt.Sprintf("%v:%s", mech.Type, bytesInScript(p.Value))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if sized {
		return ""
	}
	if text, ok := strings.CutSuffix(script, ","); ok {
		script = text + "}"
	}
	return script
}

func bytesInScript(b []byte) string {
	if len(bytes.Trim(b, "\x00")) == 0 {
		return fmt.Sprintf("rep:%d:00", len(b))
	}
	return fmt.Sprintf("hex:%x", b)
}

// probe finds out what a mechanism that wraps with an AES key does.
func probe(t testing.TB, row *mechanisms.Mechanism) *algebra {
	t.Helper()
	a := &algebra{row: row, script: inScript(t, wrapParam(t, row.Type))}
	good := func() *ck.Param { return &wrapParam(t, row.Type).Param }
	key := &mechanisms.Key{Class: ck.CKO_SECRET_KEY, Type: ck.CKK_AES, Value: bytes.Repeat([]byte{0x55}, 16)}
	one, two := make([]byte, sealedLen), make([]byte, sealedLen)
	for i := range one {
		one[i], two[i] = byte(7*i+1), byte(11*i+5)
	}
	wrap := func(value []byte) []byte {
		w, err := row.Wrap(key, good(), value)
		if err != nil {
			t.Fatalf("%v: %v", row.Type, err)
		}
		return w
	}
	unwrap := func(wrapped []byte) []byte {
		v, err := row.Unwrap(key, good(), bytes.Clone(wrapped))
		if err != nil {
			return nil
		}
		return v
	}
	x, y := wrap(one), wrap(two)
	a.stream = true
	for i := range one {
		a.stream = a.stream && x[i]^y[i] == one[i]^two[i]
	}
	for n := 1; n < len(x) && a.cut == 0; n++ {
		if v := unwrap(x[:n]); len(v) > 0 && len(v) < len(one) && bytes.HasPrefix(one, v) {
			a.cut = n
		}
	}
	changed := false
	for i := range 8 * len(x) {
		bad := bytes.Clone(x)
		bad[i/8] ^= 1 << (i % 8)
		changed = changed || unwrap(bad) != nil
	}
	if row.Seals && (a.stream || a.cut != 0 || changed) {
		t.Errorf("%v is said to seal: key stream %v, cut to %d, changed %v", row.Type, a.stream, a.cut, changed)
	}
	return a
}

// algebras are one mechanism that wraps with AES keys of each kind there is.
func algebras(t testing.TB) (list []*algebra) {
	type kind struct {
		seals, stream bool
		cut           int
	}
	seen := map[kind]bool{}
	for _, m := range mechanisms.Types() {
		row := mechanisms.Lookup(m)
		if row.Wrap == nil || !row.Takes(ck.CKO_SECRET_KEY, ck.CKK_AES) {
			continue
		}
		a := probe(t, row)
		if k := (kind{row.Seals, a.stream, a.cut}); !seen[k] && a.script != "" {
			seen[k] = true
			list = append(list, a)
		}
	}
	if len(list) < 4 {
		t.Fatalf("only %d kinds of mechanisms", len(list))
	}
	return list
}

// TestSealing wants mechanisms that are said to seal to do so, as far as that can be tried: what was wrapped can neither be cut nor
// changed, and wrapping another key tells nothing. Of the mechanisms with pairs, anybody can make a ciphertext, so that there is only
// the padding, which RSA without one does not have.
func TestSealing(t *testing.T) {
	for _, a := range algebras(t) {
		t.Logf("%s: seals %v, key stream %v, cut %d", a.script, a.row.Seals, a.stream, a.cut)
	}
	for _, m := range mechanisms.Types() {
		row := mechanisms.Lookup(m)
		switch {
		case row.Seals && row.Wrap == nil:
			t.Errorf("%v seals and does not wrap", m)
		case row.Seals && row.KeyAtEnd:
			t.Errorf("%v is said to seal, and has no padding", m)
		case row.Seals && row.Truncates && m != ck.CKM_AES_KEY_WRAP:
			t.Errorf("%v is said to seal, and is cut by CKA_VALUE_LEN", m)
		}
	}
}
