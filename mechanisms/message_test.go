package mechanisms

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// A messageForm is the structure of the parameter of a message.
type messageForm struct{ *ck.Structure }

// messageFormOf is the structure that a mechanism takes with messages.
func messageFormOf(m ck.MechanismType) messageForm {
	forms, _, _ := ck.ParameterOf(m, ck.C_EncryptMessage)
	if len(forms) != 1 {
		panic(fmt.Sprintf("%v takes %d structures with messages, and not one: internal/gen/parameters.txt", m, len(forms)))
	}
	return messageForm{forms[0]}
}

// param makes the parameter of a message, by the names that the standard gives the fields of such structures.
func (s messageForm) param(nonce, tag []byte, length, fixed, generator int) ck.Param {
	var fields []any
	for i := range s.Fields {
		switch name := s.Fields[i].Name; name {
		case "pIv", "pNonce":
			fields = append(fields, alone(nonce))
		case "ulIvLen", "ulNonceLen":
			n := len(nonce)
			if s.Name == "CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS" { // the one that counts bits
				n *= 8
			}
			fields = append(fields, n)
		case "ulIvFixedBits", "ulNonceFixedBits":
			fields = append(fields, fixed)
		case "ivGenerator", "nonceGenerator":
			fields = append(fields, generator)
		case "pTag", "pMAC":
			fields = append(fields, alone(tag))
		case "ulTagBits":
			fields = append(fields, 8*len(tag))
		case "ulMACLen":
			fields = append(fields, len(tag))
		case "ulDataLen":
			fields = append(fields, length)
		default:
			panic(fmt.Sprintf("%s.%s: say in messageForm.param what it is", s.Name, name))
		}
	}
	return params(fields...)
}

// messageRows are the rows that encrypt messages.
func messageRows() (rows []*Mechanism) {
	for i := range table {
		if table[i].Message != nil {
			rows = append(rows, &table[i])
		}
	}
	return rows
}

// A messageGroup is a group of tests of authenticated encryption.
type messageGroup struct {
	Tests []struct {
		ID      int         `json:"tcId"`
		Comment string      `json:"comment"`
		Key     vectors.Hex `json:"key"`
		IV      vectors.Hex `json:"iv"`
		AAD     vectors.Hex `json:"aad"`
		Msg     vectors.Hex `json:"msg"`
		CT      vectors.Hex `json:"ct"`
		Tag     vectors.Hex `json:"tag"`
		Result  string      `json:"result"`
	} `json:"tests"`
}

// TestMessageVectors runs the vectors of Project Wycheproof through messages, in one call and in parts.
func TestMessageVectors(t *testing.T) {
	t.Parallel()
	for _, f := range []struct {
		name string
		m    ck.MechanismType
	}{
		{"aes_gcm_test.json", ck.CKM_AES_GCM},
		{"aes_ccm_test.json", ck.CKM_AES_CCM},
		{"chacha20_poly1305_test.json", ck.CKM_CHACHA20_POLY1305},
		{"xchacha20_poly1305_test.json", ck.CKM_CHACHA20_POLY1305},
	} {
		groups, err := vectors.Wycheproof(f.name, func(g *messageGroup) int { return len(g.Tests) })
		if err != nil {
			t.Fatal(err)
		}
		valid, invalid := 0, 0
		for i := range groups {
			for j := range groups[i].Tests {
				c := &groups[i].Tests[j]
				v := messageVector{row: Lookup(f.m), form: messageFormOf(f.m), nonce: c.IV, aad: c.AAD, plain: c.Msg, cipher: c.CT, tag: c.Tag}
				v.key = secretKey(v.row.Keys[0], c.Key)
				if c.Result == "invalid" {
					invalid++
					err = v.refused()
				} else {
					valid++
					err = errors.Join(v.encrypts(), v.decrypts())
				}
				if err != nil {
					t.Errorf("%s %d (%s, %s): %v", f.name, c.ID, c.Comment, c.Result, err)
				}
			}
		}
		if valid < 50 || invalid < 20 {
			t.Errorf("%s: %d valid, %d invalid", f.name, valid, invalid)
		}
	}
}

