package config

import (
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// narrow is a policy as docs/configuration.md has one.
const narrow = `
log = 'error'

[policy]
deny = ["CKM_*MD5*", "CKM_DES_*"]

[policy.mechanism."CKM_RSA_*"]
min_bits = 2048

[policy.token.hsm]
allow = ["CKM_RSA_PKCS_KEY_PAIR_GEN", "CKM_RSA_PKCS", "CKM_AES_*", "CKM_MD5", "CKM_SHA256"]

[policy.token.hsm.mechanism.CKM_RSA_PKCS]
max_bits = 4096
operations = ["sign", "verify"]

[policy.token.hsm.mechanism."CKM_RSA_PKCS*"]
min_bits = 1024
max_bits = 8192
`

func TestPolicy(t *testing.T) {
	_, p, err := parseFile("c.toml", narrow)
	if err != nil {
		t.Fatal(err)
	}
	all := []ck.MechanismType{ck.CKM_MD5, ck.CKM_SHA256, ck.CKM_SHA_1, ck.CKM_DES_ECB, ck.CKM_DES3_ECB, ck.CKM_RSA_PKCS, ck.CKM_RSA_PKCS_KEY_PAIR_GEN, ck.CKM_AES_GCM, ck.CKM_MD5_HMAC}
	for _, c := range []struct {
		label, serial string
		want          []ck.MechanismType
	}{
		{"other", "0123", []ck.MechanismType{ck.CKM_SHA256, ck.CKM_SHA_1, ck.CKM_DES3_ECB, ck.CKM_RSA_PKCS, ck.CKM_RSA_PKCS_KEY_PAIR_GEN, ck.CKM_AES_GCM}},
		{"hsm", "0123", []ck.MechanismType{ck.CKM_SHA256, ck.CKM_RSA_PKCS, ck.CKM_RSA_PKCS_KEY_PAIR_GEN, ck.CKM_AES_GCM}},
		{"0123", "hsm", []ck.MechanismType{ck.CKM_SHA256, ck.CKM_RSA_PKCS, ck.CKM_RSA_PKCS_KEY_PAIR_GEN, ck.CKM_AES_GCM}},
	} {
		got := p.For(c.label, c.serial, all)
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", c.label, got, c.want)
		}
		for _, m := range c.want {
			if _, ok := got[m]; !ok {
				t.Errorf("%s: %v is denied", c.label, m)
			}
		}
	}
	rsa := p.For("hsm", "", all)[ck.CKM_RSA_PKCS]
	if rsa.MinBits != 2048 || rsa.MaxBits != 4096 || rsa.Operations&(ck.CKF_SIGN|ck.CKF_VERIFY|ck.CKF_ENCRYPT|ck.CKF_WRAP) != ck.CKF_SIGN|ck.CKF_VERIFY {
		t.Errorf("CKM_RSA_PKCS: %+v", rsa)
	}
	if gen := p.For("hsm", "", all)[ck.CKM_RSA_PKCS_KEY_PAIR_GEN]; gen.MinBits != 2048 || gen.MaxBits != 8192 || gen.Operations&ck.CKF_GENERATE_KEY_PAIR == 0 {
		t.Errorf("CKM_RSA_PKCS_KEY_PAIR_GEN: %+v", gen)
	}
	if s := p.String(); s != "all tokens, hsm" {
		t.Errorf("%q", s)
	}
	var none *Policy
	if none.For("", "", all) != nil || none.String() != "" {
		t.Error("no policy limits something")
	}
	if _, one, err := parseFile("c.toml", "[policy.token.hsm]\ndeny = [\"CKM_MD5\"]\n"); err != nil || one.For("other", "0123", all) != nil {
		t.Errorf("a policy of one token limits another: %v", err)
	}
}

// TestPolicyErrors has mistakes, each of which is named.
func TestPolicyErrors(t *testing.T) {
	for text, want := range map[string]string{
		"policy = 1":                                                         "policy must be a section",
		"[policy]\nalow = []":                                                `policy: there is no setting "alow"; there are allow, deny, mechanism`,
		"[policy]\nallow = ['CKM_AES_GMC']":                                  `policy.allow: there is no mechanism "CKM_AES_GMC"`,
		"[policy]\ndeny = ['CKM_ASE_*']":                                     `policy.deny: there is no mechanism "CKM_ASE_*"`,
		"[policy]\nallow = 'CKM_AES_GCM'":                                    "policy.allow must be a list",
		"[policy]\nallow = [1]":                                              "policy.allow must be a list",
		"[policy.mechanism.CKM_AES_GMC]\nmin_bits = 1":                       `policy.mechanism: there is no mechanism "CKM_AES_GMC"`,
		"[policy.mechanism.CKM_AES_GCM]\nmin = 1":                            `policy.mechanism.CKM_AES_GCM: there is no setting "min"; there are min_bits, max_bits, operations`,
		"[policy.mechanism.CKM_AES_GCM]\nmin_bits = '1'":                     "policy.mechanism.CKM_AES_GCM.min_bits must be a whole number of bits",
		"[policy.mechanism.CKM_AES_GCM]\nmax_bits = -1":                      "policy.mechanism.CKM_AES_GCM.max_bits must be a whole number of bits",
		"[policy.mechanism.CKM_AES_GCM]\nmin_bits = 256\nmax_bits = 128":     "max_bits is less than min_bits",
		"[policy.mechanism.CKM_AES_GCM]\noperations = ['encode']":            `policy.mechanism.CKM_AES_GCM.operations: there is no operation "encode"; there are encrypt, `,
		"[policy.mechanism.CKM_AES_GCM]\noperations = 'encrypt'":             "operations must be a list",
		"[policy]\nmechanism = 1":                                            "policy.mechanism must be a section",
		"[policy.token.hsm]\nallow = ['CKM_X']":                              `policy.token.hsm.allow: there is no mechanism "CKM_X"`,
		"[policy.token.hsm.token.x]\nallow = []":                             `policy.token.hsm: there is no setting "token"`,
		"[policy.token]\nhsm = 1":                                            "policy.token.hsm must be a section",
		"[policy.token.hsm.mechanism.CKM_AES_GCM]\noperations = ['decript']": "policy.token.hsm.mechanism.CKM_AES_GCM.operations",
	} {
		_, _, err := parseFile("c.toml", text)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "c.toml: ") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
