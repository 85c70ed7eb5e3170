package conformance

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// A testbed is a session of a host in which cases are run.
type testbed struct {
	*Script
	session uint64
	known   map[ck.MechanismType]ck.Flags // 0 for a mechanism that the module does not have
	objects []madeKey                     // the latest last
	kek     uint64                        // wraps the keys that come in an encoding
}

type madeKey struct {
	key    *vectors.Key
	handle uint64
	rv     ck.RV
}

// keptKeys is how many keys stay in the token: those that neighbouring cases share.
const keptKeys = 4

// newTestbed logs in to a token of its own.
func newTestbed(s *Script) (*testbed, error) {
	if err := s.Do("login"); err != nil {
		return nil, err
	}
	return &testbed{Script: s, session: s.Vars.Number("s"), known: make(map[ck.MechanismType]ck.Flags)}, nil
}

// flags asks once what a mechanism can do.
func (b *testbed) flags(m ck.MechanismType) (ck.Flags, error) {
	if f, ok := b.known[m]; ok {
		return f, nil
	}
	d := b.host.direct().number(b.Vars.Number("slot"), uint64(m))
	info := d.f.room(24, place{})
	rv, err := d.number(d.f.address(info)).call("C_GetMechanismInfo")
	if err == nil && rv == ck.CKR_OK {
		b.known[m] = ck.Flags(binary.NativeEndian.Uint64(d.f.bytes(info)[16:]))
	} else if b.known[m] = 0; err == nil && rv != ck.CKR_MECHANISM_INVALID {
		err = rv
	}
	return b.known[m], err
}

// A verdict is what became of a case.
type verdict int

const (
	fits  verdict = iota
	waits         // for a mechanism, a type of key or a curve
)

// run runs a case. The error says what is wrong with what came of it.
func (b *testbed) run(c *vectors.Case) (verdict, error) {
	if c.Does != vectors.Import {
		if f, err := b.flags(c.Mechanism); err != nil || f == 0 {
			return waits, err
		}
	}
	rv, err := b.do(c)
	if err == nil && rv == ck.CKR_CURVE_NOT_SUPPORTED && (c.Key != nil && b.refused(c.Key) || !c.Takes(rv)) {
		return waits, nil
	}
	if err == nil && !c.Takes(rv) {
		err = fmt.Errorf("%v, and not %v", rv, c.Refused)
	}
	if err != nil {
		err = fmt.Errorf("%s: %v: %w", c.At, c.Mechanism, err)
	}
	return fits, err
}

// do does what a case says. rv is the code of the call that refuses it.
func (b *testbed) do(c *vectors.Case) (rv ck.RV, err error) {
	k, rv, err := b.key(c.Key)
	if err != nil || rv != ck.CKR_OK {
		return rv, err
	}
	pub, rv, err := b.key(c.Public)
	if err != nil || rv != ck.CKR_OK {
		return rv, err
	}
	if c.Public == nil {
		pub = k
	}
	for _, step := range []struct {
		op   vectors.Op
		do   func() ([]byte, ck.RV, error)
		want []byte
	}{
		{vectors.Digest, func() ([]byte, ck.RV, error) { return b.transform("C_Digest", c, 0, c.In, len(c.Out)) }, c.Out},
		{vectors.Encrypt, func() ([]byte, ck.RV, error) { return b.transform("C_Encrypt", c, pub, c.In, len(c.Out)) }, c.Out},
		{vectors.Decrypt, func() ([]byte, ck.RV, error) {
			return b.transform("C_Decrypt", c, k, c.Out, max(len(c.In), len(c.Out)))
		}, c.In},
		{vectors.Sign, func() ([]byte, ck.RV, error) { return b.transform("C_Sign", c, k, c.In, len(c.Out)) }, c.Out},
		{vectors.Verify, func() ([]byte, ck.RV, error) { return b.verify(c, pub, c.Out) }, nil},
		{vectors.Derive, func() ([]byte, ck.RV, error) { return b.makeValue("C_DeriveKey", c, k) }, c.Out},
		{vectors.Generate, func() ([]byte, ck.RV, error) { return b.makeValue("C_GenerateKey", c, 0) }, c.Out},
		{vectors.Unwrap, func() ([]byte, ck.RV, error) { return b.unwrapValue(c, k) }, c.Out},
		{vectors.Encapsulate, func() ([]byte, ck.RV, error) { return b.encapsulate(c, pub) }, nil},
		{vectors.Decapsulate, func() ([]byte, ck.RV, error) { return b.decapsulate(c, k) }, c.Out},
	} {
		if c.Does&step.op == 0 {
			continue
		}
		got, rv, err := step.do()
		if err != nil || rv != ck.CKR_OK {
			return rv, err
		}
		if !c.NoResult && step.want != nil && !bytes.Equal(got, step.want) {
			return rv, fmt.Errorf("%x, and not %x", got, step.want)
		}
	}
	return ck.CKR_OK, b.further(c, k, pub)
}

