package mechanisms

import (
	"bytes"
	"hash"

	"github.com/softcsp/softcsp/ck"
)

// ssl3Rows are the key derivations and MACs of SSL 3.0, RFC 6101: PKCS #11, "SSL".
var ssl3Rows = []Mechanism{
	masterKey(ck.CKM_SSL3_MASTER_KEY_DERIVE, ssl3Master),
	masterKey(ck.CKM_SSL3_MASTER_KEY_DERIVE_DH, ssl3Master),
	keyAndMAC(ck.CKM_SSL3_KEY_AND_MAC_DERIVE, func(r *keyMaterial, out, master []byte) {
		ssl3KDF(out, master, r.randoms.server, r.randoms.client)
	}),
	ssl3MACRow(ck.CKM_SSL3_MD5_MAC, ck.CKM_MD5, 48),
	ssl3MACRow(ck.CKM_SSL3_SHA1_MAC, ck.CKM_SHA_1, 40),
}

func ssl3Master(p *ck.Param) (master, func(out, pms []byte), error) {
	m, err := readMaster(p)
	return m, func(out, pms []byte) { ssl3KDF(out, pms, m.randoms.client, m.randoms.server) }, err
}

// ssl3KDF fills out as RFC 6101, sections 6.1 and 6.2.2, says: for each 16 bytes another letter, one time more.
func ssl3KDF(out, key []byte, randoms ...[]byte) {
	md5, sha := findHash(ck.CKM_MD5).New(), findHash(ck.CKM_SHA_1).New()
	var inner, outer [maxHashSize]byte
	for i := 1; len(out) > 0; i++ {
		sha.Reset()
		sha.Write(bytes.Repeat([]byte{'A' + byte(i) - 1}, i))
		sha.Write(key)
		for _, r := range randoms {
			sha.Write(r)
		}
		md5.Reset()
		md5.Write(key)
		md5.Write(sha.Sum(inner[:0]))
		out = out[copy(out, md5.Sum(outer[:0])):]
	}
	clear(inner[:])
	clear(outer[:])
}

// ssl3MACRow makes the row of a MAC, whose parameter is its length.
func ssl3MACRow(m, digest ck.MechanismType, pad int) Mechanism {
	h := findHash(digest)
	size := cutMAC(h.Size)
	return macRow(m, genericKeys, 1, maxSecret, func(k *Key, p *ck.Param) (*mac, error) {
		n, err := size(p)
		if err != nil {
			return nil, err
		}
		form, err := k.Prepared(m, func(k *Key) (any, error) {
			return newMACKey(func() (hash.Hash, error) { return newSSL3MAC(h, k.Value, pad) })
		})
		if err != nil {
			return nil, err
		}
		return newMAC(form.(*macKey), n)
	})
}

// An ssl3MAC is the MAC of RFC 6101, section 5.2.3.1, as a hash.Hash: HMAC's forerunner, whose pads stand behind the key.
// The states after the pads are kept, and are not the key's bytes.
type ssl3MAC struct {
	hash.Hash             // the inner hash so far
	inner     hash.Cloner // after key and first pad
	outer     hash.Cloner // after key and second pad
}

var _ hash.Cloner = (*ssl3MAC)(nil)

func newSSL3MAC(h *Hash, key []byte, pad int) (*ssl3MAC, error) {
	begin := func(b byte) hash.Cloner {
		s := h.New()
		s.Write(key)
		s.Write(bytes.Repeat([]byte{b}, pad))
		return s.(hash.Cloner)
	}
	m := &ssl3MAC{inner: begin(0x36), outer: begin(0x5c)}
	s, err := m.inner.Clone()
	m.Hash = s
	return m, err
}

func (m *ssl3MAC) Reset() {
	if s, err := m.inner.Clone(); err == nil {
		m.Hash = s
	}
}

func (m *ssl3MAC) Clone() (hash.Cloner, error) {
	s, err := m.Hash.(hash.Cloner).Clone()
	return &ssl3MAC{s, m.inner, m.outer}, err
}

func (m *ssl3MAC) Sum(b []byte) []byte {
	var space [maxHashSize]byte
	s, err := m.outer.Clone()
	if err != nil {
		return nil
	}
	s.Write(m.Hash.Sum(space[:0]))
	return s.Sum(b)
}
