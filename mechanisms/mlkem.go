package mechanisms

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"

	"github.com/cloudflare/circl/kem"
	"github.com/cloudflare/circl/kem/mlkem/mlkem1024"
	"github.com/cloudflare/circl/kem/mlkem/mlkem512"
	"github.com/cloudflare/circl/kem/mlkem/mlkem768"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// mlkemSchemes are the parameter sets of FIPS 203.
var mlkemSchemes = map[uint]kem.Scheme{
	uint(ck.CKP_ML_KEM_512):  mlkem512.Scheme(),
	uint(ck.CKP_ML_KEM_768):  mlkem768.Scheme(),
	uint(ck.CKP_ML_KEM_1024): mlkem1024.Scheme(),
}

var mlkemType = parameterType{keyType: ck.CKK_ML_KEM, seeds: true, sets: []*parameterSet{
	mlkemSet("512", uint(ck.CKP_ML_KEM_512), 1), mlkemSet("768", uint(ck.CKP_ML_KEM_768), 2), mlkemSet("1024", uint(ck.CKP_ML_KEM_1024), 3),
}}

var mlkemPair = mlkemType.pairType()

// mlkemRows are ML-KEM: section 6.68.
var mlkemRows = func() []Mechanism {
	least, most := mlkemType.sizes()
	return []Mechanism{
		{Type: ck.CKM_ML_KEM_KEY_PAIR_GEN, Min: least, Max: most, Makes: ck.CKK_ML_KEM, GeneratePair: mlkemType.generate},
		{Type: ck.CKM_ML_KEM, Min: least, Max: most, Keys: []ck.KeyType{ck.CKK_ML_KEM}, Encapsulate: mlkemEncapsulate, Decapsulate: mlkemDecapsulate},
	}
}()

func mlkemSet(name string, set uint, oid int) *parameterSet {
	scheme := mlkemSchemes[set]
	return &parameterSet{
		Name: name, Set: set, OID: nistKEM(oid), Seed: scheme.SeedSize(), Public: scheme.PublicKeySize(), Private: scheme.PrivateKeySize(),
		expand: func(seed []byte) (public, private []byte) {
			pub, priv := scheme.DeriveKeyPair(seed)
			return packed(pub), packed(priv)
		},
		check: func(public []byte) error {
			if _, err := scheme.UnmarshalBinaryPublicKey(public); err != nil { // which has a coefficient that is not reduced
				return ck.CKR_PUBLIC_KEY_INVALID
			}
			return nil
		},
		public: func(private []byte) ([]byte, error) {
			priv, err := scheme.UnmarshalBinaryPrivateKey(private) // fails where the hash of the public key in it is wrong
			if err != nil {
				return nil, err
			}
			public := packed(priv.Public())
			// The private key holds the public one as it is, before its hash and z.
			if at := len(private) - 64 - len(public); !bytes.Equal(public, private[at:at+len(public)]) {
				return nil, ck.CKR_PUBLIC_KEY_INVALID
			}
			return public, nil
		},
	}
}

// packed is the encoding of a key. That cannot fail for a complete key.
func packed(k interface{ MarshalBinary() ([]byte, error) }) []byte {
	b, err := k.MarshalBinary()
	if err != nil {
		panic(err)
	}
	return b
}

// An mlkemPublic and an mlkemPrivate are the prepared forms of keys.
type (
	mlkemPublic struct {
		scheme kem.Scheme
		key    kem.PublicKey
	}
	mlkemPrivate struct {
		scheme kem.Scheme
		key    kem.PrivateKey
	}
)

func prepareMLKEMPublic(s *parameterSet, k *Key) (any, error) {
	scheme := mlkemSchemes[s.Set]
	key, err := scheme.UnmarshalBinaryPublicKey(k.Attr(ck.CKA_VALUE))
	return &mlkemPublic{scheme, key}, err
}

func prepareMLKEMPrivate(s *parameterSet, k *Key) (any, error) {
	scheme := mlkemSchemes[s.Set]
	key, err := scheme.UnmarshalBinaryPrivateKey(k.Attr(ck.CKA_VALUE))
	return &mlkemPrivate{scheme, key}, err
}

func mlkemEncapsulate(b *Base, p *ck.Param) (*Encapsulation, error) {
	if err := p.None(); err != nil {
		return nil, err
	}
	form, err := mlkemType.prepared(b.Key, ck.CKM_ML_KEM, ck.CKO_PUBLIC_KEY, prepareMLKEMPublic)
	if err != nil {
		return nil, err
	}
	k := form.(*mlkemPublic)
	return &Encapsulation{k.scheme.CiphertextSize(), func(d *Derived) (ciphertext []byte, err error) {
		secret.Do(func() {
			m := make([]byte, k.scheme.EncapsulationSeedSize())
			defer clear(m)
			if _, err = io.ReadFull(rand.Reader, m); err != nil {
				err = errors.Join(ck.CKR_DEVICE_ERROR, err)
				return
			}
			ciphertext, err = k.encapsulate(b.Template, m, d)
		})
		return ciphertext, err
	}}, nil
}

// encapsulate is ML-KEM.Encaps_internal: m are the random bytes.
func (k *mlkemPublic) encapsulate(template []ck.Attribute, m []byte, d *Derived) ([]byte, error) {
	ciphertext, shared, err := k.scheme.EncapsulateDeterministically(k.key, m)
	if err == nil {
		err = d.setWhole(template, shared)
	}
	clear(shared)
	return ciphertext, err
}

func mlkemDecapsulate(b *Base, p *ck.Param, ciphertext []byte, d *Derived) error {
	if err := p.None(); err != nil {
		return err
	}
	form, err := mlkemType.prepared(b.Key, ck.CKM_ML_KEM, ck.CKO_PRIVATE_KEY, prepareMLKEMPrivate)
	if err != nil {
		return err
	}
	k := form.(*mlkemPrivate)
	if len(ciphertext) != k.scheme.CiphertextSize() {
		return ck.CKR_WRAPPED_KEY_LEN_RANGE
	}
	secret.Do(func() {
		var shared []byte
		if shared, err = k.scheme.Decapsulate(k.key, ciphertext); err == nil {
			err = d.setWhole(b.Template, shared)
		}
		clear(shared)
	})
	return err
}
