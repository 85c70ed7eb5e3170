package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// most is how many tokens of a directory are used.
const most = 1024

func lookTokens(m *Machine, r *report) {
	if !m.keepsFiles() {
		return
	}
	dir := m.Config.TokenDir
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // lookPlace tells
	}
	if missing := sidecarMissing(m, dir, entries); missing != "" {
		r.note(fmt.Sprintf("tokens in %s are not checked: root would make %s there", dir, missing), "a file of root's beside a token keeps its user from logging in",
			"do this as the user whom the directory belongs to")
		return
	}
	place, err := store.OpenPlace(m.Config)
	if err != nil {
		r.problem(err.Error(), "no token can be used", "")
		return
	}
	defer place.Close()
	list, _, err := place.List()
	if err != nil {
		r.problem(err.Error(), "no token can be used", "")
		return
	}
	if len(list) >= most {
		r.problem(fmt.Sprintf("there are %d tokens or more in %s", most, dir), "the first by name are used, the others are not seen", "move some of the files to another directory")
	}
	for _, e := range entries {
		lookStray(r, dir, e.Name(), list)
	}
	for _, uuid := range list {
		lookToken(m, r, place, uuid)
	}
	if len(list) == 0 && r.worst() == OK {
		r.note("there is no token in "+dir, "programs see one slot, with a token that is not initialised", "\tsoftcsp token init --label NAME")
	}
}

// sidecarMissing names a file that processes share tokens by, which is not there and which root would make in another user's directory. It is
// "" where there is nothing to fear.
func sidecarMissing(m *Machine, dir string, entries []os.DirEntry) string {
	var st unix.Stat_t
	if m.UID != 0 || unix.Stat(dir, &st) != nil || st.Uid == 0 {
		return ""
	}
	needed := []string{".place", "next"}
	for _, e := range entries {
		if uuid, is := strings.CutSuffix(e.Name(), ".token"); is && isUUID(uuid) {
			needed = append(needed, "."+uuid+".lock")
		}
	}
	for _, name := range needed {
		if !exists(filepath.Join(dir, name)) {
			return name
		}
	}
	return ""
}

// lookStray finds what lies beside tokens and looks like one.
func lookStray(r *report, dir, name string, tokens []string) {
	base, is := strings.CutSuffix(name, ".token")
	if is && !strings.HasPrefix(name, ".") && !slices.Contains(tokens, base) && !isUUID(base) {
		r.note(fmt.Sprintf("%s is passed over", filepath.Join(dir, name)), "a token's file has the name that it was made with: 32 hex digits with hyphens, and .token",
			"give it its name back, or:\n\tsoftcsp token check --file "+quote(filepath.Join(dir, name)))
	}
	if exists(filepath.Join(dir, name, "token.object")) || exists(filepath.Join(dir, name, "sqlite3.db")) {
		r.note(fmt.Sprintf("%s is a token of SoftHSM2", filepath.Join(dir, name)), "softcsp does not read it where it is", "\tsoftcsp import-softhsm "+quote(dir))
	}
}

func isUUID(s string) bool {
	return len(s) == 36 && strings.Trim(s, "0123456789abcdef-") == ""
}

func lookToken(m *Machine, r *report, place *store.Place, uuid string) {
	file := store.Locate(m.Config, uuid)
	if !lookFile(m, r, file) {
		return
	}
	if lookLock(m, r, filepath.Join(m.Config.TokenDir, "."+uuid+".lock"), file) {
		return
	}
	t, err := place.Token(uuid)
	var i store.Info
	if err == nil {
		i, err = t.Info()
	}
	switch {
	case errors.Is(err, ck.CKR_TOKEN_NOT_RECOGNIZED):
		r.problem(fmt.Sprintf("%s: %v", file, err), "programs pass it over", "install a newer softcsp, or put a file of softcsp there:\n\tsoftcsp token restore FILE").Damaged = !strings.Contains(err.Error(), "newer")
		return
	case err != nil:
		f := r.problem(fmt.Sprintf("%s: %v", file, err), "programs pass it over", "keep the file as it is, and go back to a copy that is sound:\n\tsoftcsp token restore FILE")
		f.Damaged = errors.Is(err, ck.CKR_DEVICE_ERROR)
		return
	}
	var public []publicKey
	e, err := t.Examine(nil, func(is store.Record) {
		if k, ok := publicKeyOf(is); ok {
			public = append(public, k)
		}
	})
	faults := e.Faults
	switch {
	case err != nil:
		r.problem(fmt.Sprintf("token %q: %v", i.Label, err), "it could not be checked", "")
		return
	case len(faults) > 0:
		r.problem(fmt.Sprintf("token %q is damaged: %s", i.Label, store.Summary(faults)),
			"keys may be lost, or somebody has changed the file: "+file, "see all of it, and what to do:\n\tsoftcsp token check "+quote(i.Label)+"\nbest go back to a copy that is sound").Damaged = true
		return
	}
	r.ok("token %q is sound as far as can be seen without its PIN", i.Label)
	lookInfo(r, i)
	lookKeyTypes(m, r, i.Label, public)
}

