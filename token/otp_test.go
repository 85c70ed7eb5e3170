package token

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// otpTemplate is the template of a key of RFC 4226.
func otpTemplate(more ...ck.Attribute) []ck.Attribute {
	return append(rows(ck.CKA_CLASS, ck.CKO_OTP_KEY, ck.CKA_KEY_TYPE, ck.CKK_HOTP, ck.CKA_VALUE, []byte("12345678901234567890")), more...)
}

// password makes the next password of a key.
func password(m *Module, s ck.SessionHandle, k ck.ObjectHandle) (string, uint64, error) {
	if err := m.SignInit(s, &ck.Mechanism{Type: ck.CKM_HOTP}, k); err != nil {
		return "", 0, err
	}
	out := ck.Into(make([]byte, 100))
	if err := m.Sign(s, nil, &out); err != nil {
		return "", 0, err
	}
	return string(out.Data[72:out.N]), binary.BigEndian.Uint64(out.Data[64:]), nil
}

// TestHOTP goes on from one password to the next, of session objects and of token objects.
func TestHOTP(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	for _, token := range []bool{false, true} {
		k, err := m.CreateObject(s, otpTemplate(attr(ck.CKA_TOKEN, token), attr(ck.CKA_LABEL, "otp")))
		must(t, err)
		for i, want := range []string{"755224", "287082", "359152", "969429"} {
			must(t, m.SignInit(s, &ck.Mechanism{Type: ck.CKM_HOTP}, k)) // asking and a short buffer take no number
			query, short := ck.Buffer{}, ck.Into(make([]byte, 77))
			must(t, m.Sign(s, nil, &query))
			if err := m.Sign(s, nil, &short); err != ck.CKR_BUFFER_TOO_SMALL || query.N != 78 || short.N != 78 {
				t.Errorf("%v, %d and %d bytes", err, query.N, short.N)
			}
			must(t, m.SessionCancel(s, ck.CKF_SIGN))
			if got, counter, err := password(m, s, k); err != nil || got != want || counter != uint64(i) {
				t.Errorf("password %d is %s of %d, %v; want %s", i, got, counter, err, want)
			}
			if c := value(t, m, s, k, ck.CKA_OTP_COUNTER); binary.BigEndian.Uint64(c) != uint64(i)+1 {
				t.Errorf("the counter is %x", c)
			}
		}
		if found := find(t, m, s, attr(ck.CKA_LABEL, "otp"), attr(ck.CKA_CLASS, ck.CKO_OTP_KEY)); len(found) != 1 {
			t.Errorf("%d objects found", len(found))
		}
		must(t, m.DestroyObject(s, k))
	}
}

// TestHOTPTwoProcesses has sessions of two processes take passwords of one key: nobody gets one twice, none is left out.
func TestHOTPTwoProcesses(t *testing.T) {
	t.Parallel()
	m, s := twoModules(t)
	_, err := m[0].CreateObject(s[0], otpTemplate(attr(ck.CKA_TOKEN, true), attr(ck.CKA_LABEL, "otp")))
	must(t, err)
	const each = 10
	got := make(chan string, 4*each)
	var done sync.WaitGroup
	for n := range 4 {
		m, s := m[n%2], s[n%2]
		k := find(t, m, s, attr(ck.CKA_LABEL, "otp"))
		if len(k) != 1 {
			t.Fatal(k)
		}
		info, err := m.GetSessionInfo(s)
		must(t, err)
		own := open(t, m, info.SlotID, n < 2) // a session that only reads does too
		done.Go(func() {
			for range each {
				p, counter, err := password(m, own, k[0])
				got <- fmt.Sprint(counter, " ", p, " ", err)
			}
		})
	}
	done.Wait()
	close(got)
	seen := make(map[string]bool)
	for g := range got {
		seen[g] = true
	}
	for n := range 4 * each {
		if _, want, err := hotpAt(m[0], s[0], uint64(n)); err != nil || !seen[fmt.Sprint(n, " ", want, " <nil>")] {
			t.Errorf("password %d, %s: nobody got it (%v)", n, want, err)
		}
	}
	if len(seen) != 4*each {
		t.Errorf("%d passwords", len(seen))
	}
}

// hotpAt makes the password of a counter.
func hotpAt(m *Module, s ck.SessionHandle, counter uint64) (k ck.ObjectHandle, text string, err error) {
	if k, err = m.CreateObject(s, otpTemplate(attr(ck.CKA_OTP_COUNTER, binary.BigEndian.AppendUint64(nil, counter)))); err == nil {
		text, _, err = password(m, s, k)
	}
	return k, text, err
}

