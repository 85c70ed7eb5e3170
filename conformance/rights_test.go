package conformance

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestRights has a program with rights of its file (set-user-ID, set-group-ID) load the library in an environment of whoever
// started it, who names a configuration, a token directory, a log. Nothing of it may count; without such rights all does.
func TestRights(t *testing.T) {
	slow(t)
	only(t)
	const owner, caller = 54321, 54322
	if os.Geteuid() != 0 {
		t.Skip("it takes root to make a program with rights of another user")
	}
	dir, err := os.MkdirTemp("", "rights") // which, unlike t.TempDir, others can reach
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var fs syscall.Statfs_t
	const noSetUID = 2 // ST_NOSUID
	if err := syscall.Statfs(dir, &fs); err != nil || fs.Flags&noSetUID != 0 {
		t.Skipf("programs in %s get no rights of their file: %v", dir, err)
	}
	library, prog := filepath.Join(dir, "libsoftcsp.so"), filepath.Join(dir, "rights")
	copyFile(t, module.path, library, 0o755)
	copyFile(t, program(t, "life/rights.c"), prog, 0o755)
	for _, c := range []struct {
		name     string
		uid, gid int
		mode     uint32
	}{{"none", caller, caller, 0o755}, {"user", owner, caller, 0o4755}, {"group", caller, owner, 0o2755}} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.Chown(prog, c.uid, c.gid); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Chmod(prog, c.mode); err != nil {
				t.Fatal(err)
			}
			theirs, err := os.MkdirTemp(dir, c.name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(theirs, 0o777); err != nil {
				t.Fatal(err)
			}
			for _, env := range lures(t, theirs) {
				cmd := exec.Command(prog, library)
				cmd.Env, cmd.Dir = env, dir
				cmd.WaitDelay = 20 * time.Second
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: caller, Gid: caller}}
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %v\n%s", env, err, out)
				}
				rights := bytes.Contains(out, []byte("secure 1"))
				if want := c.name != "none"; rights != want {
					t.Fatalf("the program has rights of its file: %v\n%s", rights, out)
				}
				followed := bytes.Contains(out, []byte("C_Initialize 0x7\n")) || made(t, theirs)
				if followed == rights {
					t.Errorf("%v: followed: %v\n%s", env, followed, out)
				}
			}
		})
	}
}

// lures are environments that can be seen to be followed: what they name is an error, or is made below dir.
func lures(t *testing.T, dir string) [][]string {
	t.Helper()
	bad := "kdf = 'bad'\n"
	for _, file := range []string{"bad.toml", "softcsp/softcsp.toml", ".config/softcsp/softcsp.toml"} {
		path := filepath.Join(dir, "lure", file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	lure, tokens := filepath.Join(dir, "lure"), filepath.Join(dir, "made")
	return [][]string{
		{"SOFTCSP_CONF=" + filepath.Join(lure, "bad.toml")},
		{"XDG_CONFIG_HOME=" + lure},
		{"HOME=" + lure},
		{"SOFTCSP_KDF=bad"},
		{"SOFTCSP_TOKENDIR=" + tokens},
		{"XDG_DATA_HOME=" + tokens},
		{"SOFTCSP_STORE=memory", "SOFTCSP_LOG=debug", "SOFTCSP_LOG_FILE=" + tokens},
	}
}

// made reports whether there is anything in dir that lures did not put there, and removes it.
func made(t *testing.T, dir string) bool {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range list {
		if f.Name() != "lure" {
			found = true
			os.RemoveAll(filepath.Join(dir, f.Name()))
		}
	}
	return found
}

func copyFile(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = writeProgram(to, b, mode)
	}
	if err == nil {
		err = os.Chmod(to, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}
