package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/miekg/pkcs11"

	"github.com/softcsp/softcsp/ck"
)

// environment is what every process of the demo sees: the directory of the throw-away token, and no settings of the user.
func (d *demo) environment() []string {
	return []string{
		"SOFTCSP_TOKENDIR=" + d.tokens(), "SOFTCSP_CONF=" + filepath.Join(d.dir, "softcsp.toml"), "SOFTCSP_STORE=bolt",
		"PATH=" + os.Getenv("PATH"), "HOME=" + d.dir,
	}
}

// softcsp runs the command line.
func (d *demo) softcsp(args ...string) ([]byte, error) {
	cmd := exec.Command(d.cli, args...)
	cmd.Env = append(d.environment(), "SOFTCSP_PIN="+userPIN, "SOFTCSP_SO_PIN="+soPIN)
	cmd.Stderr = os.Stderr
	return cmd.Output()
}

// makeToken makes the token, as a person would.
func (d *demo) makeToken() error {
	if err := os.WriteFile(filepath.Join(d.dir, "softcsp.toml"), nil, 0o600); err != nil {
		return err
	}
	d.step("A token in %s: softcsp token init --label demo", d.dir)
	if _, err := d.softcsp("token", "init", "--label", "demo", "--quiet"); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(d.tokens(), "*.token"))
	if err != nil || len(files) != 1 {
		return fmt.Errorf("there are %d token files: %w", len(files), err)
	}
	d.saw(true, "one sealed file: %s", filepath.Base(files[0]))
	return nil
}

// tokenState is what token list tells of the token.
type tokenState struct {
	UserTries int `json:"user_tries"`
}

func (d *demo) state() (tokenState, error) {
	out, err := d.softcsp("token", "list", "--json")
	if err != nil {
		return tokenState{}, err
	}
	var list []tokenState
	if err := json.Unmarshal(out, &list); err != nil || len(list) != 1 {
		return tokenState{}, fmt.Errorf("token list said %q: %w", out, err)
	}
	return list[0], nil
}

// A session is a session with the token through the library.
type session struct {
	*pkcs11.Ctx
	h pkcs11.SessionHandle
}

// open loads the library and opens a session. The library reads the environment when it is loaded.
func (d *demo) open(pin string) (*session, error) {
	for _, name := range []string{"SOFTCSP_LOG", "SOFTCSP_KDF", "SOFTCSP_DURABILITY"} {
		os.Unsetenv(name)
	}
	os.Setenv("SOFTCSP_TOKENDIR", d.tokens())
	os.Setenv("SOFTCSP_CONF", filepath.Join(d.dir, "softcsp.toml"))
	os.Setenv("SOFTCSP_STORE", "bolt")
	ctx := pkcs11.New(d.module)
	if ctx == nil {
		return nil, fmt.Errorf("%s does not load", d.module)
	}
	if err := ctx.Initialize(); err != nil {
		return nil, fmt.Errorf("C_Initialize: %w", err)
	}
	s := &session{Ctx: ctx}
	slots, err := ctx.GetSlotList(true)
	if err != nil {
		return nil, fmt.Errorf("C_GetSlotList: %w", err)
	}
	for _, slot := range slots {
		info, err := ctx.GetTokenInfo(slot)
		if err != nil || info.Label != "demo" {
			continue
		}
		if s.h, err = ctx.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION); err != nil {
			return nil, fmt.Errorf("C_OpenSession: %w", err)
		}
		if err := ctx.Login(s.h, pkcs11.CKU_USER, pin); err != nil {
			s.close()
			return nil, fmt.Errorf("C_Login: %w", err)
		}
		return s, nil
	}
	s.close()
	return nil, errors.New("the library does not see the token")
}

func (s *session) close() {
	s.Finalize()
	s.Destroy()
}

// The providers and algorithms that the demo uses: include/softcsp/softcsp.h.
const (
	provBase, provStrong, provAES = 1, 2, 4

	calgRC2, calgAES128, calgAES256 = 0x6602, 0x660e, 0x6610

	cryptExportable = 0x1
)

// derive hashes base data in the session and derives a key from it, as CryptCreateHash, CryptHashData and CryptDeriveKey
// would.
func (s *session) derive(hash uint, data []byte, provider, algorithm, flags uint, template ...*pkcs11.Attribute) (pkcs11.ObjectHandle, error) {
	if err := s.DigestInit(s.h, mechanism(hash, nil)); err != nil {
		return 0, fmt.Errorf("C_DigestInit: %w", err)
	}
	if err := s.DigestUpdate(s.h, data); err != nil {
		return 0, fmt.Errorf("C_DigestUpdate: %w", err)
	}
	var param []byte
	for _, v := range []uint{provider, 0, algorithm, flags} {
		param = ck.AppendUlong(param, v)
	}
	key, err := s.DeriveKey(s.h, mechanism(uint(ck.CKM_SOFTCSP_CRYPT_DERIVE_KEY), param), 0, template)
	if err != nil {
		return 0, fmt.Errorf("C_DeriveKey: %w", err)
	}
	_, err = s.DigestFinal(s.h)
	return key, err
}

func mechanism(typ uint, param []byte) []*pkcs11.Mechanism {
	return []*pkcs11.Mechanism{pkcs11.NewMechanism(typ, param)}
}

// value reads an attribute.
func (s *session) value(key pkcs11.ObjectHandle, typ ck.AttributeType) ([]byte, error) {
	a, err := s.GetAttributeValue(s.h, key, []*pkcs11.Attribute{pkcs11.NewAttribute(uint(typ), nil)})
	if err != nil {
		return nil, err
	}
	return a[0].Value, nil
}

func (s *session) encrypt(key pkcs11.ObjectHandle, typ ck.MechanismType, param, data []byte) ([]byte, error) {
	if err := s.EncryptInit(s.h, mechanism(uint(typ), param), key); err != nil {
		return nil, fmt.Errorf("C_EncryptInit: %w", err)
	}
	return s.Encrypt(s.h, data)
}

func (s *session) decrypt(key pkcs11.ObjectHandle, typ ck.MechanismType, param, data []byte) ([]byte, error) {
	if err := s.DecryptInit(s.h, mechanism(uint(typ), param), key); err != nil {
		return nil, fmt.Errorf("C_DecryptInit: %w", err)
	}
	return s.Decrypt(s.h, data)
}

// code gives the name of what a function returned.
func code(err error) string {
	var e pkcs11.Error
	if err == nil {
		return "CKR_OK"
	}
	if !errors.As(err, &e) {
		return err.Error()
	}
	return ck.RV(e).String()
}

func is(err error, rv ck.RV) bool {
	var e pkcs11.Error
	return errors.As(err, &e) && ck.RV(e) == rv
}
