package mechanisms

import (
	"errors"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// pubKeyRows make public keys from private ones: section 6.43.9. The standard wants it for every type of private key.
var pubKeyRows = []Mechanism{{Type: ck.CKM_PUB_KEY_FROM_PRIV_KEY, Keys: PairTypes(), Derive: pubFromPriv, MakesPublic: true}}

// copiedToPublic are the attributes that a public key takes from the private one, and their names there.
var copiedToPublic = []struct{ public, private ck.AttributeType }{
	{ck.CKA_ENCRYPT, ck.CKA_DECRYPT}, {ck.CKA_VERIFY, ck.CKA_SIGN}, {ck.CKA_VERIFY_RECOVER, ck.CKA_SIGN_RECOVER}, {ck.CKA_WRAP, ck.CKA_UNWRAP},
	{ck.CKA_ENCAPSULATE, ck.CKA_DECAPSULATE}, {ck.CKA_DERIVE, ck.CKA_DERIVE}, {ck.CKA_ID, ck.CKA_ID}, {ck.CKA_START_DATE, ck.CKA_START_DATE},
	{ck.CKA_END_DATE, ck.CKA_END_DATE}, {ck.CKA_SUBJECT, ck.CKA_SUBJECT}, {ck.CKA_KEY_GEN_MECHANISM, ck.CKA_KEY_GEN_MECHANISM},
	{ck.CKA_ALLOWED_MECHANISMS, ck.CKA_ALLOWED_MECHANISMS},
}

// publicKeyDefaults are further defaults. The standard says so of CKA_DESTROYABLE.
var publicKeyDefaults = []ck.Attribute{
	{Type: ck.CKA_PRIVATE, Value: ck.BoolValue(false)}, {Type: ck.CKA_DESTROYABLE, Value: ck.BoolValue(false)},
}

func pubFromPriv(b *Base, p *ck.Param, d *Derived) error {
	if err := p.None(); err != nil {
		return err
	}
	switch {
	case b.Key == nil:
		return ck.CKR_KEY_HANDLE_INVALID
	case b.Key.Class != ck.CKO_PRIVATE_KEY:
		return ck.CKR_KEY_TYPE_INCONSISTENT
	}
	attrs, err := PublicOf(b.Key)
	if err != nil {
		return err
	}
	d.Type, d.Public, d.Attributes = b.Key.Type, true, append(d.Attributes, attrs...)
	defaults := slices.Clone(publicKeyDefaults)
	for _, h := range copiedToPublic {
		if v := b.Key.Attr(h.private); len(v) != 0 {
			defaults = append(defaults, ck.Attribute{Type: h.public, Value: v})
		}
	}
	d.Defaults = defaults
	return nil
}

// PublicOf returns the attributes that make up the public key of a private key.
func PublicOf(k *Key) (attrs []ck.Attribute, err error) {
	row := findPairType(k.Type)
	if row == nil || row.private == nil {
		return nil, ck.CKR_KEY_TYPE_INCONSISTENT
	}
	var info *publicKeyInfo
	secret.Do(func() {
		var added []ck.Attribute
		added, info, err = row.private(k.Attr)
		for _, a := range added {
			clear(a.Value)
		}
	})
	if err != nil {
		return nil, err
	}
	if attrs, err = row.numbers(info); err != nil {
		return nil, errors.Join(ck.CKR_GENERAL_ERROR, err)
	}
	for i := range attrs {
		if attrs[i].Type == ck.CKA_EC_PARAMS { // which may name the curve in another way
			attrs[i].Value = k.Attr(ck.CKA_EC_PARAMS)
		}
		attrs[i].Value = slices.Clone(attrs[i].Value)
	}
	return attrs, nil
}
