package conformance

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A footnoted is an attribute with its footnotes, as token/testdata/attributes.golden has it.
type footnoted struct {
	name, kind string
	notes      []string
}

var goldenRow = regexp.MustCompile(`^\| (CKA_\w+)(?: \^([^^]*)\^)? +\| ([a-z ]+)`)

// attributeTables reads the tables that the token works with.
func attributeTables(t *testing.T) map[string][]footnoted {
	t.Helper()
	text, err := os.ReadFile("../token/testdata/attributes.golden")
	if err != nil {
		t.Fatal(err)
	}
	all, name := make(map[string][]footnoted), ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch m := goldenRow.FindStringSubmatch(line); {
		case m != nil:
			all[name] = append(all[name], footnoted{m[1], strings.TrimSpace(m[3]), strings.Split(m[2], ",")})
		case line != "":
			name = line
		}
	}
	return all
}

// valueOf is a word for a value of a kind: of numbers and booleans not the default.
func valueOf(a footnoted) string {
	switch a.kind {
	case "bool":
		return "true"
	case "ulong", "class", "type", "mechanism":
		return "77"
	case "date":
		return "str:20300101"
	case "mechanism array":
		return "[CKM_AES_CBC]"
	case "attribute array":
		return "{CKA_LABEL=str:x}"
	}
	return "str:x"
}

// TestFootnotes tries the footnotes of every attribute of an AES key and of an RSA key pair through the built library; package
// token tries those of every table.
func TestFootnotes(t *testing.T) {
	t.Parallel()
	only(t)
	all := attributeTables(t)
	s := module.script(t)
	do(t, s, "login",
		"let aes {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES}",
		"C_CreateObject s aes+{CKA_VALUE=rep:16:11} &w",
		"C_CreateObject s aes+{CKA_VALUE=rep:16:22,CKA_SENSITIVE=true,CKA_EXTRACTABLE=true} &k",
		"C_WrapKey s CKM_AES_KEY_WRAP w k wrapped=out:24",
		"C_GenerateKeyPair s CKM_RSA_PKCS_KEY_PAIR_GEN {CKA_MODULUS_BITS=1024} {} &pub &priv")
	tried := 0
	try := func(line string) {
		t.Helper()
		if err := s.Line(line); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		tried++
	}
	for _, c := range []struct {
		object string
		tables []string
	}{{"k", []string{"storage", "key", "secret key", "secret key of variable length", "key of CryptDeriveKey"}},
		{"pub", []string{"storage", "key", "public key", "RSA public key"}}, {"priv", []string{"storage", "key", "private key", "RSA private key"}}} {
		for _, name := range c.tables {
			if len(all[name]) == 0 {
				t.Fatalf("no table %q", name)
			}
			for _, a := range all[name] {
				has := func(notes ...string) bool {
					return slices.ContainsFunc(notes, func(n string) bool { return slices.Contains(a.notes, n) })
				}
				if has("internal") {
					continue
				}
				asked := "{" + a.name + "=" + valueOf(a) + "}"
				if c.object == "k" && has("2") {
					try("C_CreateObject s aes+{CKA_VALUE=rep:16:33}+" + asked + " &x -> CKR_ATTRIBUTE_READ_ONLY")
				}
				if c.object == "k" && has("4") {
					try("C_GenerateKey s CKM_AES_KEY_GEN {CKA_VALUE_LEN=16}+" + asked + " &x -> CKR_ATTRIBUTE_READ_ONLY")
				}
				if c.object == "k" && has("6") {
					try("C_UnwrapKey s CKM_AES_KEY_WRAP w wrapped aes+" + asked + " &x -> CKR_ATTRIBUTE_READ_ONLY")
				}
				if c.object != "k" && has("4") {
					public, private := asked, "{}"
					if c.object == "priv" {
						public, private = private, public
					}
					try("C_GenerateKeyPair s CKM_RSA_PKCS_KEY_PAIR_GEN {CKA_MODULUS_BITS=1024}+" + public + " " + private + " &x &y -> CKR_ATTRIBUTE_READ_ONLY")
				}
				if has("7") {
					try("C_GetAttributeValue s " + c.object + " {" + a.name + "=?} -> CKR_ATTRIBUTE_SENSITIVE")
				}
				// Those that depend on what is there have their scripts.
				if !has("8", "11", "12", "copying", "optional") && a.name != "CKA_CHECK_VALUE" && a.name != "CKA_COPYABLE" {
					try("C_SetAttributeValue s " + c.object + " " + asked + " -> CKR_ATTRIBUTE_READ_ONLY")
				}
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d calls", tried)
	}
	do(t, s, "find s {CKA_CLASS=CKO_SECRET_KEY} = w k", "find s {CKA_CLASS=CKO_PRIVATE_KEY} = priv")
}
