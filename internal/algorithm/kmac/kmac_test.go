package kmac

import (
	"bytes"
	"encoding/hex"
	"hash"
	"testing"
)

func upTo(from, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(from + i)
	}
	return b
}

// TestSamples runs NIST's samples of KMAC: numbers 1, 2, 4 and 5.
func TestSamples(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		newMAC func(key, custom []byte, size int) (hash.Cloner, error)
		custom string
		data   []byte
		size   int
		want   string
	}{
		{New128, "", upTo(0, 4), 32, "e5780b0d3ea6f7d3a429c5706aa43a00fadbd7d49628839e3187243f456ee14e"},
		{New128, "My Tagged Application", upTo(0, 4), 32, "3b1fba963cd8b0b59e8c1a6d71888b7143651af8ba0a7070c0979e2811324aa5"},
		{New256, "My Tagged Application", upTo(0, 4), 64, "20c570c31346f703c9ac36c61c03cb64c3970d0cfc787e9b79599d273a68d2f7f69d4cc3de9d104a351689f27cf6f5951f0103f33f4f24871024d9c27773a8dd"},
		{New256, "", upTo(0, 200), 64, "75358cf39e41494e949707927cee0af20a3ff553904c86b08f21cc414bcfd691589d27cf5e15369cbbff8b9a4c2eb17800855d0235ff635da82533ec6b759b69"},
	} {
		h, err := v.newMAC(upTo(0x40, 32), []byte(v.custom), v.size)
		if err != nil {
			t.Fatal(err)
		}
		want, err := hex.DecodeString(v.want)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			h.Write(v.data[:3])
			clone, err := h.Clone()
			if err != nil {
				t.Fatal(err)
			}
			h.Write(v.data[3:])
			clone.Write(v.data[3:])
			if got := h.Sum(nil); !bytes.Equal(got, want) || !bytes.Equal(clone.Sum(nil), want) {
				t.Errorf("%x, want %x", got, want)
			}
			h.Reset()
		}
	}
}
