package mechanisms

import (
	"hash"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/tlsprf"
)

// ssl3Rows are the key derivations and MACs of SSL 3.0, RFC 6101: PKCS #11, "SSL".
var ssl3Rows = []Mechanism{
	masterKey(ck.CKM_SSL3_MASTER_KEY_DERIVE, ssl3Master),
	masterKey(ck.CKM_SSL3_MASTER_KEY_DERIVE_DH, ssl3Master),
	keyAndMAC(ck.CKM_SSL3_KEY_AND_MAC_DERIVE, func(r *keyMaterial, out, master []byte) {
		tlsprf.SSL3(out, master, r.randoms.server, r.randoms.client)
	}),
	ssl3MACRow(ck.CKM_SSL3_MD5_MAC, ck.CKM_MD5, 48),
	ssl3MACRow(ck.CKM_SSL3_SHA1_MAC, ck.CKM_SHA_1, 40),
}

func ssl3Master(p *ck.Param) (master, func(out, pms []byte), error) {
	m, err := readMaster(p)
	return m, func(out, pms []byte) { tlsprf.SSL3(out, pms, m.randoms.client, m.randoms.server) }, err
}

// ssl3MACRow makes the row of a MAC, whose parameter is its length.
func ssl3MACRow(m, digest ck.MechanismType, pad int) Mechanism {
	h := findHash(digest)
	size := truncatedMAC(h.Size)
	return macRow(m, genericKeys, 1, maxSecret, func(k *Key, p *ck.Param) (*mac, error) {
		n, err := size(p)
		if err != nil {
			return nil, err
		}
		form, err := k.Prepared(m, func(k *Key) (any, error) {
			return newMACKey(func() (hash.Hash, error) { return tlsprf.NewSSL3MAC(h.New, k.Value, pad) })
		})
		if err != nil {
			return nil, err
		}
		return newMAC(form.(*macKey), n)
	})
}
