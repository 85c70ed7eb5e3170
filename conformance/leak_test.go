package conformance

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A region is a part of a process's memory.
type region struct {
	from, to uint64
	name     string
}

// What is searched: everything that is readable, or what a core dump has of it.
type extent bool

const (
	everything extent = true
	coreDump   extent = false
)

// regions reads /proc/PID/smaps.
func regions(pid int, what extent) (list []region, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var at *region
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := sc.Text()
		words := strings.Fields(line)
		if from, to, ok := strings.Cut(words[0], "-"); ok {
			a, err1 := strconv.ParseUint(from, 16, 64)
			b, err2 := strconv.ParseUint(to, 16, 64)
			at = nil
			if err1 == nil && err2 == nil && strings.HasPrefix(words[1], "r") && !strings.Contains(line, "[v") {
				at = &region{a, b, strings.Join(words[5:], " ")}
			}
		}
		if at != nil && words[0] == "VmFlags:" && (what == everything || !strings.Contains(line, " dd")) {
			list = append(list, *at)
		}
	}
	return list, nil
}

// scan looks for secrets in the memory of a process and returns where each was found.
func scan(pid int, what extent, secrets map[string][]byte) (found []string, err error) {
	list, err := regions(pid, what)
	if err != nil {
		return nil, err
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	const overlap = 256
	buf := make([]byte, 1<<20+overlap)
	total := uint64(0)
	for _, r := range list {
		for at := r.from; at < r.to; at += 1 << 20 {
			n := min(r.to-at, uint64(len(buf)))
			got, _ := mem.ReadAt(buf[:n], int64(at))
			total += uint64(got)
			for name, secret := range secrets {
				if i := bytes.Index(buf[:got], secret); i >= 0 {
					found = append(found, fmt.Sprintf("%s at %#x (%s)", name, at+uint64(i), r.name))
				}
			}
		}
	}
	if total < 1<<20 {
		return nil, fmt.Errorf("only %d bytes of memory could be read", total)
	}
	return found, nil
}

// scanFiles looks for secrets in all files below dir.
func scanFiles(dir string, secrets map[string][]byte) (found []string, err error) {
	files := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		files++
		for name, secret := range secrets {
			if bytes.Contains(b, secret) {
				found = append(found, name+" in "+path)
			}
		}
		return err
	})
	if files == 0 {
		return nil, fmt.Errorf("no files in %s", dir)
	}
	return found, err
}

// withHex adds each secret in hexadecimal.
func withHex(secrets map[string][]byte) map[string][]byte {
	for name, s := range secrets {
		if !strings.HasSuffix(name, "(hex)") {
			secrets[name+" (hex)"] = []byte(hex.EncodeToString(s))
		}
	}
	return secrets
}

// TestLeaks searches a host's memory and the token's files for what must not be there after a login has ended, in any of the
// ways in which it ends: the bytes of keys, the labels of private objects, the PINs. The host wipes its own copies.
func TestLeaks(t *testing.T) {
	t.Parallel()
	slow(t)
	only(t)
	for name, end := range map[string]string{"logout": "C_Logout s", "sessions": "C_CloseAllSessions slot", "finalize": "C_Finalize NULL"} {
		t.Run(name, func(t *testing.T) { searchAfter(t, end) })
	}
}

