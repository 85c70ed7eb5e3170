package mechanisms

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/tlsprf"
	"github.com/softcsp/softcsp/internal/secret"
)

// tlsRows are the key derivations and MACs of TLS 1.0 to 1.2: PKCS #11, "SSL" and "TLS 1.2 Mechanisms". CKM_TLS_PRF is not among them: it gives the
// application any output of the function, of sensitive keys too. CKM_TLS_MAC and CKM_TLS_KDF are there in its place.
var tlsRows = []Mechanism{
	preMasterGen(ck.CKM_SSL3_PRE_MASTER_KEY_GEN),
	preMasterGen(ck.CKM_TLS_PRE_MASTER_KEY_GEN),
	masterKey(ck.CKM_TLS_MASTER_KEY_DERIVE, tlsMaster(readMaster)),
	masterKey(ck.CKM_TLS_MASTER_KEY_DERIVE_DH, tlsMaster(readMaster)),
	masterKey(ck.CKM_TLS12_MASTER_KEY_DERIVE, tlsMaster(readMaster12)),
	masterKey(ck.CKM_TLS12_MASTER_KEY_DERIVE_DH, tlsMaster(readMaster12)),
	masterKey(ck.CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, tlsMaster(readExtendedMaster)),
	masterKey(ck.CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH, tlsMaster(readExtendedMaster)),
	keyAndMAC(ck.CKM_TLS_KEY_AND_MAC_DERIVE, tlsKeyBlock),
	keyAndMAC(ck.CKM_TLS12_KEY_AND_MAC_DERIVE, tlsKeyBlock),
	keyAndMAC(ck.CKM_TLS12_KEY_SAFE_DERIVE, tlsKeyBlock),
	tlsKDF(ck.CKM_TLS_KDF),
	tlsKDF(ck.CKM_TLS12_KDF),
	tlsMACRow(ck.CKM_TLS_MAC),
	tlsMACRow(ck.CKM_TLS12_MAC),
}

var genericKeys = []ck.KeyType{ck.CKK_GENERIC_SECRET}

// masterSize is the length of master secrets, and of the pre-master secrets of RSA, in bytes.
const masterSize = 48

// preMasterGen makes the pre-master secret of RSA: the version in the parameter, and random bytes.
func preMasterGen(m ck.MechanismType) Mechanism {
	return Mechanism{Type: m, Min: masterSize, Max: masterSize, Makes: ck.CKK_GENERIC_SECRET,
		Generate: func(rand io.Reader, p *ck.Param, size uint) ([]byte, error) {
			version := p.Fixed(2)
			if err := p.Done(); err != nil {
				return nil, err
			}
			if size != 0 && size != masterSize {
				return nil, ck.CKR_KEY_SIZE_RANGE
			}
			value, err := generate(rand, findKeyType(ck.CKK_GENERIC_SECRET), masterSize)
			if err == nil {
				copy(value, version)
			}
			return value, err
		}}
}

// tlsHash finds the hash of the PRF. CKM_TLS_PRF stands for that of TLS 1.0 and 1.1, nil.
func tlsHash(m ck.MechanismType) (*Hash, error) {
	if m == ck.CKM_TLS_PRF {
		return nil, nil
	}
	h := findHash(m)
	if h == nil || h.Digest != m {
		return nil, fmt.Errorf("%w: %v", ck.CKR_MECHANISM_PARAM_INVALID, m)
	}
	return h, nil
}

// newTLSPRF keys the PRF with a secret. A nil hash is that of TLS 1.0 and 1.1.
func newTLSPRF(h *Hash, value []byte) tlsprf.PRF {
	if h == nil {
		return tlsprf.New10(value)
	}
	return tlsprf.New12(h.New, value)
}

// A tlsRandoms is a CK_SSL3_RANDOM_DATA, read.
type tlsRandoms struct{ client, server []byte }

func readRandoms(p *ck.Param) tlsRandoms { return tlsRandoms{p.Bytes(), p.Bytes()} }

// A master is the parameter of the derivation of a master secret, read.
type master struct {
	randoms tlsRandoms
	session []byte // the session hash of RFC 7627, in place of the randoms
	hash    *Hash
	splits  bool   // whether the halves of the secret are used apart
	version []byte // where the version goes, in the caller's memory
}

// readMaster reads a CK_SSL3_MASTER_KEY_DERIVE_PARAMS.
func readMaster(p *ck.Param) (m master, err error) {
	m.randoms = readRandoms(p)
	m.version = p.BytesOrNull(2)
	return m, p.Done()
}

// readMaster12 reads a CK_TLS12_MASTER_KEY_DERIVE_PARAMS.
func readMaster12(p *ck.Param) (m master, err error) {
	m.randoms = readRandoms(p)
	m.version = p.BytesOrNull(2)
	return m, m.finish(p, ck.MechanismType(p.Ulong()))
}

// readExtendedMaster reads a CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS.
func readExtendedMaster(p *ck.Param) (m master, err error) {
	t := ck.MechanismType(p.Ulong())
	m.session = p.Bytes()
	m.version = p.BytesOrNull(2)
	if err := m.finish(p, t); err != nil {
		return m, err
	}
	if len(m.session) == 0 {
		return m, ck.FieldError("ulSessionHashLen")
	}
	return m, nil
}

func (m *master) finish(p *ck.Param, t ck.MechanismType) (err error) {
	if err := p.Done(); err != nil {
		return err
	}
	if m.hash, err = tlsHash(t); err == nil && m.hash == nil {
		err = ck.FieldError("prfHashMechanism")
	}
	return err
}

