package store

import (
	"crypto/aes"
	"encoding/binary"
	"encoding/hex"
	"testing"
)

// TestMeter holds the meter against AES-256-CMAC of SP 800-38B, appendix D.3, example 11: 40 bytes, as an item is.
func TestMeter(t *testing.T) {
	key, _ := hex.DecodeString("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
	message, _ := hex.DecodeString("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411")
	m := member{ID(message), entry{binary.BigEndian.Uint64(message[16:]), [tagSize]byte(message[24:])}}
	h := newMemberHasher(key)
	for range 2 {
		v := h.hash(&m)
		var got [aes.BlockSize]byte
		binary.LittleEndian.PutUint64(got[:8], v[0])
		binary.LittleEndian.PutUint64(got[8:], v[1])
		if hex.EncodeToString(got[:]) != "aaf3d8f1de5640c232f5b169b9c911e6" {
			t.Errorf("%x", got)
		}
	}
}
