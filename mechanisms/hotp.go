package mechanisms

import (
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
	"reflect"

	"github.com/softcsp/softcsp/ck"
)

const (
	hotpMaxKey     = 64 // bytes, the block of SHA-1
	hotpDefaultKey = 20 // RFC 4226, 4, R6, recommends 160 bits
	hotpCounter    = 8
	hotpMinDigits  = 6 // RFC 4226, 5.3
	hotpMaxDigits  = 8
)

var hotpKeys = []ck.KeyType{ck.CKK_HOTP}

// hotpRows are the one-time passwords of RFC 4226, section 6.53.
var hotpRows = []Mechanism{
	{Type: ck.CKM_HOTP_KEY_GEN, Min: 1, Max: hotpMaxKey, Makes: ck.CKK_HOTP, Generate: generateHOTP},
	{Type: ck.CKM_HOTP, Keys: hotpKeys, Min: 1, Max: hotpMaxKey, Sign: signHOTP, Verify: verifyHOTP},
}

// generateHOTP makes a key of 160 bits where the template has no CKA_VALUE_LEN.
func generateHOTP(rand io.Reader, p *ck.Param, size uint) ([]byte, error) {
	if size == 0 {
		size = hotpDefaultKey
	}
	return keyGen(ck.CKM_HOTP_KEY_GEN, ck.CKK_HOTP).Generate(rand, p, size)
}

// ValidHOTP checks the attributes that HOTP keys have beside those of all OTP keys: a counter of 8 bytes, and passwords of 6 to 8
// decimal digits that depend on nothing but the counter.
func ValidHOTP(attr func(ck.AttributeType) []byte) error {
	number := func(t ck.AttributeType, least, most uint) error {
		if n, err := ck.Ulong(attr(t)); err != nil || n < least || n > most {
			return fmt.Errorf("%w: %v", ck.CKR_ATTRIBUTE_VALUE_INVALID, t)
		}
		return nil
	}
	for _, c := range [...]struct {
		t           ck.AttributeType
		least, most uint
	}{
		{ck.CKA_OTP_FORMAT, ck.CK_OTP_FORMAT_DECIMAL, ck.CK_OTP_FORMAT_DECIMAL},
		{ck.CKA_OTP_LENGTH, hotpMinDigits, hotpMaxDigits},
		{ck.CKA_OTP_COUNTER_REQUIREMENT, ck.CK_OTP_PARAM_IGNORED, ck.CK_OTP_PARAM_MANDATORY},
		{ck.CKA_OTP_TIME_REQUIREMENT, ck.CK_OTP_PARAM_IGNORED, ck.CK_OTP_PARAM_IGNORED},
		{ck.CKA_OTP_PIN_REQUIREMENT, ck.CK_OTP_PARAM_IGNORED, ck.CK_OTP_PARAM_IGNORED},
		{ck.CKA_OTP_CHALLENGE_REQUIREMENT, ck.CK_OTP_PARAM_IGNORED, ck.CK_OTP_PARAM_IGNORED},
	} {
		if err := number(c.t, c.least, c.most); err != nil {
			return err
		}
	}
	if len(attr(ck.CKA_OTP_COUNTER)) != hotpCounter {
		return fmt.Errorf("%w: CKA_OTP_COUNTER", ck.CKR_ATTRIBUTE_VALUE_INVALID)
	}
	return nil
}

// A CounterSigner signs a counter. The token counts it up with each signature, and never gives the same value twice.
type CounterSigner interface {
	Signer
	// NeedsCounter reports whether the token has to set the counter: the parameter may have done so.
	NeedsCounter() bool
	// SetCounter sets the counter, as an attribute of the key has it.
	SetCounter(counter []byte)
}

// A hotp is an operation that makes a password, or verifies one. It needs the counter for that.
type hotp struct {
	mac     *mac
	digits  int
	counter [hotpCounter]byte
	known   bool // whether counter is set
}

var (
	_ CounterSigner = (*hotp)(nil)
	_ Verifier      = (*hotp)(nil)
)

func signHOTP(k *Key, p *ck.Param) (Signer, error) {
	h, err := beginHOTP(k, p)
	if err != nil {
		return nil, err
	}
	return h, nil
}

// verifyHOTP begins a verification, for which the parameter has to give the counter.
func verifyHOTP(k *Key, p *ck.Param) (Verifier, error) {
	h, err := beginHOTP(k, p)
	if err != nil {
		return nil, err
	}
	if !h.known {
		return nil, fmt.Errorf("%w: no CK_OTP_COUNTER", ck.CKR_MECHANISM_PARAM_INVALID)
	}
	return h, nil
}