// tlsMaster derives a master secret, RFC 5246, section 8.1, or RFC 7627.
func tlsMaster(read func(*ck.Param) (master, error)) func(*ck.Param) (master, func(out, pms []byte), error) {
	return func(p *ck.Param) (master, func(out, pms []byte), error) {
		m, err := read(p)
		m.splits = m.hash == nil
		return m, func(out, pms []byte) {
			prf := newTLSPRF(m.hash, pms)
			if m.session != nil {
				prf.Fill(out, []byte("extended master secret"), m.session)
				return
			}
			prf.Fill(out, []byte("master secret"), m.randoms.client, m.randoms.server)
		}, err
	}
}

// tls12Allowed are the mechanisms that a master secret of TLS 1.2 may be used with.
var tls12Allowed = []ck.MechanismType{
	ck.CKM_TLS12_KEY_AND_MAC_DERIVE, ck.CKM_TLS12_KEY_SAFE_DERIVE, ck.CKM_TLS_KDF, ck.CKM_TLS_MAC, ck.CKM_TLS12_KDF, ck.CKM_TLS12_MAC,
}

var tls12Defaults = func() []ck.Attribute {
	var v []byte
	for _, m := range tls12Allowed {
		v = ck.AppendUlong(v, uint(m))
	}
	return []ck.Attribute{{Type: ck.CKA_ALLOWED_MECHANISMS, Value: v}}
}()

// allowsTLS12Only reports whether a template allows no mechanism beyond tls12Allowed.
func allowsTLS12Only(template []ck.Attribute) bool {
	for _, a := range template {
		if a.Type != ck.CKA_ALLOWED_MECHANISMS {
			continue
		}
		list, err := ck.Mechanisms(a.Value)
		if err != nil || slices.ContainsFunc(list, func(m ck.MechanismType) bool { return !slices.Contains(tls12Allowed, m) }) {
			return false
		}
	}
	return true
}

// masterKey makes the row of a derivation of a master secret. Mechanisms whose names end in DH take a pre-master secret of any length, which has no
// version in it.
func masterKey(m ck.MechanismType, begin func(*ck.Param) (master, func(out, pms []byte), error)) Mechanism {
	dh := m == ck.CKM_SSL3_MASTER_KEY_DERIVE_DH || m == ck.CKM_TLS_MASTER_KEY_DERIVE_DH || m == ck.CKM_TLS12_MASTER_KEY_DERIVE_DH ||
		m == ck.CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH
	return Mechanism{Type: m, Keys: genericKeys, Min: masterSize, Max: masterSize, Derive: func(b *Base, p *ck.Param, d *Derived) error {
		r, derive, err := begin(p)
		if err != nil {
			return err
		}
		t, n, err := typeAndSize(b.Template)
		switch {
		case err != nil:
			return err
		case b.Key == nil:
			return ck.CKR_KEY_HANDLE_INVALID
		case dh && r.version != nil:
			return ck.FieldError("pVersion")
		case !dh && len(b.Key.Value) != masterSize:
			return ck.CKR_KEY_SIZE_RANGE
		case t != ck.CKK_GENERIC_SECRET || n != 0 && n != masterSize, r.hash != nil && !allowsTLS12Only(b.Template):
			return ck.CKR_TEMPLATE_INCONSISTENT
		}
		if r.hash != nil {
			d.Defaults = tls12Defaults
		}
		if r.version != nil {
			d.Results, d.LeaksKey = []Result{{r.version, slices.Clone(b.Key.Value[:2])}}, true
		}
		d.UsesHalvesApart = r.splits
		d.Type, d.Value = ck.CKK_GENERIC_SECRET, d.buffer(masterSize)
		secret.Do(func() { derive(d.Value, b.Key.Value) })
		return nil
	}}
}

// tlsKDF makes the row of the exporter of RFC 5705, whose parameter is a CK_TLS_KDF_PARAMS.
func tlsKDF(m ck.MechanismType) Mechanism {
	return Mechanism{Type: m, Keys: genericKeys, Min: 1, Max: maxSecret, Inherits: true, Derive: func(b *Base, p *ck.Param, d *Derived) error {
		prf := ck.MechanismType(p.Ulong())
		label, randoms := p.Bytes(), readRandoms(p)
		at, n := p.Ulong(), p.Ulong()
		seed := [][]byte{label, randoms.client, randoms.server}
		if at != 0 { // an empty context is different from none
			seed = append(seed, binary.BigEndian.AppendUint16(nil, uint16(n)), p.BytesAt(at, n))
		}
		if err := p.Done(); err != nil {
			return err
		}
		h, err := tlsHash(prf)
		if err != nil {
			return err
		}
		if n > 1<<16-1 || at == 0 && n != 0 {
			return ck.FieldError("pContextData or ulContextDataLength")
		}
		if b.Key == nil {
			return ck.CKR_KEY_HANDLE_INVALID
		}
		t, size, err := typeAndRequiredSize(b.Template)
		if err != nil {
			return err
		}
		d.Type, d.Value, d.Defaults, d.UsesHalvesApart = t, d.buffer(size), b.Key.protection(), h == nil
		secret.Do(func() {
			newTLSPRF(h, b.Key.Value).Fill(d.Value, seed...)
			FixParity(t, d.Value)
		})
		return nil
	}}
}
