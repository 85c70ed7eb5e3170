package capi_test

import (
	"crypto/md5"
	"fmt"
	"log"

	"github.com/softcsp/softcsp/capi"
)

// Microsoft's page of CryptDeriveKey derives an RC2 key from the MD5 hash of a password.
func ExampleDeriveKey() {
	hash := md5.Sum([]byte("apple-camshaft"))
	key, err := capi.DeriveKey(capi.MSEnhanced, capi.CALG_RC2, capi.MD5, hash[:], 128<<16)
	if err != nil {
		log.Fatal(err)
	}
	defer key.Wipe()
	fmt.Printf("%x, of which %d bits count\n", key.Value, key.EffectiveBits)
	// Output: b5dcb3b0488c0d08b7fd7386b1a90df5, of which 128 bits count
}
