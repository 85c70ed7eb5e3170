package office

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/softcsp/softcsp/capi"
)

// A ruler derives keys whose stream tells the block and the position.
type ruler struct{ block, at byte }

func (ruler) Derive(_ capi.AlgID, _ uint32, base []byte) (Key, error) {
	return &ruler{block: base[0]}, nil
}
func (*ruler) Destroy() {}

func (r *ruler) Decrypt(b []byte) error {
	for i := range b {
		r.at++
		b[i] ^= r.block ^ r.at*37
	}
	return nil
}

// sealed encrypts fields, each by itself.
func sealed(fields ...[]byte) (b []byte) {
	for _, f := range fields {
		f = bytes.Clone(f)
		(&ruler{}).Decrypt(f) //nolint:errcheck // it does not fail
		b = append(b, f...)
	}
	return b
}

// record is the header of a record.
func record(instance, kind uint16, length int) []byte {
	b := binary.LittleEndian.AppendUint16(nil, instance<<4)
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint16(b, kind), uint32(length))
}

// TestPictures decrypts pictures of each kind: the fields of each record have a key stream of their own.
func TestPictures(t *testing.T) {
	text := func(n int) []byte { return bytes.Repeat([]byte("picture "), n)[:n] }
	entry := [][]byte{record(0, pictureEntry, 36+4+8+16+1+50), text(1), text(1), text(16), text(2), text(4), text(4), text(4), text(1), {4}, text(1), text(1), text(4)}
	pieces := [][]byte{
		record(0x46a, 0xf01d, 16+1+100), text(16), text(1), text(100),
		record(0x6e1, 0xf01e, 32+1+7), text(16), text(16), text(1), text(7),
		record(0x3d4, pictureEMF, 16+34+60), text(16), text(4), text(16), text(8), text(4), text(1), text(1), text(60),
	}
	pieces = append(append(pieces, entry...), record(0x46a, 0xf01d, 16+1+50), text(16), text(1), text(50))
	want, stream := bytes.Join(pieces, nil), sealed(pieces...)
	p := &pictures{document: &document{header: &header{hash: []byte{}}, keys: ruler{}}, rest: bytes.Clone(stream)}
	got := p.rest
	for len(p.rest) > 0 {
		if err := p.next(); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	for n := range stream {
		p := &pictures{document: p.document, rest: bytes.Clone(stream[:n])}
		for len(p.rest) > 0 {
			if err := p.next(); errors.Is(err, ErrFormat) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}
