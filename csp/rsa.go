package csp

import (
	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
	"slices"
)

// RSA in CryptoAPI is PKCS #1 with all numbers in little-endian order: ciphertexts and signatures are turned around.

// modulusLen is the length of the modulus in bytes.
func (k *Key) modulusLen() int { return int(k.bits / 8) }

// oaepParam is a CK_RSA_PKCS_OAEP_PARAMS: SHA-1, and no label.
func oaepParam() (p []byte) {
	for _, u := range []uint{uint(ck.CKM_SHA_1), uint(ck.CKG_MGF1_SHA1), uint(ck.CKZ_DATA_SPECIFIED), 0, 0} {
		p = ck.AppendUlong(p, u)
	}
	return p
}

// rsaMechanism is the mechanism for flags of CryptEncrypt, and by how much it makes data longer.
func rsaMechanism(flags uint32) (m *ck.Mechanism, overhead int, err error) {
	switch flags {
	case 0:
		return &ck.Mechanism{Type: ck.CKM_RSA_PKCS}, 11, nil
	case capi.CRYPT_OAEP:
		return &ck.Mechanism{Type: ck.CKM_RSA_PKCS_OAEP, Param: ck.NewParam(oaepParam(), nil)}, 2*20 + 2, nil
	}
	return nil, 0, capi.NTE_BAD_FLAGS
}

// rsaEncrypt is CryptEncrypt with the public half of a key exchange pair.
func (k *Key) rsaEncrypt(h *Hash, flags uint32, buf []byte, n int) (int, error) {
	m, overhead, err := rsaMechanism(flags)
	switch {
	case err != nil:
		return n, err
	case k.algid == capi.CALG_RSA_SIGN:
		return n, capi.NTE_BAD_KEY
	case buf == nil:
		return k.modulusLen(), nil
	case len(buf) < k.modulusLen():
		return k.modulusLen(), capi.ERROR_MORE_DATA
	case n > k.modulusLen()-overhead || n > len(buf):
		return n, capi.NTE_BAD_LEN
	}
	if h != nil {
		if err := h.HashData(buf[:n], 0); err != nil {
			return n, err
		}
	}
	c, data := k.ctx, ck.Clone(buf[:n])
	defer clear(data)
	if s := k.pair.smallExponent; s != nil {
		return k.smallEncrypt(s, m, data, buf)
	}
	out := ck.Into(buf[:k.modulusLen()])
	c.opMu.Lock()
	defer c.opMu.Unlock()
	if err = c.cryptoki.EncryptInit(c.session, m, k.pair.public); err == nil {
		err = c.cryptoki.Encrypt(c.session, data, &out)
	}
	if err != nil {
		return n, translated(err)
	}
	slices.Reverse(buf[:out.N])
	return int(out.N), nil
}

// smallEncrypt is rsaEncrypt with a key that is no object.
func (k *Key) smallEncrypt(s *smallExponentKey, m *ck.Mechanism, data, buf []byte) (int, error) {
	if m.Type != ck.CKM_RSA_PKCS {
		return len(data), capi.NTE_BAD_FLAGS
	}
	out, err := s.encrypt(data)
	if err != nil {
		return len(data), err
	}
	slices.Reverse(out)
	return copy(buf, out), nil
}

// rsaDecrypt is CryptDecrypt with the private half of a key exchange pair.
func (k *Key) rsaDecrypt(h *Hash, flags uint32, data []byte) (int, error) {
	m, _, err := rsaMechanism(flags)
	switch {
	case err != nil:
		return len(data), err
	case k.algid == capi.CALG_RSA_SIGN || !k.pair.hasPrivate():
		return len(data), capi.NTE_BAD_KEY
	case len(data) < k.modulusLen():
		return len(data), capi.NTE_BAD_DATA
	}
	k.logUse("decrypt")
	plain, err := k.decryptPrivate(m, data[:k.modulusLen()])
	if err != nil {
		return len(data), err
	}
	defer clear(plain)
	if h != nil {
		if err := h.HashData(plain, 0); err != nil {
			return len(data), err
		}
	}
	return copy(data, plain), nil
}

// decryptPrivate decrypts what is in little-endian order with the private key.
func (k *Key) decryptPrivate(m *ck.Mechanism, data []byte) ([]byte, error) {
	in := ck.Clone(data)
	slices.Reverse(in)
	if s := k.pair.smallExponent; s != nil {
		if m.Type != ck.CKM_RSA_PKCS {
			return nil, capi.NTE_BAD_DATA
		}
		return s.decrypt(in)
	}
	out := ck.Into(make([]byte, k.modulusLen()))
	c := k.ctx
	c.opMu.Lock()
	defer c.opMu.Unlock()
	err := c.cryptoki.DecryptInit(c.session, m, k.pair.private)
	if err == nil {
		err = c.cryptoki.Decrypt(c.session, in, &out)
	}
	if err != nil {
		return nil, translated(err)
	}
	return out.Data[:out.N], nil
}

