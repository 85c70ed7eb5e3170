package token

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
)

// asyncSession opens a read-write session in which long functions answer CKR_PENDING.
func asyncSession(t *testing.T, m *Module, slot ck.SlotID) ck.SessionHandle {
	t.Helper()
	s, err := m.OpenSession(slot, ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION|ck.CKF_ASYNC_SESSION)
	must(t, err)
	return s
}

// ended asks until a function has ended.
func ended(t *testing.T, m *Module, s ck.SessionHandle, name string) (ck.AsyncData, error) {
	t.Helper()
	for range 6000 {
		var r ck.AsyncData
		err := m.AsyncComplete(s, name, &r)
		if err != ck.CKR_PENDING {
			return r, err
		}
		if r.Ended || r.Object != 0 {
			t.Fatal("an answer with CKR_PENDING")
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s does not end", name)
	return ck.AsyncData{}, nil
}

// idle waits until no job of a module computes.
func idle(t *testing.T, m *Module) {
	t.Helper()
	for range 6000 {
		if m.jobs.running.Load() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("a job does not end")
}

var rsaPair = &ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN}

// TestAsyncPair makes a key pair and signs with it, in a session that does not wait.
func TestAsyncPair(t *testing.T) {
	t.Parallel()
	m, slot := newToken(t)
	s := asyncSession(t, m, slot)
	must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
	info, err := m.GetSessionInfo(s)
	if must(t, err); info.Flags&ck.CKF_ASYNC_SESSION == 0 {
		t.Errorf("flags %#x", info.Flags)
	}
	label, bits := []byte("mine"), ck.UlongValue(1024)
	public := []ck.Attribute{{Type: ck.CKA_MODULUS_BITS, Value: bits}, {Type: ck.CKA_LABEL, Value: label}, {Type: ck.CKA_VERIFY, Value: []byte{1}}}
	private := []ck.Attribute{{Type: ck.CKA_LABEL, Value: label}, {Type: ck.CKA_SIGN, Value: []byte{1}}}
	_, _, err = m.GenerateKeyPair(s, rsaPair, public, private)
	want(t, "a key pair", err, ck.CKR_PENDING)
	copy(label, "no longer") // the memory of the call
	clear(bits)
	clear(public)
	clear(private)
	_, _, err = m.GenerateKeyPair(s, rsaPair, []ck.Attribute{attr(ck.CKA_MODULUS_BITS, 1024)}, nil)
	want(t, "another before the first is fetched", err, ck.CKR_OPERATION_ACTIVE)
	want(t, "another function", m.AsyncComplete(s, "C_Sign", new(ck.AsyncData)), ck.CKR_OPERATION_NOT_INITIALIZED)
	must(t, m.DigestInit(s, &ck.Mechanism{Type: ck.CKM_SHA256})) // the session goes on
	r, err := ended(t, m, s, "C_GenerateKeyPair")
	must(t, err)
	if got := readAttr(t, m, s, r.AdditionalObject, ck.CKA_LABEL); string(got) != "mine" {
		t.Errorf("the label is %q", got)
	}
	want(t, "twice", m.AsyncComplete(s, "C_GenerateKeyPair", new(ck.AsyncData)), ck.CKR_OPERATION_NOT_INITIALIZED)

	signature := make([]byte, 200)
	sha := &ck.Mechanism{Type: ck.CKM_SHA256_RSA_PKCS}
	for name, sign := range map[string]func(out *ck.Buffer) error{
		"C_Sign":      func(out *ck.Buffer) error { return m.Sign(s, []byte("data"), out) },
		"C_SignFinal": func(out *ck.Buffer) error { return m.SignFinal(s, out) },
	} {
		must(t, m.SignInit(s, sha, r.AdditionalObject))
		if name == "C_SignFinal" {
			must(t, m.SignUpdate(s, []byte("data")))
		}
		query, short, out := ck.Buffer{}, ck.Into(signature[:127]), ck.Into(signature)
		must(t, sign(&query))
		want(t, "too short", sign(&short), ck.CKR_BUFFER_TOO_SMALL)
		want(t, name, sign(&out), ck.CKR_PENDING)
		want(t, "the operation", m.SignUpdate(s, nil), ck.CKR_OPERATION_NOT_INITIALIZED)
		_, err = m.AsyncGetID(s, name)
		want(t, "its number", err, ck.CKR_STATE_UNSAVEABLE)
		signed, err := ended(t, m, s, name)
		if must(t, err); signed.N != 128 || &signed.Value[0] != &signature[0] {
			t.Errorf("%d bytes of the caller's buffer", signed.N)
		}
		must(t, m.VerifyInit(s, sha, r.Object))
		must(t, m.Verify(s, []byte("data"), signature[:signed.N]))
		clear(signature)
	}
}

// readAttr reads an attribute.
func readAttr(t *testing.T, m *Module, s ck.SessionHandle, o ck.ObjectHandle, a ck.AttributeType) []byte {
	t.Helper()
	rows := []ck.AttributeBuffer{{Type: a, Buffer: ck.Into(make([]byte, 256))}}
	must(t, m.GetAttributeValue(s, o, rows))
	return rows[0].Data[:rows[0].N]
}

// TestAsyncErrors finds in the call what can be found there, and the rest at the end.
func TestAsyncErrors(t *testing.T) {
	t.Parallel()
	m, slot := newToken(t)
	s := asyncSession(t, m, slot)
	must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
	_, _, err := m.GenerateKeyPair(s, rsaPair, []ck.Attribute{attr(ck.CKA_LABEL, true)}, []ck.Attribute{attr(ck.CKA_CLASS, ck.CKO_DATA)})
	want(t, "a template", err, ck.CKR_TEMPLATE_INCOMPLETE)
	bad := &ck.Mechanism{Type: ck.CKM_PKCS5_PBKD2, Param: ck.NewParam([]byte{1}, nil)}
	_, err = m.GenerateKey(s, bad, []ck.Attribute{attr(ck.CKA_VALUE_LEN, 16)})
	want(t, "a parameter", err, ck.CKR_MECHANISM_PARAM_INVALID)
	_, _, err = m.GenerateKeyPair(s, rsaPair, []ck.Attribute{attr(ck.CKA_MODULUS_BITS, 100)}, nil)
	want(t, "a size", err, ck.CKR_PENDING)
	r, err := ended(t, m, s, "C_GenerateKeyPair")
	want(t, "a size, at the end", err, ck.CKR_KEY_SIZE_RANGE)
	if !r.Ended || r.Object != 0 {
		t.Errorf("%+v", r)
	}
	want(t, "nothing pending", m.AsyncComplete(s, "C_GenerateKeyPair", new(ck.AsyncData)), ck.CKR_OPERATION_NOT_INITIALIZED)
	_, err = m.AsyncGetID(s, "C_GenerateKeyPair")
	want(t, "the number of nothing", err, ck.CKR_OPERATION_NOT_INITIALIZED)
	plain := open(t, m, slot, true)
	want(t, "joining in a session that waits", m.AsyncJoin(plain, "C_GenerateKeyPair", 7, nil), ck.CKR_SESSION_ASYNC_NOT_SUPPORTED)
	want(t, "joining nothing", m.AsyncJoin(s, "C_GenerateKeyPair", 7, nil), ck.CKR_SAVED_STATE_INVALID)
	pub, priv, err := m.GenerateKeyPair(plain, rsaPair, []ck.Attribute{attr(ck.CKA_MODULUS_BITS, 1024)}, nil)
	if must(t, err); pub == 0 || priv == 0 {
		t.Error("no keys from a session that waits")
	}
}

// TestAsyncPassword makes the key of a password that is not there any more when it is computed.
func TestAsyncPassword(t *testing.T) {
	t.Parallel()
	m, slot := newToken(t)
	s := asyncSession(t, m, slot)
	must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
	memory := map[uint64][]byte{4096: []byte("saltsalt"), 8192: []byte("password")}
	var p []byte
	for _, n := range []uint{uint(ck.CKZ_SALT_SPECIFIED), 4096, 8, 50000, uint(ck.CKP_PKCS5_PBKD2_HMAC_SHA256), 0, 0, 8192, 8} {
		p = ck.AppendUlong(p, n)
	}
	mech := func() *ck.Mechanism {
		return &ck.Mechanism{Type: ck.CKM_PKCS5_PBKD2, Param: ck.NewParam(p, func(at uint64, n uint) []byte { return memory[at][:n] })}
	}
	template := []ck.Attribute{attr(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET), attr(ck.CKA_VALUE_LEN, 32), attr(ck.CKA_SENSITIVE, false), attr(ck.CKA_EXTRACTABLE, true)}
	plain := open(t, m, slot, true)
	k, err := m.GenerateKey(plain, mech(), template)
	must(t, err)
	_, err = m.GenerateKey(s, mech(), template)
	want(t, "a key of a password", err, ck.CKR_PENDING)
	for _, b := range memory {
		clear(b)
	}
	clear(p)
	r, err := ended(t, m, s, "C_GenerateKey")
	must(t, err)
	if a, b := readAttr(t, m, s, k, ck.CKA_VALUE), readAttr(t, m, s, r.Object, ck.CKA_VALUE); !bytes.Equal(a, b) {
		t.Errorf("%x in the call, %x later", a, b)
	}
	k, err = m.GenerateKey(s, &ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, []ck.Attribute{attr(ck.CKA_VALUE_LEN, 16)})
	if must(t, err); k == 0 {
		t.Error("no key of chance at once")
	}
}

// TestAsyncAbandoned ends what a job belongs to: nothing is made, nothing stays, and no goroutine is left.
func TestAsyncAbandoned(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(m *Module, s ck.SessionHandle) error{
		"cancel": func(m *Module, s ck.SessionHandle) error { return m.SessionCancel(s, ck.CKF_GENERATE_KEY_PAIR) },
		"close":  func(m *Module, s ck.SessionHandle) error { return m.CloseSession(s) },
		"logout": func(m *Module, s ck.SessionHandle) error { return m.Logout(s) },
		"finalize": func(m *Module, s ck.SessionHandle) error {
			return m.Finalize()
		},
	} {
		for _, when := range []string{"computing", "computed"} {
			t.Run(name+" "+when, func(t *testing.T) {
				m, slot := newToken(t)
				s := asyncSession(t, m, slot)
				must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
				_, _, err := m.GenerateKeyPair(s, rsaPair, []ck.Attribute{attr(ck.CKA_MODULUS_BITS, 1536)}, []ck.Attribute{attr(ck.CKA_TOKEN, true)})
				want(t, "a key pair", err, ck.CKR_PENDING)
				if when == "computed" {
					idle(t, m)
				}
				j := m.app.Load().sessionJobs(t, s)[0]
				must(t, end(m, s))
				idle(t, m)
				if g := j.session; g != nil {
					t.Error("the job has a session")
				}
				switch name {
				case "cancel", "logout":
					want(t, "completing", m.AsyncComplete(s, "C_GenerateKeyPair", new(ck.AsyncData)), ck.CKR_OPERATION_NOT_INITIALIZED)
				case "close":
					want(t, "completing", m.AsyncComplete(s, "C_GenerateKeyPair", new(ck.AsyncData)), ck.CKR_SESSION_HANDLE_INVALID)
				}
			})
		}
	}
}

// sessionJobs are the jobs of a session.
func (a *application) sessionJobs(t *testing.T, h ck.SessionHandle) []*job {
	t.Helper()
	s := a.sessions.Get(h)
	if s == nil {
		t.Fatalf("no session %d", h)
	}
	return s.jobs
}

// TestAsyncWiped looks at what a job has made after it was given up.
func TestAsyncWiped(t *testing.T) {
	m, slot := newToken(t)
	s := asyncSession(t, m, slot)
	must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
	ses := m.app.Load().sessions.Get(s)
	for _, finished := range []bool{false, true} {
		value, going, stop := []byte("secret"), make(chan struct{}), make(chan struct{})
		j := &job{name: "C_GenerateKey", cancelFlag: ck.CKF_GENERATE, forget: func() { clear(value) }, work: func(rand io.Reader) error {
			close(going)
			if !finished {
				<-stop
			}
			_, err := rand.Read(make([]byte, 1))
			return err
		}}
		_, err := ses.startJob(j)
		want(t, "starting", err, ck.CKR_PENDING)
		<-going
		if finished {
			idle(t, m)
		}
		must(t, m.SessionCancel(s, ck.CKF_GENERATE))
		close(stop)
		idle(t, m)
		if !bytes.Equal(value, make([]byte, 6)) {
			t.Errorf("finished %v: %q is left", finished, value)
		}
		if j.err != nil != !finished {
			t.Errorf("finished %v: the generator answered %v after the job was given up", finished, j.err)
		}
	}
	// A panic is an error, and not the end of the process.
	_, err := ses.startJob(&job{name: "C_GenerateKey", cancelFlag: ck.CKF_GENERATE, forget: func() {}, work: func(io.Reader) error { panic("x") }})
	want(t, "starting", err, ck.CKR_PENDING)
	_, err = ended(t, m, s, "C_GenerateKey")
	want(t, "a panic", err, ck.CKR_GENERAL_ERROR)
}

// TestAsyncJoin asks for the number of a job, and ends it in another session, also after C_Finalize.
func TestAsyncJoin(t *testing.T) {
	t.Parallel()
	for _, finalize := range []bool{false, true} {
		dir := t.TempDir()
		settings := ck.InitArgs{Reserved: "tokendir='" + dir + "' kdf='test'"}
		m := New()
		must(t, m.Initialize(settings))
		slot := lastSlot(t, m)
		must(t, m.InitToken(slot, []byte(soPIN), []byte(pad("test token"))))
		s := open(t, m, slot, true)
		must(t, m.Login(s, ck.CKU_SO, []byte(soPIN)))
		must(t, m.InitPIN(s, []byte(userPIN)))
		must(t, m.CloseSession(s))

		s = asyncSession(t, m, slot)
		must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
		_, _, err := m.GenerateKeyPair(s, rsaPair, []ck.Attribute{attr(ck.CKA_MODULUS_BITS, 1024)}, []ck.Attribute{attr(ck.CKA_TOKEN, true)})
		want(t, "a key pair", err, ck.CKR_PENDING)
		id, err := m.AsyncGetID(s, "C_GenerateKeyPair")
		must(t, err)
		if again, err := m.AsyncGetID(s, "C_GenerateKeyPair"); err != nil || again != id || id == 0 {
			t.Errorf("%d, then %d, %v", id, again, err)
		}
		must(t, m.CloseSession(s))
		if finalize {
			must(t, m.Finalize())
			must(t, m.Initialize(settings))
		}
		s = asyncSession(t, m, slot)
		want(t, "another function", m.AsyncJoin(s, "C_GenerateKey", id, nil), ck.CKR_SAVED_STATE_INVALID)
		want(t, "another number", m.AsyncJoin(s, "C_GenerateKeyPair", id+1, nil), ck.CKR_SAVED_STATE_INVALID)
		must(t, m.AsyncJoin(s, "C_GenerateKeyPair", id, nil))
		must(t, m.AsyncJoin(s, "C_GenerateKeyPair", id, nil))
		must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
		r, err := ended(t, m, s, "C_GenerateKeyPair")
		must(t, err)
		if got := readAttr(t, m, s, r.AdditionalObject, ck.CKA_TOKEN); got[0] != 1 {
			t.Error("no token object")
		}
		want(t, "joining again", m.AsyncJoin(s, "C_GenerateKeyPair", id, nil), ck.CKR_SAVED_STATE_INVALID)

		// One that was joined and is cancelled is gone, and without a login there is no private key.
		_, _, err = m.GenerateKeyPair(s, rsaPair, []ck.Attribute{attr(ck.CKA_MODULUS_BITS, 1024)}, []ck.Attribute{attr(ck.CKA_TOKEN, true)})
		want(t, "a key pair", err, ck.CKR_PENDING)
		_, err = m.AsyncGetID(s, "C_GenerateKeyPair")
		must(t, err)
		must(t, m.Logout(s))
		_, err = ended(t, m, s, "C_GenerateKeyPair")
		want(t, "without a login", err, ck.CKR_USER_NOT_LOGGED_IN)
		must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
		_, _, err = m.GenerateKeyPair(s, rsaPair, []ck.Attribute{attr(ck.CKA_MODULUS_BITS, 1024)}, nil)
		want(t, "a key pair", err, ck.CKR_PENDING)
		id, err = m.AsyncGetID(s, "C_GenerateKeyPair")
		must(t, err)
		must(t, m.SessionCancel(s, ck.CKF_GENERATE_KEY_PAIR))
		want(t, "joining what was cancelled", m.AsyncJoin(s, "C_GenerateKeyPair", id, nil), ck.CKR_SAVED_STATE_INVALID)
		_, _, err = m.GenerateKeyPair(s, rsaPair, []ck.Attribute{attr(ck.CKA_MODULUS_BITS, 1024)}, nil)
		want(t, "a key pair", err, ck.CKR_PENDING)
		id, err = m.AsyncGetID(s, "C_GenerateKeyPair")
		must(t, err)
		must(t, m.CloseSession(s))
		must(t, m.InitToken(slot, []byte(soPIN), []byte(pad("test token"))))
		want(t, "joining what another token had", m.AsyncJoin(asyncSession(t, m, slot), "C_GenerateKeyPair", id, nil), ck.CKR_SAVED_STATE_INVALID)
		idle(t, m)
		if n := len(m.jobs.numbered); n != 0 {
			t.Errorf("%d jobs are left", n)
		}
		must(t, m.Finalize())
	}
}

// TestAsyncMany begins more than run at once: what is too much is done in the call.
func TestAsyncMany(t *testing.T) {
	t.Parallel()
	m, slot := newToken(t)
	loggedIn(t, m, slot)
	stop := make(chan struct{})
	var sessions []ck.SessionHandle
	for range maxRunningJobs {
		s := asyncSession(t, m, slot)
		sessions = append(sessions, s)
		ses := m.app.Load().sessions.Get(s)
		_, err := ses.startJob(&job{name: "C_Test", cancelFlag: ck.CKF_GENERATE, forget: func() {}, work: func(io.Reader) error { <-stop; return nil }})
		want(t, "starting", err, ck.CKR_PENDING)
	}
	pub, priv, err := m.GenerateKeyPair(sessions[0], rsaPair, []ck.Attribute{attr(ck.CKA_MODULUS_BITS, 1024), attr(ck.CKA_VERIFY, true)}, []ck.Attribute{attr(ck.CKA_SIGN, true)})
	must(t, err)
	sha, out := &ck.Mechanism{Type: ck.CKM_SHA256_RSA_PKCS}, ck.Into(make([]byte, 128))
	must(t, m.SignInit(sessions[0], sha, priv))
	must(t, m.Sign(sessions[0], []byte("data"), &out))
	must(t, m.VerifyInit(sessions[0], sha, pub))
	must(t, m.Verify(sessions[0], []byte("data"), out.Data))
	close(stop)
	idle(t, m)
}