func searchAfter(t *testing.T, end string) {
	t.Helper()
	dir := t.TempDir()
	env, err := module.place(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := NewScript(func(string) (*Host, error) { return StartHost(driver, module.path, append(env, "TMPDIR="+dir)...) })
	secrets := newSecrets(t, s)
	useSecrets(t, s)
	pid := s.host.PID()
	before, err := scan(pid, everything, secrets)
	if err != nil {
		t.Fatal(err)
	}
	if len(before) == 0 {
		t.Fatal("nothing was found before the end of the login either: the search is blind")
	}
	do(t, s, end)
	if _, err := s.host.ask("wipe"); err != nil {
		t.Fatal(err)
	}
	after, err := scan(pid, everything, withHex(secrets))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range after {
		t.Errorf("in memory: %s", f)
	}
	inFiles, err := scanFiles(dir, secrets)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range inFiles {
		t.Errorf("on the disk: %s", f)
	}
	do(t, s, "close")
}

// newSecrets makes what is searched for, and gives it to the script as session_key and so on.
func newSecrets(t *testing.T, s *Script) map[string][]byte {
	t.Helper()
	secrets := map[string][]byte{}
	for _, name := range []string{"session key", "token key", "wrapped key", "user PIN", "SO PIN", "private label", "private value", "password", "digested key"} {
		secret := make([]byte, 32)
		if _, err := rand.Read(secret); err != nil {
			t.Fatal(err)
		}
		secrets[name] = secret
		s.Vars.SetBytes(strings.ReplaceAll(name, " ", "_"), secret)
	}
	return secrets
}

// useSecrets makes a token and does with keys what is done with keys.
func useSecrets(t *testing.T, s *Script) {
	t.Helper()
	do(t, s, "C_Initialize NULL", "freeslot", "C_InitToken slot SO_PIN @pad:32:leaks", "slot leaks",
		"C_OpenSession slot CKF_SERIAL_SESSION|CKF_RW_SESSION NULL NULL &s", "C_Login s CKU_SO SO_PIN", "C_InitPIN s user_PIN", "C_Logout s",
		"C_Login s CKU_USER user_PIN")
	key := "C_CreateObject s {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_WRAP=true,CKA_UNWRAP=true,CKA_EXTRACTABLE=true,CKA_SIGN=true,CKA_DERIVE=true,"
	do(t, s, key+"CKA_LABEL=private_label,CKA_VALUE=session_key} &sk", key+"CKA_TOKEN=true,CKA_LABEL=private_label,CKA_VALUE=token_key} &tk",
		key+"CKA_VALUE=wrapped_key} &wk",
		"C_CreateObject s {CKA_CLASS=CKO_DATA,CKA_TOKEN=true,CKA_PRIVATE=true,CKA_LABEL=private_label,CKA_VALUE=private_value} &d")
	for range 20 {
		for _, k := range []string{"sk", "tk"} {
			do(t, s, "C_EncryptInit s CKM_AES_CBC_PAD:rep:16:00 "+k, "C_Encrypt s rep:100:61 ct=out:112",
				"C_DecryptInit s CKM_AES_GCM:CK_GCM_PARAMS{pIv=rep:12:00,ulIvLen=12,ulTagBits=128} "+k, "C_Decrypt s ct out:112 -> CKR_ENCRYPTED_DATA_INVALID",
				"C_SignInit s CKM_AES_CMAC "+k, "C_Sign s str:abc out:16",
				"C_DeriveKey s CKM_SHA256_KEY_DERIVATION "+k+" {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET} &x", "C_DestroyObject s x",
				"C_WrapKey s CKM_AES_KEY_WRAP "+k+" wk w=out:40",
				"C_UnwrapKey s CKM_AES_KEY_WRAP "+k+" w {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_EXTRACTABLE=true,CKA_LABEL=private_label} &u",
				"find s {CKA_LABEL=private_label}", "get s d CKA_VALUE = private_value", "C_DestroyObject s u")
		}
	}
	do(t, s, key+"CKA_VALUE=digested_key} &dk", "C_DigestInit s CKM_SHA256", "C_Digest s password out:32",
		"C_DigestInit s CKM_MD5", "C_DigestUpdate s password", "C_DigestKey s dk", "C_DigestFinal s out:16")
	do(t, s, "C_SetAttributeValue s tk {CKA_ID=hex:01}", "C_CopyObject s sk {CKA_TOKEN=true} &c", "C_DestroyObject s c", "C_DestroyObject s sk")
}
