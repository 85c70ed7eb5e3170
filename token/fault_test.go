package token

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
)

// gone returns memory that is not there: it was mapped and is no longer.
func gone(t *testing.T, n int) []byte {
	t.Helper()
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	must(t, err)
	must(t, syscall.Munmap(b))
	return b
}

// faults reports whether f faults in memory, as it does at the C boundary.
func faults(f func()) (faulted bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		_, faulted = recover().(interface{ Addr() uintptr })
	}()
	f()
	return false
}

// TestFault has arguments lie in memory that is not there, of lengths for which locked memory would be mapped. Nothing is kept of
// what began, and the session goes on.
func TestFault(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	k, err := m.CreateObject(s, aesTemplate(false, "k", attr(ck.CKA_SIGN, true), attr(ck.CKA_DERIVE, true)))
	must(t, err)
	nowhere := gone(t, 1<<22)
	lost := func() *ck.Param {
		p := ck.NewParam(nowhere[:12], nil)
		return &p
	}
	var structure []byte
	for _, n := range []uint{4096, 12, 0, uint(ck.CKG_NO_GENERATE), 8192, 128} {
		structure = ck.AppendUlong(structure, n)
	}
	message := ck.NewParam(structure, func(uint64, uint) []byte { return nowhere[:16] })
	must(t, m.MessageSignInit(s, &ck.Mechanism{Type: ck.CKM_AES_GMAC}, k))
	must(t, m.MessageEncryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_GCM}, k))
	before := locked.Usage().Live
	for name, f := range map[string]func(){
		"C_CreateObject": func() {
			_, _ = m.CreateObject(s, []ck.Attribute{attr(ck.CKA_CLASS, ck.CKO_DATA), {Type: ck.CKA_VALUE, Value: nowhere}})
		},
		"C_CreateObject, short": func() {
			_, _ = m.CreateObject(s, aesTemplate(false, "x", ck.Attribute{Type: ck.CKA_ID, Value: nowhere[:16]}))
		},
		"C_SetOperationState":   func() { _ = m.SetOperationState(s, nowhere[:1<<19], 0, 0) },
		"C_SignMessageBegin":    func() { _ = m.SignMessageBegin(s, lost()) },
		"C_SignMessage":         func() { _ = m.SignMessage(s, lost(), nil, &ck.Buffer{Data: make([]byte, 16), Has: true}) },
		"C_EncryptMessageBegin": func() { _ = m.EncryptMessageBegin(s, &message, nil) },
		"C_EncryptInit": func() {
			_ = m.EncryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_CBC, Param: ck.NewParam(nowhere[:16], nil)}, k)
		},
		"C_GenerateRandom":  func() { _ = m.GenerateRandom(s, nowhere[:64]) },
		"C_FindObjectsInit": func() { _ = m.FindObjectsInit(s, []ck.Attribute{{Type: ck.CKA_LABEL, Value: nowhere[:40]}}) },
		"C_DigestUpdate":    func() { _ = m.DigestInit(s, &ck.Mechanism{Type: ck.CKM_SHA256}); _ = m.DigestUpdate(s, nowhere[:100]) },
	} {
		if !faults(f) {
			t.Errorf("%s: no fault", name)
		}
		if now := locked.Usage().Live; now != before {
			t.Errorf("%s: %d pieces of locked memory, %d before", name, now, before)
		}
		answered := make(chan error, 1)
		go func() { answered <- m.SessionCancel(s, ck.CKF_DIGEST|ck.CKF_ENCRYPT) }()
		select {
		case err := <-answered:
			must(t, err)
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: the session is locked", name)
		}
	}
	must(t, m.Logout(s))
	must(t, m.Finalize())
}

// TestFaultInPart has a part of an operation fault, and another thread go on with the operation before the boundary has ended it.
func TestFaultInPart(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	k, err := m.CreateObject(s, rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_AES, ck.CKA_VALUE, "sixteen bytes or", ck.CKA_SIGN, true, ck.CKA_VERIFY, true, ck.CKA_ENCRYPT, true))
	must(t, err)
	mac, err := m.CreateObject(s, rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET, ck.CKA_VALUE, "thirty bytes of a generic key.", ck.CKA_SIGN, true, ck.CKA_VERIFY, true))
	must(t, err)
	nowhere := gone(t, 1<<22)
	out := ck.Into(make([]byte, 256))
	hmac, ecb := &ck.Mechanism{Type: ck.CKM_SHA512_HMAC}, &ck.Mechanism{Type: ck.CKM_AES_ECB}
	for name, f := range map[string]struct {
		begin, part, end func() error
	}{
		"a digest": {func() error { return m.DigestInit(s, &ck.Mechanism{Type: ck.CKM_SHA512}) },
			func() error { return m.DigestUpdate(s, nowhere[:100]) }, func() error { return m.DigestFinal(s, &out) }},
		"a signature": {func() error { return m.SignInit(s, hmac, mac) },
			func() error { return m.SignUpdate(s, nowhere[:100]) }, func() error { return m.SignFinal(s, &out) }},
		"a verification": {func() error { return m.VerifyInit(s, hmac, mac) },
			func() error { return m.VerifyUpdate(s, nowhere[:100]) }, func() error { return m.VerifyFinal(s, make([]byte, 64)) }},
		"an encryption": {func() error { return m.EncryptInit(s, ecb, k) },
			func() error { return m.EncryptUpdate(s, nowhere[:96], &out) }, func() error { return m.EncryptFinal(s, &out) }},
	} {
		must(t, f.begin())
		if !faults(func() { _ = f.part() }) {
			t.Errorf("%s: no fault", name)
		}
		want(t, name, f.end(), ck.CKR_OPERATION_NOT_INITIALIZED)
		must(t, f.begin())
		must(t, m.SessionCancel(s, allOperations))
	}
}

