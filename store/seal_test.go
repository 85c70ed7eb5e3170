package store

import (
	"bytes"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
)

// TestEveryByteOfAnObject flips a bit in each byte of a public and of a private object.
func TestEveryByteOfAnObject(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, k := makeToken(t, p)
		for _, r := range []*Record{private("a"), public("b")} {
			create(t, tok, k, r)
			var raw []byte
			var is entry
			wants(t, tok.backend.view(func(x tx) error {
				raw = bytes.Clone(x.get(bObjects, r.ID[:]))
				is, _ = parseEntry(x.get(bManifest, r.ID[:]))
				return nil
			}), ck.CKR_OK)
			for i := range raw {
				raw[i] ^= 1 << (i % 8)
				_, err := k.openRecord(version, r.ID, is, raw)
				wants(t, err, ck.CKR_DEVICE_ERROR)
				raw[i] ^= 1 << (i % 8)
			}
			got, err := k.openRecord(version, r.ID, is, raw)
			wantRecord(t, got, err, r)
		}
	})
}

// FuzzOpen opens arbitrary bytes as a sealed object: only what was sealed opens.
func FuzzOpen(f *testing.F) {
	tok, err := newPlace(f, "memory").Format("", Format{SOPIN: soPIN, KDF: "test"})
	if err != nil {
		f.Fatal(err)
	}
	k := unlock(f, tok, SO, soPIN)
	id := ID{1}
	var seeds [][]byte
	for _, r := range []*Record{{}, private("a"), public("b"), {Public: make([]byte, 300)}} {
		b, err := k.seal(id, 3, r)
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, b)
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	if len(seeds) != 4 {
		f.Fatalf("%d seeds", len(seeds))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, ok := parseObject(version, b)
		if !ok {
			return
		}
		// What parses is put together to the same bytes again.
		if again := slices.Concat(o.head, o.nonce, o.sealed); !bytes.Equal(again, b) {
			t.Fatalf("%x is put together to %x", b, again)
		}
		var r Record
		err := k.openObject(id, &o, &r)
		if isSeed := slices.ContainsFunc(seeds, func(s []byte) bool { return bytes.Equal(s, b) }); isSeed != (err == nil) {
			t.Fatalf("opens with %v, was sealed: %v", err, isSeed)
		}
		locked.Free(r.Sealed)
	})
}
