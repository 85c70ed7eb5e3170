package csp_test

import (
	"fmt"
	"log"

	"github.com/softcsp/softcsp/csp"
)

// Microsoft's page of CryptDeriveKey derives an RC2 key from the MD5 hash of a password. Here it encrypts, and is exported.
func ExampleContext_DeriveKey() {
	c, err := csp.AcquireContext("", csp.MS_ENHANCED_PROV, csp.PROV_RSA_FULL, csp.CRYPT_VERIFYCONTEXT)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Release(0)
	hash, err := c.CreateHash(csp.CALG_MD5, nil, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer hash.Destroy()
	if err := hash.HashData([]byte("apple-camshaft"), 0); err != nil {
		log.Fatal(err)
	}
	key, err := c.DeriveKey(csp.CALG_RC2, hash, 128<<16|csp.CRYPT_EXPORTABLE)
	if err != nil {
		log.Fatal(err)
	}
	defer key.Destroy()

	buf := make([]byte, 24)
	n, err := key.Encrypt(nil, true, 0, buf, copy(buf, "attack at dawn"))
	fmt.Printf("%x %v\n", buf[:n], err)
	n, err = key.Decrypt(nil, true, 0, buf[:n])
	fmt.Printf("%s %v\n", buf[:n], err)
	blob, err := key.Export(nil, csp.PLAINTEXTKEYBLOB, 0)
	fmt.Printf("%x %v\n", blob, err)
	// Output:
	// 9045378dfad40f0b4d3a217f019400f3 <nil>
	// attack at dawn <nil>
	// 080200000266000010000000b5dcb3b0488c0d08b7fd7386b1a90df5 <nil>
}
