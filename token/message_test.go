package token

import (
	"bytes"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// gcmMessage is a CK_GCM_MESSAGE_PARAMS over a nonce and a tag in the caller's memory.
func gcmMessage(nonce, tag []byte) *ck.Param {
	var p []byte
	for _, n := range []uint{4096, uint(len(nonce)), 0, uint(ck.CKG_NO_GENERATE), 8192, uint(8 * len(tag))} {
		p = ck.AppendUlong(p, n)
	}
	param := ck.NewParam(p, func(address uint64, _ uint) []byte {
		if address == 4096 {
			return nonce
		}
		return tag
	})
	return &param
}

// TestMessageConfirmed encrypts messages with a key that has to be confirmed for each.
func TestMessageConfirmed(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	k, err := m.CreateObject(s, aesTemplate(false, "k", attr(ck.CKA_SIGN, true), attr(ck.CKA_ALWAYS_AUTHENTICATE, true)))
	must(t, err)
	nonce, tag, out := make([]byte, 12), make([]byte, 16), ck.Into(make([]byte, 4))
	must(t, m.MessageEncryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_GCM}, k))
	must(t, m.MessageSignInit(s, &ck.Mechanism{Type: ck.CKM_AES_CMAC}, k))
	for range 2 {
		want(t, "not confirmed", m.EncryptMessage(s, gcmMessage(nonce, tag), nil, []byte("data"), &out), ck.CKR_USER_NOT_LOGGED_IN)
		must(t, m.Login(s, ck.CKU_CONTEXT_SPECIFIC, []byte(userPIN)))
		must(t, m.EncryptMessage(s, gcmMessage(nonce, tag), nil, []byte("data"), &out))
	}
	sum := ck.Into(make([]byte, 16))
	must(t, m.Login(s, ck.CKU_CONTEXT_SPECIFIC, []byte(userPIN))) // the encryption waits, and is the first
	want(t, "not confirmed", m.SignMessage(s, &ck.Param{}, []byte("data"), &sum), ck.CKR_USER_NOT_LOGGED_IN)
	must(t, m.Login(s, ck.CKU_CONTEXT_SPECIFIC, []byte(userPIN)))
	must(t, m.SignMessage(s, &ck.Param{}, []byte("data"), &sum))
	want(t, "not confirmed", m.SignMessageBegin(s, &ck.Param{}), ck.CKR_USER_NOT_LOGGED_IN)
	must(t, m.Login(s, ck.CKU_CONTEXT_SPECIFIC, []byte(userPIN)))
	must(t, m.SignMessageBegin(s, &ck.Param{}))
	must(t, m.SignMessageNext(s, nil, []byte("da"), nil))
	again := ck.Into(make([]byte, 16))
	must(t, m.SignMessageNext(s, nil, []byte("ta"), &again))
	if !bytes.Equal(sum.Data, again.Data) {
		t.Errorf("%x in one part, %x in two", sum.Data, again.Data)
	}
}

