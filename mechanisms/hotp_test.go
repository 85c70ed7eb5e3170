package mechanisms

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"reflect"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// hotpKey is a key with the attributes that its mechanism reads, those of changes instead where there are some.
func hotpKey(value []byte, changes ...ck.Attribute) *Key {
	attrs := append(changes, []ck.Attribute{
		{Type: ck.CKA_OTP_LENGTH, Value: ck.UlongValue(6)}, {Type: ck.CKA_OTP_FORMAT, Value: ck.UlongValue(ck.CK_OTP_FORMAT_DECIMAL)},
		{Type: ck.CKA_OTP_COUNTER_REQUIREMENT, Value: ck.UlongValue(ck.CK_OTP_PARAM_OPTIONAL)},
		{Type: ck.CKA_OTP_TIME_REQUIREMENT, Value: ck.UlongValue(0)}, {Type: ck.CKA_OTP_PIN_REQUIREMENT, Value: ck.UlongValue(0)},
		{Type: ck.CKA_OTP_CHALLENGE_REQUIREMENT, Value: ck.UlongValue(0)}, {Type: ck.CKA_OTP_USER_FRIENDLY_MODE, Value: ck.BoolValue(true)},
		{Type: ck.CKA_OTP_COUNTER, Value: make([]byte, 8)},
	}...)
	return &Key{Class: ck.CKO_OTP_KEY, Type: ck.CKK_HOTP, Value: value, Attr: func(t ck.AttributeType) []byte { return findAttr(attrs, t) }}
}

// otpFields are the fields of a CK_OTP_PARAMS with types and values by turns.
func otpFields(pairs ...any) []any {
	var list structs
	for i := 0; i < len(pairs); i += 2 {
		v, ok := pairs[i+1].([]byte)
		if !ok {
			v = ck.UlongValue(pairs[i+1].(uint))
		}
		list = append(list, pairs[i].(uint), pointed(v))
	}
	return []any{list, len(pairs) / 2}
}

