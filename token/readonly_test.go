package token

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestWriteProtected opens a token that this process may not write to. Root may write everything, so it becomes somebody else.
func TestWriteProtected(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root, to become nobody")
	}
	dir := t.TempDir()
	m, s := started(t, "tokendir='"+dir+"' kdf='test'")
	_, err := m.CreateObject(s, rows(ck.CKA_CLASS, ck.CKO_DATA, ck.CKA_TOKEN, true, ck.CKA_PRIVATE, false, ck.CKA_LABEL, "there"))
	must(t, err)
	wrapper := generate(t, m, s, ck.CKA_TOKEN, true, ck.CKA_DERIVE, true)
	cipher := generate(t, m, s, ck.CKA_TOKEN, true, ck.CKA_DERIVE, true, ck.CKA_WRAP, false)
	must(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			err = os.Chmod(path, 0o644)
		}
		return err
	}))
	for d := dir; d != filepath.Clean(os.TempDir()) && d != "/"; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with its rights
		if err := syscall.Setfsuid(65534); err != nil {
			t.Error(err)
			return
		}
		session, err := m.GetSessionInfo(s)
		if err != nil {
			t.Error(err)
			return
		}
		info, err := m.GetTokenInfo(session.SlotID)
		if err != nil || info.Flags&ck.CKF_WRITE_PROTECTED == 0 {
			t.Errorf("flags %x, %v", info.Flags, err)
		}
		data := rows(ck.CKA_CLASS, ck.CKO_DATA, ck.CKA_TOKEN, true)
		for _, flags := range []ck.Flags{ck.CKF_SERIAL_SESSION, ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION} {
			s, err := m.OpenSession(session.SlotID, flags)
			if err != nil {
				t.Error(err)
				return
			}
			_, err = m.CreateObject(s, data)
			want(t, "create", err, ck.CKR_TOKEN_WRITE_PROTECTED)
			_, err = m.CreateObject(s, data[:1])
			want(t, "create a session object", err, ck.CKR_OK)
		}
		// Another process may have the key wrap, of which what was made of it here would not learn.
		for what, c := range map[string]struct {
			key  ck.ObjectHandle
			want ck.RV
		}{"that may come to wrap": {wrapper, ck.CKR_TOKEN_WRITE_PROTECTED}, "that does not wrap": {cipher, ck.CKR_OK}} {
			_, err := m.CopyObject(s, c.key, rows(ck.CKA_TOKEN, false))
			want(t, "a copy of a key "+what, err, c.want)
			var k ck.ObjectHandle
			want(t, "the bytes of a key "+what, m.DeriveKey(s, inMemory(ck.CKM_XOR_BASE_AND_DATA, ulongs(at(1), 16), make([]byte, 16)), c.key, nil, &k), c.want)
		}
	}()
	<-done
}
