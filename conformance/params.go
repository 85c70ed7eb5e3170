package conformance

import (
	"errors"
	"fmt"
	"strings"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// paramStructs are the structures of the header that are the parameters of mechanisms, one of them where there are several.
// A mechanism that is not here takes bytes, or one number.
var paramStructs = func() map[ck.MechanismType][]string {
	m := map[ck.MechanismType][]string{}
	for name, list := range map[string][]ck.MechanismType{
		"CK_AES_CTR_PARAMS":                          {ck.CKM_AES_CTR},
		"CK_GCM_PARAMS":                              {ck.CKM_AES_GCM, ck.CKM_AES_GMAC},
		"CK_CCM_PARAMS":                              {ck.CKM_AES_CCM},
		"CK_CAMELLIA_CTR_PARAMS":                     {ck.CKM_CAMELLIA_CTR},
		"CK_CHACHA20_PARAMS":                         {ck.CKM_CHACHA20},
		"CK_SALSA20_PARAMS":                          {ck.CKM_SALSA20},
		"CK_SALSA20_CHACHA20_POLY1305_PARAMS":        {ck.CKM_CHACHA20_POLY1305},
		"CK_RC2_CBC_PARAMS":                          {ck.CKM_RC2_CBC, ck.CKM_RC2_CBC_PAD, ck.CKM_SOFTCSP_RC2_CFB8},
		"CK_RC2_MAC_GENERAL_PARAMS":                  {ck.CKM_RC2_MAC_GENERAL},
		"CK_RC5_PARAMS":                              {ck.CKM_RC5_ECB, ck.CKM_RC5_MAC},
		"CK_RC5_CBC_PARAMS":                          {ck.CKM_RC5_CBC, ck.CKM_RC5_CBC_PAD},
		"CK_RC5_MAC_GENERAL_PARAMS":                  {ck.CKM_RC5_MAC_GENERAL},
		"CK_KEY_DERIVATION_STRING_DATA":              {ck.CKM_AES_ECB_ENCRYPT_DATA, ck.CKM_DES_ECB_ENCRYPT_DATA, ck.CKM_DES3_ECB_ENCRYPT_DATA, ck.CKM_CAMELLIA_ECB_ENCRYPT_DATA, ck.CKM_ARIA_ECB_ENCRYPT_DATA, ck.CKM_SEED_ECB_ENCRYPT_DATA, ck.CKM_CONCATENATE_BASE_AND_DATA, ck.CKM_CONCATENATE_DATA_AND_BASE, ck.CKM_XOR_BASE_AND_DATA},
		"CK_AES_CBC_ENCRYPT_DATA_PARAMS":             {ck.CKM_AES_CBC_ENCRYPT_DATA},
		"CK_DES_CBC_ENCRYPT_DATA_PARAMS":             {ck.CKM_DES_CBC_ENCRYPT_DATA, ck.CKM_DES3_CBC_ENCRYPT_DATA},
		"CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS":        {ck.CKM_CAMELLIA_CBC_ENCRYPT_DATA},
		"CK_ARIA_CBC_ENCRYPT_DATA_PARAMS":            {ck.CKM_ARIA_CBC_ENCRYPT_DATA},
		"CK_SEED_CBC_ENCRYPT_DATA_PARAMS":            {ck.CKM_SEED_CBC_ENCRYPT_DATA},
		"CK_RSA_PKCS_OAEP_PARAMS":                    {ck.CKM_RSA_PKCS_OAEP},
		"CK_RSA_AES_KEY_WRAP_PARAMS":                 {ck.CKM_RSA_AES_KEY_WRAP},
		"CK_RSA_PKCS_PSS_PARAMS":                     {ck.CKM_RSA_PKCS_PSS, ck.CKM_SHA1_RSA_PKCS_PSS, ck.CKM_SHA224_RSA_PKCS_PSS, ck.CKM_SHA256_RSA_PKCS_PSS, ck.CKM_SHA384_RSA_PKCS_PSS, ck.CKM_SHA512_RSA_PKCS_PSS, ck.CKM_SHA3_224_RSA_PKCS_PSS, ck.CKM_SHA3_256_RSA_PKCS_PSS, ck.CKM_SHA3_384_RSA_PKCS_PSS, ck.CKM_SHA3_512_RSA_PKCS_PSS},
		"CK_EDDSA_PARAMS":                            {ck.CKM_EDDSA},
		"CK_ECDH1_DERIVE_PARAMS":                     {ck.CKM_ECDH1_DERIVE, ck.CKM_ECDH1_COFACTOR_DERIVE},
		"CK_X9_42_DH1_DERIVE_PARAMS":                 {ck.CKM_X9_42_DH_DERIVE},
		"CK_HKDF_PARAMS":                             {ck.CKM_HKDF_DERIVE, ck.CKM_HKDF_DATA},
		"CK_PKCS5_PBKD2_PARAMS2":                     {ck.CKM_PKCS5_PBKD2},
		"CK_PKCS5_PBKD2_PARAMS":                      {ck.CKM_PKCS5_PBKD2},
		"CK_SIGN_ADDITIONAL_CONTEXT":                 {ck.CKM_ML_DSA, ck.CKM_SLH_DSA},
		"CK_SP800_108_KDF_PARAMS":                    {ck.CKM_SP800_108_COUNTER_KDF, ck.CKM_SP800_108_DOUBLE_PIPELINE_KDF},
		"CK_SP800_108_FEEDBACK_KDF_PARAMS":           {ck.CKM_SP800_108_FEEDBACK_KDF},
		"CK_SSL3_MASTER_KEY_DERIVE_PARAMS":           {ck.CKM_SSL3_MASTER_KEY_DERIVE, ck.CKM_SSL3_MASTER_KEY_DERIVE_DH, ck.CKM_TLS_MASTER_KEY_DERIVE, ck.CKM_TLS_MASTER_KEY_DERIVE_DH},
		"CK_SSL3_KEY_MAT_PARAMS":                     {ck.CKM_SSL3_KEY_AND_MAC_DERIVE, ck.CKM_TLS_KEY_AND_MAC_DERIVE},
		"CK_TLS_PRF_PARAMS":                          {ck.CKM_TLS_PRF},
		"CK_TLS12_MASTER_KEY_DERIVE_PARAMS":          {ck.CKM_TLS12_MASTER_KEY_DERIVE, ck.CKM_TLS12_MASTER_KEY_DERIVE_DH},
		"CK_TLS12_KEY_MAT_PARAMS":                    {ck.CKM_TLS12_KEY_AND_MAC_DERIVE, ck.CKM_TLS12_KEY_SAFE_DERIVE},
		"CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS": {ck.CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, ck.CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH},
		"CK_TLS_KDF_PARAMS":                          {ck.CKM_TLS_KDF, ck.CKM_TLS12_KDF},
		"CK_TLS_MAC_PARAMS":                          {ck.CKM_TLS_MAC, ck.CKM_TLS12_MAC},
		"CK_IKE_PRF_DERIVE_PARAMS":                   {ck.CKM_IKE_PRF_DERIVE},
		"CK_IKE1_PRF_DERIVE_PARAMS":                  {ck.CKM_IKE1_PRF_DERIVE},
		"CK_IKE1_EXTENDED_DERIVE_PARAMS":             {ck.CKM_IKE1_EXTENDED_DERIVE},
		"CK_IKE2_PRF_PLUS_DERIVE_PARAMS":             {ck.CKM_IKE2_PRF_PLUS_DERIVE},
		"CK_SOFTCSP_KMAC_PARAMS":                     {ck.CKM_SOFTCSP_KMAC128, ck.CKM_SOFTCSP_KMAC256},
		"CK_SOFTCSP_SSHKDF_PARAMS":                   {ck.CKM_SOFTCSP_SSHKDF_DERIVE},
		"CK_PBE_PARAMS":                              {ck.CKM_PBE_MD5_DES_CBC, ck.CKM_PBE_MD2_DES_CBC, ck.CKM_PBE_SHA1_RC4_128, ck.CKM_PBE_SHA1_RC4_40, ck.CKM_PBE_SHA1_DES3_EDE_CBC, ck.CKM_PBE_SHA1_DES2_EDE_CBC, ck.CKM_PBE_SHA1_RC2_128_CBC, ck.CKM_PBE_SHA1_RC2_40_CBC, ck.CKM_PBE_MD5_CAST128_CBC, ck.CKM_PBE_SHA1_CAST128_CBC, ck.CKM_PBA_SHA1_WITH_SHA1_HMAC},
	} {
		for _, t := range list {
			m[t] = append(m[t], name)
		}
	}
	return m
}()

// olderSizes are the sizes of structures of earlier versions of the standard, which are no longer in the header: they are passed as they
// are.
var olderSizes = map[ck.MechanismType]int{
	ck.CKM_AES_GCM: 40, // CK_GCM_PARAMS of 2.30, without ulIvBits
}

// fits compares the image of a parameter with what the C compiler says of the mechanism's structure.
func (t *tables) fits(m ck.MechanismType, i *vectors.Image) error {
	names := paramStructs[m]
	plain := len(i.Refs) == 0 && (len(i.Numbers) == 0 || len(i.Data) == 8)
	if n, ok := olderSizes[m]; ok && len(i.Data) == n || len(names) == 0 && plain || m == ck.CKM_AES_GMAC && plain {
		return nil
	}
	if len(names) == 0 {
		return errors.New("a structure, and the table of parameters names none")
	}
	var all error
	for _, name := range names {
		err := t.shape(name, i)
		if err == nil {
			return nil
		}
		all = errors.Join(all, err)
	}
	return all
}

// shape compares an image with a structure: each field has to be there, as a number, an address or bytes, and nothing else.
func (t *tables) shape(name string, i *vectors.Image) error {
	size, ok := t.sizes[name]
	if !ok {
		return fmt.Errorf("the header has no structure %s", name)
	}
	if len(i.Data) == 0 || len(i.Data)%size != 0 {
		return fmt.Errorf("%s has %d bytes, not %d", name, size, len(i.Data))
	}
	kinds := make(map[int]string)
	for _, n := range i.Numbers {
		kinds[n] = "number"
	}
	refs := make(map[int]*vectors.Image)
	for _, r := range i.Refs {
		kinds[r.At], refs[r.At] = "address", r.To
	}
	for base := 0; base < len(i.Data); base += size {
		for _, f := range t.leaves(name) {
			at, want := base+f.offset, "bytes"
			switch {
			case isPointer(f.typ):
				want = "address"
			case f.size == 8 && f.typ != "CK_BYTE":
				want = "number"
			}
			got := kinds[at]
			if delete(kinds, at); got == "" {
				got = "bytes"
			}
			if got != want {
				return fmt.Errorf("%s.%s is no %s", name, f.name, got)
			}
			inner := strings.TrimSuffix(f.typ, "_PTR")
			if to := refs[at]; to != nil && len(to.Numbers)+len(to.Refs) > 0 && t.sizes[inner] != 0 {
				if err := t.shape(inner, to); err != nil {
					return fmt.Errorf("%s.%s: %w", name, f.name, err)
				}
			}
		}
	}
	if len(kinds) > 0 {
		return fmt.Errorf("%s has no fields at %v", name, kinds)
	}
	return nil
}

// leaves are the fields of a structure, with those of the structures in it.
func (t *tables) leaves(name string) (all []field) {
	for _, f := range t.fields[name] {
		if _, ok := t.fields[f.typ]; !ok {
			all = append(all, f)
			continue
		}
		for _, inner := range t.leaves(f.typ) {
			inner.name, inner.offset = f.name+"."+inner.name, f.offset+inner.offset
			all = append(all, inner)
		}
	}
	return all
}