// A messageVector is a message and what becomes of it.
type messageVector struct {
	row                            *Mechanism
	form                           messageForm
	key                            *Key
	nonce, aad, plain, cipher, tag []byte
}

func (v *messageVector) param(tag []byte) *ck.Param {
	p := v.form.param(v.nonce, tag, len(v.cipher), 0, 0)
	return &p
}

// splits are the lengths of the parts that a message comes in.
var splits = [][]int{{1}, {0, 5, 16}, {17, 1, 15}, {64}}

// inParts runs a message through a MessageCipher in parts, and returns the output.
func (v *messageVector) inParts(c MessageCipher, tag, src []byte, sizes []int) ([]byte, error) {
	defer c.End()
	if err := c.Begin(v.param(tag), v.aad); err != nil {
		return nil, err
	}
	var out []byte
	for i := 0; ; i++ {
		n := min(sizes[i%len(sizes)], len(src))
		last := n == len(src)
		dst := bytes.Repeat([]byte{0xa5}, c.NextLen(n, last)+1)
		p := &ck.Param{}
		if last {
			p = v.param(tag)
		}
		if err := c.Next(p, dst[:len(dst)-1], src[:n], last); err != nil {
			if bytes.Trim(dst, "\xa5") != nil && last {
				return dst, fmt.Errorf("%w, with output", err)
			}
			return out, err
		}
		if dst[len(dst)-1] != 0xa5 {
			return nil, errors.New("more output than told")
		}
		out, src = append(out, dst[:len(dst)-1]...), src[n:]
		if last {
			return out, nil
		}
	}
}

func (v *messageVector) encrypts() error {
	c, err := v.row.Message(v.key, &ck.Param{}, false)
	if err != nil {
		return err
	}
	tag, buf := make([]byte, len(v.tag)), bytes.Clone(v.plain)
	if err := c.Whole(v.param(tag), v.aad, buf, buf); err != nil {
		return err
	}
	if !bytes.Equal(buf, v.cipher) || !bytes.Equal(tag, v.tag) {
		return fmt.Errorf("encrypts to %x, tag %x", buf, tag)
	}
	for _, sizes := range splits {
		clear(tag)
		got, err := v.inParts(c, tag, v.plain, sizes)
		if err != nil || !bytes.Equal(got, v.cipher) || !bytes.Equal(tag, v.tag) {
			return fmt.Errorf("in parts of %d encrypts to %x, tag %x, %v", sizes, got, tag, err)
		}
	}
	return nil
}

func (v *messageVector) decrypts() error {
	c, err := v.row.Message(v.key, v.param(make([]byte, len(v.tag))), true)
	if err != nil {
		return err
	}
	got := make([]byte, len(v.cipher))
	if err := c.Whole(v.param(v.tag), v.aad, got, v.cipher); err != nil || !bytes.Equal(got, v.plain) {
		return fmt.Errorf("decrypts to %x, %v", got, err)
	}
	for _, sizes := range splits {
		got, err := v.inParts(c, v.tag, v.cipher, sizes)
		if err != nil || !bytes.Equal(got, v.plain) {
			return fmt.Errorf("in parts of %d decrypts to %x, %v", sizes, got, err)
		}
	}
	// A tag or associated data that are wrong release nothing, and leave the next message alone.
	wrong := *v
	wrong.tag = bytes.Clone(v.tag)
	wrong.tag[0] ^= 1
	if err := wrong.refusedBy(c, ck.CKR_AEAD_DECRYPT_FAILED); err != nil {
		return err
	}
	wrong = *v
	wrong.aad = append(bytes.Clone(v.aad), 0)
	if err := wrong.refusedBy(c, ck.CKR_AEAD_DECRYPT_FAILED); err != nil {
		return err
	}
	return c.Whole(v.param(v.tag), v.aad, got, v.cipher)
}

func (v *messageVector) refused() error {
	c, err := v.row.Message(v.key, &ck.Param{}, true)
	if errors.Is(err, ck.CKR_KEY_SIZE_RANGE) {
		return nil
	}
	if err != nil {
		return err
	}
	return v.refusedBy(c, ck.CKR_AEAD_DECRYPT_FAILED, ck.CKR_MECHANISM_PARAM_INVALID)
}