// TestMessageParameters signs and verifies messages whose own parameters would tell the key, which the parameter of the Init function does
// not.
func TestMessageParameters(t *testing.T) {
	t.Parallel()
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	k, err := m.GenerateKey(s, &ck.Mechanism{Type: ck.CKM_RC2_KEY_GEN}, rows(ck.CKA_VALUE_LEN, 16, ck.CKA_EXTRACTABLE, false))
	must(t, err)
	few, all := func() *ck.Param { p := ck.NewParam(ulongs(8), nil); return &p }, inMemory(ck.CKM_RC2_MAC, ulongs(128))
	mac := ck.Into(make([]byte, 8))
	init := *all
	must(t, m.MessageSignInit(s, &init, k))
	want(t, "8 effective bits", m.SignMessage(s, few(), []byte("data"), &mac), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	want(t, "8 effective bits, in parts", m.SignMessageBegin(s, few()), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	same := all.Param
	must(t, m.SignMessage(s, &same, []byte("data"), &mac))
	must(t, m.SignMessage(s, &ck.Param{}, []byte("data"), &mac))
	must(t, m.MessageSignFinal(s))
	init = *all
	must(t, m.MessageVerifyInit(s, &init, k))
	want(t, "8 effective bits", m.VerifyMessage(s, few(), []byte("data"), mac.Data[:4]), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	must(t, m.VerifyMessage(s, &ck.Param{}, []byte("data"), mac.Data[:mac.N]))
}

// TestMessageKeyGone destroys a key that messages are signed with: the process has it until it ends.
func TestMessageKeyGone(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	k, err := m.CreateObject(s, aesTemplate(false, "k", attr(ck.CKA_SIGN, true)))
	must(t, err)
	must(t, m.MessageSignInit(s, &ck.Mechanism{Type: ck.CKM_AES_CMAC}, k))
	i := m.app.Load().objects.Get(k)
	o := i.object.Load()
	first, second := ck.Into(make([]byte, 16)), ck.Into(make([]byte, 16))
	must(t, m.SignMessage(s, &ck.Param{}, []byte("data"), &first))
	must(t, m.DestroyObject(s, k))
	must(t, m.SignMessage(s, &ck.Param{}, []byte("data"), &second))
	if !bytes.Equal(first.Data, second.Data) {
		t.Errorf("%x, then %x", first.Data, second.Data)
	}
	must(t, m.MessageSignFinal(s))
	if n := o.refs.n.Load(); n != wiped {
		t.Errorf("%d references to a key that nobody has", n)
	}
}

// TestMessageReferences gives back what a process refers to, however it ends.
func TestMessageReferences(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	k, err := m.CreateObject(s, aesTemplate(false, "k", attr(ck.CKA_SIGN, true), attr(ck.CKA_VERIFY, true)))
	must(t, err)
	i := m.app.Load().objects.Get(k)
	o := i.object.Load()
	refs := o.refs.n.Load()
	bad := ck.NewParam([]byte{1}, nil)
	want(t, "a parameter", m.MessageSignInit(s, &ck.Mechanism{Type: ck.CKM_AES_CMAC_GENERAL, Param: bad}, k), ck.CKR_MECHANISM_PARAM_INVALID)
	for name, end := range map[string]func() error{
		"final":  func() error { return m.MessageVerifyFinal(s) },
		"cancel": func() error { return m.SessionCancel(s, ck.CKF_MESSAGE_VERIFY) },
		"init":   func() error { return m.MessageVerifyInit(s, nil, 0) },
	} {
		must(t, m.MessageVerifyInit(s, &ck.Mechanism{Type: ck.CKM_AES_CMAC}, k))
		if o.refs.n.Load() != refs+1 {
			t.Errorf("%s: %d references during a process, %d before", name, o.refs.n.Load(), refs)
		}
		must(t, end())
		if o.refs.n.Load() != refs {
			t.Errorf("%s: %d references after a process, %d before", name, o.refs.n.Load(), refs)
		}
	}
	must(t, m.MessageVerifyInit(s, &ck.Mechanism{Type: ck.CKM_AES_CMAC}, k))
	must(t, m.MessageSignInit(s, &ck.Mechanism{Type: ck.CKM_AES_CMAC}, k))
	must(t, m.CloseSession(s))
	if n := o.refs.n.Load(); n != wiped {
		t.Errorf("%d references after the session", n)
	}
}

// TestMessagesOfServing has a key decrypt messages: it wraps no sensitive key then.
func TestMessagesOfServing(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	w := generate(t, m, s)
	must(t, m.MessageDecryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_GCM}, w))
	out := ck.Into(make([]byte, 64))
	want(t, "wrapping", m.WrapKey(s, &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}, w, generate(t, m, s, ck.CKA_EXTRACTABLE, true), &out), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
}

// TestMessagePasswords signs messages with a key for one-time passwords: none comes twice, and C_Sign goes on behind them.
func TestMessagePasswords(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	k, err := m.CreateObject(s, otpTemplate())
	must(t, err)
	must(t, m.MessageSignInit(s, &ck.Mechanism{Type: ck.CKM_HOTP}, k))
	for _, want := range []string{"755224", "287082", "359152"} {
		query, out := ck.Buffer{}, ck.Into(make([]byte, 100))
		must(t, m.SignMessage(s, &ck.Param{}, nil, &query))
		if must(t, m.SignMessage(s, &ck.Param{}, nil, &out)); string(out.Data[72:out.N]) != want {
			t.Errorf("%s, want %s", out.Data[72:out.N], want)
		}
	}
	must(t, m.MessageSignFinal(s))
	if got, _, err := password(m, s, k); err != nil || got != "969429" {
		t.Errorf("then %s, %v", got, err)
	}
}