// further tries what follows from a case that worked: wrapping is encryption, and another MAC is refused.
func (b *testbed) further(c *vectors.Case, k, pub uint64) error {
	if len(c.Refused) != 0 {
		return nil
	}
	if both := vectors.Encrypt | vectors.Decrypt; c.Does&both == both && len(c.In) > 0 && b.known[c.Mechanism]&(ck.CKF_WRAP|ck.CKF_UNWRAP) == ck.CKF_WRAP|ck.CKF_UNWRAP {
		return b.wrap(c, k)
	}
	if both := vectors.Sign | vectors.Verify; c.Does&both == both && len(c.Out) > 0 {
		other := bytes.Clone(c.Out)
		other[len(other)-1] ^= 1
		if _, rv, err := b.verify(c, pub, other); err != nil || rv != ck.CKR_SIGNATURE_INVALID {
			return fmt.Errorf("another signature: %v, %w", rv, err)
		}
	}
	return nil
}

// mechanism adds the mechanism of a case to a call.
func (b *testbed) mechanism(d *direct, m ck.MechanismType, param []any) (*direct, error) {
	fields, err := vectors.Resolve(param, func(k *vectors.Key) (uint, error) {
		handle, rv, err := b.key(k)
		if err == nil && rv != ck.CKR_OK {
			err = rv
		}
		return uint(handle), err
	})
	if err != nil {
		return nil, err
	}
	return d.mechanism(m, fields)
}

// begin calls the function that begins an operation.
func (b *testbed) begin(name string, c *vectors.Case, key uint64) (ck.RV, error) {
	d, err := b.mechanism(b.host.direct().number(b.session), c.Mechanism, c.Param)
	if err != nil {
		return 0, err
	}
	if name != "C_DigestInit" {
		d.number(key)
	}
	return d.call(name)
}

// transform begins an operation and does it in one call, with room for n bytes and some more.
func (b *testbed) transform(name string, c *vectors.Case, key uint64, in []byte, n int) ([]byte, ck.RV, error) {
	if rv, err := b.begin(name+"Init", c, key); err != nil || rv != ck.CKR_OK {
		return nil, rv, err
	}
	d := b.host.direct().number(b.session).bytes(in)
	out := d.room(n + 32)
	rv, err := d.call(name)
	if err != nil || rv != ck.CKR_OK {
		return nil, rv, err
	}
	return out(), rv, nil
}

// verify verifies with C_Verify, and with the functions of 3.0 and 3.2, which have to say the same.
func (b *testbed) verify(c *vectors.Case, key uint64, sig []byte) ([]byte, ck.RV, error) {
	if rv, err := b.begin("C_VerifyInit", c, key); err != nil || rv != ck.CKR_OK {
		return nil, rv, err
	}
	rv, err := b.host.direct().number(b.session).bytes(c.In).bytes(sig).call("C_Verify")
	if err != nil {
		return nil, rv, err
	}
	known, err := b.verifyKnown(c, key, sig)
	if err == nil && known != rv {
		err = fmt.Errorf("C_Verify says %v, C_VerifySignature %v", rv, known)
	}
	if err != nil || c.Mechanism == ck.CKM_AES_GMAC { // of which each message has a parameter of its own
		return nil, rv, err
	}
	message, err := b.verifyMessage(c, key, sig)
	if err == nil && message != rv {
		err = fmt.Errorf("C_Verify says %v, C_VerifyMessage %v", rv, message)
	}
	return nil, rv, err
}

// verifyKnown verifies a signature that is known before its data.
func (b *testbed) verifyKnown(c *vectors.Case, key uint64, sig []byte) (ck.RV, error) {
	d, err := b.mechanism(b.host.direct().number(b.session), c.Mechanism, c.Param)
	if err != nil {
		return 0, err
	}
	if rv, err := d.number(key).bytes(sig).call("C_VerifySignatureInit"); err != nil || rv != ck.CKR_OK {
		return rv, err
	}
	return b.host.direct().number(b.session).bytes(c.In).call("C_VerifySignature")
}