// refusedBy wants one of the codes, and no output.
func (v *messageVector) refusedBy(c MessageCipher, codes ...ck.RV) error {
	among := func(err error) bool {
		return slices.ContainsFunc(codes, func(rv ck.RV) bool { return errors.Is(err, rv) })
	}
	got := make([]byte, len(v.cipher))
	if err := c.Whole(v.param(v.tag), v.aad, got, v.cipher); !among(err) || !bytes.Equal(got, make([]byte, len(got))) {
		return fmt.Errorf("what is wrong decrypts to %x, %v", got, err)
	}
	for _, sizes := range splits {
		if got, err := v.inParts(c, v.tag, v.cipher, sizes); !among(err) || len(got) > 0 {
			return fmt.Errorf("what is wrong in parts of %d decrypts to %x, %v", sizes, got, err)
		}
	}
	return nil
}

// asMessage does what a case says with the functions of messages.
func asMessage(m *Mechanism, k *Key, c *vectors.Case) error {
	v := messageVector{row: m, form: messageFormOf(m.Type), key: k, plain: c.In, tag: make([]byte, 16)}
	forms, _, _ := ck.ParameterOf(m.Type, ck.C_EncryptInit)
	for _, form := range forms {
		if p := caseParam(c); uint(p.Len()) == form.Size {
			if err := form.Walk(p, v.read); err != nil {
				return err
			}
		}
	}
	n := len(c.Out) - len(v.tag)
	v.cipher, v.tag = c.Out[:n:n], c.Out[n:]
	return errors.Join(v.encrypts(), v.decrypts())
}

// read reads a field of the parameter of an encryption.
func (v *messageVector) read(p *ck.Place) {
	switch p.Field.Name {
	case "pIv", "pNonce":
		v.nonce = p.Target
	case "pAAD":
		v.aad = p.Target
	case "ulTagBits":
		v.tag = make([]byte, p.Number()/8)
	case "ulMACLen":
		v.tag = make([]byte, p.Number())
	}
}

// TestMessageOverlap encrypts and decrypts where input, output and tag lie over each other.
func TestMessageOverlap(t *testing.T) {
	t.Parallel()
	for _, row := range messageRows() {
		m := row.Type
		v := messageVector{row: row, form: messageFormOf(m), key: secretKey(row.Keys[0], pattern(32)), nonce: pattern(12), aad: pattern(5),
			plain: pattern(100), cipher: make([]byte, 100), tag: make([]byte, 16)}
		enc, err := v.row.Message(v.key, &ck.Param{}, false)
		if err != nil {
			t.Fatal(err)
		}
		dec, err := v.row.Message(v.key, &ck.Param{}, true)
		if err != nil {
			t.Fatal(err)
		}
		if err := enc.Whole(v.param(v.tag), v.aad, v.cipher, v.plain); err != nil {
			t.Fatal(err)
		}
		for _, shift := range []int{0, 1, 16, 33} {
			buf := make([]byte, 200)
			copy(buf[shift:], v.plain)
			tag := make([]byte, 16)
			if err := enc.Whole(v.param(tag), v.aad, buf[:100], buf[shift:shift+100]); err != nil || !bytes.Equal(buf[:100], v.cipher) || !bytes.Equal(tag, v.tag) {
				t.Errorf("%v, %d apart: %x, %v", m, shift, buf[:100], err)
			}
			copy(buf[shift:], v.plain)
			if err := enc.Begin(v.param(tag), v.aad); err != nil {
				t.Fatal(err)
			}
			if err := enc.Next(v.param(tag), buf[:100], buf[shift:shift+100], true); err != nil || !bytes.Equal(buf[:100], v.cipher) {
				t.Errorf("%v in parts, %d apart: %x, %v", m, shift, buf[:100], err)
			}
			enc.End()
			copy(buf[shift:], v.cipher)
			copy(buf[shift+100:], v.tag) // the output may lie over the tag, too
			if err := dec.Whole(v.param(buf[shift+100:shift+116]), v.aad, buf[:100], buf[shift:shift+100]); err != nil || !bytes.Equal(buf[:100], v.plain) {
				t.Errorf("%v decrypting, %d apart: %x, %v", m, shift, buf[:100], err)
			}
		}
	}
}

