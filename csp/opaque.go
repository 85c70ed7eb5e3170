package csp

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// An OPAQUEKEYBLOB is a session key with its parameters, sealed with AES-GCM by a key of the token that it lives in: it can be
// imported where that token is, and nowhere else. After the header stand the nonce, and what is sealed: the parameters as
// numbers of four bytes, the IV, the lengths of salt and value, and these.

// opaqueName is the CKA_LABEL of the key that opaque blobs are sealed with.
const opaqueName = "softcsp CryptoAPI opaque key blobs"

const (
	nonceLen = 12
	tagLen   = 16
)

// opaqueKey finds the key that seals opaque blobs, and makes it where there is none. That of a verify context is one of this
// process.
func (c *Context) opaqueKey() (ck.ObjectHandle, error) {
	if err := c.login(); err != nil {
		return 0, err
	}
	c.system.mu.Lock()
	defer c.system.mu.Unlock()
	template := []ck.Attribute{
		ulongAttribute(ck.CKA_CLASS, uint(ck.CKO_SECRET_KEY)), attribute(ck.CKA_LABEL, []byte(opaqueName)),
		attribute(ck.CKA_TOKEN, ck.BoolValue(!c.isVerifyContext())),
	}
	found, err := c.findObjects(template)
	if err != nil || len(found) > 0 {
		if err == nil {
			return found[0], nil
		}
		return 0, err
	}
	session := c.session
	if c.isVerifyContext() { // the key outlives the context
		if session, err = c.cryptoki.OpenSession(c.slot.id, ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION); err != nil {
			return 0, translated(err)
		}
	}
	template = append(template[1:], ulongAttribute(ck.CKA_VALUE_LEN, 32), attribute(ck.CKA_PRIVATE, ck.BoolValue(!c.isVerifyContext())),
		attribute(ck.CKA_SENSITIVE, yes), attribute(ck.CKA_EXTRACTABLE, no))
	o, err := c.cryptoki.GenerateKey(session, &ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, template)
	return o, translated(err)
}

// gcm makes the mechanism of a nonce: a CK_GCM_PARAMS.
func gcm(nonce, aad []byte) *ck.Mechanism {
	var p []byte
	for _, u := range []uint{1, nonceLen, nonceLen * 8, 2, uint(len(aad)), tagLen * 8} { // 1 and 2 are addresses
		p = ck.AppendUlong(p, u)
	}
	return &ck.Mechanism{Type: ck.CKM_AES_GCM, Param: ck.NewParam(p, func(address uint64, _ uint) []byte {
		if address == 1 {
			return nonce
		}
		return aad
	})}
}

func (k *Key) exportOpaque() ([]byte, error) {
	seal, err := k.ctx.opaqueKey()
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	var plain []byte
	for _, u := range []uint32{k.bits, k.effectiveBits, k.permissions, k.flags, uint32(k.saltLen), k.mode, k.modeBits, boolean(k.decryptOnly), boolean(k.hmacOnly)} {
		plain = binary.LittleEndian.AppendUint32(plain, u)
	}
	plain = append(plain, k.iv[:]...)
	plain = binary.LittleEndian.AppendUint32(plain, uint32(len(k.salt)))
	plain = append(plain, k.salt...)
	k.mu.Unlock()
	if err := k.withValue(func(value []byte) error { plain = append(plain, value...); return nil }); err != nil {
		return nil, err
	}
	defer clear(plain)
	nonce := make([]byte, nonceLen)
	rand.Read(nonce) //nolint:errcheck // it does not fail
	blob := append(capi.BlobHeader(capi.OPAQUEKEYBLOB, k.algid), nonce...)
	out := ck.Into(make([]byte, len(plain)+tagLen))
	c := k.ctx
	c.opMu.Lock()
	defer c.opMu.Unlock()
	if err = c.cryptoki.EncryptInit(c.session, gcm(nonce, blob[:headerLen]), seal); err == nil {
		err = c.cryptoki.Encrypt(c.session, plain, &out)
	}
	if err != nil {
		return nil, translated(err)
	}
	return append(blob, out.Data[:out.N]...), nil
}

func boolean(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// unseal decrypts the body of an opaque blob.
func (c *Context) unseal(head, body []byte) ([]byte, error) {
	if len(body) < nonceLen+tagLen {
		return nil, capi.NTE_BAD_DATA
	}
	seal, err := c.opaqueKey()
	if err != nil {
		return nil, err
	}
	out := ck.Into(ck.AllocateFor(body, len(body)))
	c.opMu.Lock()
	defer c.opMu.Unlock()
	if err = c.cryptoki.DecryptInit(c.session, gcm(body[:nonceLen], head), seal); err == nil {
		err = c.cryptoki.Decrypt(c.session, body[nonceLen:], &out)
	}
	if err != nil {
		return nil, capi.NTE_BAD_DATA
	}
	return out.Data[:out.N], nil
}

// opaqueNumbers is how many numbers an opaque blob has.
const opaqueNumbers = 9

func (c *Context) importOpaque(algid capi.AlgID, body []byte) (*Key, error) {
	plain, err := c.unseal(capi.BlobHeader(capi.OPAQUEKEYBLOB, algid), body)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	if len(plain) < 4*opaqueNumbers+maxBlock+4 {
		return nil, capi.NTE_BAD_DATA
	}
	var n [opaqueNumbers]uint32
	for i := range n {
		n[i] = binary.LittleEndian.Uint32(plain[4*i:])
	}
	rest := plain[4*opaqueNumbers:]
	iv, saltLen, rest := rest[:maxBlock], binary.LittleEndian.Uint32(rest[maxBlock:]), rest[maxBlock+4:]
	if uint64(saltLen) > uint64(len(rest)) || n[4] > saltLen {
		return nil, capi.NTE_BAD_DATA
	}
	i := capi.ImportedKey{Value: rest[saltLen:], Salt: rest[:saltLen], EffectiveBits: int(n[1]), Flags: n[2] & capi.CRYPT_EXPORT >> 2}
	if n[8] != 0 {
		i.Cipher = ipsecCipher
		i.Flags |= capi.CRYPT_IPSEC_HMAC_KEY
	} else if i.Cipher, err = c.provider.Cipher(algid); err != nil {
		return nil, err
	}
	i.Salted = i.Cipher.HasSalt()
	k, err := c.importKey(&i, n[3])
	if err != nil {
		return nil, err
	}
	k.permissions, k.saltLen, k.mode, k.modeBits = n[2], int(n[4]), n[5], n[6]
	k.decryptOnly, k.hmacOnly = n[7] != 0, n[8] != 0
	copy(k.iv[:], iv)
	k.feedback = k.iv
	return k, nil
}
