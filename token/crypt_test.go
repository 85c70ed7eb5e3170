package token

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// partMechanisms are mechanisms of each kind that encrypts in parts.
func partMechanisms() map[string]*ck.Mechanism {
	iv := bytes.Repeat([]byte{1}, 16)
	return map[string]*ck.Mechanism{
		"ECB":      {Type: ck.CKM_AES_ECB},
		"CBC":      {Type: ck.CKM_AES_CBC, Param: ck.NewParam(iv, nil)},
		"CBC_PAD":  {Type: ck.CKM_AES_CBC_PAD, Param: ck.NewParam(iv, nil)},
		"OFB":      {Type: ck.CKM_AES_OFB, Param: ck.NewParam(iv, nil)},
		"GCM":      gcmMechanism(),
		"KEY_WRAP": {Type: ck.CKM_AES_KEY_WRAP},
		"KWP":      {Type: ck.CKM_AES_KEY_WRAP_KWP},
	}
}

// gcmMechanism is AES-GCM with a nonce of zeros.
func gcmMechanism() *ck.Mechanism {
	nonce := make([]byte, 12)
	var p []byte
	for _, n := range []uint{4096, 12, 96, 0, 0, 128} {
		p = ck.AppendUlong(p, n)
	}
	return &ck.Mechanism{Type: ck.CKM_AES_GCM, Param: ck.NewParam(p, func(uint64, uint) []byte { return nonce })}
}

// TestShortFinal gives the functions that end an operation buffers that are too short, and goes on with the operation as if
// nothing had happened: section 5.2.
func TestShortFinal(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	k, err := m.CreateObject(s, aesTemplate(false, "k"))
	must(t, err)
	blocks := bytes.Repeat([]byte("fifteen bytes a\x01"), 4) // each may be the last with its padding
	for name := range partMechanisms() {
		t.Run(name, func(t *testing.T) {
			data := blocks
			if name == "CBC_PAD" {
				data = blocks[:60]
			}
			whole := inParts(t, m, s, k, name, true, data, false)
			if got := inParts(t, m, s, k, name, true, data, true); !bytes.Equal(got, whole) {
				t.Errorf("encrypted %x, want %x", got, whole)
			}
			for _, short := range []bool{false, true} {
				if got := inParts(t, m, s, k, name, false, whole, short); !bytes.Equal(got, data) {
					t.Errorf("decrypted %x, want %x", got, data)
				}
			}
		})
	}
}

// inParts encrypts or decrypts in parts of a block, and with short asks too early for the end after each.
func inParts(t *testing.T, m *Module, s ck.SessionHandle, k ck.ObjectHandle, name string, encrypt bool, data []byte, short bool) []byte {
	t.Helper()
	begin, update, final := m.DecryptInit, m.DecryptUpdate, m.DecryptFinal
	if encrypt {
		begin, update, final = m.EncryptInit, m.EncryptUpdate, m.EncryptFinal
	}
	must(t, begin(s, partMechanisms()[name], k))
	var out []byte
	for len(data) > 0 {
		n := min(16, len(data))
		b := ck.Into(make([]byte, 128))
		must(t, update(s, data[:n], &b))
		out, data = append(out, b.Data[:b.N]...), data[n:]
		if !short {
			continue
		}
		var query ck.Buffer
		must(t, final(s, &query))
		if query.N == 0 || len(data) > 0 && !ready(name, encrypt) {
			continue
		}
		tiny := ck.Into(make([]byte, 0))
		want(t, fmt.Sprint("short buffer, ", len(data), " bytes to come"), final(s, &tiny), ck.CKR_BUFFER_TOO_SMALL)
		if tiny.N == 0 || tiny.N > query.N {
			t.Errorf("%d bytes needed, and %d told before", tiny.N, query.N)
		}
	}
	b := ck.Into(make([]byte, 256))
	must(t, final(s, &b))
	return append(out, b.Data[:b.N]...)
}

// ready reports whether an operation in parts could end at any block.
func ready(name string, encrypt bool) bool { return encrypt || name == "GCM" || name == "CBC_PAD" }