// beginHOTP reads a CK_OTP_PARAMS, which may be missing.
func beginHOTP(k *Key, p *ck.Param) (*hotp, error) {
	digits, err := ck.Ulong(k.Attr(ck.CKA_OTP_LENGTH))
	if err != nil {
		return nil, err
	}
	h := &hotp{digits: int(digits)}
	required, err := ck.Ulong(k.Attr(ck.CKA_OTP_COUNTER_REQUIREMENT))
	if err != nil {
		return nil, err
	}
	if p.Present() {
		params := p.Template() // a CK_OTP_PARAM is laid out as a CK_ATTRIBUTE is
		if err := p.Done(); err != nil {
			return nil, err
		}
		friendly := string(k.Attr(ck.CKA_OTP_USER_FRIENDLY_MODE)) == "\x01"
		for i, a := range params {
			if err := h.param(params[:i], a, required, friendly); err != nil {
				return nil, err
			}
		}
	}
	if required == ck.CK_OTP_PARAM_MANDATORY && !h.known {
		return nil, fmt.Errorf("%w: no CK_OTP_COUNTER", ck.CKR_MECHANISM_PARAM_INVALID)
	}
	h.mac, err = beginHMAC(findHash(ck.CKM_SHA_1), k, p, func(*ck.Param) (int, error) { return sha1.Size, nil })
	return h, err
}

// param reads a CK_OTP_PARAM. Each type may come once.
func (h *hotp) param(before []ck.Attribute, a ck.Attribute, required uint, friendly bool) error {
	bad := fmt.Errorf("%w: CK_OTP_PARAM of type %d", ck.CKR_MECHANISM_PARAM_INVALID, uint(a.Type))
	for _, b := range before {
		if b.Type == a.Type {
			return bad
		}
	}
	number := func(least, most uint) (uint, error) {
		n, err := ck.Ulong(a.Value)
		if err != nil || n < least || n > most {
			return 0, bad
		}
		return n, nil
	}
	switch uint(a.Type) {
	case ck.CK_OTP_PIN, ck.CK_OTP_CHALLENGE, ck.CK_OTP_TIME: // ignored, as the key says
	case ck.CK_OTP_COUNTER:
		if len(a.Value) != hotpCounter {
			return bad
		}
		if required != ck.CK_OTP_PARAM_IGNORED {
			h.SetCounter(a.Value)
		}
	case ck.CK_OTP_FLAGS:
		// The next password is the current one as soon as there is one, and the counter cannot be left out.
		all := ck.CKF_EXCLUDE_TIME | ck.CKF_EXCLUDE_PIN | ck.CKF_EXCLUDE_CHALLENGE
		if friendly {
			all |= ck.CKF_USER_FRIENDLY_OTP
		}
		if n, err := number(0, uint(all)); err != nil || ck.Flags(n)&^all != 0 {
			return bad
		}
	case ck.CK_OTP_OUTPUT_LENGTH:
		n, err := number(hotpMinDigits, hotpMaxDigits)
		if err != nil {
			return err
		}
		h.digits = int(n)
	case ck.CK_OTP_OUTPUT_FORMAT:
		_, err := number(ck.CK_OTP_FORMAT_DECIMAL, ck.CK_OTP_FORMAT_DECIMAL)
		return err
	default:
		return bad
	}
	return nil
}

func (h *hotp) NeedsCounter() bool { return !h.known }

func (h *hotp) SetCounter(counter []byte) {
	h.known = copy(h.counter[:], counter) == hotpCounter
}

// Update takes no data: "pData shall be set to NULL_PTR and ulDataLen shall be set to 0."
func (h *hotp) Update(data []byte) error {
	if len(data) != 0 {
		return ck.CKR_DATA_LEN_RANGE
	}
	return h.mac.Update(nil)
}

// password computes the password: RFC 4226, 5.3.
func (h *hotp) password() ([]byte, error) {
	if !h.known {
		return nil, ck.CKR_FUNCTION_FAILED
	}
	if err := h.mac.Update(h.counter[:]); err != nil {
		return nil, err
	}
	var sum [sha1.Size]byte
	if _, err := h.mac.Sign(sum[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0xf:]) & 0x7fffffff
	clear(sum[:])
	text := fmt.Appendf(nil, "%08d", n%1e8)
	return text[len(text)-h.digits:], nil
}

// Offsets of what a CK_OTP_SIGNATURE_INFO points to.
const (
	otpParams   = 16               // after the structure itself
	otpCounter  = otpParams + 2*24 // after two structures CK_OTP_PARAM
	otpPassword = otpCounter + hotpCounter
)

func (h *hotp) Size() int { return otpPassword + h.digits }

// Sign writes a CK_OTP_SIGNATURE_INFO with the password and the counter, and behind it what it points to.
func (h *hotp) Sign(dst []byte) (int, error) {
	text, err := h.password()
	if err != nil {
		return 0, err
	}
	defer clear(text)
	base := uint(reflect.ValueOf(&dst[0]).Pointer())
	b := dst[:0]
	for _, u := range [...]uint{
		base + otpParams, 2,
		ck.CK_OTP_VALUE, base + otpPassword, uint(h.digits),
		ck.CK_OTP_COUNTER, base + otpCounter, hotpCounter,
	} {
		b = ck.AppendUlong(b, u)
	}
	return len(append(append(b, h.counter[:]...), text...)), nil
}

func (h *hotp) Verify(password []byte) error {
	text, err := h.password()
	if err != nil {
		return err
	}
	defer clear(text)
	if len(password) != h.digits {
		return ck.CKR_SIGNATURE_LEN_RANGE
	}
	if subtle.ConstantTimeCompare(text, password) != 1 {
		return ck.CKR_SIGNATURE_INVALID
	}
	return nil
}