// digestInfo is the value of a hash object as PKCS #1 signs it: with the OID of its hash, where it has one and the flags do not
// say CRYPT_NOHASHOID.
func digestInfo(row *capi.Hash, value []byte, flags uint32) []byte {
	if flags&capi.CRYPT_NOHASHOID != 0 {
		return append([]byte(nil), value...)
	}
	return row.DigestInfo(value)
}

// addDescription adds the description of CryptSignHash to the hash object, which is the last thing that it takes: UTF-16 without
// the terminator.
func (h *Hash) addDescription(description []byte) error {
	if len(description) == 0 {
		return nil
	}
	return h.HashData(description, 0)
}

// Sign is CryptSignHash with a key pair of the container. It finishes the hash object. description is in UTF-16.
func (h *Hash) Sign(spec uint32, description []byte, flags uint32) ([]byte, error) {
	k, err := h.signingKey(spec, flags)
	if err != nil {
		return nil, err
	}
	defer k.Destroy() //nolint:errcheck // it is there
	if err := h.addDescription(description); err != nil {
		return nil, err
	}
	data, _, err := h.dataToSign(flags)
	if err != nil {
		return nil, err
	}
	k.logUse("sign")
	if s := k.pair.smallExponent; s != nil {
		em, err := s.sign(data)
		slices.Reverse(em)
		return em, err
	}
	out := ck.Into(make([]byte, k.modulusLen()))
	c := k.ctx
	c.opMu.Lock()
	defer c.opMu.Unlock()
	if err = c.cryptoki.SignInit(c.session, &ck.Mechanism{Type: ck.CKM_RSA_PKCS}, k.pair.private); err == nil {
		err = c.cryptoki.Sign(c.session, data, &out)
	}
	if err != nil {
		return nil, translated(err)
	}
	slices.Reverse(out.Data[:out.N])
	return out.Data[:out.N], nil
}

// dataToSign finishes the hash object, and returns what of it is signed, and its value.
func (h *Hash) dataToSign(flags uint32) (data, digest []byte, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	row, value, err := h.finishedValue()
	if err != nil {
		return nil, nil, err
	}
	return digestInfo(row, value, flags), append([]byte(nil), value...), nil
}

// signingKey finds the key pair to sign with.
func (h *Hash) signingKey(spec, flags uint32) (*Key, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	if flags&^capi.CRYPT_NOHASHOID != 0 {
		return nil, capi.NTE_BAD_FLAGS
	}
	return h.ctx.UserKey(spec)
}

// SignatureLen is the length of the signature that Sign would make: CryptSignHash without a buffer.
func (h *Hash) SignatureLen(spec, flags uint32) (int, error) {
	k, err := h.signingKey(spec, flags)
	if err != nil {
		return 0, err
	}
	return k.modulusLen(), k.Destroy()
}

// Verify is CryptVerifySignature. A signature with the OID of the hash and one without are both good, whatever the flags say,
// as on Windows. nil is a NULL pointer.
func (h *Hash) Verify(signature []byte, n int, key *Key, description []byte, flags uint32) error {
	if err := h.check(); err != nil {
		return err
	}
	switch {
	case flags&^capi.CRYPT_NOHASHOID != 0:
		return capi.NTE_BAD_FLAGS
	case key.check() != nil || key.pair == nil:
		return capi.NTE_BAD_KEY
	case n != key.modulusLen():
		return capi.NTE_BAD_SIGNATURE
	case signature == nil:
		return capi.ERROR_INVALID_PARAMETER
	}
	if err := h.addDescription(description); err != nil {
		return err
	}
	with, without, err := h.dataToSign(0)
	if err != nil {
		return err
	}
	sig := append([]byte(nil), signature[:n]...)
	slices.Reverse(sig)
	if err = key.verify(with, sig); err != nil {
		err = key.verify(without, sig)
	}
	return err
}

// verify verifies a signature over data that PKCS #1 pads.
func (k *Key) verify(data, sig []byte) error {
	if s := k.pair.smallExponent; s != nil {
		return s.verify(data, sig)
	}
	c := k.ctx
	c.opMu.Lock()
	defer c.opMu.Unlock()
	err := c.cryptoki.VerifyInit(c.session, &ck.Mechanism{Type: ck.CKM_RSA_PKCS}, k.pair.public)
	if err == nil {
		err = c.cryptoki.Verify(c.session, data, sig)
	}
	if ck.Code(err) == ck.CKR_DATA_LEN_RANGE {
		return capi.NTE_BAD_SIGNATURE // the modulus is too short for it
	}
	return translated(err)
}
