package store

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// aStatic is a header with everything that this version knows, and a part that it does not.
func aStatic() *fixedHeader {
	return &fixedHeader{
		version: version, uuid: newUUID(), initID: newUUID(), kdf: kdfSensitive, relaxed: true, maxTries: 7, label: "a label",
		separation: SeparationStandard, voucher: bytes.Repeat([]byte{9}, voucherSize), index: 1,
		others: []part{{99, false, []byte("of a successor")}},
	}
}

func TestStatic(t *testing.T) {
	h := aStatic()
	b := h.encode()
	got, err := parseHeader(b)
	if err != nil || !bytes.Equal(got.encode(), b) {
		t.Fatalf("%+v, %v", got, err)
	}
	if got.kdf != h.kdf || got.maxTries != 7 || got.label != h.label || !got.relaxed || got.separation != h.separation || got.index != 1 {
		t.Errorf("%+v", got)
	}
	for n := range b {
		// Without its last parts, which not every token has, it is another token's.
		optional := len(b) - n - partHead - len("of a successor")
		if _, err := parseHeader(b[:n]); (err == nil) != (optional == 0 || optional == partHead+1) {
			t.Errorf("%d of %d bytes of a header: %v", n, len(b), err)
		}
	}
	b[len(magic)+1]++
	_, err = parseHeader(b)
	wants(t, err, ck.CKR_TOKEN_NOT_RECOGNIZED)
	if !strings.Contains(err.Error(), "needs a newer softcsp") {
		t.Errorf("a later version: %v", err)
	}
}

// TestHeaderParts takes each part away, doubles it, gives it the other bit, another length, and every value of its first byte.
func TestHeaderParts(t *testing.T) {
	h := aStatic()
	list := h.parts()
	if len(list) != kindIndex+1 {
		t.Fatalf("%d parts: this test does not know them all", len(list))
	}
	parse := func(list []part) error {
		b := h.encode()[:fixedHeaderHead]
		b = appendParts(b, list)
		got, err := parseHeader(b)
		if err == nil && !bytes.Equal(got.encode(), b) {
			t.Errorf("%x parses, and is written as %x", b, got.encode())
		}
		return err
	}
	with := func(i int, p ...part) []part {
		return append(append(append([]part{}, list[:i]...), p...), list[i+1:]...)
	}
	for i, p := range list {
		optional := p.kind == kindIndex || p.kind > kindIndex
		if err := parse(with(i)); (err == nil) != optional {
			t.Errorf("without part %s: %v", p.name(), err)
		}
		if err := parse(with(i, p, p)); ck.Code(err) != ck.CKR_DEVICE_ERROR {
			t.Errorf("part %s twice: %v", p.name(), err)
		}
		other := p
		other.critical = !p.critical
		want := ck.CKR_DEVICE_ERROR
		if p.kind > kindIndex {
			want = ck.CKR_TOKEN_NOT_RECOGNIZED
		}
		if err := parse(with(i, other)); ck.Code(err) != want {
			t.Errorf("part %s with the other bit: %v", p.name(), err)
		}
		if size := i < len(list) && p.kind <= kindIndex && partSizes[min(int(p.kind), len(partSizes)-1)] != 0; size {
			for _, v := range [][]byte{p.value[1:], append(p.value[:len(p.value):len(p.value)], 0)} {
				if err := parse(with(i, part{p.kind, p.critical, v})); ck.Code(err) != ck.CKR_DEVICE_ERROR {
					t.Errorf("part %s of %d bytes: %v", p.name(), len(v), err)
				}
			}
		}
		for n := range 256 {
			v := append([]byte{byte(n)}, p.value[min(1, len(p.value)):]...)
			_ = parse(with(i, part{p.kind, p.critical, v})) // what parses is written the same
		}
	}
	b := appendParts(h.encode()[:fixedHeaderHead], list)
	b[fixedHeaderHead+2] |= 2
	if _, err := parseHeader(b); ck.Code(err) != ck.CKR_DEVICE_ERROR {
		t.Errorf("an unknown flag: %v", err)
	}
}

// TestUnknownParts has a token with parts of a successor: each kind that is reserved and one that is not, critical and not.
func TestUnknownParts(t *testing.T) {
	t.Parallel()
	for _, kind := range []uint16{kindLock, kindLab, kindAudit, kindRoles, kindLimits, 40000} {
		eachBackend(t, func(t *testing.T, p *Place) {
			tok, k := makeToken(t, p)
			r := public("a")
			create(t, tok, k, r)
			value := []byte("of a successor")
			addPart(t, tok, k, part{kind, false, value})
			wants(t, tok.SetPIN(k, User, []byte("another pin")), ck.CKR_OK)
			create(t, tok, k, public("b"))
			k2, err := tok.Unlock(User, []byte("another pin"))
			wants(t, err, ck.CKR_OK)
			if got := partOf(t, tok, kind); !bytes.Equal(got, value) {
				t.Errorf("part %d is %q after a change of the PIN", kind, got)
			}
			k2.Wipe()
			// It is vouched for like any other.
			rewrite(t, tok, func(h *fixedHeader) { h.others[0].value = []byte("of an attacker!") })
			_, err = tok.Unlock(User, []byte("another pin"))
			wants(t, err, ck.CKR_DEVICE_ERROR)
			rewrite(t, tok, func(h *fixedHeader) { h.others[0].value, h.others[0].critical = value, true })
			_, err = tok.Unlock(User, []byte("another pin"))
			wants(t, err, ck.CKR_TOKEN_NOT_RECOGNIZED)
			if _, err = tok.Info(); !strings.Contains(err.Error(), "needs a newer softcsp") {
				t.Errorf("a critical part of kind %d: %v", kind, err)
			}
			wants(t, tok.Reformat(Format{Label: "x", SOPIN: soPIN, KDF: "test"}), ck.CKR_TOKEN_NOT_RECOGNIZED)
			_, err = tok.Get(nil, r.ID)
			wants(t, err, ck.CKR_TOKEN_NOT_RECOGNIZED)
			rewrite(t, tok, func(h *fixedHeader) { h.others[0].critical = false })
		})
	}
}

