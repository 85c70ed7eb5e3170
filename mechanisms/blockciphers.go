package mechanisms

import (
	"crypto/cipher"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/aria"
	"github.com/softcsp/softcsp/internal/algorithm/camellia"
	"github.com/softcsp/softcsp/internal/algorithm/cdmf"
	"github.com/softcsp/softcsp/internal/algorithm/idea"
	"github.com/softcsp/softcsp/internal/algorithm/seed"
)

// A blockFamily is the mechanisms that PKCS #11 has of most block ciphers.
type blockFamily struct {
	keyType           ck.KeyType
	newCipher         func(value []byte) (cipher.Block, error)
	keyGen            ck.MechanismType
	ecb, cbc, cbcPad  ck.MechanismType
	mac, macGeneral   ck.MechanismType
	ecbData, cbcData  ck.MechanismType // derivation by encryption, 0 where there is none
	counter           ck.MechanismType // 0 where there is none
	smallest, largest uint             // keys, in bytes
}

// rows makes the rows of the family.
func (f blockFamily) rows() []Mechanism {
	keys := []ck.KeyType{f.keyType}
	block := keyedBy(f.ecb, f.newCipher)
	row := func(t ck.MechanismType, mode directions) Mechanism {
		return blockRow(t, keys, f.smallest, f.largest, mode)
	}
	list := []Mechanism{
		keyGen(f.keyGen, f.keyType),
		zeroFilled(row(f.ecb, ecb(block))),
		zeroFilled(row(f.cbc, cbc(block, ivField, false))),
		row(f.cbcPad, cbc(block, ivField, true)),
	}
	if f.counter != 0 {
		list = append(list, row(f.counter, withLimit(ctr(block))))
	}
	if f.ecbData != 0 {
		list = append(list,
			Mechanism{Type: f.ecbData, Keys: keys, Min: f.smallest, Max: f.largest, Derive: encryptData(block, false)},
			Mechanism{Type: f.cbcData, Keys: keys, Min: f.smallest, Max: f.largest, Derive: encryptData(block, true)})
	}
	return append(list, blockMACRows(f.mac, f.macGeneral, keys, f.smallest, f.largest, block)...)
}

var (
	newARIA     = expandSecretly(aria.NewCipher)
	newIDEA     = expandSecretly(idea.NewCipher)
	newCamellia = expandSecretly(camellia.NewCipher)
	newSEED     = expandSecretly(seed.NewCipher)
	newCDMF     = expandSecretly(cdmf.NewCipher)
)

// blockCipherRows are Camellia, SEED, ARIA, IDEA and CDMF: sections 6.47 to 6.52, and "PKCS #11 Historical Mechanisms".
var blockCipherRows = slices.Concat(
	blockFamily{
		keyType: ck.CKK_CAMELLIA, newCipher: newCamellia, smallest: 16, largest: 32,
		keyGen: ck.CKM_CAMELLIA_KEY_GEN, ecb: ck.CKM_CAMELLIA_ECB, cbc: ck.CKM_CAMELLIA_CBC, cbcPad: ck.CKM_CAMELLIA_CBC_PAD,
		mac: ck.CKM_CAMELLIA_MAC, macGeneral: ck.CKM_CAMELLIA_MAC_GENERAL,
		ecbData: ck.CKM_CAMELLIA_ECB_ENCRYPT_DATA, cbcData: ck.CKM_CAMELLIA_CBC_ENCRYPT_DATA, counter: ck.CKM_CAMELLIA_CTR,
	}.rows(),
	blockFamily{
		keyType: ck.CKK_SEED, newCipher: newSEED, smallest: seed.KeySize, largest: seed.KeySize,
		keyGen: ck.CKM_SEED_KEY_GEN, ecb: ck.CKM_SEED_ECB, cbc: ck.CKM_SEED_CBC, cbcPad: ck.CKM_SEED_CBC_PAD,
		mac: ck.CKM_SEED_MAC, macGeneral: ck.CKM_SEED_MAC_GENERAL,
		ecbData: ck.CKM_SEED_ECB_ENCRYPT_DATA, cbcData: ck.CKM_SEED_CBC_ENCRYPT_DATA,
	}.rows(),
	blockFamily{
		keyType: ck.CKK_ARIA, newCipher: newARIA, smallest: 16, largest: 32,
		keyGen: ck.CKM_ARIA_KEY_GEN, ecb: ck.CKM_ARIA_ECB, cbc: ck.CKM_ARIA_CBC, cbcPad: ck.CKM_ARIA_CBC_PAD,
		mac: ck.CKM_ARIA_MAC, macGeneral: ck.CKM_ARIA_MAC_GENERAL,
		ecbData: ck.CKM_ARIA_ECB_ENCRYPT_DATA, cbcData: ck.CKM_ARIA_CBC_ENCRYPT_DATA,
	}.rows(),
	blockFamily{
		keyType: ck.CKK_IDEA, newCipher: newIDEA, smallest: idea.KeySize, largest: idea.KeySize,
		keyGen: ck.CKM_IDEA_KEY_GEN, ecb: ck.CKM_IDEA_ECB, cbc: ck.CKM_IDEA_CBC, cbcPad: ck.CKM_IDEA_CBC_PAD,
		mac: ck.CKM_IDEA_MAC, macGeneral: ck.CKM_IDEA_MAC_GENERAL,
	}.rows(),
	blockFamily{
		keyType: ck.CKK_CDMF, newCipher: newCDMF, smallest: cdmf.KeySize, largest: cdmf.KeySize,
		keyGen: ck.CKM_CDMF_KEY_GEN, ecb: ck.CKM_CDMF_ECB, cbc: ck.CKM_CDMF_CBC, cbcPad: ck.CKM_CDMF_CBC_PAD,
		mac: ck.CKM_CDMF_MAC, macGeneral: ck.CKM_CDMF_MAC_GENERAL,
	}.rows(),
)
