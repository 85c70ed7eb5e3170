package mechanisms

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// guard surrounds memory that must not be written to.
const guard = 24

// guarded returns n bytes with others around them, and a function that sees whether those are as they were.
func guarded(t testing.TB, n int) ([]byte, func(what string)) {
	all := bytes.Repeat([]byte{0xc5}, n+2*guard)
	return all[guard : guard+n : guard+n], func(what string) {
		t.Helper()
		for i, b := range all {
			if (i < guard || i >= guard+n) && b != 0xc5 {
				t.Errorf("%s: wrote outside of its memory, at %d of %d", what, i-guard, n)
				return
			}
		}
	}
}

// inputs are lengths of plaintext to try, those that the mode refuses left out.
func (s *sample) inputs(t testing.TB) (plain, cipher [][]byte) {
	for _, n := range []int{0, 1, 7, 8, 15, 16, 17, 31, 32, 48, 64, 65, 80, 128} {
		src := pattern(n)
		c := s.beginSized(t, s.row.Encrypt, n)
		dst := make([]byte, c.WholeLen(n))
		n, err := c.Whole(dst, src)
		if errors.Is(err, ck.CKR_DATA_LEN_RANGE) {
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		plain, cipher = append(plain, src), append(cipher, dst[:n])
	}
	if len(plain) < 3 {
		t.Fatalf("%s: takes %d lengths only", s.name, len(plain))
	}
	return plain, cipher
}

// TestCiphers is the battery of Encrypt and Decrypt. In short mode it tries a quarter of the lengths.
func TestCiphers(t *testing.T) {
	t.Parallel()
	n := 0
	for _, s := range samples(t) {
		if s.row.Encrypt == nil {
			continue
		}
		n++
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.runCipher(t)
		})
	}
	if n < 30 {
		t.Errorf("%d ciphers", n)
	}
}

func (s *sample) runCipher(t *testing.T) {
	plain, cipher := s.inputs(t)
	for i := range plain {
		if testing.Short() && i%4 != 2 {
			continue
		}
		s.cipherWhole(t, "encryption", s.row.Encrypt, plain[i], cipher[i])
		s.cipherWhole(t, "decryption", s.row.Decrypt, cipher[i], plain[i])
		for _, step := range []int{1, 3, 8, 16, 21, 1 << 10} {
			s.cipherParts(t, "encryption", s.row.Encrypt, plain[i], cipher[i], step)
			s.cipherParts(t, "decryption", s.row.Decrypt, cipher[i], plain[i], step)
		}
		for _, shift := range []int{-17, -16, -5, -1, 0, 1, 5, 16, 17} {
			s.cipherOverlap(t, "encryption", s.row.Encrypt, plain[i], cipher[i], shift)
			s.cipherOverlap(t, "decryption", s.row.Decrypt, cipher[i], plain[i], shift)
		}
	}
}

// cipherWhole does it in one call, and again where that is promised.
func (s *sample) cipherWhole(t *testing.T, what string, b beginFunc, src, want []byte) {
	t.Helper()
	what = s.name + ": " + what
	c := s.beginSized(t, b, min(len(src), len(want)))
	in := bytes.Clone(src)
	dst, check := guarded(t, c.WholeLen(len(src)))
	rounds := 1
	if len(dst) != len(want) {
		rounds = 2
		if c, ok := c.(Inexact); !ok || !c.Inexact() {
			t.Errorf("%s writes %d bytes and says %d", what, len(want), len(dst))
		}
	}
	for range rounds {
		n, err := c.Whole(dst, in)
		if err != nil || !bytes.Equal(dst[:n], want) {
			t.Fatalf("%s of %x: %x, %v; want %x", what, src, dst[:n], err, want)
		}
		if rest := bytes.Trim(dst[n:], "\x00\xc5"); len(rest) != 0 {
			t.Errorf("%s leaves %x behind its output", what, rest)
		}
	}
	check(what)
	if !bytes.Equal(in, src) {
		t.Errorf("%s alters its input", what)
	}
}