// addPart gives a token a part that this version does not know, as a later one would.
func addPart(t *testing.T, tok *Token, k *Keys, p part) {
	t.Helper()
	wants(t, tok.change(k, func(c *change) error {
		h, err := tok.readHeader(c.x)
		if err != nil {
			return err
		}
		fresh := *h
		fresh.others = append(fresh.others[:len(fresh.others):len(fresh.others)], p)
		return c.x.put(bHeader, headerStatic, fresh.encode())
	}), ck.CKR_OK)
}

// rewrite changes the header's static part as who has no key would.
func rewrite(t *testing.T, tok *Token, f func(*fixedHeader)) {
	t.Helper()
	wants(t, tok.backend.update(func(x tx) error {
		b := x.get(bHeader, headerStatic)
		list, ok := parseParts(b[fixedHeaderHead:])
		if !ok {
			return ck.CKR_GENERAL_ERROR
		}
		h := &fixedHeader{version: version, uuid: tok.uuidBytes, initID: [16]byte(b[len(magic)+2+16:])}
		for i := range list {
			list[i].critical = list[i].critical && h.knows(list[i].kind)
		}
		if err := h.setParts(list); err != nil {
			return err
		}
		f(h)
		return x.put(bHeader, headerStatic, h.encode())
	}, nil), ck.CKR_OK)
}

// partOf returns a part that this version does not know.
func partOf(t *testing.T, tok *Token, kind uint16) (value []byte) {
	t.Helper()
	wants(t, tok.backend.view(func(x tx) error {
		h, err := tok.readHeader(x)
		if err != nil {
			return err
		}
		for _, p := range h.others {
			if p.kind == kind {
				value = p.value
			}
		}
		return nil
	}), ck.CKR_OK)
	return value
}

// v1Static returns the header of a token that 0.2 made.
func v1Statics(t testing.TB) (list [][]byte) {
	files, err := filepath.Glob("testdata/v1/*/*.token")
	if err != nil || len(files) != 2 {
		t.Fatalf("files of format 1: %v, %v", files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(b, []byte(magic+"\x00\x01"))
		if at < 0 {
			t.Fatalf("%s has no header", f)
		}
		list = append(list, b[at:at+fixedHeader1Size+len("strict")])
	}
	return list
}

// FuzzHeader: what parses is written as the same bytes, and nothing is larger than it was.
func FuzzHeader(f *testing.F) {
	seeds := append(v1Statics(f), aStatic().encode())
	plain := aStatic()
	plain.others, plain.index = nil, version
	for _, s := range append(seeds, plain.encode()) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHeader(b)
		switch {
		case err != nil:
			if rv := ck.Code(err); rv != ck.CKR_DEVICE_ERROR && rv != ck.CKR_TOKEN_NOT_RECOGNIZED {
				t.Fatalf("%x: %v", b, err)
			}
		case h.version == version && !bytes.Equal(h.encode(), b):
			t.Fatalf("%x is written as %x", b, h.encode())
		case h.version == 1 && binary.BigEndian.Uint32(b[fixedHeaderHead+2:]) != h.maxTries:
			t.Fatalf("%x: %+v", b, h)
		}
	})
}

// FuzzBlob: an object that is taken apart is its parts.
func FuzzBlob(f *testing.F) {
	p := newPlace(f, "memory")
	tok, k := makeToken(f, p)
	for _, r := range []*Record{public("a"), {Sealed: []byte("secret"), Terms: [][]byte{[]byte("x")}}, {Public: []byte("p")}} {
		b, err := k.seal(ID{1}, 1, r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(2), b)
		f.Add(uint8(1), b)
	}
	f.Fuzz(func(t *testing.T, v uint8, b []byte) {
		o, ok := parseObject(uint16(v%3), b)
		if !ok {
			return
		}
		back := beBytes(o.rev)
		back = binary.BigEndian.AppendUint16(back, uint16(o.count()))
		back = binary.BigEndian.AppendUint32(append(back, o.terms...), uint32(len(o.public)))
		back = append(append(back, o.public...), o.signature...)
		if back = append(append(back, o.nonce...), o.sealed...); !bytes.Equal(back, b) {
			t.Fatalf("%x is taken apart as %x", b, back)
		}
		_ = o.entry()
		if r := (Record{}); k.openObject(ID{1}, &o, &r) == nil {
			_ = tok
		}
	})
}