// verifyMessage verifies the signature of a message.
func (b *testbed) verifyMessage(c *vectors.Case, key uint64, sig []byte) (ck.RV, error) {
	if rv, err := b.begin("C_MessageVerifyInit", c, key); err != nil || rv != ck.CKR_OK {
		return rv, err
	}
	rv, err := b.host.direct().number(b.session).bytes(nil).bytes(c.In).bytes(sig).call("C_VerifyMessage")
	if err != nil {
		return rv, err
	}
	if end, err := b.host.direct().number(b.session).call("C_MessageVerifyFinal"); err != nil || end != ck.CKR_OK {
		return end, err
	}
	return rv, nil
}

var (
	yes = ck.BoolValue(true)
	no  = ck.BoolValue(false)
)

// template is the template for what a case makes, whose value can be read.
func (b *testbed) template(c *vectors.Case) []ck.Attribute {
	t := slices.Clone(c.Template)
	if slices.ContainsFunc(t, func(a ck.Attribute) bool { return a.Type == ck.CKA_CLASS }) {
		return t
	}
	return append(t, ck.Attribute{Type: ck.CKA_CLASS, Value: ck.UlongValue(uint(ck.CKO_SECRET_KEY))},
		ck.Attribute{Type: ck.CKA_SENSITIVE, Value: no}, ck.Attribute{Type: ck.CKA_EXTRACTABLE, Value: yes},
		ck.Attribute{Type: ck.CKA_ENCRYPT, Value: yes}, ck.Attribute{Type: ck.CKA_DECRYPT, Value: yes})
}

// makeValue makes an object, reads its value and destroys it.
func (b *testbed) makeValue(name string, c *vectors.Case, base uint64) ([]byte, ck.RV, error) {
	d, handle, rv, err := b.makeObject(name, c, base)
	if err != nil || rv != ck.CKR_OK {
		return nil, rv, err
	}
	if c.Keys != nil {
		return b.keyBlock(c, d)
	}
	for i, want := range c.Written {
		if got := d.f.bytes(d.outs[i]); !bytes.Equal(got, want) {
			return nil, rv, fmt.Errorf("wrote %x, and not %x", got, want)
		}
	}
	return b.takeValue(handle, len(c.Out))
}

// keyBlock takes the keys whose handles a derivation has written, and what it wrote beside.
func (b *testbed) keyBlock(c *vectors.Case, d *direct) (block []byte, rv ck.RV, err error) {
	handles := d.f.bytes(d.outs[len(d.outs)-1])
	for i, n := range c.Keys {
		value, rv, err := b.takeValue(binary.NativeEndian.Uint64(handles[8*i:]), n)
		if err != nil {
			return nil, rv, err
		}
		block = append(block, value...)
	}
	for _, out := range d.outs[:len(d.outs)-1] {
		block = append(block, d.f.bytes(out)...)
	}
	return block, ck.CKR_OK, nil
}

func (b *testbed) makeObject(name string, c *vectors.Case, base uint64) (*direct, uint64, ck.RV, error) {
	d, err := b.mechanism(b.host.direct().number(b.session), c.Mechanism, c.Param)
	if err != nil {
		return nil, 0, 0, err
	}
	if name == "C_DeriveKey" {
		d.number(base)
	}
	d.template(b.template(c)...)
	handle := -1
	if c.Keys != nil {
		d.number(0)
	} else {
		handle = d.ulong(0)
	}
	rv, err := d.call(name)
	if handle < 0 {
		return d, 0, rv, err
	}
	return d, d.f.number(handle), rv, err
}

// takeValue reads the value of an object, for which there is room for n bytes and some more, and destroys it.
func (b *testbed) takeValue(handle uint64, n int) ([]byte, ck.RV, error) {
	d := b.host.direct().number(b.session, handle)
	value := d.f.room(n+32, place{})
	var rows []byte
	for _, x := range []uint64{uint64(ck.CKA_VALUE), d.f.address(value), uint64(n + 32)} {
		rows = binary.NativeEndian.AppendUint64(rows, x)
	}
	row := d.f.put(rows, place{}, true)
	rv, err := d.number(d.f.address(row), 1).call("C_GetAttributeValue")
	if err != nil || rv != ck.CKR_OK {
		return nil, rv, fmt.Errorf("C_GetAttributeValue: %v, %w", rv, err)
	}
	got := bytes.Clone(d.f.bytes(value)[:min(binary.NativeEndian.Uint64(d.f.bytes(row)[16:]), uint64(n+32))])
	return got, ck.CKR_OK, b.destroy(handle)
}

