package ck_test

import (
	"slices"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

func TestNames(t *testing.T) {
	for want, v := range map[string]interface{ String() string }{
		"CKR_OK":                       ck.CKR_OK,
		"CKR_PIN_INCORRECT":            ck.CKR_PIN_INCORRECT,
		"CKR_0x12345":                  ck.RV(0x12345),
		"CKM_RSA_PKCS_KEY_PAIR_GEN":    ck.CKM_RSA_PKCS_KEY_PAIR_GEN,
		"CKM_EC_KEY_PAIR_GEN":          ck.CKM_ECDSA_KEY_PAIR_GEN,
		"CKM_SOFTCSP_CRYPT_DERIVE_KEY": ck.CKM_SOFTCSP_CRYPT_DERIVE_KEY,
		"CKM_0xffffffffffffffff":       ck.MechanismType(ck.UnavailableInformation),
		"CKA_WRAP_TEMPLATE":            ck.CKA_WRAP_TEMPLATE,
		"CKK_EC":                       ck.CKK_ECDSA,
		"CKO_TRUST":                    ck.CKO_TRUST,
		"CKU_SO":                       ck.CKU_SO,
		"CKS_RW_SO_FUNCTIONS":          ck.CKS_RW_SO_FUNCTIONS,
		"CKC_WTLS":                     ck.CKC_WTLS,
		"CKH_CLOCK":                    ck.CKH_CLOCK,
		"CKP_AUTHENTICATION_TOKEN":     ck.CKP_AUTHENTICATION_TOKEN,
	} {
		if got := v.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestParse(t *testing.T) {
	for name, want := range map[string]ck.MechanismType{
		"CKM_AES_CBC": ck.CKM_AES_CBC, "aes_cbc": ck.CKM_AES_CBC, "ckm_cast5_cbc": ck.CKM_CAST128_CBC, "CKM_0x80001234": 0x80001234,
	} {
		if got, ok := ck.ParseMechanismType(name); !ok || got != want {
			t.Errorf("%s: %v %v", name, got, ok)
		}
	}
	for _, name := range []string{"", "CKM_", "CKK_AES", "CKM_0x", "0xg", "AES_CBC "} {
		if got, ok := ck.ParseMechanismType(name); ok {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestFlagNames(t *testing.T) {
	got := ck.MechanismFlagNames(ck.CKF_SIGN | ck.CKF_EC_OID | ck.CKF_MULTI_MESSAGE | 0x40000000)
	if want := []string{"CKF_MULTI_MESSAGE", "CKF_SIGN", "CKF_EC_OID", "CKF_0x40000000"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
