package token

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// dump prints what a value holds, and what that points to.
func dump(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return ""
		}
		return dump(v.Elem())
	case reflect.Struct:
		var s strings.Builder
		for i := range v.NumField() {
			s.WriteString(dump(v.Field(i)))
		}
		return s.String()
	}
	return fmt.Sprintf("%v;", v)
}

// TestDigestForgets looks into the states of ended digests for what they were given, which is less than a block.
func TestDigestForgets(t *testing.T) {
	digests := 0
	for _, typ := range mechanisms.Types() {
		row := mechanisms.Lookup(typ)
		if row.Digest == nil {
			continue
		}
		digests++
		var p ck.Param
		if typ == ck.CKM_SHA512_T {
			p = ck.NewParam(ck.UlongValue(256), nil)
		}
		state, err := row.Digest(&p)
		must(t, err)
		d := digestOperation{active: true, row: row.Hash, hash: state}
		d.write([]byte("password"))
		const seen = "112 97 115 115 119 111 114 100"
		if !strings.Contains(dump(reflect.ValueOf(state)), seen) {
			t.Errorf("%v: the test cannot see into the state", typ)
		}
		d.end()
		if strings.Contains(dump(reflect.ValueOf(state)), seen) {
			t.Errorf("%v: the password is left", typ)
		}
	}
	if digests == 0 {
		t.Error("no digest")
	}
}

// TestDigestReused looks into the hash of each mechanism when a digest is over: it is as it was before, its buffer too, and does the next digest.
func TestDigestReused(t *testing.T) {
	kept := 0
	for _, mechanism := range mechanisms.Types() {
		row := mechanisms.Lookup(mechanism)
		if row.Digest == nil {
			continue
		}
		var d digestOperation
		if err := d.begin(row, new(ck.Param)); err != nil {
			continue // it has a parameter
		}
		before := fmt.Sprint(d.hash)
		must(t, d.write(bytes.Repeat([]byte{0x5a}, 300)))
		h, first := d.hash, d.value(nil)
		d.end()
		if after := fmt.Sprint(h); after != before {
			t.Errorf("%v: %s, before %s", mechanism, after, before)
		}
		if d.idle.row == nil {
			continue
		}
		kept++
		must(t, d.begin(row, new(ck.Param)))
		if d.hash != h {
			t.Errorf("%v: another hash", mechanism)
		}
		must(t, d.write(bytes.Repeat([]byte{0x5a}, 300)))
		if again := d.value(nil); !bytes.Equal(again, first) {
			t.Errorf("%v: %x, then %x", mechanism, first, again)
		}
	}
	if kept < 10 {
		t.Errorf("%d mechanisms keep their hash", kept)
	}
}
