package layers

import (
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestSessions tells of calls, and asks what later ones belong to.
func TestSessions(t *testing.T) {
	var s Sessions
	begin := func(f ck.Function, session ck.SessionHandle, m ck.MechanismType, key ck.ObjectHandle) {
		s.Made(&ck.Call{Function: f, Session: session, Mechanism: &ck.Mechanism{Type: m}, Objects: [2]ck.ObjectHandle{key}})
	}
	expect := func(f ck.Function, want ck.MechanismType, known bool) {
		t.Helper()
		if op, ok := s.Operation(&ck.Call{Function: f, Session: 1}); ok != known || op.Mechanism != want {
			t.Errorf("%v: %v, %v", f, op.Mechanism, ok)
		}
	}
	s.Made(&ck.Call{Function: ck.C_OpenSession, Slot: 7, Session: 1})
	s.Made(&ck.Call{Function: ck.C_OpenSession, Slot: 8, Session: 2})
	if slot, ok := s.Slot(1); !ok || slot != 7 {
		t.Errorf("slot %v, %v", slot, ok)
	}
	expect(ck.C_Sign, 0, false)
	begin(ck.C_DigestInit, 1, ck.CKM_SHA256, 0)
	begin(ck.C_EncryptInit, 1, ck.CKM_AES_CBC, 5)
	begin(ck.C_EncryptInit, 2, ck.CKM_AES_CTR, 6)
	expect(ck.C_DigestUpdate, ck.CKM_SHA256, true)
	expect(ck.C_DigestEncryptUpdate, ck.CKM_AES_CBC, true)
	s.Made(&ck.Call{Function: ck.C_Encrypt, Session: 1, Output: new(ck.Buffer)}) // asks for a length
	expect(ck.C_EncryptFinal, ck.CKM_AES_CBC, true)
	s.Made(&ck.Call{Function: ck.C_Encrypt, Session: 1, Output: new(ck.Buffer), Err: ck.CKR_BUFFER_TOO_SMALL})
	expect(ck.C_EncryptFinal, ck.CKM_AES_CBC, true)
	begin(ck.C_VerifyInit, 1, ck.CKM_ECDSA, 5)
	begin(ck.C_MessageEncryptInit, 1, ck.CKM_AES_GCM, 5)
	s.Made(&ck.Call{Function: ck.C_Verify, Session: 1, Err: ck.CKR_SIGNATURE_INVALID})
	s.Made(&ck.Call{Function: ck.C_EncryptMessage, Session: 1, Err: ck.CKR_ARGUMENTS_BAD})
	expect(ck.C_Verify, 0, false)
	expect(ck.C_EncryptMessage, ck.CKM_AES_GCM, true)
	s.Made(&ck.Call{Function: ck.C_EncryptFinal, Session: 1, Output: &ck.Buffer{Has: true}})
	expect(ck.C_EncryptFinal, 0, false)
	s.Made(&ck.Call{Function: ck.C_DigestInit, Session: 1}) // a NULL mechanism
	expect(ck.C_DigestUpdate, 0, false)
	begin(ck.C_SignInit, 1, ck.CKM_ECDSA, 9)
	s.Made(&ck.Call{Function: ck.C_SessionCancel, Session: 1, Flags: ck.CKF_SIGN})
	expect(ck.C_Sign, 0, false)
	begin(ck.C_SignInit, 1, ck.CKM_ECDSA, 9)
	s.Made(&ck.Call{Function: ck.C_CloseAllSessions, Slot: 7})
	expect(ck.C_Sign, 0, false)
	if _, ok := s.Slot(2); !ok {
		t.Error("the session of another slot is forgotten")
	}
	s.Made(&ck.Call{Function: ck.C_CloseSession, Session: 2})
	if _, ok := s.Slot(2); ok {
		t.Error("a closed session is known")
	}
	s.Made(&ck.Call{Function: ck.C_OpenSession, Slot: 8, Session: 2})
	s.Made(&ck.Call{Function: ck.C_Finalize})
	if _, ok := s.Slot(2); ok {
		t.Error("a session is known after C_Finalize")
	}
}
