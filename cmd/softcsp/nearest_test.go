package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// mechanismWords are the names of all mechanisms of the library.
func mechanismWords() (words []string) {
	for _, m := range mechanisms.Types() {
		words = append(words, m.String())
	}
	return words
}

func TestNearest(t *testing.T) {
	var types []string
	for i := range generatedTypes {
		types = append(types, generatedTypes[i].words()...)
	}
	for _, c := range []struct {
		given string
		words []string
		want  string
	}{
		{"rsa2048", types, "rsa:2048"},
		{"RSA-2048", types, "rsa:2048"},
		{"p256", types, "ec:p256"},
		{"ed25518", types, "ed25519"},
		{"sha257", hashWords(), "sha256"},
		{"lable", []string{"allowed-mechanisms", "label", "id"}, "label"},
		{"signing", []string{"encrypt", "decrypt", "sign", "verify"}, "sign"},
		{"CKM_AES_GCN", mechanismWords(), "CKM_AES_GCM"},
		{"sha256_rsa_pkcs_ps", mechanismWords(), "CKM_SHA256_RSA_PKCS_PSS"},
		{"wholly different", mechanismWords(), ""},
	} {
		got := ""
		if near := nearest(c.given, c.words); len(near) > 0 {
			got = near[0]
		}
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.given, got, c.want)
		}
	}
}

// TestWordMeant sees that each way to write a word is that word, and that what could be two is none.
func TestWordMeant(t *testing.T) {
	for _, words := range [][]string{hashWords(), mechanismWords(), typeNames(true), typeNames(false), {"sign-recover", "sign"}} {
		for _, w := range words {
			for _, way := range []string{w, strings.ToUpper(w), strings.ReplaceAll(w, "-", "_"), strings.ReplaceAll(w, "_", "-")} {
				if got := wordMeant(way, words); got != w {
					t.Errorf("%q is taken for %q", way, got)
				}
			}
		}
	}
	if got := wordMeant("a-b", []string{"ab", "a_b"}); got != "" {
		t.Errorf("a-b is taken for %q", got)
	}
}

func TestMechanismNamed(t *testing.T) {
	for text, want := range map[string]ck.MechanismType{
		"CKM_AES_GCM": ck.CKM_AES_GCM, "AES_GCM": ck.CKM_AES_GCM, "aes-gcm": ck.CKM_AES_GCM, "aesgcm": ck.CKM_AES_GCM, "ckm-aes-gcm": ck.CKM_AES_GCM,
		"sha256-rsa-pkcs": ck.CKM_SHA256_RSA_PKCS, "ECDSA": ck.CKM_ECDSA,
	} {
		if m, err := mechanismNamed("mechanism", text); err != nil || m != want {
			t.Errorf("%s: %v, %v", text, m, err)
		}
	}
	for text, want := range map[string][]string{
		"CKM_AES_GCN": {"CKM_AES_GCM"}, "sha256-rsa": {"CKM_SHA256_RSA_PKCS", "CKM_SHA256_RSA_PKCS_PSS"},
	} {
		_, err := mechanismNamed("mechanism", text)
		if err == nil || exitCode(err) != exitUsage || slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(err.Error(), w) }) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "bc", 1}, {"kitten", "sitting", 3}, {"lable", "label", 1}, {"ba", "ab", 1}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q, %q: %d", c.a, c.b, got)
		}
	}
}
