package ck_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// A heap is memory with addresses of its own.
type heap struct {
	at    map[uint64][]byte
	reads int
}

// put lays numbers, texts and bytes out one after the other, and returns their address.
func (h *heap) put(fields ...any) uint64 {
	addr := uint64(len(h.at)+1) << 32
	h.at[addr] = layOut(fields...)
	return addr
}

func layOut(fields ...any) (b []byte) {
	for _, f := range fields {
		switch f := f.(type) {
		case int:
			b = ck.AppendUlong(b, uint(f))
		case uint64:
			b = ck.AppendUlong(b, uint(f))
		case ck.AttributeType:
			b = ck.AppendUlong(b, uint(f))
		case string:
			b = append(b, f...)
		}
	}
	return b
}

func (h *heap) param(fields ...any) ck.Param {
	return ck.NewParam(layOut(fields...), func(addr uint64, n uint) []byte {
		h.reads++
		if b := h.at[addr]; uint(len(b)) >= n {
			return b[:n]
		}
		return nil
	})
}

// walked is what a walk visits: the paths, the numbers, and how much pointers lead to.
func walked(m ck.MechanismType, f ck.Function, p ck.Param) (string, error) {
	forms, _, _ := ck.ParameterOf(m, f)
	var s []string
	err := forms[0].Walk(&p, func(p *ck.Place) {
		switch {
		case p.Field.Pointer:
			s = append(s, fmt.Sprintf("%s->%d", p.Path, len(p.Target)))
		case p.Field.Number:
			s = append(s, fmt.Sprintf("%s=%d", p.Path, p.Number()))
		default:
			s = append(s, fmt.Sprintf("%s:%d", p.Path, len(p.Value)))
		}
	})
	return strings.Join(s, " "), err
}

func TestWalk(t *testing.T) {
	h := &heap{at: make(map[uint64][]byte)}
	twelve, long := h.put("twelve bytes"), h.put(strings.Repeat("x", 99))
	inner := h.put(ck.CKA_ENCRYPT, twelve, 1)
	outer := h.put(ck.CKA_LABEL, twelve, 3, ck.CKA_WRAP_TEMPLATE, inner, 24)
	handle, five := h.put(0), h.put(5)
	derived, fields := h.put(outer, 2, handle), h.put(1, twelve, 12)
	material := h.put(0, 0, 0, 0, twelve, long)
	for _, c := range []struct {
		m      ck.MechanismType
		f      ck.Function
		fields []any
		want   string
	}{
		{ck.CKM_AES_CBC, ck.C_EncryptInit, []any{strings.Repeat("i", 16)}, "bytes:16"},
		{ck.CKM_SHA256_HMAC_GENERAL, ck.C_EncryptInit, []any{7}, "value=7"},
		{ck.CKM_DH_PKCS_DERIVE, ck.C_DeriveKey, []any{"any length"}, "bytes:10"},
		{ck.CKM_AES_GCM, ck.C_EncryptInit, []any{twelve, 12, 96, 0, 0, 128}, "pIv->12 ulIvLen=12 ulIvBits=96 pAAD->0 ulAADLen=0 ulTagBits=128"},
		{ck.CKM_AES_GCM, ck.C_EncryptMessage, []any{twelve, 12, 0, 0, twelve, 90}, "pIv->12 ulIvLen=12 ulIvFixedBits=0 ivGenerator=0 pTag->12 ulTagBits=90"},
		{ck.CKM_CHACHA20_POLY1305, ck.C_EncryptInit, []any{twelve, 96, 0, 0}, "pNonce->12 ulNonceLen=96 pAAD->0 ulAADLen=0"},
		{ck.CKM_CHACHA20_POLY1305, ck.C_EncryptInit, []any{twelve, 12, 0, 0}, "pNonce->12 ulNonceLen=12 pAAD->0 ulAADLen=0"},
		{ck.CKM_PKCS5_PBKD2, ck.C_EncryptInit, []any{1, twelve, 8, 1, 1, 0, 0, twelve, 5},
			"saltSource=1 pSaltSourceData->8 ulSaltSourceDataLen=8 iterations=1 prf=1 pPrfData->0 ulPrfDataLen=0 pPassword->5 ulPasswordLen=5"},
		{ck.CKM_PKCS5_PBKD2, ck.C_EncryptInit, []any{1, twelve, 8, 1, 1, 0, 0, twelve, five},
			fmt.Sprintf("saltSource=1 pSaltSourceData->8 ulSaltSourceDataLen=8 iterations=1 prf=1 pPrfData->0 ulPrfDataLen=0 *ulPasswordLen->8 pPassword->5 ulPasswordLen=%d", five)},
		{ck.CKM_HKDF_DERIVE, ck.C_EncryptInit, []any{"\x01\x00\x00\x00\x00\x00\x00\x00", 1, 1, 3, 3, 0, 4, 4}, // pointers that mean nothing
			"bExtract=1 bExpand=0 prfHashMechanism=1 ulSaltType=1 pSalt->0 ulSaltLen=3 hSaltKey=0 pInfo->0 ulInfoLen=4"},
		{ck.CKM_PBE_SHA1_RC4_128, ck.C_EncryptInit, []any{0, twelve, 4, twelve, 8, 1}, "pInitVector->0 pPassword->4 ulPasswordLen=4 pSalt->8 ulSaltLen=8 ulIteration=1"},
		{ck.CKM_SP800_108_COUNTER_KDF, ck.C_EncryptInit, []any{1, 1, fields, 1, derived}, "prfType=1 ulNumberOfDataParams=1 pDataParams->24 " +
			"pDataParams[0].type=1 pDataParams[0].pValue->12 pDataParams[0].ulValueLen=12 ulAdditionalDerivedKeys=1 pAdditionalDerivedKeys->24 " +
			"pAdditionalDerivedKeys[0].pTemplate->48 pAdditionalDerivedKeys[0].pTemplate[0].type=3 pAdditionalDerivedKeys[0].pTemplate[0].pValue->3 " +
			"pAdditionalDerivedKeys[0].pTemplate[0].ulValueLen=3 pAdditionalDerivedKeys[0].pTemplate[1].type=1073742353 " +
			"pAdditionalDerivedKeys[0].pTemplate[1].pValue->24 pAdditionalDerivedKeys[0].pTemplate[1].pValue[0].type=260 " +
			"pAdditionalDerivedKeys[0].pTemplate[1].pValue[0].pValue->1 pAdditionalDerivedKeys[0].pTemplate[1].pValue[0].ulValueLen=1 " +
			"pAdditionalDerivedKeys[0].pTemplate[1].ulValueLen=24 pAdditionalDerivedKeys[0].ulAttributeCount=2 pAdditionalDerivedKeys[0].phKey->8"},
		{ck.CKM_TLS12_KEY_AND_MAC_DERIVE, ck.C_EncryptInit, []any{8, 8, 64, 0, twelve, 2, twelve, 3, material, 9},
			"ulMacSizeInBits=8 ulKeySizeInBits=8 ulIVSizeInBits=64 bIsExport=0 RandomInfo.pClientRandom->2 RandomInfo.ulClientRandomLen=2 " +
				"RandomInfo.pServerRandom->3 RandomInfo.ulServerRandomLen=3 pReturnedKeyMaterial->48 pReturnedKeyMaterial.hClientMacSecret=0 " +
				"pReturnedKeyMaterial.hServerMacSecret=0 pReturnedKeyMaterial.hClientKey=0 pReturnedKeyMaterial.hServerKey=0 " +
				"pReturnedKeyMaterial.pIVClient->8 pReturnedKeyMaterial.pIVServer->8 prfHashMechanism=9"},
	} {
		got, err := walked(c.m, c.f, h.param(c.fields...))
		if err != nil || got != c.want {
			t.Errorf("%v: %v\n%s, want\n%s", c.m, err, got, c.want)
		}
	}
}

