package mechanisms

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// A caseRunner runs cases through the rows. It keeps the keys that cases share.
type caseRunner struct {
	seen     *tried
	keys     map[*vectors.Key]*Key
	messages int // cases that were tried as messages, too
}

// mostMessages is how many cases of a file are tried as messages: NIST has thousands.
const mostMessages = 50

func newCaseRunner(seen *tried) *caseRunner {
	return &caseRunner{seen: seen, keys: make(map[*vectors.Key]*Key)}
}

// missing reports whether a case needs a mechanism, a type of key or a curve that the tables do not have.
func missing(c *vectors.Case) bool {
	for _, k := range []*vectors.Key{c.Key, c.Public} {
		if k == nil || k.Class == ck.CKO_SECRET_KEY {
			continue
		}
		if findPairType(k.Type) == nil {
			return true
		}
		params := k.Value(ck.CKA_EC_PARAMS)
		if _, err := findCurve(params); params != nil && err == ck.CKR_CURVE_NOT_SUPPORTED && (k == c.Key || !c.Takes(ck.CKR_CURVE_NOT_SUPPORTED)) {
			return true
		}
	}
	return c.Does != vectors.Import && Lookup(c.Mechanism) == nil
}

// run runs a case, and says what is wrong with what came of it.
func (r *caseRunner) run(c *vectors.Case) error {
	r.seen.add(c.Mechanism)
	rv, err := r.do(c)
	if err == nil && !c.Takes(rv) {
		err = fmt.Errorf("%v, and not %v", rv, c.Refused)
	}
	if err != nil {
		return fmt.Errorf("%s: %v: %w", c.At, c.Mechanism, err)
	}
	return nil
}

// do does what a case says. rv is the code of what refuses it, err is about a wrong result.
func (r *caseRunner) do(c *vectors.Case) (rv ck.RV, err error) {
	m := Lookup(c.Mechanism)
	k, err := r.key(c.Key)
	if err != nil {
		return ck.Code(err), nil
	}
	pub, err := r.key(c.Public)
	if err != nil {
		return ck.Code(err), nil
	}
	if pub == nil {
		pub = k
	}
	for _, step := range []struct {
		op   vectors.Op
		do   func() ([]byte, error)
		want []byte
	}{
		{vectors.Digest, func() ([]byte, error) { return digested(m, caseParam(c), c.In) }, c.Out},
		{vectors.Encrypt, func() ([]byte, error) { return whole(m.Encrypt, pub, caseParam(c), c.In) }, c.Out},
		{vectors.Decrypt, func() ([]byte, error) { return whole(m.Decrypt, k, caseParam(c), c.Out) }, c.In},
		{vectors.Sign, func() ([]byte, error) { return signed(m, k, *caseParam(c), c.In) }, c.Out},
		{vectors.Verify, func() ([]byte, error) { return nil, verified(m, pub, *caseParam(c), c.In, c.Out) }, nil},
		{vectors.Derive, func() ([]byte, error) { return derivedBy(m, k, c) }, c.Out},
		{vectors.Unwrap, func() ([]byte, error) { return m.Unwrap(k, caseParam(c), c.In) }, c.Out},
		{vectors.Encapsulate, func() ([]byte, error) { return nil, encapsulated(m, pub, c) }, nil},
		{vectors.Decapsulate, func() ([]byte, error) { return decapsulatedBy(m, k, c) }, c.Out},
		{vectors.Generate, func() ([]byte, error) { return fromPassword(m.Type, c.Template, c.Param...) }, c.Out},
	} {
		if c.Does&step.op == 0 {
			continue
		}
		got, err := step.do()
		if rv := ck.RV(0); err != nil && !errors.As(err, &rv) {
			return 0, err
		} else if err != nil {
			return rv, nil
		}
		if !c.NoResult {
			if c.Unknown > 0 && len(got) == len(step.want) {
				copy(got[:c.Unknown], step.want)
			}
			if err := same("result", got, step.want); err != nil {
				return 0, err
			}
		}
	}
	return ck.CKR_OK, r.further(m, k, pub, c)
}

// further tries what follows from a case that worked: wrapping and messages are encryption, and other signatures are refused.
func (r *caseRunner) further(m *Mechanism, k, pub *Key, c *vectors.Case) error {
	if len(c.Refused) != 0 {
		return nil
	}
	if both := vectors.Encrypt | vectors.Decrypt; c.Does&both == both {
		var err error
		if r.messages++; m.Message != nil && r.messages <= mostMessages {
			err = asMessage(m, k, c)
		}
		if m.Wrap != nil {
			err = errors.Join(err, checkCipher(m, k, func() *ck.Param { return caseParam(c) }, c.In, c.Out))
		}
		return err
	}
	if both := vectors.Sign | vectors.Verify; c.Does&both == both && c.Public == nil {
		return checkMAC(m, k, func() *ck.Param { return caseParam(c) }, c.In, c.Out)
	}
	return nil
}

