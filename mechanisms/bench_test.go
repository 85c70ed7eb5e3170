package mechanisms

import (
	"encoding/binary"
	"strconv"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// params builds the parameter of a mechanism: a uint is a CK_ULONG, bytes stand in the structure, and a pointed is a
// pointer, with its length after it.
func params(fields ...any) ck.Param {
	memory := make(map[uint64][]byte)
	data := place(memory, vectors.LayOut(fields))
	return ck.NewParam(data, func(addr uint64, n uint) []byte {
		if b := memory[addr]; uint(len(b)) >= n {
			return b[:n]
		}
		return nil
	})
}

// place gives what an image points to addresses in memory, and returns its bytes.
func place(memory map[uint64][]byte, i *vectors.Image) []byte {
	for _, r := range i.Refs {
		if r.To == nil {
			continue
		}
		b := place(memory, r.To)
		addr := uint64(len(memory)+1) << 32
		memory[addr] = b
		binary.NativeEndian.PutUint64(i.Data[r.At:], addr)
	}
	return i.Data
}

// alone is a pointer without a length behind it, and structs a pointer to fields.
type (
	pointed = vectors.Pointed
	alone   = vectors.Alone
	structs = vectors.Structs
)

func secretKey(t ck.KeyType, value []byte) *Key {
	return &Key{Class: ck.CKO_SECRET_KEY, Type: t, Value: value}
}

// pattern returns n bytes that differ from their neighbours.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func BenchmarkHMACSHA256(b *testing.B) {
	k := secretKey(ck.CKK_GENERIC_SECRET, pattern(32))
	row := Lookup(ck.CKM_SHA256_HMAC)
	data, out := pattern(32), make([]byte, 32)
	var p ck.Param
	b.ReportAllocs()
	for b.Loop() {
		s, err := row.Sign(k, &p)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Update(data); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Sign(out); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAESGCM(b *testing.B) {
	for _, n := range []int{16, 1 << 10, 1 << 20} {
		for _, column := range []string{"encrypt", "decrypt"} {
			b.Run(column+"/"+strconv.Itoa(n), func(b *testing.B) {
				benchCipher(b, ck.CKM_AES_GCM, ck.CKK_AES, 32, n, column == "decrypt", params(pointed(pattern(12)), 96, pointed(nil), 128))
			})
		}
	}
}

func BenchmarkCiphers(b *testing.B) {
	for _, c := range []struct {
		m    ck.MechanismType
		t    ck.KeyType
		size int
		p    ck.Param
	}{
		{ck.CKM_AES_CBC, ck.CKK_AES, 16, params(pattern(16))},
		{ck.CKM_AES_CTR, ck.CKK_AES, 16, params(128, pattern(16))},
		{ck.CKM_DES3_CBC, ck.CKK_DES3, 24, params(pattern(8))},
		{ck.CKM_RC2_CBC, ck.CKK_RC2, 16, params(128, pattern(8))},
		{ck.CKM_RC4, ck.CKK_RC4, 16, params()},
		{ck.CKM_RC5_CBC, ck.CKK_RC5, 16, params(4, 12, pointed(pattern(8)))},
	} {
		for _, n := range []int{16, 16 << 10} {
			for _, decrypt := range []string{"encrypt", "decrypt"} {
				b.Run(c.m.String()+"/"+decrypt+"/"+strconv.Itoa(n), func(b *testing.B) {
					benchCipher(b, c.m, c.t, c.size, n, decrypt == "decrypt", c.p)
				})
			}
		}
	}
}

// benchCipher measures beginning an operation and doing it whole.
func benchCipher(b *testing.B, m ck.MechanismType, t ck.KeyType, size, n int, decrypt bool, p ck.Param) {
	k, row := secretKey(t, pattern(size)), Lookup(m)
	fresh := p
	c, err := row.Encrypt(k, &fresh)
	if err != nil {
		b.Fatal(err)
	}
	src := pattern(n)
	dst := make([]byte, c.WholeLen(n))
	if _, err := c.Whole(dst, src); err != nil {
		b.Fatal(err)
	}
	begin := row.Encrypt
	if decrypt {
		begin = row.Decrypt
		src, dst = dst, make([]byte, len(dst))
	}
	b.SetBytes(int64(n))
	b.ReportAllocs()
	for b.Loop() {
		fresh = p
		c, err := begin(k, &fresh)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Whole(dst, src); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFirstUse measures operations with keys that have not been used before.
func BenchmarkFirstUse(b *testing.B) {
	value, data, out := pattern(32), pattern(32), make([]byte, 48)
	b.Run("HMAC", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var p ck.Param
			s, err := Lookup(ck.CKM_SHA256_HMAC).Sign(secretKey(ck.CKK_GENERIC_SECRET, value), &p)
			if err != nil {
				b.Fatal(err)
			}
			if s.Update(data) != nil {
				b.Fatal("update")
			}
			if _, err := s.Sign(out); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("GCM", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p := params(pointed(value[:12]), 96, pointed(nil), 128)
			c, err := Lookup(ck.CKM_AES_GCM).Encrypt(secretKey(ck.CKK_AES, value), &p)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := c.Whole(out, data); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	for b.Loop() {
		if Lookup(ck.CKM_AES_GCM) == nil {
			b.Fatal("no row")
		}
	}
}
