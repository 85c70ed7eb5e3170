package mechanisms

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// calls runs each column of the row that reads a parameter, and returns what they answer.
func (s *sample) calls(p ck.Param) map[string]error {
	errs := make(map[string]error)
	with := func(column string, has bool, f func(p *ck.Param) error) {
		if has {
			q := p
			errs[column] = f(&q)
		}
	}
	m := s.row
	with("Digest", m.Digest != nil, func(p *ck.Param) error { _, err := m.Digest(p); return err })
	with("Encrypt", m.Encrypt != nil, func(p *ck.Param) error { _, err := m.Encrypt(s.key, p); return err })
	with("Decrypt", m.Decrypt != nil, func(p *ck.Param) error { _, err := m.Decrypt(s.key, p); return err })
	with("Sign", m.Sign != nil, func(p *ck.Param) error { _, err := m.Sign(s.key, p); return err })
	with("Verify", m.Verify != nil, func(p *ck.Param) error { _, err := m.Verify(s.key, p); return err })
	with("Wrap", m.Wrap != nil, func(p *ck.Param) error { _, err := m.Wrap(s.key, p, pattern(16)); return err })
	with("Unwrap", m.Unwrap != nil, func(p *ck.Param) error { _, err := m.Unwrap(s.key, p, pattern(32)); return err })
	with("Derive", m.Derive != nil, func(p *ck.Param) error {
		var d Derived
		defer d.Wipe()
		length := ck.Attribute{Type: ck.CKA_VALUE_LEN, Value: ck.UlongValue(s.size(4))}
		generic := ck.Attribute{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(ck.CKK_GENERIC_SECRET))}
		return m.Derive(&Base{Key: s.key, Template: []ck.Attribute{length, generic}, Lookup: s.lookup}, p, &d)
	})
	with("FromPassword", m.FromPassword != nil, func(p *ck.Param) error {
		var d Derived
		defer d.Wipe()
		return m.FromPassword(p, template(uint(ck.CKA_VALUE_LEN), 4), &d)
	})
	return errs
}

// bytesOf returns the bytes of a parameter.
func bytesOf(p ck.Param) []byte { return p.Rest() }

// TestParamLength cuts the parameter of each mechanism at every length, and makes it longer.
func TestParamLength(t *testing.T) {
	t.Parallel()
	cut, without := 0, 0
	for _, s := range samples(t) {
		good, lengths := s.param(), formLengths(s.row)
		if len(lengths) == 1 && lengths[0] == 0 {
			without++
			s.notLookedAt(t)
			continue
		}
		whole := append(bytesOf(good), make([]byte, 9)...)
		follow := func(_ uint64, n uint) []byte { return make([]byte, min(n, 1<<16)) }
		for n := range whole {
			if slices.Contains(lengths, uint(n)) || s.row.Generate != nil {
				continue
			}
			cut++
			for column, err := range s.calls(ck.NewParam(whole[:n], follow)) {
				if !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) {
					t.Errorf("%s: %s with %d bytes of %d of a parameter: %v", s.name, column, n, good.Len(), err)
				}
			}
		}
		for column, err := range s.calls(good) {
			if column != "Unwrap" && err != nil {
				t.Errorf("%s: %s: %v", s.name, column, err)
			}
		}
	}
	if cut < 1000 || without < 100 {
		t.Errorf("%d cuts, %d mechanisms without a parameter", cut, without)
	}
}

// formLengths are the lengths that the parameter of a row can have.
func formLengths(m *Mechanism) (lengths []uint) {
	for _, form := range formsOf(m) {
		if form == nil {
			lengths = append(lengths, 0)
		} else {
			lengths = append(lengths, form.Size)
		}
	}
	return lengths
}

// notLookedAt gives a mechanism without a parameter what an application left uninitialised.
func (s *sample) notLookedAt(t *testing.T) {
	debug.SetPanicOnFault(true)
	defer func() {
		if recover() != nil {
			t.Errorf("%s reads a parameter, and internal/gen/parameters.txt says that it has none", s.name)
		}
	}()
	for _, n := range []uint{1, 8, 16, 1 << 20, 1 << 62, ^uint(0)} {
		p := unread(n)
		for column, err := range s.calls(p) {
			if err != nil && column != "Unwrap" {
				t.Errorf("%s: %s with %d bytes of no parameter: %v", s.name, column, n, err)
			}
		}
	}
}