func caseParam(c *vectors.Case) *ck.Param {
	p := params(c.Param...)
	return &p
}

func digested(m *Mechanism, p *ck.Param, data []byte) ([]byte, error) {
	h, err := m.Digest(p)
	if err != nil {
		return nil, err
	}
	h.Write(data)
	dst := make([]byte, h.Size())
	if sum := h.Sum(dst[:0]); len(sum) != len(dst) || &sum[0] != &dst[0] {
		return nil, fmt.Errorf("the digest of %d bytes does not go where there is room for it", len(sum))
	}
	return dst, nil
}

func derivedBy(m *Mechanism, k *Key, c *vectors.Case) ([]byte, error) {
	return derived(m.Type, k, nil, c.Template, c.Param...)
}

func encapsulated(m *Mechanism, k *Key, c *vectors.Case) error {
	e, err := m.Encapsulate(&Base{Key: k, Template: c.Template}, caseParam(c))
	if err != nil {
		return err
	}
	var d Derived
	defer d.Wipe()
	ciphertext, err := e.Make(&d)
	if err == nil && len(ciphertext) != e.Size {
		err = fmt.Errorf("%d bytes of ciphertext, said to be %d", len(ciphertext), e.Size)
	}
	return err
}

func decapsulatedBy(m *Mechanism, k *Key, c *vectors.Case) ([]byte, error) {
	var d Derived
	defer d.Wipe()
	err := m.Decapsulate(&Base{Key: k, Template: c.Template}, caseParam(c), c.In, &d)
	return bytes.Clone(d.Value), err
}

// key makes a key, nil of nil, as C_CreateObject, C_UnwrapKey and C_GenerateKey check it.
func (r *caseRunner) key(k *vectors.Key) (*Key, error) {
	if k == nil || r.keys[k] != nil {
		return r.keys[k], nil
	}
	made, err := r.makeKey(k)
	if err == nil {
		r.keys[k] = made
	}
	return made, err
}

func (r *caseRunner) makeKey(k *vectors.Key) (*Key, error) {
	switch {
	case k.From != nil:
		value, err := fromPassword(k.From.Mechanism, k.From.Template, k.From.Param...)
		return secretKey(k.Type, value), err
	case k.Class == ck.CKO_SECRET_KEY:
		key := secretKey(k.Type, k.Value(ck.CKA_VALUE))
		key.Salt = k.Value(ck.CKA_SOFTCSP_SALT)
		key.EffectiveBits, _ = ck.Ulong(k.Value(ck.CKA_SOFTCSP_EFFECTIVE_BITS))
		return key, nil
	}
	attrs := k.Attributes
	if k.PKCS8 != nil {
		var err error
		if attrs, err = UnmarshalPrivate(k.Type, k.PKCS8); err != nil {
			return nil, err
		}
	}
	if k.Type == ck.CKK_RSA && k.Class == ck.CKO_PRIVATE_KEY { // which takes long, and which is done where keys come through C
		return pairKey(k.Class, k.Type, attrs), nil
	}
	added, err := Complete(k.Class, k.Type, func(t ck.AttributeType) []byte { return findAttr(attrs, t) })
	if err != nil {
		return nil, err
	}
	all := append(attrs[:len(attrs):len(attrs)], added...)
	return pairKey(k.Class, k.Type, all), nil
}

// runSuite runs the cases of a file, and counts those that there are mechanisms for, and the tests that wait for some. In
// short mode it runs one in nineteen of the cases that compute with large numbers.
func runSuite(t *testing.T, s *vectors.Suite, seen *tried) (cases, waits int) {
	r := newCaseRunner(seen)
	waiting := make(map[string]bool)
	for i := range s.Cases {
		c := &s.Cases[i]
		if missing(c) {
			waiting[c.At] = true
			continue
		}
		cases++
		if testing.Short() && s.Family != "Records" && c.Costly() && i%19 != 0 {
			continue
		}
		if err := r.run(c); err != nil {
			t.Error(err)
		}
	}
	if cases > 0 && len(waiting) > 0 && !s.Mixed {
		t.Errorf("%s: some cases have mechanisms and %d tests have none", s.Name, len(waiting))
	}
	return cases, len(waiting)
}