// TestWalkRefuses says which structure, length or pointer of a parameter is wrong.
func TestWalkRefuses(t *testing.T) {
	h := &heap{at: make(map[uint64][]byte)}
	twelve := h.put("twelve bytes")
	inner := h.put(ck.CKA_WRAP_TEMPLATE, 0, 24)
	copy(h.at[inner][8:], layOut(inner)) // leads to itself
	derived := h.put(inner, 1, twelve)
	var many []any
	for range 1 << 16 {
		many = append(many, 0, 0, 0)
	}
	manyAt := h.put(many...)
	for _, c := range []struct {
		m      ck.MechanismType
		fields []any
		want   string
	}{
		{ck.CKM_AES_CBC, []any{"short"}, "CK_BYTE[16] is 16 bytes, got 5"},
		{ck.CKM_AES_GCM, []any{twelve, 12, 0, 0, 128}, "CK_GCM_PARAMS is 48 bytes, got 40"},
		{ck.CKM_AES_GCM, []any{0, 12, 96, 0, 0, 128}, "pIv is NULL, and ulIvLen is 12"},
		{ck.CKM_AES_GCM, []any{twelve, 13, 96, 0, 0, 128}, "pIv leads to no memory, and ulIvLen is 13"},
		{ck.CKM_AES_GCM, []any{twelve, -1, 96, 0, 0, 128}, "pIv leads to no memory"},
		{ck.CKM_RSA_AES_KEY_WRAP, []any{256, 0}, "pOAEPParams is NULL"},
		{ck.CKM_PKCS5_PBKD2, []any{1, twelve, 8, 1, 1, 0, 0, twelve, 1 << 40}, "ulPasswordLen leads to no memory"},
		{ck.CKM_SP800_108_COUNTER_KDF, []any{1, 0, 0, 1, derived}, "is too deep"},
		{ck.CKM_SP800_108_COUNTER_KDF, []any{1, 1 << 16, manyAt, 0, 0}, "there are too many"},
	} {
		_, err := walked(c.m, ck.C_EncryptInit, h.param(c.fields...))
		if !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.m, err, c.want)
		}
	}
}

func TestParameterOf(t *testing.T) {
	for _, c := range []struct {
		m    ck.MechanismType
		f    ck.Function
		want string
	}{
		{ck.CKM_SHA_1, ck.C_DigestInit, "0 true true"},
		{ck.CKM_AES_CBC, ck.C_EncryptInit, "1 false true"},
		{ck.CKM_AES_CBC, ck.C_EncryptMessage, "0 true true"},
		{ck.CKM_AES_GCM, ck.C_EncryptInit, "2 false true"},
		{ck.CKM_AES_GCM, ck.C_WrapKey, "3 false true"},
		{ck.CKM_AES_GCM, ck.C_MessageEncryptInit, "1 true true"},
		{ck.CKM_AES_GCM, ck.C_EncryptMessage, "1 false true"},
		{ck.CKM_EDDSA, ck.C_SignInit, "1 true true"},
		{ck.CKM_DH_PKCS_DERIVE, ck.C_DeriveKey, "1 false true"},
		{ck.CKM_DH_PKCS_DERIVE, ck.C_EncapsulateKey, "0 true true"},
		{ck.CKM_KEA_DERIVE, ck.C_DeriveKey, "0 true false"},
	} {
		forms, optional, known := ck.ParameterOf(c.m, c.f)
		if got := fmt.Sprint(len(forms), optional, known); got != c.want {
			t.Errorf("%v, %v: %s, want %s", c.m, c.f, got, c.want)
		}
	}
}