// dark is memory that faults when it is read.
var dark = sync.OnceValue(func() []byte {
	b, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_NONE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		panic(err)
	}
	return b
})

// unread is a parameter of n bytes that must not be read.
func unread(n uint) (p ck.Param) {
	p.At(12345, n, func(_ uint64, n uint) []byte {
		if b := dark(); n <= uint(len(b)) {
			return b[:n]
		}
		return nil
	})
	return p
}

// TestParamValues tries values that are out of range.
func TestParamValues(t *testing.T) {
	t.Parallel()
	iv := pattern(16)
	for _, c := range []struct {
		m ck.MechanismType
		p ck.Param
	}{
		{ck.CKM_AES_CTR, params(0, iv)},
		{ck.CKM_AES_CTR, params(129, iv)},
		{ck.CKM_AES_GCM, params(pointed(nil), 0, pointed(nil), 128)},
		{ck.CKM_AES_GCM, params(pointed(iv), 128, pointed(nil), 0)},
		{ck.CKM_AES_GCM, params(pointed(iv), 128, pointed(nil), 24)},
		{ck.CKM_AES_GCM, params(pointed(iv), 128, pointed(nil), 33)},
		{ck.CKM_AES_GCM, params(pointed(iv), 128, pointed(nil), 136)},
		{ck.CKM_AES_GCM, params(0, 12, 96, pointed(nil), 128)}, // NULL with a length
		{ck.CKM_AES_CCM, params(64, pointed(iv[:6]), pointed(nil), 16)},
		{ck.CKM_AES_CCM, params(64, pointed(iv[:14]), pointed(nil), 16)},
		{ck.CKM_AES_CCM, params(64, pointed(iv[:13]), pointed(nil), 2)},
		{ck.CKM_AES_CCM, params(64, pointed(iv[:13]), pointed(nil), 5)},
		{ck.CKM_AES_CCM, params(64, pointed(iv[:13]), pointed(nil), 18)},
		{ck.CKM_AES_GMAC, params(pointed(iv), 128, pointed(iv), 128)},
		{ck.CKM_AES_GMAC, params(pointed(nil), 128, pointed(nil), 128)},
		{ck.CKM_AES_GMAC, params(pointed(iv), 128, pointed(nil), 31)},
		{ck.CKM_AES_MAC_GENERAL, params(0)},
		{ck.CKM_AES_MAC_GENERAL, params(17)},
		{ck.CKM_DES_MAC_GENERAL, params(9)},
		{ck.CKM_RC2_MAC, params(0)},
		{ck.CKM_RC2_MAC_GENERAL, params(64, 9)},
		{ck.CKM_RC5_MAC, params(3, 12)},
		{ck.CKM_RC5_MAC_GENERAL, params(4, 12, 9)},
		{ck.CKM_AES_CMAC_GENERAL, params(0)},
		{ck.CKM_AES_CMAC_GENERAL, params(17)},
		{ck.CKM_SHA256_HMAC_GENERAL, params(0)},
		{ck.CKM_SHA256_HMAC_GENERAL, params(33)},
		{ck.CKM_SHA256_HMAC_GENERAL, params(-1)},
		{ck.CKM_CHACHA20, params(alone(iv[:8]), 64, alone(iv[:12]), 96)},
		{ck.CKM_CHACHA20, params(alone(iv[:4]), 32, alone(iv), 128)},
		{ck.CKM_CHACHA20, params(alone(iv[:5]), 40, alone(iv[:8]), 64)},
		{ck.CKM_CHACHA20, params(alone(iv[:4]), 33, alone(iv[:8]), 64)},
		{ck.CKM_CHACHA20, params(0, 32, alone(iv[:12]), 96)},
		{ck.CKM_SALSA20, params(alone(iv[:8]), alone(iv[:12]), 96)},
		{ck.CKM_SALSA20, params(0, alone(iv[:8]), 64)},
		{ck.CKM_CHACHA20_POLY1305, params(alone(iv), 128, pointed(nil))},
		{ck.CKM_CHACHA20_POLY1305, params(alone(iv), 0, pointed(nil))},
		{ck.CKM_SHA512_T, params(0)},
		{ck.CKM_SHA512_T, params(384)},
		{ck.CKM_SHA512_T, params(512)},
		{ck.CKM_SHA512_T, params(257)},
		{ck.CKM_SHA512_T_HMAC, params(520)},
		{ck.CKM_BLAKE2B_256_HMAC_GENERAL, params(33)},
		{ck.CKM_RC2_ECB, params(0)},
		{ck.CKM_RC2_ECB, params(1025)},
		{ck.CKM_RC2_CBC, params(-1, iv[:8])},
		{ck.CKM_RC5_ECB, params(0, 12)},
		{ck.CKM_RC5_ECB, params(3, 12)},
		{ck.CKM_RC5_ECB, params(16, 12)},
		{ck.CKM_RC5_ECB, params(4, 256)},
		{ck.CKM_RC5_CBC, params(4, 12, pointed(iv))},
		{ck.CKM_RC5_CBC, params(8, 12, pointed(iv[:8]))},
		{ck.CKM_RC5_CBC, params(4, 12, pointed(nil))},
		{ck.CKM_AES_ECB_ENCRYPT_DATA, params(pointed(pattern(33)))},
		{ck.CKM_EXTRACT_KEY_FROM_KEY, params(512)},
	} {
		for _, s := range samples(t) {
			if s.row.Type != c.m {
				continue
			}
			for column, err := range s.calls(c.p) {
				if !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) {
					t.Errorf("%s: %s with %x: %v", s.name, column, bytesOf(c.p), err)
				}
			}
		}
	}
}

