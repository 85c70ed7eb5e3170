package csp

import (
	"encoding/binary"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// blockMechanisms are the mechanisms of the modes, by the cipher. None pads: padding is the same in all modes here,
// and stands in pad.
var blockMechanisms = map[capi.AlgID]map[uint32]ck.MechanismType{
	capi.CALG_RC2:      {capi.CRYPT_MODE_ECB: ck.CKM_RC2_ECB, capi.CRYPT_MODE_CBC: ck.CKM_RC2_CBC, capi.CRYPT_MODE_CFB: ck.CKM_SOFTCSP_RC2_CFB8},
	capi.CALG_RC5:      {capi.CRYPT_MODE_ECB: ck.CKM_RC5_ECB, capi.CRYPT_MODE_CBC: ck.CKM_RC5_CBC},
	capi.CALG_DES:      {capi.CRYPT_MODE_ECB: ck.CKM_DES_ECB, capi.CRYPT_MODE_CBC: ck.CKM_DES_CBC, capi.CRYPT_MODE_CFB: ck.CKM_DES_CFB8},
	capi.CALG_3DES_112: {capi.CRYPT_MODE_ECB: ck.CKM_DES3_ECB, capi.CRYPT_MODE_CBC: ck.CKM_DES3_CBC, capi.CRYPT_MODE_CFB: ck.CKM_DES_CFB8},
	capi.CALG_3DES:     {capi.CRYPT_MODE_ECB: ck.CKM_DES3_ECB, capi.CRYPT_MODE_CBC: ck.CKM_DES3_CBC, capi.CRYPT_MODE_CFB: ck.CKM_DES_CFB8},
	capi.CALG_AES_128:  aesMechanisms, capi.CALG_AES_192: aesMechanisms, capi.CALG_AES_256: aesMechanisms,
}

var aesMechanisms = map[uint32]ck.MechanismType{capi.CRYPT_MODE_ECB: ck.CKM_AES_ECB, capi.CRYPT_MODE_CBC: ck.CKM_AES_CBC, capi.CRYPT_MODE_CFB: ck.CKM_AES_CFB8}

// RC5 has 32-bit words and 12 rounds, as RFC 2040 names it RC5-32/12.
const (
	rc5Word   = 4
	rc5Rounds = 12
)

// modeMechanism makes the mechanism of a mode: NTE_BAD_ALGID for one that the cipher does not have.
func (k *Key) modeMechanism(mode uint32, iv []byte) (*ck.Mechanism, error) {
	m, ok := blockMechanisms[k.algid][mode]
	if !ok {
		return nil, capi.NTE_BAD_ALGID
	}
	if mode == capi.CRYPT_MODE_ECB {
		iv = nil
	}
	var param []byte
	switch k.algid {
	case capi.CALG_RC2:
		param = append(ck.UlongValue(uint(k.effectiveBits)), iv...)
	case capi.CALG_RC5:
		param = ck.AppendUlong(ck.UlongValue(rc5Word), rc5Rounds)
		if iv != nil {
			param = ck.AppendUlong(ck.AppendUlong(param, 1), uint(len(iv))) // an address, which follow makes iv of
		}
	default:
		param = iv
	}
	return &ck.Mechanism{Type: m, Param: ck.NewParam(param, func(uint64, uint) []byte { return iv })}, nil
}

// cryptBlocks encrypts or decrypts whole blocks in place, in one call of the token. It leaves the feedback of the key as it is.
func (k *Key) cryptBlocks(decrypt bool, mode uint32, iv, data []byte) error {
	if k.hmacOnly {
		return capi.NTE_BAD_KEY
	}
	m, err := k.modeMechanism(mode, iv)
	if err != nil {
		return err
	}
	c := k.ctx
	out := ck.Into(data)
	c.opMu.Lock()
	defer c.opMu.Unlock()
	ended := false
	defer func() {
		if !ended { // data is not where the caller says: what has begun does not go on
			_ = c.cryptoki.SessionCancel(c.session, ck.CKF_ENCRYPT|ck.CKF_DECRYPT)
		}
	}()
	if decrypt {
		if err = c.cryptoki.DecryptInit(c.session, m, k.object); err == nil {
			err = c.cryptoki.Decrypt(c.session, data, &out)
		}
	} else if err = c.cryptoki.EncryptInit(c.session, m, k.object); err == nil {
		err = c.cryptoki.Encrypt(c.session, data, &out)
	}
	ended = true
	return translated(err)
}

// resetFeedback puts the feedback back to the IV, and the key stream to its beginning. The key is locked.
func (k *Key) resetFeedback() {
	k.feedback = k.iv
	k.streamPosition = 0
	k.endStream()
}

// endStream closes the session of a key stream. The key is locked.
func (k *Key) endStream() {
	if k.streamSession != 0 {
		k.ctx.closeStream(k.streamSession)
		k.streamSession = 0
	}
}

// Encrypt is CryptEncrypt. The first n bytes of buf are encrypted in place; with final they are padded. It returns the length
// of the ciphertext, and where buf is shorter ERROR_MORE_DATA, with buf and key as they were. A nil buf asks for the length.
// h, if it is not nil, hashes the plaintext.
func (k *Key) Encrypt(h *Hash, final bool, flags uint32, buf []byte, n int) (int, error) {
	if err := k.check(); err != nil {
		return n, err
	}
	if k.pair != nil {
		return k.rsaEncrypt(h, flags, buf, n)
	}
	if flags != 0 {
		return n, capi.NTE_BAD_FLAGS
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.decryptOnly || k.hmacOnly {
		return n, capi.NTE_BAD_KEY
	}
	need := n
	if b := k.blockLen(); b != 0 {
		if !final && n%b != 0 {
			return n, capi.NTE_BAD_DATA
		}
		if final {
			need = n/b*b + b
		}
	}
	if buf == nil {
		return need, nil
	}
	if need > len(buf) {
		return need, capi.ERROR_MORE_DATA
	}
	if !k.hasMode() {
		return n, capi.NTE_BAD_ALGID
	}
	if h != nil {
		if err := h.HashData(buf[:n], 0); err != nil {
			return n, err
		}
	}
	for i := n; i < need; i++ {
		buf[i] = byte(need - n)
	}
	k.logUse("encrypt")
	return k.finishCall(need, final, k.crypt(false, buf[:need]))
}

// hasMode reports whether the key's mode is one that data can be encrypted in: KP_MODE takes OFB too. The key is locked.
func (k *Key) hasMode() bool {
	_, ok := blockMechanisms[k.algid][k.mode]
	return ok || k.blockLen() == 0
}

// finishCall ends a call of CryptEncrypt or CryptDecrypt: with final the feedback is reset, after a failure too.
func (k *Key) finishCall(n int, final bool, err error) (int, error) {
	if final {
		k.resetFeedback()
	}
	return n, err
}

// Decrypt is CryptDecrypt: data is decrypted in place, and with final its padding is checked and taken off. It returns the
// length of the plaintext. h, if it is not nil, hashes the plaintext.
func (k *Key) Decrypt(h *Hash, final bool, flags uint32, data []byte) (int, error) {
	n := len(data)
	if err := k.check(); err != nil {
		return n, err
	}
	if k.pair != nil {
		return k.rsaDecrypt(h, flags, data)
	}
	if flags != 0 {
		return n, capi.NTE_BAD_FLAGS
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	b := k.blockLen()
	switch {
	case k.hmacOnly:
		return n, capi.NTE_BAD_KEY
	case final && n == 0:
		return n, capi.NTE_BAD_LEN
	case !k.hasMode():
		return n, capi.NTE_BAD_ALGID
	case b != 0 && n%b != 0:
		return n, capi.NTE_BAD_DATA
	}
	k.logUse("decrypt")
	if err := k.crypt(true, data); err != nil {
		return k.finishCall(n, final, err)
	}
	if final && b != 0 {
		pad, ok := paddingLen(data[n-b:])
		if !ok {
			return k.finishCall(n, final, capi.NTE_BAD_DATA)
		}
		n -= pad
	}
	if h != nil {
		if err := h.HashData(data[:n], 0); err != nil {
			return k.finishCall(n, final, err)
		}
	}
	return k.finishCall(n, final, nil)
}

// paddingLen reads the padding of a last block.
func paddingLen(last []byte) (n int, ok bool) {
	n = int(last[len(last)-1])
	if n == 0 || n > len(last) {
		return 0, false
	}
	bad := byte(0)
	for _, p := range last[len(last)-n:] {
		bad |= p ^ byte(n)
	}
	return n, bad == 0
}

// crypt encrypts or decrypts data in place and moves the feedback on. The key is locked.
func (k *Key) crypt(decrypt bool, data []byte) error {
	b := k.blockLen()
	if b == 0 {
		return k.cryptStream(data)
	}
	if len(data) == 0 {
		return nil
	}
	var last [maxBlock]byte
	if decrypt {
		copy(last[:], data[len(data)-b:])
	}
	if err := k.cryptBlocks(decrypt, k.mode, k.feedback[:b], data); err != nil {
		return err
	}
	if !decrypt {
		copy(last[:], data[len(data)-b:])
	}
	if k.mode != capi.CRYPT_MODE_ECB {
		k.feedback = last
	}
	return nil
}

// cryptStream encrypts data with the key stream of RC4, from its position on. The key has a session of its own for it.
func (k *Key) cryptStream(data []byte) error {
	c := k.ctx
	if k.streamSession == 0 {
		s, err := c.openStream()
		if err != nil {
			return err
		}
		k.streamSession = s
		if err := c.cryptoki.EncryptInit(s, &ck.Mechanism{Type: ck.CKM_RC4}, k.object); err != nil {
			k.endStream()
			return translated(err)
		}
		if err := k.skipStream(); err != nil {
			k.endStream()
			return translated(err)
		}
	}
	out, goesOn := ck.Into(data), false
	defer func() {
		if !goesOn { // also after a fault in the data
			k.endStream()
		}
	}()
	if err := c.cryptoki.EncryptUpdate(k.streamSession, data, &out); err != nil {
		return translated(err)
	}
	goesOn = true
	k.streamPosition += uint64(len(data))
	return nil
}

// skipStream advances a new key stream to the position of the key, which may have been duplicated in the middle of one.
func (k *Key) skipStream() error {
	var space [4096]byte
	for left := k.streamPosition; left > 0; {
		n := min(left, uint64(len(space)))
		out := ck.Into(space[:n])
		if err := k.ctx.cryptoki.EncryptUpdate(k.streamSession, space[:n], &out); err != nil {
			return err
		}
		left -= n
	}
	clear(space[:])
	return nil
}

func dword(u uint32) []byte { return binary.LittleEndian.AppendUint32(nil, u) }