// lookInfo tells what a token says of itself.
func lookInfo(r *report, i store.Info) {
	if i.Version < 2 {
		r.note(fmt.Sprintf("token %q has the format of softcsp 0.2", i.Label), "its public objects are not signed, and its keys are not kept apart", "\tsoftcsp token upgrade "+quote(i.Label))
	}
	switch {
	case !i.UserPIN:
		r.note(fmt.Sprintf("token %q has no user PIN", i.Label), "nobody can log in to use keys", "\tsoftcsp token pin --so --token "+quote(i.Label))
	case i.UserTries == 0:
		r.problem(fmt.Sprintf("the user PIN of token %q is locked", i.Label), "every login is CKR_PIN_LOCKED", "\tsoftcsp token pin --so --token "+quote(i.Label))
	case i.UserTries < i.MaxTries:
		r.note(fmt.Sprintf("the user PIN of token %q has %d of %d tries left", i.Label, i.UserTries, i.MaxTries),
			"somebody, or a program with an old PIN, has tried a wrong one; at 0 it is locked", "a login with the right PIN makes it "+strconv.Itoa(int(i.MaxTries))+" again")
	}
	if i.SOTries == 0 {
		r.problem(fmt.Sprintf("the security officer's PIN of token %q is locked", i.Label), "nobody can unlock the user PIN any more", "restore an older backup, in which it is not locked, or move the keys to another token while the user PIN works")
	}
	if i.KDF == "test" {
		r.note(fmt.Sprintf("token %q was made with --kdf test", i.Label), "its PINs can be guessed at once by whoever has the file: it is for labs", "for keys that matter, make a token with:\n\tsoftcsp token init --kdf interactive")
	}
}

// lookFile looks at a token's file, and reports whether it can be used.
func lookFile(m *Machine, r *report, file string) bool {
	var st unix.Stat_t
	if unix.Lstat(file, &st) != nil {
		return false // gone since
	}
	mode := st.Mode & 0o7777
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		r.problem(file+" is a symbolic link", "a link is not followed, because somebody else may have made it: the token is not seen", "put the file itself there")
		return false
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		r.problem(file+" is not a regular file", "it is not used", "\trm "+quote(file))
		return false
	case !trusted(m, &st, filepath.Dir(file)):
		r.problem(fmt.Sprintf("%s belongs to %s, who is neither root, nor %s, nor the owner of the directory", file, userName(st.Uid), userName(uint32(m.UID))),
			"it is not used, because that user could change it at any time", fmt.Sprintf("\tchown %d %s", m.UID, quote(file)))
		return false
	case st.Nlink > 1 && !exists(filepath.Join(filepath.Dir(file), "."+strings.TrimSuffix(filepath.Base(file), ".token")+".new")):
		r.problem(fmt.Sprintf("%s has %d names (hard links)", file, st.Nlink), "a file with a second name is not used, because that may be somebody else's",
			fmt.Sprintf("\tcp %[1]s %[1]s.copy && mv %[1]s.copy %[1]s", quote(file)))
		return false
	case unix.Access(file, unix.R_OK) != nil:
		r.problem(fmt.Sprintf("%s (mode %04o, owner %s) cannot be read by %s", file, mode, userName(st.Uid), userName(uint32(m.UID))),
			"the token is passed over", fmt.Sprintf("\tchown %d %s", m.UID, quote(file)))
		return false
	case unix.Access(file, unix.W_OK) != nil && !m.Config.ReadonlyLogin:
		r.problem(fmt.Sprintf("%s (mode %04o, owner %s) cannot be written by %s", file, mode, userName(st.Uid), userName(uint32(m.UID))),
			"logins are counted in the file: there are none, but CKR_TOKEN_WRITE_PROTECTED", fmt.Sprintf("\tchown %d %s\nor set readonly_login = true in the configuration", m.UID, quote(file)))
	}
	outsiders, only := uint32(0o077), "600"
	if isShared(filepath.Dir(file)) {
		outsiders, only = 0o007, "o="
	}
	if mode&outsiders != 0 {
		r.problem(fmt.Sprintf("others may use %s (mode %04o)", file, mode), "who can read the file can guess at its PINs as often as they like", "\tchmod "+only+" "+quote(file))
	}
	return true
}