func (b *testbed) destroy(handle uint64) error {
	rv, err := b.host.direct().number(b.session, handle).call("C_DestroyObject")
	if err == nil && rv != ck.CKR_OK {
		err = rv
	}
	return err
}

// wrap unwraps the ciphertext of a case into a key, and wraps that.
func (b *testbed) wrap(c *vectors.Case, kek uint64) error {
	handle, rv, err := b.unwrap(c.Mechanism, c.Param, kek, c.Out, []ck.Attribute{
		{Type: ck.CKA_CLASS, Value: ck.UlongValue(uint(ck.CKO_SECRET_KEY))}, {Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(ck.CKK_GENERIC_SECRET))},
		{Type: ck.CKA_SENSITIVE, Value: no}, {Type: ck.CKA_EXTRACTABLE, Value: yes}, {Type: ck.CKA_VALUE_LEN, Value: ck.UlongValue(uint(len(c.In)))}})
	if err != nil || rv != ck.CKR_OK {
		return fmt.Errorf("C_UnwrapKey: %v, %w", rv, err)
	}
	d, err := b.mechanism(b.host.direct().number(b.session), c.Mechanism, c.Param)
	if err != nil {
		return err
	}
	wrapped := d.number(kek, handle).room(len(c.Out) + 32)
	rv, err = d.call("C_WrapKey")
	if err != nil || rv != ck.CKR_OK || !bytes.Equal(wrapped(), c.Out) {
		return fmt.Errorf("C_WrapKey: %v, %x, and not %x, %w", rv, wrapped(), c.Out, err)
	}
	value, _, err := b.takeValue(handle, len(c.In))
	if err == nil && !bytes.Equal(value, c.In) {
		err = fmt.Errorf("unwrapped %x, and not %x", value, c.In)
	}
	return err
}

// unwrapValue unwraps a generic secret and takes its value.
func (b *testbed) unwrapValue(c *vectors.Case, kek uint64) ([]byte, ck.RV, error) {
	handle, rv, err := b.unwrap(c.Mechanism, c.Param, kek, c.In, append(b.template(c), ck.Attribute{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(ck.CKK_GENERIC_SECRET))}))
	if err != nil || rv != ck.CKR_OK {
		return nil, rv, err
	}
	return b.takeValue(handle, len(c.Out))
}

func (b *testbed) unwrap(m ck.MechanismType, param []any, kek uint64, wrapped []byte, template []ck.Attribute) (uint64, ck.RV, error) {
	d, err := b.mechanism(b.host.direct().number(b.session), m, param)
	if err != nil {
		return 0, 0, err
	}
	handle := d.number(kek).bytes(wrapped).template(template...).ulong(0)
	rv, err := d.call("C_UnwrapKey")
	return d.f.number(handle), rv, err
}

// encapsulate makes a key and its ciphertext, whose length is that of the case.
func (b *testbed) encapsulate(c *vectors.Case, k uint64) ([]byte, ck.RV, error) {
	d, err := b.mechanism(b.host.direct().number(b.session), c.Mechanism, c.Param)
	if err != nil {
		return nil, 0, err
	}
	out := d.number(k).template(b.template(c)...).room(len(c.Out) + 32)
	handle := d.ulong(0)
	rv, err := d.call("C_EncapsulateKey")
	if err != nil || rv != ck.CKR_OK {
		return nil, rv, err
	}
	if len(out()) != len(c.Out) {
		return nil, rv, fmt.Errorf("%d bytes of ciphertext, and not %d", len(out()), len(c.Out))
	}
	return nil, rv, b.destroy(d.f.number(handle))
}

func (b *testbed) decapsulate(c *vectors.Case, k uint64) ([]byte, ck.RV, error) {
	d, err := b.mechanism(b.host.direct().number(b.session), c.Mechanism, c.Param)
	if err != nil {
		return nil, 0, err
	}
	handle := d.number(k).template(b.template(c)...).bytes(c.In).ulong(0)
	rv, err := d.call("C_DecapsulateKey")
	if err != nil || rv != ck.CKR_OK {
		return nil, rv, err
	}
	return b.takeValue(d.f.number(handle), len(c.Out))
}

