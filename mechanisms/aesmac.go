package mechanisms

import (
	"crypto/cipher"
	"crypto/des"
	"hash"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/cmac"
	"github.com/softcsp/softcsp/internal/algorithm/gcm"
)

// cmacRows are CMAC (SP 800-38B) with AES and triple DES, whole, and truncated to a length that the parameter gives.
var cmacRows = []Mechanism{
	macRow(ck.CKM_AES_CMAC, aesKeys, 16, 32, beginCMAC(ck.CKM_AES_CMAC, newAES, wholeMAC(aesBlock))),
	macRow(ck.CKM_AES_CMAC_GENERAL, aesKeys, 16, 32, beginCMAC(ck.CKM_AES_CMAC, newAES, truncatedMAC(aesBlock))),
	macRow(ck.CKM_DES3_CMAC, tdeKeys, 0, 0, beginCMAC(ck.CKM_DES3_CMAC, newDES, wholeMAC(des.BlockSize))),
	macRow(ck.CKM_DES3_CMAC_GENERAL, tdeKeys, 0, 0, beginCMAC(ck.CKM_DES3_CMAC, newDES, truncatedMAC(des.BlockSize))),
}

// aesMACRows are the other MACs with AES: CBC-MAC, the XCBC of RFC 3566, and GMAC.
var aesMACRows = append(blockMACRows(ck.CKM_AES_MAC, ck.CKM_AES_MAC_GENERAL, aesKeys, 16, 32, keyedAES),
	macRow(ck.CKM_AES_XCBC_MAC, aesKeys, 16, 32, beginXCBC(wholeMAC(aesBlock))),
	macRow(ck.CKM_AES_XCBC_MAC_96, aesKeys, 16, 32, beginXCBC(wholeMAC(12))),
	oncePerMessage(macRow(ck.CKM_AES_GMAC, aesKeys, 16, 32, beginGMAC)),
)

// oncePerMessage marks a row whose parameter has a nonce.
func oncePerMessage(m Mechanism) Mechanism {
	m.ParamOncePerMessage = true
	return m
}

// beginXCBC begins an XCBC-MAC.
func beginXCBC(size macSizer) func(*Key, *ck.Param) (*mac, error) {
	return func(k *Key, p *ck.Param) (*mac, error) {
		n, err := size(p)
		if err != nil {
			return nil, err
		}
		key, err := k.Prepared(ck.CKM_AES_XCBC_MAC, prepareXCBC)
		if err != nil {
			return nil, err
		}
		return newMAC(key.(*macKey), n)
	}
}

func prepareXCBC(k *Key) (any, error) {
	return newMACKey(func() (hash.Hash, error) { return cmac.NewXCBC(k.Value) })
}

// beginGMAC reads CK_GCM_PARAMS, where all of the associated data comes as the data of the operation, or the IV alone, for the
// whole tag, as PKCS #11 had it before 3.0.
func beginGMAC(k *Key, p *ck.Param) (*mac, error) {
	var c gcmParam
	var err error
	if p.Len() == gcm.NonceSize {
		c = gcmParam{nonce: p.Rest(), tag: 8 * gcm.TagSize}
	} else if c, err = readGCM(p); err != nil {
		return nil, err
	}
	if !c.good() || len(c.aad) != 0 {
		return nil, ck.FieldError("ulIvLen, ulAADLen or ulTagBits")
	}
	a, err := gcmFor(k, len(c.nonce), gcm.TagSize)
	if err != nil {
		return nil, err
	}
	return oneTimeMAC(a.NewMAC(ck.Clone(c.nonce)), int(c.tag/8)), nil
}

// beginCMAC begins a CMAC. form is the name of the prepared form.
func beginCMAC(form ck.MechanismType, newCipher func([]byte) (cipher.Block, error), size macSizer) func(*Key, *ck.Param) (*mac, error) {
	prepare := func(k *Key) (any, error) {
		return newMACKey(func() (hash.Hash, error) {
			b, err := newCipher(k.Value)
			if err != nil {
				return nil, err
			}
			return cmac.New(b), nil
		})
	}
	return func(k *Key, p *ck.Param) (*mac, error) {
		n, err := size(p)
		if err != nil {
			return nil, err
		}
		key, err := k.Prepared(form, prepare)
		if err != nil {
			return nil, err
		}
		return newMAC(key.(*macKey), n)
	}
}
