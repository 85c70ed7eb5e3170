package csp_test

import (
	"fmt"
	"log"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/csp"
)

// Microsoft's page of CryptDeriveKey derives an RC2 key from the MD5 hash of a password. Here it encrypts, and is exported.
func ExampleContext_DeriveKey() {
	c, err := csp.AcquireContext("", capi.MS_ENHANCED_PROV, capi.PROV_RSA_FULL, capi.CRYPT_VERIFYCONTEXT)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Release(0)
	hash, err := c.CreateHash(capi.CALG_MD5, nil, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer hash.Destroy()
	if err := hash.HashData([]byte("apple-camshaft"), 0); err != nil {
		log.Fatal(err)
	}
	key, err := c.DeriveKey(capi.CALG_RC2, hash, 128<<16|capi.CRYPT_EXPORTABLE)
	if err != nil {
		log.Fatal(err)
	}
	defer key.Destroy()

	buf := make([]byte, 24)
	n, err := key.Encrypt(nil, true, 0, buf, copy(buf, "attack at dawn"))
	fmt.Printf("%x %v\n", buf[:n], err)
	n, err = key.Decrypt(nil, true, 0, buf[:n])
	fmt.Printf("%s %v\n", buf[:n], err)
	blob, err := key.Export(nil, capi.PLAINTEXTKEYBLOB, 0)
	fmt.Printf("%x %v\n", blob, err)
	// Output:
	// 9045378dfad40f0b4d3a217f019400f3 <nil>
	// attack at dawn <nil>
	// 080200000266000010000000b5dcb3b0488c0d08b7fd7386b1a90df5 <nil>
}

// A session key goes to somebody else under their public key: the receiver makes the pair, and the sender gets its public half.
func ExampleKey_Export() {
	open := func() *csp.Context {
		c, err := csp.AcquireContext("", "", capi.PROV_RSA_AES, capi.CRYPT_VERIFYCONTEXT)
		if err != nil {
			log.Fatal(err)
		}
		return c
	}
	must := func(k *csp.Key, err error) *csp.Key {
		if err != nil {
			log.Fatal(err)
		}
		return k
	}
	receiver, sender := open(), open()
	defer receiver.Release(0)
	defer sender.Release(0)

	exchange := must(receiver.GenKey(capi.AT_KEYEXCHANGE, 2048<<16))
	public, err := exchange.Export(nil, capi.PUBLICKEYBLOB, 0)
	if err != nil {
		log.Fatal(err)
	}

	key := must(sender.GenKey(capi.CALG_AES_256, capi.CRYPT_EXPORTABLE))
	blob, err := key.Export(must(sender.Import(public, nil, 0)), capi.SIMPLEBLOB, 0)
	if err != nil {
		log.Fatal(err)
	}
	buf := make([]byte, 32)
	n, err := key.Encrypt(nil, true, 0, buf, copy(buf, "attack at dawn"))
	if err != nil {
		log.Fatal(err)
	}

	received := must(receiver.Import(blob, exchange, 0))
	n, err = received.Decrypt(nil, true, 0, buf[:n])
	fmt.Printf("%s %v\n", buf[:n], err)
	_, err = received.Export(nil, capi.PLAINTEXTKEYBLOB, 0)
	fmt.Println(err)
	// Output:
	// attack at dawn <nil>
	// NTE_BAD_KEY_STATE
}
