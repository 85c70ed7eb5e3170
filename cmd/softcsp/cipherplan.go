package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/mechparam"
)

// A cipherPlan is how a file is encrypted or decrypted with a key.
type cipherPlan struct {
	decrypt bool
	key     ck.ObjectHandle
	kind    ck.KeyType
	m       ck.MechanismType
	form    *ck.Structure // of the parameter, nil where there is none
	values  mechparam.Fields
	ivField string // "" where there is none
	iv      string // random, zero, or "" where its bytes are among the values
	front   []byte // a random IV, which stands before what is encrypted
	whole   bool   // the mechanism is authenticated, so that it gives nothing before it has seen everything
}

// ivFields are the fields of parameters that hold an IV, a nonce or a counter block.
var ivFields = []string{"pIv", "pNonce", "iv", "cb", "bytes"}

// ivLengths are how long a random one is, in bytes, where the structure leaves that open. That of CCM leaves four bytes for the length of the data.
var ivLengths = map[string]int{
	"CK_GCM_PARAMS": 12, "CK_CCM_PARAMS": 11, "CK_CHACHA20_PARAMS": 12, "CK_SALSA20_PARAMS": 8, "CK_SALSA20_CHACHA20_POLY1305_PARAMS": 12, "CK_RC5_CBC_PARAMS": 8,
}

// plan finds out how it is done.
func (x *crypting) plan(s *session, key ck.ObjectHandle) (*cipherPlan, error) {
	kind, err := s.keyType(key)
	if err != nil {
		return nil, err
	}
	m, iv, err := x.usual(kind)
	if err != nil {
		return nil, err
	}
	if given, ok := x.mechanism.flags["iv"]; ok {
		iv = given
	}
	p := &cipherPlan{decrypt: x.decrypt, key: key, kind: kind, m: m}
	begins := ck.C_EncryptInit
	if x.decrypt {
		begins = ck.C_DecryptInit
	}
	if p.form, p.values, err = x.mechanism.form(m, begins); err != nil {
		return nil, err
	}
	info, err := s.GetMechanismInfo(s.token.slot, m)
	if err != nil {
		return nil, explainUse("choosing the mechanism", m, err)
	}
	p.whole = info.Flags&ck.CKF_MESSAGE_ENCRYPT != 0
	if p.form == nil {
		return p, nil
	}
	i := slices.IndexFunc(ivFields, func(name string) bool { return mechparam.Find(p.form, name) != nil })
	if i < 0 {
		return p, nil
	}
	p.ivField = ivFields[i]
	field := mechparam.Find(p.form, p.ivField)
	b, known := p.values.Bytes[p.ivField]
	switch {
	case known && !field.Pointer && uint(len(b)) != field.Size:
		return nil, misuse("--iv: this cipher's IV has %d hex digits", 2*field.Size)
	case !known:
		p.iv = iv
	}
	if _, given := x.mechanism.flags["iv"]; given && !x.decrypt {
		return p, p.checkNonce(s.app, b)
	}
	return p, nil
}

// nonceForms are the parameters of mechanisms that encrypt with a stream of bytes, which is the same one if the nonce is.
var nonceForms = []string{
	"CK_GCM_PARAMS", "CK_CCM_PARAMS", "CK_AES_CTR_PARAMS", "CK_CAMELLIA_CTR_PARAMS", "CK_CHACHA20_PARAMS", "CK_SALSA20_PARAMS", "CK_SALSA20_CHACHA20_POLY1305_PARAMS",
}

// nonceGCM is how long a nonce of GCM is, in bytes: of any other length it is hashed, and a short one soon comes again (SP 800-38D, section 8).
const nonceGCM = 12

// checkNonce looks at an --iv that is to encrypt. given is empty for one that is random or zero.
func (p *cipherPlan) checkNonce(a *app, given []byte) error {
	switch {
	case p.iv == "random" || !slices.Contains(nonceForms, p.form.Name):
	case p.form.Name == "CK_GCM_PARAMS" && p.iv == "" && len(given) < nonceGCM:
		return misuse("--iv %x: a nonce of GCM has %d bytes, and this one %d: a short one soon comes again, and then the key is as good as known"+
			"\nleave --iv out for a random one, or say --parameter pIv=%[1]x if the other side has it so", given, nonceGCM, len(given))
	default:
		a.note("--iv: this nonce must never be used with the key again; without --iv each file has a random one")
	}
	return nil
}

// ivLength is how long an IV is that is random or zero.
func (p *cipherPlan) ivLength() int {
	if field := mechparam.Find(p.form, p.ivField); !field.Pointer {
		return int(field.Size)
	}
	n := ivLengths[p.form.Name]
	if words := p.values.Numbers["ulWordsize"]; words == 8 && p.form.Name == "CK_RC5_CBC_PARAMS" { // in bytes: a block is two
		n = 16
	}
	return n
}

