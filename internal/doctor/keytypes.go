package doctor

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// A publicKey is what can be seen of a key pair without a login.
type publicKey struct {
	label string
	is    ck.KeyType
}

// publicKeyOf reads the record of an object, and reports whether it is a public key that everybody sees.
func publicKeyOf(r store.Record) (k publicKey, ok bool) {
	attributes, err := ck.ParseTemplate(nil, r.Public)
	if err != nil {
		return k, false
	}
	var class, is bool
	for _, a := range attributes {
		n, err := ck.Ulong(a.Value)
		switch a.Type {
		case ck.CKA_CLASS:
			class = err == nil && ck.ObjectClass(n) == ck.CKO_PUBLIC_KEY
		case ck.CKA_KEY_TYPE:
			k.is, is = ck.KeyType(n), err == nil
		case ck.CKA_LABEL:
			k.label = string(a.Value)
		}
	}
	return k, class && is
}

// engineTypes are the types of keys that the OpenSSL engine of libp11 can enumerate: 0.4.12 gives up at the first other one, and finds no private
// key of that token then.
var engineTypes = []ck.KeyType{ck.CKK_RSA, ck.CKK_EC}

// hasEngine reports whether the OpenSSL engine of libp11 is installed.
func (m *Machine) hasEngine() bool {
	for _, pattern := range []string{"/usr/lib/*/engines-3/pkcs11.so", "/usr/lib64/engines-3/pkcs11.so", "/usr/lib/engines-3/pkcs11.so"} {
		if found, _ := filepath.Glob(m.system(pattern)); len(found) > 0 {
			return true
		}
	}
	return false
}

// lookKeyTypes finds keys that keep the OpenSSL engine from all others. Private keys do not show their types to who has no PIN, and their public
// keys do.
func lookKeyTypes(m *Machine, r *report, token string, public []publicKey) {
	i := slices.IndexFunc(public, func(k publicKey) bool { return !slices.Contains(engineTypes, k.is) })
	if i < 0 || !m.hasEngine() {
		return
	}
	kind := strings.TrimPrefix(public[i].is.String(), "CKK_")
	r.note(fmt.Sprintf("token %q has keys that are neither RSA nor EC: %q is %s", token, public[i].label, kind),
		"the OpenSSL engine that is here (libp11) finds no private key at all in a token that has such a private key: \"Unable to enumerate private keys\"",
		"for programs that use the engine, give those keys a token of their own, or use OpenSSL's provider (pkcs11-provider)")
}
