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
// voucher there. Therefore a process remembers that of each token once it has seen it, and so does the machine (remember.go); only
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
		panic(err) // of another length
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

// A publicChecks is what a process knows of a token's public parts without keys.
type publicChecks struct {
	mu          sync.Mutex
	voucher     []byte             // that the token has, as far as the process knows
	sure        bool               // a login has shown that
	objects     map[ID]publicCheck // the objects that were read
	toldVoucher string             // the header's voucher that was last told to be a wrong one
	altered     struct {           // objects that are not shown
		gen   uint64 // in which state of the token they were found
		count int
	}
}

// A publicCheck is a state of an object, and what is wrong with it.
type publicCheck struct {
	digest [sha256.Size]byte
	err    error
}

// maxSeen is the number of objects of which it is kept in mind that they were checked.
const maxSeen = 1 << 16

// rememberVoucher remembers the voucher of a token, which a login has shown to be right.
func (t *Token) rememberVoucher(k *Keys) {
	w := &t.publicChecks
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sure && bytes.Equal(w.voucher, k.voucher) {
		return
	}
	known, sure, err := t.env.vouchers.load(t.uuid)
	w.voucher, w.sure = bytes.Clone(k.voucher), err == nil
	if err == nil && (!sure || !bytes.Equal(known, k.voucher)) && (known != nil || k.remembered) {
		t.env.vouchers.save(t.uuid, k.voucher, true)
	}
}

// remembered reports whether a machine remembers the token. It does not remember those of a test, which are to leave nothing behind. A
// token that it knows does not become one that it does not by what its file says.
func (s *fixedHeader) remembered() bool { return s.kdf != kdfTest && !s.relaxed }

// checkVoucher tests that the header's voucher, none in version 1, is the one that is remembered. At the first sight there is none.
func (t *Token) checkVoucher(s *fixedHeader) error {
	w := &t.publicChecks
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.voucher != nil && bytes.Equal(w.voucher, s.voucher) {
		return nil
	}
	machine, _, err := t.env.vouchers.load(t.uuid)
	if err != nil {
		return err // what looks like the first sight may be none
	}
	switch {
	case machine != nil && bytes.Equal(machine, s.voucher):
	case machine == nil && w.voucher == nil:
		if s.voucher == nil {
			return nil // version 1
		}
		if s.remembered() {
			t.env.vouchers.save(t.uuid, s.voucher, false)
		}
	default:
		err = fmt.Errorf("%w: the key that the public objects of token %s are signed under is not the one that was seen before; a login would tell whether it is the token's",
			ErrAltered, t.uuid)
		if told := "of " + string(s.voucher); w.toldVoucher != told { // in version 1 there is none
			w.toldVoucher = told
			t.env.log.Error("public objects are not shown", "error", err)
		}
		return err
	}
	w.voucher = bytes.Clone(s.voucher)
	return nil
}

// verifyPublic reports whether an object's public part is what was signed; nothing is in version 1.
func (t *Token) verifyPublic(s *fixedHeader, id ID, o *sealedObject) bool {
	return s.version == 1 || ed25519.Verify(s.voucher, objectData("softcsp public", s.version, t, id, o.signed), o.signature)
}

// verifyPublicOnce tests the signature of an object's public part. It computes once for each state of an object.
func (t *Token) verifyPublicOnce(x tx, s *fixedHeader, id ID, o *sealedObject) error {
	if s.version == 1 {
		return nil
	}
	message := objectData("softcsp public", s.version, t, id, o.signed)
	sum := sha256.Sum256(append(append(message, o.signature...), s.voucher...))
	now := publicCheck{digest: sum}
	w := &t.publicChecks
	w.mu.Lock()
	was, known := w.objects[id]
	w.mu.Unlock()
	if known && was.digest == now.digest {
		return was.err
	}
	if !t.verifyPublic(s, id, o) {
		now.err = fmt.Errorf("%w: public object %s was changed by something else than softcsp", ErrAltered, id)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.err != nil {
		t.logAltered(x.generation(), now.err)
	}
	if w.objects == nil || len(w.objects) >= maxSeen {
		w.objects = make(map[ID]publicCheck)
	}
	w.objects[id] = now
	return now.err
}

// logAltered has the log say that an object is not shown: of the first in one state of the token, and when there are ten, a hundred, and so on,
// since whoever writes the file can have there be very many. The caller has the witness's mutex.
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
