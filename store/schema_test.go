package store

import (
	"bytes"
	"crypto/aes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"testing"

	"go.etcd.io/bbolt"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/softcsp/softcsp/ck"
)

// A schemaReader reads a token file as schema.go describes it, by nothing else of this package.
type schemaReader struct {
	t            *testing.T
	buckets      map[string]map[string][]byte
	uuid, initID []byte
	parts        map[uint16][]byte
	keys         map[string][]byte
}

// A schemaObject is what it finds of an object.
type schemaObject struct {
	revision           uint64
	terms              [][]byte
	public, secret     []byte
	origin, separation byte
}

// fields cuts b into pieces of those lengths, and a last one of what is left.
func fields(b []byte, lengths ...int) (list [][]byte) {
	for _, n := range lengths {
		list, b = append(list, b[:n]), b[n:]
	}
	return append(list, b)
}

func number64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

// readBySchema reads the file and opens it with a PIN, of the user (0) or the SO (1).
func readBySchema(t *testing.T, path string, user byte, pin []byte) *schemaReader {
	t.Helper()
	r := &schemaReader{t: t, buckets: map[string]map[string][]byte{}, parts: map[uint16][]byte{}, keys: map[string][]byte{}}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	wants(t, err, ck.CKR_OK)
	defer func() { _ = db.Close() }()
	wants(t, db.View(func(x *bbolt.Tx) error {
		return x.ForEach(func(name []byte, b *bbolt.Bucket) error {
			all := map[string][]byte{}
			r.buckets[string(name)] = all
			return b.ForEach(func(key, value []byte) error {
				all[string(key)] = bytes.Clone(value)
				return nil
			})
		})
	}), ck.CKR_OK)
	f := fields(r.buckets["header"]["static"], 8, 2, 16, 16)
	if string(f[0]) != "softcsp\x00" || binary.BigEndian.Uint16(f[1]) != 2 {
		t.Fatalf("static begins with %x %x", f[0], f[1])
	}
	r.uuid, r.initID = f[2], f[3]
	for b := f[4]; len(b) > 0; {
		p := fields(b, 2, 1, 4)
		n := binary.BigEndian.Uint32(p[2])
		r.parts[binary.BigEndian.Uint16(p[0])], b = p[3][:n], p[3][n:]
	}
	r.openSlot(r.buckets["header"][[]string{"slot.user", "slot.so"}[user]], user, pin)
	return r
}

// openSlot opens a key slot and derives the keys.
func (r *schemaReader) openSlot(slot []byte, user byte, pin []byte) {
	r.t.Helper()
	f := fields(slot, 16, 4, 4, 1, 24, 48, 1)
	kek := argon2.IDKey(pin, f[0], binary.BigEndian.Uint32(f[1]), binary.BigEndian.Uint32(f[2]), f[3][0], 32)
	master := r.open(kek, f[4], f[5], []byte("softcsp keyslot\x00"), f[6], r.uuid, r.initID, []byte{user}, slot[:25])
	for _, name := range []string{"seal", "index", "header", "set", "voucher"} {
		key, err := hkdf.Key(sha256.New, master, slices.Concat(r.uuid, r.initID), "softcsp 2 "+name, 32)
		wants(r.t, err, ck.CKR_OK)
		r.keys[name] = key
	}
}

// open opens what is sealed.
func (r *schemaReader) open(key, nonce, sealed []byte, ad ...[]byte) []byte {
	r.t.Helper()
	aead, err := chacha20poly1305.NewX(key)
	wants(r.t, err, ck.CKR_OK)
	plain, err := aead.Open(nil, nonce, sealed, slices.Concat(ad...))
	if err != nil {
		r.t.Fatal(err)
	}
	return plain
}