// cipherParts does it in parts of step bytes.
func (s *sample) cipherParts(t *testing.T, what string, b beginFunc, src, want []byte, step int) {
	t.Helper()
	what = s.name + ": " + what + " in parts"
	c := s.beginSized(t, b, min(len(src), len(want)))
	in := bytes.Clone(src)
	var got []byte
	for rest := in; len(rest) > 0; {
		part := rest[:min(step, len(rest))]
		rest = rest[len(part):]
		dst, check := guarded(t, c.UpdateLen(len(part)))
		n, err := c.Update(dst, part)
		if err != nil || n != len(dst) {
			t.Fatalf("%s: %d bytes of %d, %v", what, n, len(dst), err)
		}
		check(what)
		got = append(got, dst...)
	}
	dst, check := guarded(t, c.FinalLen())
	n, err := c.Final(dst)
	check(what)
	if got = append(got, dst[:n]...); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s of %d bytes, of %x: %x, %v; want %x", what, step, src, got, err, want)
	}
	if !bytes.Equal(in, src) {
		t.Errorf("%s alters its input", what)
	}
}

// cipherOverlap does it where the output begins shift bytes after the input, whole and in two parts.
func (s *sample) cipherOverlap(t *testing.T, what string, b beginFunc, src, want []byte, shift int) {
	t.Helper()
	what = s.name + ": " + what + " in place"
	for _, first := range []int{-1, 0, 5, 16, 19} {
		c := s.beginSized(t, b, min(len(src), len(want)))
		room := max(c.WholeLen(len(src)), len(src)) + 4*maxBlock
		memory := make([]byte, 3*room)
		in := memory[room : room+len(src)]
		copy(in, src)
		out := memory[room+shift:]
		if first < 0 {
			n, err := c.Whole(out[:c.WholeLen(len(src))], in)
			if err != nil || !bytes.Equal(out[:n], want) {
				t.Fatalf("%s, %d further on, of %x: %x, %v; want %x", what, shift, src, out[:n], err, want)
			}
			continue
		}
		first = min(first, len(src))
		var got []byte
		for _, part := range [][]byte{in[:first], in[first:]} {
			if shift != 0 && len(got) > 0 { // what the first part wrote may lie where the second is read
				copy(part, src[first:])
			}
			n, err := c.Update(out[:c.UpdateLen(len(part))], part)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			got = append(got, out[:n]...)
			copy(in[first:], src[first:])
			out = memory[room+first+shift:]
		}
		n, err := c.Final(out[:c.FinalLen()])
		if got = append(got, out[:n]...); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s in parts, %d further on, of %x: %x, %v; want %x", what, shift, src, got, err, want)
		}
	}
}

// TestMACs is the battery of Sign and Verify.
func TestMACs(t *testing.T) {
	t.Parallel()
	n := 0
	for _, s := range samples(t) {
		if s.row.Sign == nil {
			continue
		}
		n++
		data := pattern(300)
		sign := func(step int) []byte {
			p := s.param()
			c, err := s.row.Sign(s.key, &p)
			if err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			for rest := data; len(rest) > 0; rest = rest[min(step, len(rest)):] {
				if err := c.Update(rest[:min(step, len(rest))]); err != nil {
					t.Fatal(err)
				}
			}
			dst, check := guarded(t, c.Size())
			n, err := c.Sign(dst)
			check(s.name)
			if err != nil || n != len(dst) {
				t.Fatalf("%s: %d bytes of %d, %v", s.name, n, len(dst), err)
			}
			if _, err := c.Sign(dst); err != ck.CKR_OPERATION_NOT_INITIALIZED {
				t.Errorf("%s signs twice: %v", s.name, err)
			}
			if err := c.Update(data); err != ck.CKR_OPERATION_NOT_INITIALIZED {
				t.Errorf("%s goes on after its end: %v", s.name, err)
			}
			return dst
		}
		want := sign(len(data))
		for _, step := range []int{1, 7, 16, 64, 65} {
			if got := sign(step); !bytes.Equal(got, want) {
				t.Errorf("%s in parts of %d: %x, want %x", s.name, step, got, want)
			}
		}
		param := func() *ck.Param { p := s.param(); return &p }
		if err := checkMAC(s.row, s.key, param, data, want); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
	if n < 20 {
		t.Errorf("%d MACs", n)
	}
}

// TestDigests is the battery of Digest.
func TestDigests(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		if s.row.Digest == nil {
			continue
		}
		data := pattern(300)
		p := s.param()
		whole, err := s.row.Digest(&p)
		if err != nil {
			t.Fatal(err)
		}
		whole.Write(data)
		want := whole.Sum(nil)
		h := s.row.Hash
		if h == nil && s.row.Type == ck.CKM_SHA512_T { // whose parameter chooses one
			h = &Hash{Size: 32, Block: 128}
		}
		if h == nil || len(want) != h.Size || whole.Size() != h.Size || whole.BlockSize() != h.Block {
			t.Errorf("%s: %d bytes, and the list of hashes says %+v", s.name, len(want), h)
		}
		for _, step := range []int{1, 15, 16, 17, 64, 127} {
			p := s.param()
			parts, err := s.row.Digest(&p)
			if err != nil {
				t.Fatal(err)
			}
			for rest := data; len(rest) > 0; rest = rest[min(step, len(rest)):] {
				parts.Write(rest[:min(step, len(rest))])
				parts.Sum(nil) // which must not disturb
			}
			if got := parts.Sum(nil); !bytes.Equal(got, want) {
				t.Errorf("%s in parts of %d: %x, want %x", s.name, step, got, want)
			}
		}
	}
}