// initial sets the IV, which it reads or writes where it stands before the encrypted bytes.
func (p *cipherPlan) initial(in io.Reader) error {
	if p.iv == "" {
		return nil
	}
	iv := make([]byte, p.ivLength())
	p.values.SetBytes(p.ivField, iv)
	switch {
	case p.iv == "zero":
		return nil
	case p.decrypt:
		if _, err := io.ReadFull(in, iv); err != nil {
			return fmt.Errorf("the file is too short to begin with an IV: %w", err)
		}
		return nil
	}
	rand.Read(iv)
	p.front = iv
	return nil
}

// run encrypts or decrypts a file.
func (p *cipherPlan) run(s *session, in *input, out io.Writer) error {
	var from io.Reader = in
	size := in.size
	if p.form != nil && mechparam.Find(p.form, "ulDataLen") != nil && !p.values.Has("ulDataLen") && !in.known {
		b, err := io.ReadAll(io.LimitReader(in, ck.MostCopied+1)) // CCM begins with the length
		if err != nil {
			return err
		}
		defer clear(b)
		from, size = bytes.NewReader(b), int64(len(b))
	}
	if p.whole && size > ck.MostCopied {
		return p.tooLong(in)
	}
	if err := p.initial(from); err != nil {
		return err
	}
	mech := &ck.Mechanism{Type: p.m}
	if p.form != nil {
		p.setLength(size)
		if err := s.completeParameter(p.key, p.m, p.form, &p.values); err != nil {
			return err
		}
		var err error
		if mech.Param, err = mechparam.Make(p.form, p.values); err != nil {
			return err
		}
	}
	return p.stream(s, mech, in, from, size, out)
}

// setLength sets the length of the data that a parameter wants to know: that of a ciphertext is without its IV and MAC.
func (p *cipherPlan) setLength(size int64) {
	if mechparam.Find(p.form, "ulDataLen") == nil || p.values.Has("ulDataLen") {
		return
	}
	if p.decrypt {
		mac, given := p.values.Numbers["ulMACLen"]
		if !given {
			mac = 16
		}
		size -= int64(mac)
		if p.iv == "random" {
			size -= int64(p.ivLength())
		}
	}
	p.values.SetNumber("ulDataLen", uint(max(size, 0)))
}

// stream encrypts or decrypts, part by part.
func (p *cipherPlan) stream(s *session, mech *ck.Mechanism, in *input, from io.Reader, size int64, out io.Writer) error {
	begin, update, final, doing := s.EncryptInit, s.EncryptUpdate, s.EncryptFinal, "encrypting"
	if p.decrypt {
		begin, update, final, doing = s.DecryptInit, s.DecryptUpdate, s.DecryptFinal, "decrypting"
	}
	if err := begin(s.handle, mech, p.key); err != nil {
		return explainUse(doing, p.m, err)
	}
	if err := s.confirm(p.key); err != nil {
		return err
	}
	if _, err := out.Write(p.front); err != nil { // now that the token takes the key
		return err
	}
	buf := make([]byte, partSize+64)
	defer clear(buf)
	put := func(f func(*ck.Buffer) error) error {
		b, err := growing(buf, f)
		if err != nil {
			return p.explain(in, doing, err)
		}
		_, err = out.Write(b)
		clear(b)
		return err
	}
	done := int64(0)
	err := s.app.parts(from, size, doing, func(part []byte) error {
		if done += int64(len(part)); p.whole && done > ck.MostCopied-64 {
			return p.tooLong(in)
		}
		return put(func(b *ck.Buffer) error { return update(s.handle, part, b) })
	})
	if err != nil {
		return err
	}
	return put(func(b *ck.Buffer) error { return final(s.handle, b) })
}

// tooLong says that a file is too long for an authenticated mechanism: what is encrypted could not be decrypted again.
func (p *cipherPlan) tooLong(in *input) error {
	return fmt.Errorf("%s is too long for %v: it is authenticated, and only what fits into memory (1 GiB) can be decrypted again; split the file", in.name, p.m)
}

// explain says what went wrong.
func (p *cipherPlan) explain(in *input, doing string, err error) error {
	switch ck.Code(err) {
	case ck.CKR_DATA_LEN_RANGE:
		if p.kind == ck.CKK_RSA {
			return fmt.Errorf("%s with %v: %w\n%s is longer than an RSA key encrypts: encrypt it with an AES key, and that with the RSA key", doing, p.m, err, in.name)
		}
		return fmt.Errorf("%s with %v: %w\nwithout padding the file must be whole blocks long", doing, p.m, err)
	case ck.CKR_ENCRYPTED_DATA_INVALID:
		if p.whole {
			return fmt.Errorf("%s with %v: %w\nthe file was changed, or was encrypted with another key, --iv or --aad; nothing of it is written", doing, p.m, err)
		}
	}
	if errors.Is(err, ck.CKR_ENCRYPTED_DATA_INVALID) || errors.Is(err, ck.CKR_ENCRYPTED_DATA_LEN_RANGE) {
		return explain(doing, err)
	}
	return explainUse(doing, p.m, err)
}