// key makes a key, or finds it among the latest; the handle of nil is 0.
func (b *testbed) key(k *vectors.Key) (uint64, ck.RV, error) {
	if k == nil {
		return 0, ck.CKR_OK, nil
	}
	for _, o := range b.objects {
		if o.key == k {
			return o.handle, o.rv, nil
		}
	}
	if len(b.objects) == keptKeys {
		if b.objects[0].rv == ck.CKR_OK {
			if err := b.destroy(b.objects[0].handle); err != nil {
				return 0, 0, err
			}
		}
		b.objects = b.objects[1:]
	}
	handle, rv, err := b.makeKey(k)
	if err == nil {
		b.objects = append(b.objects, madeKey{k, handle, rv})
	}
	return handle, rv, err
}

// refused reports whether the module has refused to make a key.
func (b *testbed) refused(k *vectors.Key) bool {
	return slices.ContainsFunc(b.objects, func(o madeKey) bool { return o.key == k && o.rv != ck.CKR_OK })
}

// uses are what keys are made for.
var uses = map[ck.ObjectClass][]ck.AttributeType{
	ck.CKO_SECRET_KEY:  {ck.CKA_ENCRYPT, ck.CKA_DECRYPT, ck.CKA_SIGN, ck.CKA_VERIFY, ck.CKA_WRAP, ck.CKA_UNWRAP, ck.CKA_DERIVE},
	ck.CKO_PUBLIC_KEY:  {ck.CKA_ENCRYPT, ck.CKA_VERIFY},
	ck.CKO_PRIVATE_KEY: {ck.CKA_DECRYPT, ck.CKA_SIGN, ck.CKA_UNWRAP, ck.CKA_DERIVE},
}

func (b *testbed) makeKey(k *vectors.Key) (uint64, ck.RV, error) {
	t := []ck.Attribute{{Type: ck.CKA_CLASS, Value: ck.UlongValue(uint(k.Class))}, {Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(k.Type))}}
	if k.Class == ck.CKO_SECRET_KEY { // what is derived of it can be read
		t = append(t, ck.Attribute{Type: ck.CKA_SENSITIVE, Value: no}, ck.Attribute{Type: ck.CKA_EXTRACTABLE, Value: yes})
	}
	for _, use := range uses[k.Class] {
		t = append(t, ck.Attribute{Type: use, Value: yes})
	}
	if k.Type == ck.CKK_ML_KEM {
		use := ck.AttributeType(ck.CKA_ENCAPSULATE)
		if k.Class == ck.CKO_PRIVATE_KEY {
			use = ck.CKA_DECAPSULATE
		}
		t = append(t, ck.Attribute{Type: use, Value: yes})
	}
	switch {
	case k.From != nil:
		_, handle, rv, err := b.makeObject("C_GenerateKey", k.From, 0)
		return handle, rv, err
	case k.PKCS8 != nil:
		return b.unwrapPrivate(k.PKCS8, t)
	}
	d := b.host.direct().number(b.session).template(append(t, k.Attributes...)...)
	handle := d.ulong(0)
	rv, err := d.call("C_CreateObject")
	return d.f.number(handle), rv, err
}

// unwrapPrivate encrypts a PrivateKeyInfo and has the token unwrap it.
func (b *testbed) unwrapPrivate(info []byte, template []ck.Attribute) (uint64, ck.RV, error) {
	value, iv := bytes.Repeat([]byte{0x4b}, 16), make([]byte, aes.BlockSize)
	if b.kek == 0 {
		handle, rv, err := b.makeKey(vectors.Secret(ck.CKK_AES, value))
		if err != nil || rv != ck.CKR_OK {
			return 0, rv, err
		}
		b.kek = handle
	}
	c, err := aes.NewCipher(value)
	if err != nil {
		return 0, 0, err
	}
	fill := aes.BlockSize - len(info)%aes.BlockSize
	padded := append(bytes.Clone(info), bytes.Repeat([]byte{byte(fill)}, fill)...)
	cipher.NewCBCEncrypter(c, iv).CryptBlocks(padded, padded)
	return b.unwrap(ck.CKM_AES_CBC_PAD, []any{iv}, b.kek, padded, template)
}
