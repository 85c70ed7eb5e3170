package capi_test

import (
	"crypto/md5"
	"crypto/rc4"
	"crypto/sha1"
	"errors"
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

// An AES key is never the hash value itself where that is one of SHA-1 or older. The key is fact win-091 of
// testdata/cryptderivekey.
func ExampleDeriveKey_aes() {
	hash := sha1.Sum([]byte("Test"))
	key, err := capi.DeriveKey(capi.MSEnhancedAES, capi.CALG_AES_192, capi.SHA1, hash[:], 0)
	if err != nil {
		log.Fatal(err)
	}
	defer key.Wipe()
	fmt.Printf("%x\n", key.Value)
	// Output: 97d4f8389786352382ce6079c28d6ed3d65021a99b96263e
}

// The Base provider's keys have 40 bits, and a salt that the cipher is keyed with too. This is MSDN's sample of 1998, facts win-087 and
// win-088 of testdata/cryptderivekey.
func ExampleDeriveKey_salt() {
	hash := md5.Sum([]byte("1134-kelp"))
	for _, flags := range []uint32{0, capi.CRYPT_CREATE_SALT} {
		key, err := capi.DeriveKey(capi.MSBase, capi.CALG_RC4, capi.MD5, hash[:], flags)
		if err != nil {
			log.Fatal(err)
		}
		defer key.Wipe()
		cipher, err := rc4.NewCipher(append(key.Value, key.Salt...))
		if err != nil {
			log.Fatal(err)
		}
		text := []byte{0, 1, 2, 3, 4, 5, 6, 7}
		cipher.XORKeyStream(text, text)
		fmt.Printf("%d bits and %x encrypt to %x\n", key.EffectiveBits, key.Salt, text)
	}
	// Output:
	// 40 bits and 0000000000000000000000 encrypt to 2659de2444fa369c
	// 40 bits and b8ea399395aa29d638b52a encrypt to 47f45de2cc3b871b
}

// What Windows refuses is refused with the code that GetLastError has there.
func ExampleDeriveKey_error() {
	hash := md5.Sum([]byte("apple-camshaft"))
	_, err := capi.DeriveKey(capi.MSEnhanced, capi.CALG_AES_128, capi.MD5, hash[:], 0)
	fmt.Printf("%v 0x%08x %v\n", err, uint32(capi.Code(err)), errors.Is(err, capi.NTE_BAD_ALGID))
	// Output: NTE_BAD_ALGID 0x80090008 true
}
