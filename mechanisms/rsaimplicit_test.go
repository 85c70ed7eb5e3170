package mechanisms

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/rawrsa"
)

// TestImplicitRejectionRange decrypts what everybody can see to be no ciphertext: there is nothing in its place.
func TestImplicitRejectionRange(t *testing.T) {
	t.Parallel()
	priv, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	key, err := rawrsa.NewPrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	scheme, err := implicitScheme(new(ck.Param))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := scheme.decrypt(key, bytes.Repeat([]byte{0xff}, 128)); err != ck.CKR_ENCRYPTED_DATA_INVALID {
		t.Errorf("%x, %v", got, err)
	}
}