// isShared reports whether the tokens of a directory are those of a group, which may write there.
func isShared(dir string) bool {
	var st unix.Stat_t
	return unix.Stat(dir, &st) == nil && st.Mode&0o020 != 0
}

// trusted reports whether a file is of somebody whose files are used.
func trusted(m *Machine, st *unix.Stat_t, dir string) bool {
	var of unix.Stat_t
	if st.Uid == 0 || int(st.Uid) == m.UID || unix.Stat(dir, &of) != nil {
		return true
	}
	return st.Uid == of.Uid || of.Mode&0o020 != 0 && st.Gid == of.Gid
}

// stuck is how long the same process must have a lock for it to be told. A login or a commit has it for milliseconds.
const stuck = 500 * time.Millisecond

// lookLock looks who has the lock of a token, and reports whether somebody keeps it.
func lookLock(m *Machine, r *report, sidecar, file string) bool {
	var st unix.Stat_t
	if unix.Stat(sidecar, &st) != nil {
		return false
	}
	if unix.Access(sidecar, unix.W_OK) != nil && unix.Access(file, unix.W_OK) == nil {
		r.problem(fmt.Sprintf("%s (owner %s) cannot be written by %s", sidecar, userName(st.Uid), userName(uint32(m.UID))),
			"processes share the token by it: there are no logins, but CKR_TOKEN_WRITE_PROTECTED", fmt.Sprintf("\tchown %d %s", m.UID, quote(sidecar)))
	}
	pid := m.holder(&st)
	for began := time.Now(); pid != 0 && time.Since(began) < stuck; time.Sleep(stuck / 20) {
		if now := m.holder(&st); now != pid {
			return false // somebody makes progress
		}
	}
	if pid == 0 {
		return false
	}
	who, do := "a process in another container", "find it where it runs, and end it"
	if pid > 0 {
		name, state := m.process(pid)
		who = fmt.Sprintf("process %d (%s, %s)", pid, name, state)
		do = fmt.Sprintf("see what it does:\n\tps -fp %d", pid)
		if strings.HasPrefix(state, "T") {
			do = fmt.Sprintf("let it go on:\n\tkill -CONT %d", pid)
		}
	}
	r.problem(fmt.Sprintf("%s has the lock of %s, and keeps it", who, file),
		"others wait for 5 seconds and get CKR_FUNCTION_FAILED; a lock is for the milliseconds of a login or a commit", do)
	return true
}

// holder returns the process that has locked a file for writing, -1 for one that is not seen from here, 0 for none. It looks three times: the
// kernel tells its locks in parts, and while others come and go a part may lack one.
func (m *Machine) holder(st *unix.Stat_t) int {
	for range 3 {
		if pid := m.holderNow(st); pid != 0 {
			return pid
		}
	}
	return 0
}

func (m *Machine) holderNow(st *unix.Stat_t) int {
	where := fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
	for line := range strings.Lines(m.read("/proc/locks") + "\n") {
		// 1: POSIX  ADVISORY  WRITE 18012 fe:00:395600 1 1
		f := strings.Fields(line)
		if len(f) != 8 || f[1] != "POSIX" || f[3] != "WRITE" || f[5] != where || f[6] != "1" || f[7] != "1" {
			continue
		}
		pid, err := strconv.Atoi(f[4])
		if err != nil || pid <= 0 {
			return -1
		}
		if pid != os.Getpid() {
			return pid
		}
	}
	return 0
}

// process returns the name and the state of a process.
func (m *Machine) process(pid int) (name, state string) {
	name, state = "?", "?"
	for line := range strings.Lines(m.read(fmt.Sprintf("/proc/%d/status", pid))) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch key {
		case "Name":
			name = strings.TrimSpace(value)
		case "State":
			state = strings.TrimSpace(value)
		}
	}
	return name, state
}