// TestHOTPKeys makes keys for passwords in all ways, and refuses what they cannot be.
func TestHOTPKeys(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	k, err := m.GenerateKey(s, &ck.Mechanism{Type: ck.CKM_HOTP_KEY_GEN}, rows(ck.CKA_OTP_LENGTH, 8, ck.CKA_EXTRACTABLE, true, ck.CKA_SENSITIVE, true))
	must(t, err)
	for _, a := range rows(ck.CKA_CLASS, ck.CKO_OTP_KEY, ck.CKA_KEY_TYPE, ck.CKK_HOTP, ck.CKA_VALUE_LEN, 20, ck.CKA_OTP_COUNTER, make([]byte, 8), ck.CKA_OTP_LENGTH, 8,
		ck.CKA_OTP_FORMAT, ck.CK_OTP_FORMAT_DECIMAL, ck.CKA_OTP_COUNTER_REQUIREMENT, ck.CK_OTP_PARAM_OPTIONAL, ck.CKA_OTP_PIN_REQUIREMENT, ck.CK_OTP_PARAM_IGNORED,
		ck.CKA_OTP_USER_FRIENDLY_MODE, true, ck.CKA_LOCAL, true, ck.CKA_PRIVATE, true, ck.CKA_SENSITIVE, true) {
		if v := value(t, m, s, k, a.Type); !bytes.Equal(v, a.Value) {
			t.Errorf("%v is %x, not %x", a.Type, v, a.Value)
		}
	}
	if _, err := read(m, s, k, ck.CKA_VALUE); err != ck.CKR_ATTRIBUTE_SENSITIVE {
		t.Errorf("the value: %v", err)
	}
	first, _, err := password(m, s, k)
	must(t, err)
	wrapping, err := m.GenerateKey(s, &ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, rows(ck.CKA_VALUE_LEN, 16))
	must(t, err)
	out := ck.Into(make([]byte, 100))
	mech := &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP_KWP}
	must(t, m.WrapKey(s, mech, wrapping, k, &out))
	again, err := m.UnwrapKey(s, mech, wrapping, out.Data[:out.N], rows(ck.CKA_CLASS, ck.CKO_OTP_KEY, ck.CKA_KEY_TYPE, ck.CKK_HOTP, ck.CKA_OTP_LENGTH, 8))
	must(t, err)
	if p, _, err := password(m, s, again); err != nil || p != first || len(p) != 8 {
		t.Errorf("%s and %s, %v", p, first, err)
	}
	_, err = m.UnwrapKey(s, mech, wrapping, out.Data[:out.N], rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET, ck.CKA_SENSITIVE, false))
	want(t, "the value of a sensitive key", err, ck.CKR_TEMPLATE_INCONSISTENT)
	for _, c := range []struct {
		name string
		more []ck.Attribute
		want ck.RV
	}{
		{"a short counter", rows(ck.CKA_OTP_COUNTER, make([]byte, 7)), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"5 digits", rows(ck.CKA_OTP_LENGTH, 5), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"9 digits", rows(ck.CKA_OTP_LENGTH, 9), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"hexadecimal", rows(ck.CKA_OTP_FORMAT, ck.CK_OTP_FORMAT_HEXADECIMAL), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"the time", rows(ck.CKA_OTP_TIME_REQUIREMENT, ck.CK_OTP_PARAM_MANDATORY), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"a PIN", rows(ck.CKA_OTP_PIN_REQUIREMENT, ck.CK_OTP_PARAM_OPTIONAL), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"no requirement", rows(ck.CKA_OTP_COUNTER_REQUIREMENT, 3), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"a time interval", rows(ck.CKA_OTP_TIME_INTERVAL, 30), ck.CKR_ATTRIBUTE_TYPE_INVALID},
	} {
		_, err := m.CreateObject(s, otpTemplate(c.more...))
		want(t, c.name, err, c.want)
	}
	want(t, "encryption", m.EncryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_ECB}, k), ck.CKR_KEY_TYPE_INCONSISTENT)
	want(t, "another key", m.SignInit(s, &ck.Mechanism{Type: ck.CKM_HOTP}, wrapping), ck.CKR_KEY_TYPE_INCONSISTENT)
	want(t, "the counter", m.SetAttributeValue(s, k, rows(ck.CKA_OTP_COUNTER, make([]byte, 8))), ck.CKR_ATTRIBUTE_READ_ONLY)
	var derived ck.ObjectHandle
	want(t, "deriving", m.DeriveKey(s, &ck.Mechanism{Type: ck.CKM_SHA256_KEY_DERIVATION}, k, nil, &derived), ck.CKR_KEY_TYPE_INCONSISTENT)
}

// TestHOTPEnds sees that a counter does not begin again, that a lost key ends the operation, and that verifying counts nothing.
func TestHOTPEnds(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	k, _, err := hotpAt(m, s, math.MaxUint64-1)
	must(t, err)
	if _, _, err := password(m, s, k); ck.Code(err) != ck.CKR_FUNCTION_FAILED {
		t.Errorf("after the last: %v", err)
	}
	k, text, err := hotpAt(m, s, 5)
	must(t, err)
	at := func(counter byte) *ck.Mechanism {
		return inMemory(ck.CKM_HOTP, ulongs(at(1), 1), ulongs(ck.CK_OTP_COUNTER, at(2), 8), []byte{0, 0, 0, 0, 0, 0, 0, counter})
	}
	for counter, wanted := range map[byte]ck.RV{5: ck.CKR_OK, 6: ck.CKR_SIGNATURE_INVALID} {
		must(t, m.VerifyInit(s, at(counter), k))
		if err := m.Verify(s, nil, []byte(text)); ck.Code(err) != wanted {
			t.Errorf("%d: %v", counter, err)
		}
	}
	must(t, m.SignInit(s, at(9), k)) // a counter that is given leaves that of the key alone
	out := ck.Into(make([]byte, 100))
	must(t, m.Sign(s, nil, &out))
	if c := value(t, m, s, k, ck.CKA_OTP_COUNTER); c[7] != 6 || string(out.Data[72:out.N]) != "520489" {
		t.Errorf("counter %x, %s", c, out.Data[72:out.N])
	}
	want(t, "no counter to verify with", m.VerifyInit(s, &ck.Mechanism{Type: ck.CKM_HOTP}, k), ck.CKR_MECHANISM_PARAM_INVALID)
	must(t, m.SignInit(s, &ck.Mechanism{Type: ck.CKM_HOTP}, k))
	must(t, m.DestroyObject(s, k))
	want(t, "a key that is gone", m.Sign(s, nil, &out), ck.CKR_KEY_HANDLE_INVALID)
	want(t, "after the end", m.Sign(s, nil, &out), ck.CKR_OPERATION_NOT_INITIALIZED)
}
