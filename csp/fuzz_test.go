package csp

import (
	"bytes"
	"testing"

	"github.com/softcsp/softcsp/capi"
)

// FuzzImport imports what may be a blob. What is one gives a key that exports to the same blob, but for its parity and for what
// follows the key.
func FuzzImport(f *testing.F) {
	s := testSystem(f)
	c, err := s.AcquireContext("", capi.MS_ENHANCED_PROV, capi.PROV_RSA_FULL, capi.CRYPT_VERIFYCONTEXT)
	must(f, err)
	exchange, err := c.GenKey(capi.AT_KEYEXCHANGE, 512<<16|capi.CRYPT_EXPORTABLE)
	must(f, err)
	for _, algid := range []capi.AlgID{capi.CALG_RC2, capi.CALG_RC4, capi.CALG_DES, capi.CALG_3DES} {
		k, err := c.GenKey(algid, capi.CRYPT_EXPORTABLE)
		must(f, err)
		for kind, with := range map[uint32]*Key{capi.PLAINTEXTKEYBLOB: nil, capi.OPAQUEKEYBLOB: nil, capi.SIMPLEBLOB: exchange} {
			blob, err := k.Export(with, kind, 0)
			must(f, err)
			f.Add(blob, false)
		}
	}
	for _, kind := range []uint32{capi.PUBLICKEYBLOB, capi.PRIVATEKEYBLOB} {
		blob, err := exchange.Export(nil, kind, 0)
		must(f, err)
		f.Add(blob, true)
	}
	f.Fuzz(func(t *testing.T, blob []byte, hmac bool) {
		flags := uint32(capi.CRYPT_EXPORTABLE)
		if hmac {
			flags |= capi.CRYPT_IPSEC_HMAC_KEY
		}
		k, err := c.Import(blob, exchange, flags)
		if err != nil {
			if k != nil {
				t.Error("a key and an error")
			}
			return
		}
		kind := uint32(blob[0])
		if kind == capi.PLAINTEXTKEYBLOB || kind == capi.PUBLICKEYBLOB {
			again, err := k.Export(nil, kind, 0)
			if err != nil || len(again) > len(blob) || !bytes.Equal(again[4:12], blob[4:12]) {
				t.Errorf("%x exports to %x, %v", blob, again, err)
			}
		}
		must(t, k.Destroy())
	})
}