// object takes an object apart and opens it.
func (r *schemaReader) object(id string, b []byte) (o schemaObject) {
	r.t.Helper()
	f := fields(b, 8, 2)
	o.revision = number64(f[0])
	rest := f[2]
	for range binary.BigEndian.Uint16(f[1]) {
		o.terms, rest = append(o.terms, rest[:16]), rest[16:]
	}
	n := binary.BigEndian.Uint32(rest)
	o.public, rest = rest[4:][:n], rest[4+n:]
	bound := slices.Concat([]byte{2}, r.uuid, []byte(id))
	if n > 0 {
		signed := slices.Concat([]byte("softcsp public\x00"), bound, b[:len(b)-len(rest)])
		if !ed25519.Verify(r.parts[6], signed, rest[:64]) {
			r.t.Error("the signature is not one")
		}
		rest = rest[64:]
	}
	f = fields(rest, 24)
	plain := r.open(r.keys["seal"], f[0], f[1], []byte("softcsp object\x00"), bound, b[:len(b)-len(rest)])
	f = fields(plain, len(plain)-2)
	o.secret, o.origin, o.separation = f[0], f[1][0], f[1][1]
	return o
}

// cmac is AES-CMAC of a message that is no whole number of blocks (SP 800-38B).
func cmac(key, message []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	sub := make([]byte, 16)
	block.Encrypt(sub, sub)
	for range 2 {
		k := new(big.Int).Lsh(new(big.Int).SetBytes(sub), 1)
		if k.Bit(128) == 1 {
			k.SetBit(k.Xor(k, big.NewInt(0x87)), 128, 0)
		}
		k.FillBytes(sub)
	}
	padded := append(bytes.Clone(message), 0x80)
	padded = append(padded, make([]byte, -len(padded)&15)...)
	x := make([]byte, 16)
	for part := range slices.Chunk(padded, 16) {
		for i := range x {
			x[i] ^= part[i]
		}
		if &part[0] == &padded[len(padded)-16] {
			for i := range x {
				x[i] ^= sub[i]
			}
		}
		block.Encrypt(x, x)
	}
	return x
}

// setHash computes what is sealed in the state.
func (r *schemaReader) setHash() []byte {
	var total big.Int
	var bits [128]uint64
	for id, e := range r.buckets["roll"] {
		h := cmac(r.keys["set"], append([]byte(id), e...))
		for i := range bits {
			if id[i/8]>>(i%8)&1 == 1 {
				bits[i] += binary.LittleEndian.Uint64(h)
			}
		}
		slices.Reverse(h)
		total.Add(&total, new(big.Int).SetBytes(h))
	}
	b := total.And(&total, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1))).FillBytes(make([]byte, 16))
	b = append(bytes.Clone(b[8:]), b[:8]...)
	for _, v := range bits {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return b
}

// TestSchema reads a token file by what schema.go says of it.
func TestSchema(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	a, b, c := private("a"), public("b"), private("c")
	a.Origin, a.Birth = OriginImported, SeparationStandard
	create(t, tok, k, a, b, c)
	wants(t, update(tok, k, a), ck.CKR_OK)
	wants(t, tok.Delete(k, c.ID), ck.CKR_OK)
	var asked ID
	wants(t, tok.AddUnvouched(&asked, Unvouched{Kind: Created, Data: []byte("template")}), ck.CKR_OK)
	_, err := tok.Unlock(User, []byte("wrong"))
	wants(t, err, ck.CKR_PIN_INCORRECT)
	for user, pin := range [][]byte{userPIN, soPIN} {
		r := readBySchema(t, p.file(tok.uuid+suffix), byte(user), pin)
		r.wantHeader(tok)
		r.wantState()
		r.wantObject(a, func(what []byte) []byte {
			h := hmac.New(sha256.New, r.keys["index"])
			h.Write(append([]byte("softcsp private term\x00"), what...))
			return h.Sum(nil)[:16]
		})
		r.wantObject(b, func(what []byte) []byte {
			h := sha256.Sum256(append([]byte("softcsp public term\x00"), what...))
			return h[:16]
		})
		for id := range r.buckets["objects"] {
			if id != string(a.ID[:]) && id != string(b.ID[:]) {
				t.Errorf("there is an object %x", id)
			}
		}
		request := slices.Concat([]byte{1}, binary.BigEndian.AppendUint64(nil, 1), []byte("template"))
		if got := r.buckets["unvouched"][string(asked[:])]; !bytes.Equal(got, request) {
			t.Errorf("the request is %x", got)
		}
	}
}