// TestWrap is the battery of Wrap and Unwrap: values of every size come back, with zeros at the end at most where the
// mode has no padding, nothing else unwraps, and an error speaks of a wrapped key.
func TestWrap(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		if s.row.Wrap == nil {
			continue
		}
		for _, n := range []int{16, 17, 24, 33, 64} {
			value := pattern(n)
			p := s.sized(n)
			wrapped, err := s.row.Wrap(s.key, &p, value)
			if err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			p = s.param()
			got, err := s.row.Unwrap(s.key, &p, wrapped)
			if err != nil || len(got) < n || !bytes.Equal(got[:n], value) || len(bytes.Trim(got[n:], "\x00")) != 0 {
				t.Errorf("%s: %x comes back as %x, %v", s.name, value, got, err)
			}
			changed := bytes.Clone(wrapped)
			changed[len(changed)-1] ^= 1
			for _, bad := range [][]byte{wrapped[:1], wrapped[:len(wrapped)-1], changed} {
				p = s.param()
				_, err := s.row.Unwrap(s.key, &p, bad)
				if rv := ck.Code(err); rv == ck.CKR_ENCRYPTED_DATA_INVALID || rv == ck.CKR_ENCRYPTED_DATA_LEN_RANGE {
					t.Errorf("%s calls a wrapped key encrypted data: %v", s.name, err)
				}
			}
		}
		p := s.param()
		if _, err := s.row.Unwrap(s.key, &p, nil); err != ck.CKR_WRAPPED_KEY_LEN_RANGE {
			t.Errorf("%s unwraps nothing: %v", s.name, err)
		}
	}
}

// TestGenerate is the battery of Generate.
func TestGenerate(t *testing.T) {
	t.Parallel()
	n := 0
	for _, s := range samples(t) {
		if s.row.Generate == nil {
			continue
		}
		n++
		if only := onlySize(s.row); only != 0 {
			p := s.param()
			if v, err := s.row.Generate(rand.Reader, &p, 0); err != nil || uint(len(v)) != only {
				t.Errorf("%s: %d bytes, %v", s.name, len(v), err)
			}
			continue
		}
		size, fixed := Size(s.row.Makes)
		if !fixed {
			size = keyLen(s.row.Makes)
			var p ck.Param
			if _, err := s.row.Generate(rand.Reader, &p, 0); !errors.Is(err, ck.CKR_TEMPLATE_INCOMPLETE) && s.row.Type != ck.CKM_HOTP_KEY_GEN {
				t.Errorf("%s without a size: %v", s.name, err)
			}
		}
		for _, want := range []uint{size, size} {
			var p ck.Param
			v, err := s.row.Generate(rand.Reader, &p, want)
			if err != nil || uint(len(v)) != size || ValidValue(s.row.Makes, v) != nil {
				t.Errorf("%s: %d bytes, %v", s.name, len(v), err)
			}
			parity := bytes.Clone(v)
			if FixParity(s.row.Makes, parity); !bytes.Equal(parity, v) {
				t.Errorf("%s makes a key without its parity", s.name)
			}
		}
		var p ck.Param
		if _, err := s.row.Generate(rand.Reader, &p, 1<<20); !errors.Is(err, ck.CKR_KEY_SIZE_RANGE) {
			t.Errorf("%s of 2^20 bytes: %v", s.name, err)
		}
		if _, err := s.row.Generate(bytes.NewReader(nil), &p, size); err == nil {
			t.Errorf("%s makes a key of nothing", s.name)
		}
		bad := params(1)
		if _, err := s.row.Generate(rand.Reader, &bad, size); err != nil {
			t.Errorf("%s looks at a parameter: %v", s.name, err)
		}
	}
	if n < 10 {
		t.Errorf("%d generations", n)
	}
}