// runHOTP makes and verifies the passwords of RFC 4226, with the counter in the parameter and from elsewhere.
func runHOTP(t *testing.T, seen *tried) {
	records, err := vectors.Records(os.DirFS("testdata"), "rfc4226.rec")
	if err != nil || len(records) != 10 {
		t.Fatal(len(records), err)
	}
	for i := range records {
		r := &records[i]
		read := func(name string) []byte {
			b, err := r.Bytes(name)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		seen.add(ck.CKM_HOTP)
		k := hotpKey(read("Key"))
		for _, c := range []struct {
			want   []byte
			fields []any
			length uint
		}{
			{want: read("Password"), fields: otpFields(ck.CK_OTP_COUNTER, read("Counter"))},
			{want: read("Longer"), fields: otpFields(ck.CK_OTP_OUTPUT_LENGTH, uint(8), ck.CK_OTP_COUNTER, read("Counter"))},
			{want: read("Longer")[1:], fields: otpFields(ck.CK_OTP_OUTPUT_LENGTH, uint(7))},
		} {
			p := params(c.fields...)
			s, err := signHOTP(k, &p)
			if err != nil {
				t.Fatal(err)
			}
			if s.(CounterSigner).NeedsCounter() {
				s.(CounterSigner).SetCounter(read("Counter"))
			}
			checkOTP(t, s, read("Counter"), c.want)
			if len(c.want) == 7 {
				continue
			}
			for _, v := range []struct {
				password []byte
				want     error
			}{{c.want, nil}, {append([]byte{c.want[0] ^ 1}, c.want[1:]...), ck.CKR_SIGNATURE_INVALID}, {c.want[1:], ck.CKR_SIGNATURE_LEN_RANGE}} {
				p := params(c.fields...)
				check, err := verifyHOTP(k, &p)
				if err == nil {
					err = check.Verify(v.password)
				}
				if err != v.want {
					t.Errorf("%s: %s: %v, want %v", r.At, v.password, err, v.want)
				}
			}
		}
	}
}

// checkOTP reads a CK_OTP_SIGNATURE_INFO.
func checkOTP(t *testing.T, s Signer, counter, password []byte) {
	t.Helper()
	dst, check := guarded(t, s.Size())
	n, err := s.Sign(dst)
	check("HOTP")
	if err != nil || n != len(dst) {
		t.Fatalf("%d bytes of %d, %v", n, len(dst), err)
	}
	base := uint64(reflect.ValueOf(&dst[0]).Pointer())
	at := func(off uint64) uint64 { return binary.NativeEndian.Uint64(dst[off:]) }
	list := at(0) - base
	if at(8) != 2 || at(list) != uint64(ck.CK_OTP_VALUE) || at(list+24) != uint64(ck.CK_OTP_COUNTER) {
		t.Fatalf("%x", dst)
	}
	for i, want := range [][]byte{password, counter} {
		off := at(list+24*uint64(i)+8) - base
		if got := dst[off:][:at(list+24*uint64(i)+16)]; !bytes.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if _, err := s.Sign(dst); err != ck.CKR_OPERATION_NOT_INITIALIZED {
		t.Errorf("twice: %v", err)
	}
}

// TestHOTPRefuses sees what parameters are refused, and that there is no password without a counter.
func TestHOTPRefuses(t *testing.T) {
	t.Parallel()
	counter := make([]byte, 8)
	attr := func(t ck.AttributeType, n uint) ck.Attribute { return ck.Attribute{Type: t, Value: ck.UlongValue(n)} }
	never := ck.Attribute{Type: ck.CKA_OTP_USER_FRIENDLY_MODE, Value: ck.BoolValue(false)}
	for _, c := range []struct {
		name    string
		changes []ck.Attribute
		fields  []any
		bad     bool
	}{
		{"none", nil, nil, false},
		{"no parameters", nil, otpFields(), false},
		{"what is ignored", nil, otpFields(ck.CK_OTP_PIN, []byte("1234"), ck.CK_OTP_TIME, []byte("20261124223000"), ck.CK_OTP_CHALLENGE, []byte{}), false},
		{"flags", nil, otpFields(ck.CK_OTP_FLAGS, uint(ck.CKF_EXCLUDE_TIME|ck.CKF_USER_FRIENDLY_OTP)), false},
		{"not for humans", []ck.Attribute{never}, otpFields(ck.CK_OTP_FLAGS, uint(ck.CKF_USER_FRIENDLY_OTP)), true},
		{"the next", nil, otpFields(ck.CK_OTP_FLAGS, uint(ck.CKF_NEXT_OTP)), true},
		{"no counter", nil, otpFields(ck.CK_OTP_FLAGS, uint(ck.CKF_EXCLUDE_COUNTER)), true},
		{"an unknown flag", nil, otpFields(ck.CK_OTP_FLAGS, uint(1<<40)), true},
		{"short flags", nil, otpFields(ck.CK_OTP_FLAGS, []byte{0}), true},
		{"a short counter", nil, otpFields(ck.CK_OTP_COUNTER, counter[:7]), true},
		{"two counters", nil, otpFields(ck.CK_OTP_COUNTER, counter, ck.CK_OTP_COUNTER, counter), true},
		{"5 digits", nil, otpFields(ck.CK_OTP_OUTPUT_LENGTH, uint(5)), true},
		{"9 digits", nil, otpFields(ck.CK_OTP_OUTPUT_LENGTH, uint(9)), true},
		{"binary", nil, otpFields(ck.CK_OTP_OUTPUT_FORMAT, ck.CK_OTP_FORMAT_BINARY), true},
		{"decimal", nil, otpFields(ck.CK_OTP_OUTPUT_FORMAT, ck.CK_OTP_FORMAT_DECIMAL), false},
		{"a value", nil, otpFields(ck.CK_OTP_VALUE, []byte("123456")), true},
		{"an unknown one", nil, otpFields(uint(99), []byte("123456")), true},
		{"a pointer to nothing", nil, []any{uint(77), 1}, true},
		{"half a structure", nil, []any{make([]byte, 12)}, true},
		{"a counter is needed", []ck.Attribute{attr(ck.CKA_OTP_COUNTER_REQUIREMENT, ck.CK_OTP_PARAM_MANDATORY)}, nil, true},
	} {
		p := params(c.fields...)
		s, err := signHOTP(hotpKey(pattern(20), c.changes...), &p)
		if errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) != c.bad || !c.bad && err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if err == nil {
			if n, err := s.Sign(make([]byte, s.Size())); err != ck.CKR_FUNCTION_FAILED || n != 0 {
				t.Errorf("%s: a password without a counter, %v", c.name, err)
			}
		}
	}
	ignoring := hotpKey(pattern(20), attr(ck.CKA_OTP_COUNTER_REQUIREMENT, ck.CK_OTP_PARAM_IGNORED))
	p := params(otpFields(ck.CK_OTP_COUNTER, counter)...)
	if s, err := signHOTP(ignoring, &p); err != nil || !s.(CounterSigner).NeedsCounter() {
		t.Errorf("a counter that is ignored: %v", err)
	}
	p = params(otpFields(ck.CK_OTP_COUNTER, counter)...)
	if _, err := verifyHOTP(ignoring, &p); !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) {
		t.Errorf("verifying without a counter: %v", err)
	}
	p = params()
	if s, err := signHOTP(hotpKey(pattern(20)), &p); err != nil || s.Update(pattern(1)) != ck.CKR_DATA_LEN_RANGE {
		t.Errorf("takes data, %v", err)
	}
}