// pbkdf2 is PBKDF2 with a count of iterations, for a key of 16 bytes.
func pbkdf2(iterations uint) (*ck.Mechanism, []ck.Attribute) {
	salt, password := []byte("salt5678"), []byte("password")
	var p []byte
	for _, n := range []uint{uint(ck.CKZ_SALT_SPECIFIED), 4096, uint(len(salt)), iterations, uint(ck.CKP_PKCS5_PBKD2_HMAC_SHA256), 0, 0, 8192, uint(len(password))} {
		p = ck.AppendUlong(p, n)
	}
	param := ck.NewParam(p, func(address uint64, _ uint) []byte {
		if address == 4096 {
			return salt
		}
		return password
	})
	return &ck.Mechanism{Type: ck.CKM_PKCS5_PBKD2, Param: param},
		[]ck.Attribute{attr(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET), attr(ck.CKA_VALUE_LEN, 16)}
}

// TestAsyncGivenUp ends what computes for long in a session that does not wait: nothing goes on computing.
func TestAsyncGivenUp(t *testing.T) {
	m, slot := newToken(t)
	waits := open(t, m, slot, true)
	many, template := pbkdf2(100_000_000)
	for name, end := range map[string]func(s ck.SessionHandle) error{
		"C_CloseSession":  m.CloseSession,
		"C_SessionCancel": func(s ck.SessionHandle) error { return m.SessionCancel(s, ck.CKF_GENERATE) },
	} {
		s := asyncSession(t, m, slot)
		_, err := m.GenerateKey(s, many, template)
		want(t, "a key", err, ck.CKR_PENDING)
		must(t, end(s))
		for began := time.Now(); m.jobs.running.Load() != 0; time.Sleep(time.Millisecond) {
			if time.Since(began) > 5*time.Second {
				t.Fatalf("%s: it computes on", name)
			}
		}
	}
	more, template := pbkdf2(100_000_001)
	_, err := m.GenerateKey(waits, more, template)
	want(t, "too many", err, ck.CKR_MECHANISM_PARAM_INVALID)
}

// TestAsyncPanic has a job panic: where is in the log, and what the panic says is not.
func TestAsyncPanic(t *testing.T) {
	var out bytes.Buffer
	j := &job{name: "C_Sign", work: func(io.Reader) error { panic("a secret") }, forget: func() {}}
	j.run(new(jobs), slog.New(slog.NewTextHandler(&out, nil)))
	if !errors.Is(j.err, ck.CKR_GENERAL_ERROR) {
		t.Errorf("the job ended with %v", j.err)
	}
	for _, want := range []string{"C_Sign", "CKR_GENERAL_ERROR", "TestAsyncPanic"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log has no %s: %s", want, &out)
		}
	}
	if strings.Contains(out.String(), "a secret") {
		t.Errorf("the log tells data: %s", &out)
	}
}

// TestDeviceErrorOfOthers tells a code of CryptoAPI for what is of CryptoAPI, and none for other derivations.
func TestDeviceErrorOfOthers(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	for mechanism, want := range map[ck.MechanismType]uint{ck.CKM_SHA256_KEY_DERIVATION: 0, ck.CKM_SOFTCSP_SHA256_CRYPT_DERIVE_KEY: 6} {
		var k ck.ObjectHandle
		if err := m.DeriveKey(s, &ck.Mechanism{Type: mechanism}, 9999, nil, &k); ck.Code(err) != ck.CKR_KEY_HANDLE_INVALID {
			t.Errorf("%v: %v", mechanism, err)
		}
		info, err := m.GetSessionInfo(s)
		if must(t, err); info.DeviceError != want {
			t.Errorf("%v: device error %d, want %d", mechanism, info.DeviceError, want)
		}
	}
}

// TestLongPIN looks at no more of a PIN than a PIN can have: what follows is not there.
func TestLongPIN(t *testing.T) {
	m, slot := newToken(t)
	s := open(t, m, slot, true)
	b, err := syscall.Mmap(-1, 0, 8192, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	must(t, err)
	defer syscall.Munmap(b) //nolint:errcheck // a test
	must(t, syscall.Mprotect(b[4096:], syscall.PROT_NONE))
	want(t, "C_Login", m.Login(s, ck.CKU_USER, b[3000:]), ck.CKR_PIN_INCORRECT)
	want(t, "C_SetPIN", m.SetPIN(s, b[3000:], []byte("12345678")), ck.CKR_PIN_INCORRECT)
	want(t, "C_SetPIN to one", m.SetPIN(s, []byte(userPIN), b[3000:]), ck.CKR_PIN_LEN_RANGE)
	must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
}