// wantHeader tests the parts, the counts and the journal.
func (r *schemaReader) wantHeader(tok *Token) {
	r.t.Helper()
	want := map[uint16][]byte{1: {2}, 2: {0, 0, 0, 10}, 3: []byte("label"), 4: {0}, 5: {0}, 6: ed25519.NewKeyFromSeed(r.keys["voucher"])[32:]}
	if !maps.EqualFunc(r.parts, want, bytes.Equal) {
		r.t.Errorf("parts %x, want %x", r.parts, want)
	}
	header := r.buckets["header"]
	if len(header) != 7 {
		r.t.Errorf("%d entries in the header", len(header))
	}
	f := fields(header["tries"], 8, 8, 8, 8)
	if number64(f[0])-number64(f[1]) != 1 || number64(f[2]) != number64(f[3]) {
		r.t.Errorf("counts of logins %x", f)
	}
	generation, journalStart := number64(header["generation"]), number64(header["floor"])
	if generation != tok.Generation() || journalStart != 1 {
		r.t.Errorf("generation %d, journal from %d", generation, journalStart)
	}
	for at, ids := range r.buckets["journal"] {
		if g := number64([]byte(at)); g <= journalStart || g > generation || len(ids) == 0 || len(ids)%16 != 0 {
			r.t.Errorf("journal: %d: %x", g, ids)
		}
	}
}

// wantState opens the state and compares it with what there is.
func (r *schemaReader) wantState() {
	r.t.Helper()
	header := r.buckets["header"]
	f := fields(header["state"], 16, 24)
	ad := []byte("softcsp state\x00\x02")
	for _, name := range []string{"static", "slot.user", "slot.so"} {
		ad = append(binary.BigEndian.AppendUint32(ad, uint32(len(header[name]))), header[name]...)
	}
	plain := r.open(r.keys["header"], f[1], f[2], ad, f[0])
	if !bytes.Equal(plain, r.setHash()) {
		r.t.Error("the set of objects has another hash")
	}
	if n := number64(f[0][8:]); n != 2 || len(r.buckets["roll"]) != 2 || len(r.buckets["objects"]) != 2 {
		r.t.Errorf("%d objects", n)
	}
}

// wantObject tests what there is of an object.
func (r *schemaReader) wantObject(want *Record, hash func([]byte) []byte) {
	r.t.Helper()
	id := string(want.ID[:])
	raw := r.buckets["objects"][id]
	o := r.object(id, raw)
	if o.revision != want.Rev || !bytes.Equal(o.public, want.Public) || !bytes.Equal(o.secret, want.Sealed) {
		r.t.Errorf("%+v, want %+v", o, want)
	}
	if o.origin != byte(want.Origin) || o.separation != byte(want.Birth) {
		r.t.Errorf("origin %d, separation %d", o.origin, o.separation)
	}
	if e := fields(r.buckets["roll"][id], 8); number64(e[0]) != want.Rev || !bytes.Equal(e[1], raw[len(raw)-16:]) {
		r.t.Errorf("the manifest has %x", e)
	}
	var terms []string
	for _, what := range want.Terms {
		terms = append(terms, string(hash(what)))
	}
	slices.Sort(terms)
	terms = slices.Compact(terms)
	if fmt.Sprintf("%q", o.terms) != fmt.Sprintf("%q", terms) {
		r.t.Errorf("terms %q, want %q", o.terms, terms)
	}
	n := 0
	for key := range r.buckets["index"] {
		if key[16:] == id {
			n++
		}
	}
	for _, h := range terms {
		if _, ok := r.buckets["index"][h+id]; !ok || n != len(terms) {
			r.t.Errorf("the index has %d entries, and not %x: %v", n, h, !ok)
		}
	}
}
