package conformance

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"github.com/miekg/pkcs11"

	"github.com/softcsp/softcsp/ck"
)

// Numbers of CryptoAPI and of include/softcsp/softcsp.h that the tests of CryptDeriveKey use.
const (
	calgMD2, calgMD4, calgMD5, calgSHA1, calgMAC, calgHMAC = 0x8001, 0x8002, 0x8003, 0x8004, 0x8005, 0x8009
	calgSHA256, calgSHA384, calgSHA512                     = 0x800c, 0x800d, 0x800e
	calgDES, calgRC2, calg3DES, calg3DES112                = 0x6601, 0x6602, 0x6603, 0x6609
	calgRC5, calgAES128, calgAES192, calgAES256, calgRC4   = 0x660d, 0x660e, 0x660f, 0x6610, 0x6801

	exportable, userProtected, updateKey = 0x1, 0x2, 0x8
	hashValue                            = 0x80000000
)

var keyTypes = map[uint]uint{
	calgDES: pkcs11.CKK_DES, calgRC2: pkcs11.CKK_RC2, calg3DES: pkcs11.CKK_DES3, calg3DES112: pkcs11.CKK_DES2, calgRC5: pkcs11.CKK_RC5,
	calgAES128: pkcs11.CKK_AES, calgAES192: pkcs11.CKK_AES, calgAES256: pkcs11.CKK_AES, calgRC4: pkcs11.CKK_RC4,
}

// deviceErrors are the codes of CryptoAPI and what C_DeriveKey returns for each.
var deviceErrors = map[string]struct {
	device uint
	rv     pkcs11.Error
}{
	"ERROR_INVALID_HANDLE":    {0x6, pkcs11.CKR_KEY_HANDLE_INVALID},
	"ERROR_INVALID_PARAMETER": {0x57, pkcs11.CKR_MECHANISM_PARAM_INVALID},
	"NTE_BAD_UID":             {0x80090001, pkcs11.CKR_MECHANISM_PARAM_INVALID},
	"NTE_BAD_HASH":            {0x80090002, pkcs11.CKR_OPERATION_NOT_INITIALIZED},
	"NTE_BAD_KEY":             {0x80090003, pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED},
	"NTE_BAD_DATA":            {0x80090005, pkcs11.CKR_KEY_SIZE_RANGE},
	"NTE_BAD_ALGID":           {0x80090008, pkcs11.CKR_MECHANISM_PARAM_INVALID},
	"NTE_BAD_FLAGS":           {0x80090009, pkcs11.CKR_MECHANISM_PARAM_INVALID},
	"NTE_BAD_HASH_STATE":      {0x8009000c, pkcs11.CKR_OPERATION_NOT_INITIALIZED},
	"NTE_FAIL":                {0x80090020, pkcs11.CKR_FUNCTION_FAILED},
}

// A capiSession is a program with a session of a logged-in user.
type capiSession struct {
	*pkcs11.Ctx
	s pkcs11.SessionHandle
}

const capiPIN = "1133557799"

// capiHost runs the test again in a process of its own with an empty place for tokens in memory, because the library reads
// the environment that its process was started with. There it returns a session, here nil.
func capiHost(t *testing.T) *capiSession {
	t.Helper()
	if module.name != "softcsp" {
		t.Skipf("CryptDeriveKey is softcsp's own; the module is %s", module.name)
	}
	if testing.Short() {
		t.Skip("thousands of calls in a process of their own")
	}
	if os.Getenv("CONFORMANCE_HOST") == t.Name() {
		return newCAPISession(t)
	}
	env, err := module.place(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(append(os.Environ(), env...), "SOFTCSP_STORE=memory", "CONFORMANCE_HOST="+t.Name())
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name()+" ")) {
		t.Errorf("the test failed in its own process: %v", err)
	}
	return nil
}

func newCAPISession(t *testing.T) *capiSession {
	t.Helper()
	h := &capiSession{Ctx: pkcs11.New(module.path)}
	if h.Ctx == nil {
		t.Fatalf("%s does not load", module.path)
	}
	h.must(t, h.Initialize())
	t.Cleanup(func() {
		h.must(t, h.Finalize())
		h.Destroy()
	})
	slots, err := h.GetSlotList(false)
	h.must(t, err)
	h.must(t, h.InitToken(slots[0], capiPIN, "capi"))
	h.s, err = h.OpenSession(slots[0], pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	h.must(t, err)
	h.must(t, h.Login(h.s, pkcs11.CKU_SO, capiPIN))
	h.must(t, h.InitPIN(h.s, capiPIN))
	h.must(t, h.Logout(h.s))
	h.must(t, h.Login(h.s, pkcs11.CKU_USER, capiPIN))
	return h
}

func (h *capiSession) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (h *capiSession) destroy(t *testing.T, key pkcs11.ObjectHandle) {
	t.Helper()
	h.must(t, h.DestroyObject(h.s, key))
}

// secret makes a session key of bytes that are known.
func (h *capiSession) secret(t *testing.T, keyType uint, value []byte, more ...*pkcs11.Attribute) pkcs11.ObjectHandle {
	t.Helper()
	key, err := h.CreateObject(h.s, append([]*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, keyType),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false), pkcs11.NewAttribute(pkcs11.CKA_VALUE, value),
	}, more...))
	h.must(t, err)
	return key
}