// TestLongNonces encrypts in parts with nonces for which the counter of GCM begins anywhere, and compares with one call.
func TestLongNonces(t *testing.T) {
	t.Parallel()
	form := messageFormOf(ck.CKM_AES_GCM)
	for n := 1; n < 40; n++ {
		v := messageVector{row: Lookup(ck.CKM_AES_GCM), form: form, key: aesKey(), nonce: pattern(n), plain: pattern(300), cipher: make([]byte, 300), tag: make([]byte, 12)}
		c, err := v.row.Message(v.key, &ck.Param{}, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Whole(v.param(v.tag), nil, v.cipher, v.plain); err != nil {
			t.Fatal(err)
		}
		if err := v.encrypts(); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestMessageLengths holds messages against the length that CK_CCM_MESSAGE_PARAMS tells.
func TestMessageLengths(t *testing.T) {
	t.Parallel()
	form := messageFormOf(ck.CKM_AES_CCM)
	tag := make([]byte, 16)
	param := func(length int) *ck.Param { p := form.param(pattern(13), tag, length, 0, 0); return &p }
	for decrypt, want := range map[bool]ck.RV{false: ck.CKR_DATA_LEN_RANGE, true: ck.CKR_ENCRYPTED_DATA_LEN_RANGE} {
		c, err := Lookup(ck.CKM_AES_CCM).Message(aesKey(), &ck.Param{}, decrypt)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{9, 11} {
			if err := c.Whole(param(10), nil, make([]byte, n), pattern(n)); err != want {
				t.Errorf("%d bytes instead of 10: %v", n, err)
			}
			if err := c.Begin(param(10), nil); err != nil {
				t.Fatal(err)
			}
			if err := c.Next(param(10), make([]byte, 2*n), pattern(n), false); (err == want) != (n > 10) {
				t.Errorf("%d bytes of 10: %v", n, err)
			}
			if err := c.Next(param(10), make([]byte, 2*n), nil, true); n < 10 && err != want {
				t.Errorf("%d bytes instead of 10 at the end: %v", n, err)
			}
			c.End()
		}
		if err := c.Whole(param(1<<16), nil, make([]byte, 1<<16), pattern(1<<16)); err != want {
			t.Errorf("2^16 bytes with a nonce of 13: %v", err)
		}
		if err := c.Begin(param(10), nil); err != nil {
			t.Fatal(err)
		}
		p := form.param(pattern(13), tag[:8], 10, 0, 0)
		if err := c.Next(&p, make([]byte, 10), pattern(10), true); !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) {
			t.Errorf("a tag of another length at the end: %v", err)
		}
		c.End()
	}
}

// TestMessageParams cuts the parameter of a message at every length.
func TestMessageParams(t *testing.T) {
	t.Parallel()
	for _, row := range messageRows() {
		m := row.Type
		good := messageFormOf(m).param(pattern(12), make([]byte, 16), 4, 0, 0)
		whole := append(bytesOf(good), make([]byte, 9)...)
		follow := func(_ uint64, n uint) []byte { return make([]byte, min(n, 1<<16)) }
		for _, decrypt := range []bool{false, true} {
			c, err := row.Message(secretKey(row.Keys[0], pattern(32)), &ck.Param{}, decrypt)
			if err != nil {
				t.Fatal(err)
			}
			for n := range whole {
				p := ck.NewParam(whole[:n], follow)
				if n == good.Len() {
					continue
				}
				q := p
				if err := c.Whole(&q, nil, make([]byte, 4), pattern(4)); !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) {
					t.Errorf("%v with %d bytes: %v", m, n, err)
				}
				q = p
				if err := c.Begin(&q, nil); !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) {
					t.Errorf("%v beginning with %d bytes: %v", m, n, err)
				}
				q = p
				if _, err := row.Message(secretKey(row.Keys[0], pattern(32)), &q, decrypt); n > 0 && !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) {
					t.Errorf("%v prepared with %d bytes: %v", m, n, err)
				}
			}
		}
		if _, err := row.Message(secretKey(row.Keys[0], pattern(31)), &ck.Param{}, false); err != ck.CKR_KEY_SIZE_RANGE {
			t.Errorf("%v with a key of 31 bytes: %v", m, err)
		}
	}
}
