package mechanisms

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// pbeFields are the fields of a CK_PBE_PARAMS.
func pbeFields(iv, password, salt []byte, iterations int) []any {
	return vectors.PBEFields(alone(iv), password, salt, iterations)
}

// passwordKey derives a key and an IV, which is there when it is delivered and not before.
func passwordKey(m ck.MechanismType, password, salt []byte, iterations int) (key, iv []byte, err error) {
	var d Derived
	iv = make([]byte, pbeIV)
	p := params(pbeFields(iv, password, salt, iterations)...)
	if err := Lookup(m).FromPassword(&p, nil, &d); err != nil {
		return nil, nil, err
	}
	if !bytes.Equal(iv, make([]byte, pbeIV)) {
		return nil, nil, errors.New("the IV comes before the key")
	}
	d.Deliver()
	return bytes.Clone(d.Value), iv, nil
}

func runPBE(t *testing.T, seen *tried) {
	records, err := vectors.Records(os.DirFS("testdata/derive"), "pbe.txt")
	if err != nil || len(records) < 24 {
		t.Fatalf("%d vectors, %v", len(records), err)
	}
	for i := range records {
		v := vector{Record: &records[i]}
		m, _ := ck.ParseMechanismType(v.Fields["Mechanism"])
		iterations := 0
		if _, err := fmt.Sscan(v.Fields["Iterations"], &iterations); err != nil {
			t.Fatal(err)
		}
		seen.add(m)
		key, iv, err := passwordKey(m, v.bytes("Password"), v.bytes("Salt"), iterations)
		want := make([]byte, pbeIV)
		if v.Has("IV") {
			want = v.bytes("IV")
		}
		if err := errors.Join(err, same("key", key, v.bytes("Key")), same("IV", iv, want), v.err); err != nil {
			t.Errorf("%s: %v", v.At, err)
		}
	}
	seen.add(ck.CKM_PBE_MD2_DES_CBC) // TestPBKDF1
}

// TestPBKDF1 compares with the hashes taken one after another.
func TestPBKDF1(t *testing.T) {
	t.Parallel()
	for m, hash := range map[ck.MechanismType]ck.MechanismType{ck.CKM_PBE_MD2_DES_CBC: ck.CKM_MD2, ck.CKM_PBE_MD5_DES_CBC: ck.CKM_MD5} {
		sum := []byte("passwordsaltsalt")
		for range 7 {
			h := findHash(hash).New()
			h.Write(sum)
			sum = h.Sum(nil)
		}
		FixParity(ck.CKK_DES, sum[:8])
		key, iv, err := passwordKey(m, []byte("password"), []byte("saltsalt"), 7)
		if err != nil || !bytes.Equal(key, sum[:8]) || !bytes.Equal(iv, sum[8:]) {
			t.Errorf("%v: %x, %x, want %x, %v", m, key, iv, sum, err)
		}
	}
	if _, _, err := passwordKey(ck.CKM_PBE_MD5_DES_CBC, nil, nil, 0); !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) {
		t.Errorf("no iterations: %v", err)
	}
}

// TestPBEOpenSSL decrypts what OpenSSL has encrypted with a password.
func TestPBEOpenSSL(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs openssl")
	}
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	plain := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command(openssl, "genpkey", "-algorithm", "ed25519", "-outform", "DER", "-out", plain).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	bmp := []byte("\x00s\x00m\x00e\x00g\x00\x00")
	for name, c := range map[string]struct {
		m, cipher ck.MechanismType
		password  []byte
	}{
		"PBE-MD5-DES":      {ck.CKM_PBE_MD5_DES_CBC, ck.CKM_DES_CBC_PAD, []byte("smeg")},
		"PBE-SHA1-3DES":    {ck.CKM_PBE_SHA1_DES3_EDE_CBC, ck.CKM_DES3_CBC_PAD, bmp},
		"PBE-SHA1-2DES":    {ck.CKM_PBE_SHA1_DES2_EDE_CBC, ck.CKM_DES3_CBC_PAD, bmp},
		"PBE-SHA1-RC2-128": {ck.CKM_PBE_SHA1_RC2_128_CBC, ck.CKM_RC2_CBC_PAD, bmp},
		"PBE-SHA1-RC2-40":  {ck.CKM_PBE_SHA1_RC2_40_CBC, ck.CKM_RC2_CBC_PAD, bmp},
		"PBE-SHA1-RC4-128": {ck.CKM_PBE_SHA1_RC4_128, ck.CKM_RC4, bmp},
	} {
		cmd := exec.Command(openssl, "pkcs8", "-topk8", "-provider", "legacy", "-provider", "default", "-v1", name, "-passout", "pass:smeg",
			"-inform", "DER", "-in", plain, "-outform", "DER")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		salt, iterations, sealed := encryptedPrivateKeyInfo(t, out)
		key, iv, err := passwordKey(c.m, c.password, salt, iterations)
		if err != nil {
			t.Fatal(err)
		}
		fields := []any{iv}
		switch c.cipher {
		case ck.CKM_RC2_CBC_PAD:
			fields = []any{8 * len(key), iv}
		case ck.CKM_RC4:
			fields = nil
		}
		p := params(fields...)
		got, err := whole(Lookup(c.cipher).Decrypt, secretKey(Lookup(c.cipher).Keys[0], key), &p, sealed)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x, %v", name, got, want, err)
		}
	}
}

// encryptedPrivateKeyInfo reads what OpenSSL wrote.
func encryptedPrivateKeyInfo(t *testing.T, der []byte) (salt []byte, iterations int, sealed []byte) {
	var info struct {
		Algorithm struct {
			ID     asn1.ObjectIdentifier
			Params struct {
				Salt       []byte
				Iterations int
			}
		}
		Data []byte
	}
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) != 0 {
		t.Fatalf("%d bytes more, %v", len(rest), err)
	}
	return info.Algorithm.Params.Salt, info.Algorithm.Params.Iterations, info.Data
}
