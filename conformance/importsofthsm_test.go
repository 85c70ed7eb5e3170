package conformance

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What all moved keys have, beside a label and an id.
const (
	moved       = "{CKA_TOKEN=true}"
	movedClosed = "{CKA_TOKEN=true,CKA_PRIVATE=true,CKA_SENSITIVE=true,CKA_EXTRACTABLE=false}"
)

// A move is a token of SoftHSM2 and the one that took its objects over.
type move struct {
	dir      string
	old, new *Script
}

// newMove starts SoftHSM2 with an empty token. store is "file" or "db".
func newMove(t *testing.T, old target, store string) *move {
	t.Helper()
	if old.path == "" {
		t.Fatal("this test moves a token of SoftHSM2: apt-get install softhsm2")
	}
	m := &move{dir: t.TempDir()}
	m.old = m.script(t, old, "old", store)
	do(t, m.old, "login")
	m.new = m.script(t, module, "new", "")
	return m
}

// script makes the Script of a module whose tokens are below a directory of the move's.
func (m *move) script(t *testing.T, x target, name, store string) *Script {
	t.Helper()
	dir := filepath.Join(m.dir, name)
	env, err := x.place(dir)
	if err != nil {
		t.Fatal(err)
	}
	if store != "" {
		conf := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = %s\nlog.level = ERROR\n", filepath.Join(dir, "tokens"), store)
		if err := os.WriteFile(filepath.Join(dir, x.name+".conf"), []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := NewScript(func(string) (*Host, error) { return StartHost(driver, x.path, env...) })
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// An importReport is what softcsp import-softhsm --json says.
type importReport struct {
	Carried, Changed, There int
	Left                    int `json:"not_carried"`
	Objects                 []struct {
		Class, Label, Result string
		Notes                []string
	}
}

// run takes the objects over into the token "conformance". SoftHSM2 has it open meanwhile.
func (m *move) run(t *testing.T, args ...string) (r importReport) {
	t.Helper()
	file := func(name, text string) string {
		path := filepath.Join(m.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	env := []string{"SOFTCSP_CONF=" + filepath.Join(m.dir, "new", module.name+".conf"), "XDG_STATE_HOME=" + filepath.Join(m.dir, "new", "state")}
	args = append([]string{"import-softhsm", filepath.Join(m.dir, "old", "tokens"), "--from-token", "conformance", "--from-pin-file", file("pin", userPIN),
		"--token", "conformance", "--so-pin-file", file("so", soPIN), "--json", "--quiet"}, args...)
	out := mustRun(t, 5*time.Minute, env, tool, args...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return r
}

// makeKeys makes the moved keys in the old token.
func (m *move) makeKeys(t *testing.T) {
	t.Helper()
	do(t, m.old, "C_GenerateKey s CKM_DSA_PARAMETER_GEN {CKA_PRIME_BITS=1024,CKA_TOKEN=true,CKA_LABEL=str:parameters} &d")
	for name, v := range map[string]string{"CKA_PRIME": "dsaP", "CKA_SUBPRIME": "dsaQ", "CKA_BASE": "dsaG"} {
		do(t, m.old, "get s d "+name)
		m.old.Vars.SetBytes(v, m.old.Vars.Bytes("a."+name))
	}
	for i, k := range movedKeys {
		name := fmt.Sprintf("+{CKA_LABEL=str:%s,CKA_ID=hex:%02x}", k.name, i+1)
		line := "C_CreateObject s " + k.make[0] + "+" + movedClosed + name + " &x"
		switch len(k.make) {
		case 2:
			line = "C_GenerateKey s " + k.make[0] + " " + k.make[1] + "+" + movedClosed + name + " &x"
		case 3:
			line = "C_GenerateKeyPair s " + k.make[0] + " " + k.make[1] + "+" + moved + name + " " + k.make[2] + "+" + movedClosed + name + " &y &x"
		}
		do(t, m.old, line)
	}
}

// makeObjects makes them in the old token, and a trusted key of the security officer's.
func (m *move) makeObjects(t *testing.T) {
	t.Helper()
	certificate, subject, modulus := testCertificate(t)
	m.old.Vars.SetBytes("certificate", certificate)
	m.old.Vars.SetBytes("subject", subject)
	m.old.Vars.SetBytes("modulus", modulus)
	for _, o := range movedObjects {
		line := "C_CreateObject s " + o + "+{CKA_TOKEN=true} &x"
		if strings.HasPrefix(o, "CKM_") {
			line = "C_GenerateKey s " + o + "+{CKA_TOKEN=true} &x"
		}
		do(t, m.old, line)
	}
	do(t, m.old, "C_Logout s", "C_Login s CKU_SO str:"+soPIN,
		"C_CreateObject s {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_TOKEN=true,CKA_LABEL=str:trusted,CKA_VALUE=rep:32:11,CKA_PRIVATE=false,CKA_SENSITIVE=true,CKA_TRUSTED=true} &x",
		"C_Logout s", "C_Login s CKU_USER str:"+userPIN)
}

// An attributeSet is the attributes of an object that can be read, by their names, in hexadecimal digits.
type attributeSet map[string]string

// readable are the attributes that SoftHSM2 has, but for arrays of attributes.
var readable = strings.Fields(`CKA_CLASS CKA_PRIVATE CKA_LABEL CKA_ID CKA_MODIFIABLE CKA_COPYABLE CKA_DESTROYABLE CKA_KEY_TYPE CKA_LOCAL CKA_KEY_GEN_MECHANISM
	CKA_START_DATE CKA_END_DATE CKA_SUBJECT CKA_SENSITIVE CKA_ALWAYS_SENSITIVE CKA_EXTRACTABLE CKA_NEVER_EXTRACTABLE CKA_TRUSTED CKA_WRAP_WITH_TRUSTED
	CKA_ALWAYS_AUTHENTICATE CKA_ALLOWED_MECHANISMS CKA_ENCRYPT CKA_DECRYPT CKA_SIGN CKA_SIGN_RECOVER CKA_VERIFY CKA_VERIFY_RECOVER CKA_WRAP CKA_UNWRAP
	CKA_DERIVE CKA_CHECK_VALUE CKA_PUBLIC_KEY_INFO CKA_VALUE CKA_VALUE_LEN CKA_VALUE_BITS CKA_MODULUS CKA_MODULUS_BITS CKA_PUBLIC_EXPONENT CKA_PRIVATE_EXPONENT
	CKA_PRIME CKA_SUBPRIME CKA_BASE CKA_PRIME_BITS CKA_EC_PARAMS CKA_EC_POINT CKA_APPLICATION CKA_OBJECT_ID CKA_CERTIFICATE_TYPE CKA_CERTIFICATE_CATEGORY
	CKA_ISSUER CKA_SERIAL_NUMBER CKA_URL CKA_JAVA_MIDP_SECURITY_DOMAIN CKA_NAME_HASH_ALGORITHM`)

// named returns the objects of a token by class, label and id.
func named(t *testing.T, s *Script) map[string]attributeSet {
	t.Helper()
	do(t, s, "C_FindObjectsInit s {CKA_TOKEN=true}", "C_FindObjects s &all[256] 256 &n", "C_FindObjectsFinal s")
	list := make(map[string]attributeSet)
	for i := range s.Vars.Number("n") {
		s.Vars.setNumber("o", s.Vars.Number(fmt.Sprintf("all[%d]", i)))
		o := make(attributeSet)
		for _, name := range readable {
			switch rv, err := s.host.Call(s.Vars, "C_GetAttributeValue", "s", "o", "{"+name+"=?8192}"); {
			case err != nil:
				t.Fatal(err)
			case rv == "CKR_OK":
				o[name] = hex.EncodeToString(s.Vars.Bytes("a." + name))
			case rv == "CKR_ATTRIBUTE_SENSITIVE":
				o[name] = rv
			}
		}
		label, err := hex.DecodeString(o["CKA_LABEL"])
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("%.2s/%s/%s", o["CKA_CLASS"], label, o["CKA_ID"])
		if list[name] != nil {
			t.Fatalf("two objects are %s", name)
		}
		list[name] = o
	}
	return list
}

// TestImportSoftHSM moves objects of every type that SoftHSM2 has. Each has the attributes that it had, and each key does what it did.
func TestImportSoftHSM(t *testing.T) {
	only(t)
	slow(t)
	t.Parallel()
	m := newMove(t, softhsm, "file")
	m.makeKeys(t)
	m.makeObjects(t)
	before := named(t, m.old)
	r := m.run(t)
	if r.Left != 0 || r.There != 0 || r.Carried+r.Changed != len(before) || r.Changed != 5 { // the pairs of X25519 and X448, and domain parameters with CKA_KEY_GEN_MECHANISM
		t.Errorf("%+v", r)
	}
	do(t, m.new, "login")
	after := named(t, m.new)
	compareMoved(t, before, after)
	for i, k := range movedKeys {
		if err := m.use(k, i+1); err != nil {
			t.Errorf("%s: %v", k.name, err)
		}
	}
	templates(t, m.old)
	templates(t, m.new)
	m.unwrap(t)
	if again := m.run(t); again.There != len(before) || again.Carried+again.Changed+again.Left != 0 {
		t.Errorf("once more: %+v", again)
	}
}

// compareMoved sees that each object has the attributes that it had, but for those that are known to differ.
func compareMoved(t *testing.T, before, after map[string]attributeSet) {
	t.Helper()
	if len(before) != len(after) || len(before) < len(movedKeys)+len(movedObjects) {
		t.Errorf("%d objects, of %d", len(after), len(before))
	}
	for name, old := range before {
		is := after[name]
		if is == nil {
			t.Errorf("%s is not there", name)
			continue
		}
		for a, v := range old {
			got, ok := is[a]
			switch {
			case ok && got == v:
			case v == "": // computed here: CKA_PUBLIC_KEY_INFO, say
			case a == "CKA_KEY_TYPE" && strings.Contains(name, "/x"):
			case a == "CKA_KEY_GEN_MECHANISM" && !ok && strings.Contains(name, "/parameters/"):
			default:
				t.Errorf("%s: %s is %s, was %s", name, a, got, v)
			}
		}
	}
}

// use tries a key in both tokens.
func (m *move) use(k movedKey, id int) error {
	for _, s := range []*Script{m.old, m.new} {
		for class, name := range map[string]string{"CKO_PRIVATE_KEY": "key", "CKO_SECRET_KEY": "key", "CKO_PUBLIC_KEY": "public"} {
			find := fmt.Sprintf("C_FindObjectsInit s {CKA_CLASS=%s,CKA_ID=hex:%02x,CKA_LABEL=str:%s}", class, id, k.name)
			if err := s.all(find, "C_FindObjects s &f[2] 2 &n", "C_FindObjectsFinal s"); err != nil {
				return err
			}
			if s.Vars.Number("n") == 1 {
				s.Vars.setNumber(name, s.Vars.Number("f[0]"))
			}
		}
	}
	pair := len(k.make) == 3
	if k.sign != "" {
		if err := m.sign(k.sign, pair); err != nil {
			return err
		}
	}
	if k.crypt != "" {
		if err := m.crypt(k.crypt, pair); err != nil {
			return err
		}
	}
	if k.derive != "" {
		return m.derive(k)
	}
	return nil
}

// sign has each token sign, and the other one verify.
func (m *move) sign(mechanism string, pair bool) error {
	verifier := "key"
	if pair {
		verifier = "public"
	}
	for _, x := range [][2]*Script{{m.new, m.old}, {m.old, m.new}} {
		if err := x[0].all("C_SignInit s "+mechanism+" key", "C_Sign s rep:32:61 signature=out:512"); err != nil {
			return err
		}
		x[1].Vars.SetBytes("signature", x[0].Vars.Bytes("signature"))
		if err := x[1].all("C_VerifyInit s "+mechanism+" "+verifier, "C_Verify s rep:32:61 signature"); err != nil {
			return err
		}
	}
	return nil
}

// crypt has each token decrypt what the other one has encrypted.
func (m *move) crypt(mechanism string, pair bool) error {
	encrypter := "key"
	if pair {
		encrypter = "public"
	}
	for _, x := range [][2]*Script{{m.new, m.old}, {m.old, m.new}} {
		if err := x[0].all("C_EncryptInit s "+mechanism+" "+encrypter, "C_Encrypt s rep:48:62 ct=out:512"); err != nil {
			return err
		}
		x[1].Vars.SetBytes("ct", x[0].Vars.Bytes("ct"))
		if err := x[1].all("C_DecryptInit s "+mechanism+" key", "C_Decrypt s ct plain=out:512"); err != nil {
			return err
		}
		if got := x[1].Vars.Bytes("plain"); !bytes.Equal(got, bytes.Repeat([]byte{0x62}, 48)) {
			return fmt.Errorf("decrypted to %x", got)
		}
	}
	return nil
}

// derive has both tokens agree on a secret with the key's own public half.
func (m *move) derive(k movedKey) error {
	var secrets [2][]byte
	for i, s := range []*Script{m.old, m.new} {
		mechanism, err := withOwnHalf(s, k.derive)
		if err != nil {
			return err
		}
		if err := s.all("C_DeriveKey s " + mechanism + " key " + opening + " &k"); err != nil {
			return err
		}
		if err := s.Line("get s k CKA_VALUE"); err != nil {
			return err
		}
		secrets[i] = s.Vars.Bytes("a.CKA_VALUE")
	}
	if len(secrets[0]) == 0 || !bytes.Equal(secrets[0], secrets[1]) {
		return fmt.Errorf("secrets %x and %x", secrets[0], secrets[1])
	}
	return nil
}

// withOwnHalf returns a mechanism that agrees on a secret, with the public half that was found as parameter.
func withOwnHalf(s *Script, mechanism string) (string, error) {
	if mechanism == "CKM_DH_PKCS_DERIVE" {
		err := s.Line("get s public CKA_VALUE")
		s.Vars.SetBytes("half", s.Vars.Bytes("a.CKA_VALUE"))
		return mechanism + ":half", err
	}
	if err := s.Line("get s public CKA_EC_POINT"); err != nil {
		return "", err
	}
	var point []byte
	_, err := asn1.Unmarshal(s.Vars.Bytes("a.CKA_EC_POINT"), &point)
	s.Vars.SetBytes("half", point)
	return fmt.Sprintf("%s:CK_ECDH1_DERIVE_PARAMS{kdf=CKD_NULL,ulSharedDataLen=0,pSharedData=NULL,ulPublicDataLen=%d,pPublicData=half}", mechanism, len(point)), err
}

// unwrap has a key that has moved unwrap what it wrapped in SoftHSM2, and wrap it again. It decrypts nothing from then on, as in any strict token.
func (m *move) unwrap(t *testing.T) {
	t.Helper()
	encrypt := []string{"C_EncryptInit s CKM_AES_ECB found", "C_Encrypt s rep:16:00 ct=out:16"}
	do(t, m.old, "find s {CKA_LABEL=str:kek}", "let kek found", "find s {CKA_LABEL=str:extractable}", "C_WrapKey s CKM_AES_KEY_WRAP kek found wrapped=out:64")
	do(t, m.old, encrypt...)
	m.new.Vars.SetBytes("wrapped", m.old.Vars.Bytes("wrapped"))
	do(t, m.new, "find s {CKA_LABEL=str:kek}",
		"C_UnwrapKey s CKM_AES_KEY_WRAP found wrapped {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_SENSITIVE=true,CKA_EXTRACTABLE=true,CKA_TOKEN=false} &unwrapped",
		"C_WrapKey s CKM_AES_KEY_WRAP found unwrapped again=out:64", "C_DecryptInit s CKM_AES_ECB found -> CKR_KEY_FUNCTION_NOT_PERMITTED", "let found unwrapped")
	do(t, m.new, encrypt...)
	if got, want := m.new.Vars.Bytes("ct"), m.old.Vars.Bytes("ct"); !bytes.Equal(got, want) {
		t.Errorf("what was unwrapped encrypts to %x, not %x", got, want)
	}
	if again := m.new.Vars.Bytes("again"); !bytes.Equal(again, m.old.Vars.Bytes("wrapped")) {
		t.Errorf("it is wrapped as %x", again)
	}
}

// templates sees that the key with templates has those that it was made with.
func templates(t *testing.T, s *Script) {
	t.Helper()
	do(t, s, "find s {CKA_LABEL=str:wrapper}",
		"C_GetAttributeValue s found {CKA_WRAP_TEMPLATE={CKA_CLASS=?8,CKA_EXTRACTABLE=?1}}", "C_GetAttributeValue s found {CKA_UNWRAP_TEMPLATE={CKA_LABEL=?8,CKA_SENSITIVE=?1}}")
}

// TestImportSoftHSMMany moves many keys, 1,000 in make long, and again when they are there: SoftHSM2 takes minutes to make so many.
func TestImportSoftHSMMany(t *testing.T) {
	only(t)
	slow(t)
	t.Parallel()
	m := newMove(t, softhsm, "file")
	keys := 100
	if takesLong() {
		keys = 1000
	}
	for i := range keys {
		do(t, m.old, fmt.Sprintf("C_GenerateKey s CKM_AES_KEY_GEN {CKA_VALUE_LEN=32,CKA_LABEL=str:key,CKA_ID=hex:%04x}+%s &x", i, movedClosed))
	}
	for _, again := range []bool{false, true} {
		start := time.Now()
		r := m.run(t)
		t.Logf("%d keys in %v", keys, time.Since(start))
		if r.Carried != keys && !again || r.There != keys && again {
			t.Errorf("carried %d, changed %d, there %d, left %d", r.Carried, r.Changed, r.There, r.Left)
		}
	}
	last := fmt.Sprintf("find s {CKA_ID=hex:%04x}", keys-1)
	do(t, m.new, "login", last, "get s found CKA_NEVER_EXTRACTABLE = true", "get s found CKA_LOCAL = true", "C_EncryptInit s CKM_AES_ECB found", "C_Encrypt s rep:16:00 ct=out:16")
	m.new.Vars.SetBytes("want", m.new.Vars.Bytes("ct"))
	do(t, m.old, last, "C_EncryptInit s CKM_AES_ECB found", "C_Encrypt s rep:16:00 ct=out:16")
	if !bytes.Equal(m.old.Vars.Bytes("ct"), m.new.Vars.Bytes("want")) {
		t.Error("the last key encrypts otherwise")
	}
}

// database is a token of SoftHSM2 2.6.1 with the SQLite store, which Debian's is built without: what moved keys and objects are made of there. Its
// attributes, as SoftHSM2 told them, are in the file beside it.
const database, databaseAttributes = "../testdata/softhsm/sqlite3.db", "../testdata/softhsm/attributes.json"

// TestImportSoftHSMDatabase moves it. With -update, and a SoftHSM2 that is built with --with-objectstore-backend-db in $SOFTHSM2_WITH_DB, it is
// made anew first.
func TestImportSoftHSMDatabase(t *testing.T) {
	only(t)
	slow(t)
	t.Parallel()
	if path := os.Getenv("SOFTHSM2_WITH_DB"); path != "" && *update {
		makeDatabase(t, path)
	}
	m := &move{dir: t.TempDir()}
	m.new = m.script(t, module, "new", "")
	dir := filepath.Join(m.dir, "old", "tokens", "token")
	content, err := os.ReadFile(database)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "sqlite3.db"), content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	before := make(map[string]attributeSet)
	text, err := os.ReadFile(databaseAttributes)
	if err == nil {
		err = json.Unmarshal(text, &before)
	}
	if err != nil {
		t.Fatal(err)
	}
	if r := m.run(t); r.Left != 0 || r.Carried+r.Changed != len(before) || r.Changed != 5 {
		t.Errorf("%+v", r)
	}
	do(t, m.new, "login")
	after := named(t, m.new)
	compareMoved(t, before, after)
	templates(t, m.new)
	m.old = m.new // which tries pairs with themselves
	for i, k := range movedKeys {
		if err := m.use(k, i+1); err != nil {
			t.Errorf("%s: %v", k.name, err)
		}
	}
}

// makeDatabase makes the database anew.
func makeDatabase(t *testing.T, path string) {
	t.Helper()
	m := newMove(t, target{"softhsm", path}, "db")
	m.makeKeys(t)
	m.makeObjects(t)
	text, err := json.MarshalIndent(named(t, m.old), "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(m.dir, "old", "tokens", "*", "sqlite3.db"))
	if err != nil || len(files) != 1 {
		t.Fatalf("databases %q, %v", files, err)
	}
	content, err := os.ReadFile(files[0])
	if err == nil {
		err = os.WriteFile(database, content, 0o644)
	}
	if err == nil {
		err = os.WriteFile(databaseAttributes, append(text, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