// derive calls C_DeriveKey with CKM_SOFTCSP_CRYPT_DERIVE_KEY.
func (h *capiSession) derive(base pkcs11.ObjectHandle, provider, hash, algid, flags uint, template ...*pkcs11.Attribute) (pkcs11.ObjectHandle, error) {
	var param []byte
	for _, u := range []uint{provider, hash, algid, flags} {
		param = ck.AppendUlong(param, u)
	}
	return h.DeriveKey(h.s, mechanism(uint(ck.CKM_SOFTCSP_CRYPT_DERIVE_KEY), param), base, template)
}

func (h *capiSession) deviceError(t *testing.T) uint {
	t.Helper()
	info, err := h.GetSessionInfo(h.s)
	h.must(t, err)
	return info.DeviceError
}

func (h *capiSession) attr(key pkcs11.ObjectHandle, a uint) ([]byte, error) {
	got, err := h.GetAttributeValue(h.s, key, []*pkcs11.Attribute{pkcs11.NewAttribute(a, nil)})
	if err != nil {
		return nil, err
	}
	return got[0].Value, nil
}

func mechanism(m uint, param []byte) []*pkcs11.Mechanism {
	if param == nil {
		return []*pkcs11.Mechanism{pkcs11.NewMechanism(m, nil)}
	}
	return []*pkcs11.Mechanism{pkcs11.NewMechanism(m, param)}
}

// capiModes are the mechanisms of a session key's modes. RC4 has one, whatever the mode.
var capiModes = map[uint]map[string]uint{
	pkcs11.CKK_RC2:  {"ECB": pkcs11.CKM_RC2_ECB, "CBC": pkcs11.CKM_RC2_CBC_PAD, "CFB8": uint(ck.CKM_SOFTCSP_RC2_CFB8)},
	pkcs11.CKK_RC4:  {"": pkcs11.CKM_RC4, "ECB": pkcs11.CKM_RC4, "CBC": pkcs11.CKM_RC4, "CFB8": pkcs11.CKM_RC4},
	pkcs11.CKK_DES:  {"ECB": pkcs11.CKM_DES_ECB, "CBC": pkcs11.CKM_DES_CBC_PAD, "CFB8": pkcs11.CKM_DES_CFB8},
	pkcs11.CKK_DES2: {"ECB": pkcs11.CKM_DES3_ECB, "CBC": pkcs11.CKM_DES3_CBC_PAD},
	pkcs11.CKK_DES3: {"ECB": pkcs11.CKM_DES3_ECB, "CBC": pkcs11.CKM_DES3_CBC_PAD},
	pkcs11.CKK_AES:  {"ECB": pkcs11.CKM_AES_ECB, "CBC": pkcs11.CKM_AES_CBC_PAD, "CFB8": pkcs11.CKM_AES_CFB8},
}

// capiMode returns the mechanism of a mode with a zero IV; ok is false where PKCS#11 has none (3DES with 8-bit feedback).
func capiMode(algid uint, mode string, effective uint) (m []*pkcs11.Mechanism, block int, ok bool) {
	kind := keyTypes[algid]
	number, ok := capiModes[kind][mode]
	block = 8
	if kind == pkcs11.CKK_AES {
		block = 16
	}
	var param []byte
	if kind == pkcs11.CKK_RC2 {
		param = ck.UlongValue(effective)
	}
	if kind != pkcs11.CKK_RC4 && mode != "ECB" {
		param = append(param, make([]byte, block)...)
	}
	return mechanism(number, param), block, ok
}

// encrypt encrypts as a session key does: padded, in a mode, with a zero IV.
func (h *capiSession) encrypt(t *testing.T, key pkcs11.ObjectHandle, algid uint, mode string, effective uint, protected bool, data []byte) ([]byte, bool) {
	t.Helper()
	m, block, ok := capiMode(algid, mode, effective)
	if !ok {
		return nil, false
	}
	if algid != calgRC4 && mode != "CBC" {
		n := block - len(data)%block
		data = append(data[:len(data):len(data)], bytes.Repeat([]byte{byte(n)}, n)...)
	}
	h.must(t, h.EncryptInit(h.s, m, key))
	h.authenticate(t, protected)
	out, err := h.Encrypt(h.s, data)
	h.must(t, err)
	return out, true
}

// decrypt is the other direction; what was padded stays padded, but for CBC.
func (h *capiSession) decrypt(t *testing.T, key pkcs11.ObjectHandle, algid uint, mode string, data []byte) []byte {
	t.Helper()
	m, _, ok := capiMode(algid, mode, 0)
	if !ok {
		t.Fatalf("no mode %s", mode)
	}
	h.must(t, h.DecryptInit(h.s, m, key))
	out, err := h.Decrypt(h.s, data)
	h.must(t, err)
	return out
}

// authenticate gives the PIN for one use of a key that is user protected.
func (h *capiSession) authenticate(t *testing.T, protected bool) {
	t.Helper()
	if protected {
		h.must(t, h.Login(h.s, pkcs11.CKU_CONTEXT_SPECIFIC, capiPIN))
	}
}
