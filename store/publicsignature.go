package store

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"sync"

	"filippo.io/edwards25519"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// The public part of an object is signed, so that a process without a PIN notices when it was changed: with an Ed25519 key that
// derives from the master key, and whose public half, the voucher, stands in the header. Who writes the file can put another
// voucher there. Therefore a process remembers that of each token once it has seen it, and so does the machine (voucherdir.go); only
// a login, which derives the key anew, makes them accept another.

const voucherSize = ed25519.PublicKeySize

// ErrAltered is the answer where a public object, or what it is signed under, is not what somebody with a PIN left there.
var ErrAltered = fmt.Errorf("%w: not vouched for", ck.CKR_DEVICE_ERROR)

// fingerprint returns what a voucher is shown as.
func fingerprint(voucher []byte) string {
	if voucher == nil {
		return ""
	}
	return fmt.Sprintf("%x", sha256.Sum256(voucher))
}

// voucherOf returns the public half of a key: RFC 8032, section 5.1.5. crypto/ed25519 makes a table of 1.5 ms for it, once in a process; most
// that log in sign nothing.
func voucherOf(seed []byte) []byte {
	h := sha512.Sum512(seed)
	defer clear(h[:])
	secret, err := edwards25519.NewScalar().SetBytesWithClamping(h[:32])
	if err != nil {
		panic(err) // it is for seeds of another length
	}
	return edwards25519.NewIdentityPoint().ScalarMult(secret, edwards25519.NewGeneratorPoint()).Bytes()
}

// signPublic returns the signature of a public part. The caller runs inside use.
func (k *Keys) signPublic(id ID, signed []byte) (signature []byte) {
	message := objectData("softcsp public", version, k.token, id, signed)
	secret.Do(func() {
		key := append(append(make([]byte, 0, ed25519.PrivateKeySize), k.purposeKey(version, forSignatures)...), k.voucher...)
		signature = ed25519.Sign(key, message)
	})
	return signature
}

// publicChecks are what a process without keys knows of a token's public parts.
type publicChecks struct {
	mu          sync.Mutex
	voucher     []byte             // that the token has, as far as the process knows
	sure        bool               // a login has shown that
	objects     map[ID]publicCheck // of the objects that were read
	toldVoucher string             // the wrong voucher that the log was told of last
	altered     struct {           // objects that are not shown
		gen   uint64 // the generation in which they were found
		count int
	}
}

// A publicCheck is a state of an object, and what is wrong with it.
type publicCheck struct {
	digest [sha256.Size]byte
	err    error
}

// maxSeen is the number of objects whose checks are remembered.
const maxSeen = 1 << 16

// rememberVoucher remembers the voucher of a token, which a login has shown to be right.
func (t *Token) rememberVoucher(k *Keys) {
	c := &t.publicChecks
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sure && bytes.Equal(c.voucher, k.voucher) {
		return
	}
	known, sure, err := t.env.vouchers.load(t.uuid)
	c.voucher, c.sure = bytes.Clone(k.voucher), err == nil
	if err == nil && (!sure || !bytes.Equal(known, k.voucher)) && (known != nil || k.remembered) {
		t.env.vouchers.save(t.uuid, k.voucher, true)
	}
}

// remembered reports whether a machine remembers the token. It does not remember those of a test, which are to leave nothing behind. A
// token that was remembered stays so whatever its file says later.
func (h *fixedHeader) remembered() bool { return h.kdf != kdfTest && !h.relaxed }

// checkVoucher tests that the header's voucher, none in version 1, is the one that is remembered. The first time that a token is seen there is none.
func (t *Token) checkVoucher(h *fixedHeader) error {
	c := &t.publicChecks
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.voucher != nil && bytes.Equal(c.voucher, h.voucher) {
		return nil
	}
	machine, _, err := t.env.vouchers.load(t.uuid)
	if err != nil {
		return err // it may have been seen before
	}
	switch {
	case machine != nil && bytes.Equal(machine, h.voucher):
	case machine == nil && c.voucher == nil:
		if h.voucher == nil {
			return nil // version 1
		}
		if h.remembered() {
			t.env.vouchers.save(t.uuid, h.voucher, false)
		}
	default:
		err = fmt.Errorf("%w: the key that the public objects of token %s are signed under is not the one that was seen before; a login would tell whether it is the token's",
			ErrAltered, t.uuid)
		if told := "of " + string(h.voucher); c.toldVoucher != told { // in version 1 there is none
			c.toldVoucher = told
			t.env.log.Error("public objects are not shown", "error", err)
		}
		return err
	}
	c.voucher = bytes.Clone(h.voucher)
	return nil
}

// verifyPublic reports whether an object's public part is what was signed; nothing is in version 1.
func (t *Token) verifyPublic(h *fixedHeader, id ID, o *sealedObject) bool {
	return h.version == 1 || ed25519.Verify(h.voucher, objectData("softcsp public", h.version, t, id, o.signed), o.signature)
}

// verifyPublicOnce tests the signature of an object's public part. It computes once for each state of an object.
func (t *Token) verifyPublicOnce(x tx, h *fixedHeader, id ID, o *sealedObject) error {
	if h.version == 1 {
		return nil
	}
	message := objectData("softcsp public", h.version, t, id, o.signed)
	digest := sha256.Sum256(append(append(message, o.signature...), h.voucher...))
	now := publicCheck{digest: digest}
	c := &t.publicChecks
	c.mu.Lock()
	was, known := c.objects[id]
	c.mu.Unlock()
	if known && was.digest == now.digest {
		return was.err
	}
	if !t.verifyPublic(h, id, o) {
		now.err = fmt.Errorf("%w: public object %s was changed by something else than softcsp", ErrAltered, id)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.err != nil {
		t.logAltered(x.generation(), now.err)
	}
	if c.objects == nil || len(c.objects) >= maxSeen {
		c.objects = make(map[ID]publicCheck)
	}
	c.objects[id] = now
	return now.err
}

// logAltered has the log say that an object is not shown: of the first in one state of the token, and when there are ten, a hundred, and so on,
// since whoever writes the file can have there be very many. The caller has the mutex of the checks.
func (t *Token) logAltered(gen uint64, err error) {
	a := &t.publicChecks.altered
	if a.gen != gen {
		a.gen, a.count = gen, 0
	}
	a.count++
	n := a.count
	for n%10 == 0 {
		n /= 10
	}
	if n == 1 {
		t.env.log.Error("public objects are not shown", "token", t.uuid, "count", a.count, "error", err)
	}
}
