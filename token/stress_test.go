package token

import (
	"bytes"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
)

// TestStress does everything at once from several threads, a logout now and then among it, and C_Finalize in the middle.
func TestStress(t *testing.T) {
	if testing.Short() {
		t.Skip("takes two seconds")
	}
	t.Parallel()
	m, slot := newToken(t)
	loggedIn(t, m, slot)
	// What a call may answer when another thread logs out or finalizes.
	allowed := map[ck.RV]bool{
		ck.CKR_OK: true, ck.CKR_USER_NOT_LOGGED_IN: true, ck.CKR_OBJECT_HANDLE_INVALID: true, ck.CKR_KEY_HANDLE_INVALID: true,
		ck.CKR_CRYPTOKI_NOT_INITIALIZED: true, ck.CKR_SESSION_HANDLE_INVALID: true, ck.CKR_USER_ALREADY_LOGGED_IN: true,
		ck.CKR_OPERATION_NOT_INITIALIZED: true,
	}
	var wrong atomic.Pointer[string]
	check := func(what string, err error) bool {
		if !allowed[ck.Code(err)] {
			s := what + ": " + err.Error()
			wrong.Store(&s)
		}
		return err == nil
	}
	var wg sync.WaitGroup
	stop := time.Now().Add(2 * time.Second)
	for n := range 6 {
		wg.Go(func() {
			for time.Now().Before(stop) && wrong.Load() == nil {
				stressRound(m, slot, n, check)
			}
		})
	}
	time.Sleep(time.Second)
	check("Finalize", m.Finalize())
	wg.Wait()
	if s := wrong.Load(); s != nil {
		t.Error(*s)
	}
}

func stressRound(m *Module, slot ck.SlotID, n int, check func(string, error) bool) {
	s, err := m.OpenSession(slot, ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	if !check("OpenSession", err) {
		return
	}
	defer func() { check("CloseSession", m.CloseSession(s)) }()
	if n == 0 {
		check("Logout", m.Logout(s))
		time.Sleep(time.Millisecond)
		check("Login", m.Login(s, ck.CKU_USER, []byte(userPIN)))
		return
	}
	k, err := m.CreateObject(s, aesTemplate(n == 1, "stress"))
	if !check("CreateObject", err) {
		return
	}
	data := bytes.Repeat([]byte{byte(n)}, 32)
	if check("EncryptInit", m.EncryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_ECB}, k)) {
		out := ck.Into(make([]byte, 32))
		if check("Encrypt", m.Encrypt(s, data, &out)) && !bytes.Equal(out.Data[:16], out.Data[16:]) {
			check("Encrypt", ck.CKR_GENERAL_ERROR)
		}
	}
	if check("FindObjectsInit", m.FindObjectsInit(s, []ck.Attribute{attr(ck.CKA_LABEL, "stress")})) {
		_, err := m.FindObjects(s, make([]ck.ObjectHandle, 100))
		check("FindObjects", err)
		check("FindObjectsFinal", m.FindObjectsFinal(s))
	}
	check("DestroyObject", m.DestroyObject(s, k))
}
