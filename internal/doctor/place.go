package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/store"
)

// userName names a user for people.
func userName(uid uint32) string {
	if u, err := user.LookupId(strconv.Itoa(int(uid))); err == nil {
		return u.Username
	}
	return "user " + strconv.Itoa(int(uid))
}

// keepsFiles says whether tokens are files here, so that there is a directory to look at.
func (m *Machine) keepsFiles() bool { return m.Config != nil && !store.Volatile(m.Config) }

func lookPlace(m *Machine, r *report) {
	if !m.keepsFiles() {
		return
	}
	dir := m.Config.TokenDir
	from := m.Config.Why["tokendir"]
	lookParents(m, r, dir)
	var st unix.Stat_t
	err := unix.Stat(dir, &st)
	switch {
	case errors.Is(err, unix.ENOENT):
		lookAbsent(m, r, dir, from)
		return
	case err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR:
		r.problem(dir+" is not a directory", "no token can be used", "name a directory: tokendir in the configuration, or SOFTCSP_TOKENDIR")
		return
	case errors.Is(err, unix.EACCES) || err == nil && unix.Access(dir, unix.R_OK|unix.X_OK) != nil:
		r.problem(fmt.Sprintf("%s (%s) is closed to %s", dir, from, userName(uint32(m.UID))),
			"programs of this user see no token but the one that is not initialised, and no error says why",
			"name a directory of this user's own (SOFTCSP_TOKENDIR, or tokendir in the configuration), or open this one: docs/hosts.md says how a group shares one")
		return
	case err != nil:
		r.problem(fmt.Sprintf("%s: %v", dir, err), "no token can be used", "name another directory: tokendir in the configuration")
		return
	}
	lookOwner(m, r, dir, &st)
	lookMode(r, dir, &st)
	lookDisk(m, r, dir)
	if r.worst() == OK {
		r.ok("%s (%s), mode %04o, owner %s", dir, from, st.Mode&0o7777, userName(st.Uid))
	}
}

// lookAbsent looks whether the directory can be made.
func lookAbsent(m *Machine, r *report, dir, from string) {
	parent := filepath.Dir(dir)
	for !exists(parent) && parent != "/" {
		parent = filepath.Dir(parent)
	}
	if err := unix.Access(parent, unix.W_OK|unix.X_OK); err != nil {
		r.problem(fmt.Sprintf("%s (%s) is not there, and %s may not make it: %s: %v", dir, from, userName(uint32(m.UID)), parent, err),
			"there is no token, and none can be made", "name a directory that can be made, by tokendir in the configuration or:\n\texport SOFTCSP_TOKENDIR=DIRECTORY")
		return
	}
	r.ok("%s (%s) is not there yet, and is made on first use", dir, from)
}

// lookParents looks at the directories on the way: whoever may rename one of them puts other tokens in place of these.
func lookParents(m *Machine, r *report, dir string) {
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		var st unix.Stat_t
		if err := unix.Stat(parent, &st); err == nil {
			lookParent(m, r, parent, &st)
		}
		if parent == "/" {
			return
		}
	}
}

func lookParent(m *Machine, r *report, parent string, st *unix.Stat_t) {
	mode := st.Mode & 0o7777
	why := "whoever may rename what is in it can put a directory of their own in place of the tokens, and learn the PINs that are typed"
	switch {
	case mode&0o002 != 0 && mode&unix.S_ISVTX == 0:
		r.problem(fmt.Sprintf("everybody may write to %s (mode %04o), above the token directory", parent, mode), why, "\tchmod o-w "+quote(parent))
	case st.Uid != 0 && int(st.Uid) != m.UID:
		r.note(fmt.Sprintf("%s, above the token directory, belongs to %s", parent, userName(st.Uid)), why,
			"if that is not meant so:\n\tchown root "+quote(parent))
	}
	if unix.Access(parent, unix.X_OK) != nil {
		r.problem(fmt.Sprintf("%s (mode %04o, owner %s) cannot be entered by %s", parent, mode, userName(st.Uid), userName(uint32(m.UID))),
			"what is below it cannot be reached, whatever its own mode is", "\tchmod o+x "+quote(parent)+"\nor name another token directory")
	}
}

// lookOwner finds the directory of one user that another one uses.
func lookOwner(m *Machine, r *report, dir string, st *unix.Stat_t) {
	if int(st.Uid) == m.UID || st.Mode&0o020 != 0 && inGroup(st.Gid) {
		return
	}
	if m.UID == 0 {
		r.note(fmt.Sprintf("root uses the token directory of %s", userName(st.Uid)),
			"tokens that root makes there belong to root, and "+userName(st.Uid)+" cannot use them; nor does root use the file of another user in a directory of root's",
			fmt.Sprintf("do this as that user (sudo -u '#%d'), or afterwards:\n\tchown -R %d %s", st.Uid, st.Uid, quote(dir)))
		return
	}
	if unix.Access(dir, unix.W_OK) != nil {
		r.problem(fmt.Sprintf("%s belongs to %s, and %s may not write there", dir, userName(st.Uid), userName(uint32(m.UID))),
			"logins are counted in the token's file: who uses a token must be able to write, or gets CKR_TOKEN_WRITE_PROTECTED",
			"name a directory of this user's own (SOFTCSP_TOKENDIR), share this one by a group as docs/hosts.md says, or set readonly_login = true")
	}
}

func inGroup(gid uint32) bool {
	if os.Getegid() == int(gid) {
		return true
	}
	groups, err := os.Getgroups()
	return err == nil && slices.Contains(groups, int(gid))
}

