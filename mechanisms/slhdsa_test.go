package mechanisms

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestSLHDSAExample reads the keys of RFC 9909, appendix C.
func TestSLHDSAExample(t *testing.T) {
	t.Parallel()
	decode := func(s string) []byte {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	private := decode("MFICAQAwCwYJYIZIAWUDBAMUBECiJjvKRYYINlIxYASVI9YhZ3+tkNUetgZ6Mn4NHmSlASuBCex3fKpOHwJMz8+Ul9mRgFCSgPQlavKwevgCibSU")
	public := decode("MDAwCwYJYIZIAWUDBAMUAyEAK4EJ7Hd8qk4fAkzPz5SX2ZGAUJKA9CVq8rB6+AKJtJQ=")
	attrs, err := UnmarshalPrivate(ck.CKK_SLH_DSA, private)
	if err != nil {
		t.Fatal(err)
	}
	k, err := imported(ck.CKO_PRIVATE_KEY, ck.CKK_SLH_DSA, attrs...)
	if err != nil {
		t.Fatal(err)
	}
	if info := k.Attr(ck.CKA_PUBLIC_KEY_INFO); !bytes.Equal(info, public) {
		t.Errorf("public key %x", info)
	}
	if der, err := MarshalPrivate(k); err != nil || !bytes.Equal(der, private) {
		t.Errorf("written as %x, %v", der, err)
	}
}
