package token

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// Attributes of the token's own, which no application sees.
const (
	// The roles, of which a key has one or none; with roleWrappingTrusted it has roleWrapping, too.
	roleWrapping        ck.AttributeType = 0xc3530181
	roleWrappingTrusted ck.AttributeType = 0xc3530184
	roleNotWrapping     ck.AttributeType = 0xc3530185
	// staysInside is true of a key that was generated or imported, and was not extractable from then on.
	staysInside ck.AttributeType = 0xc3530186
	// knownBytes is how many bytes of the value may be known (keypieces.go). hasBytesOfKey is true where bytes of another key are in it, which
	// may not be read.
	knownBytes    ck.AttributeType = 0xc3530187
	hasBytesOfKey ck.AttributeType = 0xc3530188
	// wasTrusted is true of a key that had CKA_TRUSTED once, and of its copies.
	wasTrusted ck.AttributeType = 0xc3530189
	// makerKnowsValue is true of a secret key that was imported by a template that neither makes it sensitive nor mentions CKA_EXTRACTABLE. Who imported it knows
	// the value and asked for no protection, so that keeping it secret would keep it from nobody.
	makerKnowsValue ck.AttributeType = 0xc353018a
	// importedBefore2 and sensitiveByDefaultBefore2 are in tokens of before format 2, and are not set any more.
	importedBefore2           ck.AttributeType = 0xc3530182
	sensitiveByDefaultBefore2 ck.AttributeType = 0xc3530183
)

// stayedInside reports whether a key has never been extractable since it was generated or imported. Of a key from before format 2 the token
// knows only whether it is extractable now.
func (o *Object) stayedInside() bool {
	if o.origin == store.OriginBefore2 {
		return !o.flag(ck.CKA_EXTRACTABLE)
	}
	return o.flag(staysInside)
}

// isImportedSecret reports whether the key is a secret key that was imported.
func (o *Object) isImportedSecret() bool {
	return o.class() == ck.CKO_SECRET_KEY && (o.origin == store.OriginImported || o.flag(importedBefore2))
}

// protection returns what protects a key.
func (o *Object) protection() protection {
	k := *o.protectionWithoutRole()
	k.role = role(o.role.Load())
	return k
}

// protectionWithoutRole returns what protects a key, but for its role. It never changes, and is computed once.
func (o *Object) protectionWithoutRole() *protection {
	if k := o.cachedProtection.Load(); k != nil {
		return k
	}
	return o.findProtection()
}

// findProtection is protectionWithoutRole the first time.
func (o *Object) findProtection() *protection {
	k := &protection{
		sensitive: o.flag(ck.CKA_SENSITIVE), extractable: o.flag(ck.CKA_EXTRACTABLE), trusted: o.flag(ck.CKA_TRUSTED),
		wrapWithTrusted: o.flag(ck.CKA_WRAP_WITH_TRUSTED), stayedInside: o.class() == ck.CKO_PUBLIC_KEY || o.stayedInside(),
		imported: o.isImportedSecret(), length: uint(len(o.mechanismKey.Value)), hasBytesOfKey: o.flag(hasBytesOfKey), wasTrusted: o.flag(wasTrusted),
	}
	if v := o.bytes(knownBytes); v != nil {
		k.knownBytes = number(v)
	}
	o.cachedProtection.Store(k)
	return k
}

// isExempt is protection.isExempt, without a copy of the protection: every use asks it.
func (o *Object) isExempt() bool { return o.protectionWithoutRole().isExempt() }