// FuzzParam gives any bytes to any mechanism as its parameter: nothing panics, and what is refused is refused with a
// code of the standard.
func FuzzParam(f *testing.F) {
	all := samples(f)
	for i := range all {
		f.Add(uint16(i), bytesOf(all[i].param()))
		f.Add(uint16(i), []byte{})
	}
	for _, p := range []ck.Param{params(1024, pattern(8)), params(8, 255, pointed(pattern(16))), params(-1, pattern(16)), params(64)} {
		for i := range all {
			f.Add(uint16(i), bytesOf(p))
		}
	}
	f.Fuzz(func(t *testing.T, i uint16, data []byte) {
		s := all[int(i)%len(all)]
		if at := iterationsAt(s.row); at >= 0 && len(data) >= at+8 && binary.NativeEndian.Uint64(data[at:]) > 1000 {
			t.Skip("which takes long, as it should")
		}
		follow := func(_ uint64, n uint) []byte { return make([]byte, min(n, 1<<12)) }
		for column, err := range s.calls(ck.NewParam(data, follow)) {
			if err != nil && ck.Code(err) == ck.CKR_GENERAL_ERROR {
				t.Errorf("%s: %s: %v", s.name, column, err)
			}
		}
	})
}

// iterationsAt is where the parameter of a row has the number of iterations of a function of passwords, -1 where it has none.
func iterationsAt(m *Mechanism) int {
	for _, form := range formsOf(m) {
		if at := offsetOf(form, "iterations", "ulIteration"); at >= 0 {
			return at
		}
	}
	return -1
}

// offsetOf is where a structure has a field of one of the names, -1 where it has none.
func offsetOf(form *ck.Structure, names ...string) int {
	if form != nil {
		for i := range form.Fields {
			if f := &form.Fields[i]; slices.Contains(names, f.Name) {
				return int(f.Offset)
			}
		}
	}
	return -1
}

// TestRefusals reads the sources: who refuses a parameter says for the log which field is wrong.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, text := range texts(t) {
		if filepath.Dir(name) != "mechanisms" || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		for i, line := range strings.Split(text, "\n") {
			code, _, _ := strings.Cut(line, "//")
			if strings.Contains(code, "ck.CKR_MECHANISM_PARAM_INVALID") && !strings.Contains(code, "Errorf(") && !strings.Contains(code, "capi.") {
				t.Errorf("%s:%d refuses a parameter and does not say which field is wrong: return a ck.FieldError", name, i+1)
			}
		}
	}
}