func lookMode(r *report, dir string, st *unix.Stat_t) {
	mode := st.Mode & 0o7777
	switch {
	case mode&0o002 != 0:
		r.problem(fmt.Sprintf("everybody may write to %s (mode %04o)", dir, mode),
			"everybody can destroy its tokens, and put others there that learn PINs", "\tchmod o-w "+quote(dir))
	case mode&0o020 != 0:
		r.note(fmt.Sprintf("the group %d may write to %s (mode %04o)", st.Gid, dir, mode), "its members can destroy the tokens, and keep others waiting", "if that is not meant so:\n\tchmod g-w "+quote(dir))
	case mode&0o044 != 0:
		r.note(fmt.Sprintf("others may list %s (mode %04o)", dir, mode), "they see which tokens there are; the files themselves are closed to them as long as their modes are 0600", "\tchmod 700 "+quote(dir))
	}
}

// The file systems that have locks and mappings of other machines, or none, by the numbers of statfs(2).
var foreign = map[int64]string{0x6969: "NFS", 0xFF534D42: "CIFS", 0xFE534D42: "SMB", 0x517B: "SMB", 0x01021997: "9p", 0x65735546: "FUSE", 0x5346414F: "AFS", 0x00C36400: "Ceph", 0x0BD00BD0: "Lustre", 0x47504653: "GPFS"}

const tmpfs = 0x01021994

// room is what a commit wants on the disk at least.
const room = 1 << 20

func lookDisk(m *Machine, r *report, dir string) {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return
	}
	if name := foreign[int64(fs.Type)]; name != "" {
		r.problem(fmt.Sprintf("%s is on %s", dir, name),
			"the locks and the mapped counter by which processes share a token hold within one machine: on a network file system tokens get lost or damaged",
			"name a directory on a disk of this machine: tokendir in the configuration (FUSE may do where one machine alone uses it)")
	}
	if int64(fs.Type) == tmpfs {
		r.note(dir+" is in memory (tmpfs)", "the tokens are gone when the machine restarts", "for tokens that stay, name a directory on a disk")
	}
	if fs.Flags&unix.ST_RDONLY != 0 {
		if m.Config.ReadonlyLogin {
			r.note(dir+" is on a file system that is mounted read-only", "wrong PINs are counted by each process for itself, because readonly_login is true", "")
		} else {
			r.problem(dir+" is on a file system that is mounted read-only", "logins are counted in the file, so there are none: CKR_TOKEN_WRITE_PROTECTED",
				"mount it writable, or set readonly_login = true in the configuration")
		}
	} else if free := fs.Bavail * uint64(fs.Bsize); free < room {
		r.problem(fmt.Sprintf("the disk of %s has %d kB left", dir, free>>10), "what makes or changes a key fails with CKR_DEVICE_MEMORY; deleting still works", "make room on the disk")
	}
}

// rootTokens is where root's tokens are by default.
const rootTokens = "/var/lib/softcsp/tokens"

// lookElsewhere finds tokens in directories that are usual and not in force: those of root for a user, and the reverse.
func lookElsewhere(m *Machine, r *report) {
	if !m.keepsFiles() {
		return
	}
	dirs := map[string]string{m.system(rootTokens): "root's own"}
	if home, err := os.UserHomeDir(); err == nil {
		dirs[filepath.Join(home, ".local/share/softcsp/tokens")] = "this user's own"
	}
	if name := m.Getenv("SUDO_USER"); name != "" {
		if u, err := user.Lookup(name); err == nil {
			dirs[filepath.Join(u.HomeDir, ".local/share/softcsp/tokens")] = "the own one of " + name + ", who called sudo"
		}
	}
	for dir, whose := range dirs {
		if dir == m.Config.TokenDir {
			continue
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.token"))
		if err == nil && len(files) > 0 {
			r.note(fmt.Sprintf("there are %d tokens in %s (%s), which is not in force", len(files), dir, whose),
				"who made them as another user, or with another configuration, does not see them here",
				fmt.Sprintf("to look at them:\n\tsoftcsp token list --tokendir %s", quote(dir)))
		} else if _, err := os.ReadDir(dir); errors.Is(err, fs.ErrPermission) {
			r.ok("%s (%s) is closed to this user, and not in force", dir, whose)
		}
	}
}

// lookState looks at where the processes of this user remember tokens.
func lookState(m *Machine, r *report) {
	if !m.keepsFiles() {
		return
	}
	dir := m.Config.StateDir
	why := "the keys that public objects are signed under are believed anew in each process until it logs in: a token that somebody replaced is not noticed before"
	if dir == "" {
		r.note("there is no state directory: neither $XDG_STATE_HOME nor $HOME is set", why, "give programs a HOME, or XDG_STATE_HOME")
		return
	}
	above := dir
	for !exists(above) && above != "/" {
		above = filepath.Dir(above)
	}
	var st unix.Stat_t
	switch err := unix.Access(above, unix.W_OK|unix.X_OK); {
	case err != nil:
		r.note(fmt.Sprintf("%s cannot be written: %s: %v", dir, above, err), why, "name a directory that this user may write to:\n\texport XDG_STATE_HOME=DIRECTORY")
	case above == dir && unix.Stat(dir, &st) == nil && st.Mode&0o022 != 0:
		r.problem(fmt.Sprintf("others may write to %s (mode %04o)", dir, st.Mode&0o7777), "they can have this user believe in a token that was replaced", "\tchmod go-w "+quote(dir))
	default:
		r.ok("%s", dir)
	}
}
