package conformance

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestLoginsAtOnce runs login/logins.c: many processes that log in to one token at the same moment, or are killed while they do.
func TestLoginsAtOnce(t *testing.T) {
	t.Parallel()
	slow(t)
	only(t)
	prog := program(t, "login/logins.c")
	for mode, tries := range map[string]string{"apart": "1", "children": "1", "wrong": "7", "killed": "2"} {
		t.Run(mode, func(t *testing.T) {
			env := []string{"SOFTCSP_TOKENDIR=" + t.TempDir(), "SOFTCSP_CONF=", "SOFTCSP_KDF=test", "SOFTCSP_MAX_TRIES=" + tries}
			if out := mustRun(t, 90*time.Second, env, prog, module.path, mode); out != "ok\n" {
				t.Errorf("said %q, not ok", out)
			}
		})
	}
}

// TestRightsLost runs login/rights.c: a process that is logged in goes on using its keys after it has lost sight of the token.
func TestRightsLost(t *testing.T) {
	t.Parallel()
	slow(t)
	only(t)
	prog := program(t, "login/rights.c")
	for _, mode := range []string{"moved", "setuid", "chroot"} {
		t.Run(mode, func(t *testing.T) {
			if os.Getuid() != 0 && mode != "moved" {
				t.Skip("needs root")
			}
			env := []string{"SOFTCSP_TOKENDIR=" + filepath.Join(t.TempDir(), "tokens"), "SOFTCSP_CONF=", "SOFTCSP_KDF=test"}
			if out := mustRun(t, 30*time.Second, env, prog, module.path, mode); out != "ok\n" {
				t.Errorf("said %q, not ok", out)
			}
		})
	}
}

// TestNoPlace initialises the module with a token directory that cannot be made: it has no tokens, and making one says why.
func TestNoPlace(t *testing.T) {
	t.Parallel()
	only(t)
	for name, env := range map[string][]string{
		"file": {"SOFTCSP_TOKENDIR=/proc/version/tokens"}, "nowhere": {"SOFTCSP_TOKENDIR=/proc/none/tokens"},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewScript(func(string) (*Host, error) {
				return StartHost(driver, module.path, append(env, "SOFTCSP_CONF=", "XDG_CONFIG_HOME="+t.TempDir(), "SOFTCSP_KDF=test")...)
			})
			do(t, s, "C_Initialize NULL", "C_GetSlotList true NULL &n", "expect n = 1", "freeslot",
				"C_InitToken slot str:so-12345678 @pad:32:none -> CKR_FUNCTION_FAILED|CKR_TOKEN_WRITE_PROTECTED",
				"C_OpenSession slot CKF_SERIAL_SESSION NULL NULL &s -> CKR_TOKEN_NOT_RECOGNIZED", "C_Finalize NULL", "close")
		})
	}
}

// TestFullDisk fills a small disk with objects, and destroys them again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	slow(t)
	only(t)
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1280k"); err != nil {
		t.Skipf("there is no small disk to be had: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	env := []string{"SOFTCSP_TOKENDIR=" + filepath.Join(dir, "tokens"), "SOFTCSP_CONF=", "SOFTCSP_KDF=test", "SOFTCSP_DURABILITY=relaxed"}
	if out := mustRun(t, 60*time.Second, env, program(t, "login/full.c"), module.path); out != "ok\n" {
		t.Errorf("said %q, not ok", out)
	}
}

// TestReadonlyDisk uses a token on a file system that nobody can write to: where the configuration allows it a login works, wrong
// PINs are counted by the process, and keys do what they do.
func TestReadonlyDisk(t *testing.T) {
	t.Parallel()
	slow(t)
	only(t)
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("there is no disk to be had: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	host := func(settings ...string) *Script {
		env := append(settings, "SOFTCSP_TOKENDIR="+filepath.Join(dir, "tokens"), "SOFTCSP_CONF=", "XDG_CONFIG_HOME="+t.TempDir(), "SOFTCSP_KDF=test")
		return NewScript(func(string) (*Host, error) { return StartHost(driver, module.path, env...) })
	}
	key := "C_CreateObject s {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_LABEL=str:k,CKA_VALUE=rep:16:61,CKA_SIGN=true,CKA_ENCRYPT=true,"
	s := host()
	do(t, s, "login", key+"CKA_TOKEN=true} &k", "close")
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	open := []string{"C_Initialize NULL", "C_GetSlotList true &l[8] &n=8", "C_OpenSession l[0] CKF_SERIAL_SESSION NULL NULL &s"}
	s = host()
	do(t, s, open...)
	do(t, s, "C_Login s CKU_USER str:"+userPIN+" -> CKR_TOKEN_WRITE_PROTECTED", "close")
	s = host("SOFTCSP_READONLY_LOGIN=true")
	do(t, s, open...)
	do(t, s, "C_Login s CKU_USER str:wrong-pin -> CKR_PIN_INCORRECT", "C_GetTokenInfo l[0] &i",
		"expect i.flags has CKF_USER_PIN_COUNT_LOW|CKF_WRITE_PROTECTED", "C_Login s CKU_USER str:"+userPIN,
		"C_GetTokenInfo l[0] &i", "expect i.flags lacks CKF_USER_PIN_COUNT_LOW|CKF_USER_PIN_FINAL_TRY",
		"C_FindObjectsInit s {CKA_LABEL=str:k}", "C_FindObjects s &f[4] 4 &n", "C_FindObjectsFinal s", "expect n = 1",
		"C_SignInit s CKM_AES_CMAC f[0]", "C_Sign s str:abc out:16", "C_EncryptInit s CKM_AES_ECB f[0]", "C_Encrypt s rep:16:61 out:16",
		key+"CKA_TOKEN=false} &k", "C_SignInit s CKM_AES_CMAC k", "C_Sign s str:abc out:16",
		key+"CKA_TOKEN=true} &k -> CKR_TOKEN_WRITE_PROTECTED", "close")
}
