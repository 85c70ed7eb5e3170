package main

import (
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// BenchmarkBoundary measures short calls from the entry point to the token and back, without C.
func BenchmarkBoundary(b *testing.B) {
	session, key := newBenchKey(b)
	info := make([]byte, 64)
	mechanism := []row{{uintptr(ck.CKM_SHA256_HMAC), 0, 0}}
	data, out, length := []byte("data"), make([]byte, 32), uintptr(32)
	b.Run("C_GetSessionInfo", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			goC_GetSessionInfo(session, addressOf(&info[0]))
		}
	})
	b.Run("C_Sign", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			goC_SignInit(session, addressOf(&mechanism[0]), key)
			if rv := goC_Sign(session, addressOf(&data[0]), 4, addressOf(&out[0]), addressOf(&length)); rv != 0 {
				b.Fatal(ck.RV(rv))
			}
		}
	})
}

// newBenchKey makes a token in memory with a session, and a key for HMACs.
func newBenchKey(b *testing.B) (session, key uintptr) {
	b.Helper()
	config := append([]byte("store='memory' kdf='test'"), 0)
	args := [6]uintptr{5: addressOf(&config[0])}
	label, pin := []byte("bench                           "), []byte("1234")
	class, yes := uint(ck.CKO_SECRET_KEY), []byte{1}
	kind := uint(ck.CKK_GENERIC_SECRET)
	template := []row{{uintptr(ck.CKA_CLASS), addressOf(&class), 8}, {uintptr(ck.CKA_KEY_TYPE), addressOf(&kind), 8},
		{uintptr(ck.CKA_SIGN), addressOf(&yes[0]), 1}, {uintptr(ck.CKA_VALUE), addressOf(&label[0]), 32}, {uintptr(ck.CKA_PRIVATE), addressOf(&make([]byte, 1)[0]), 1}}
	slot, count := uintptr(0), uintptr(1)
	for _, rv := range []uintptr{
		goC_Initialize(addressOf(&args)),
		goC_GetSlotList(0, addressOf(&slot), addressOf(&count)),
		goC_InitToken(slot, addressOf(&pin[0]), 4, addressOf(&label[0])),
		goC_OpenSession(slot, uintptr(ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION), 0, 0, addressOf(&session)),
		goC_CreateObject(session, addressOf(&template[0]), uintptr(len(template)), addressOf(&key)),
	} {
		if rv != 0 {
			b.Fatal(ck.RV(rv))
		}
	}
	b.Cleanup(func() { goC_Finalize(0) })
	return session, key
}
