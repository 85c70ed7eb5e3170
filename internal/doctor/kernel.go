package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// lookKernel tries what the library asks of the kernel, but for what every kernel has.
func lookKernel(m *Machine, r *report) {
	memfd := tryMemfd()
	if memfd != nil {
		lookTemporary(m, r, memfd)
	}
	wipe := tryAdvice(unix.MADV_WIPEONFORK)
	if wipe != nil {
		r.note(fmt.Sprintf("MADV_WIPEONFORK is refused: %v", wipe), "a key that is in use when a program forks can be found in the child's memory, and in a core dump of the child", "use Linux 4.14 or newer, or allow madvise in the container's filter")
	}
	dump := tryAdvice(unix.MADV_DONTDUMP)
	if dump != nil {
		r.note(fmt.Sprintf("MADV_DONTDUMP is refused: %v", dump), "keys can be found in core dumps of programs", "allow madvise in the container's filter, or forbid core dumps:\n\tulimit -c 0")
	}
	if memfd == nil && wipe == nil && dump == nil {
		r.ok("memfd_create, MADV_WIPEONFORK and MADV_DONTDUMP work")
	}
	if m.read("/proc/sys/vm/overcommit_memory") == "2" {
		r.note("the kernel counts every page that is reserved (vm.overcommit_memory = 2)", "C_Initialize wants 96 MB that can be written, of which it uses little", "if it answers CKR_HOST_MEMORY:\n\tsysctl vm.overcommit_memory=0\nor raise vm.overcommit_ratio")
	}
}

// tryMemfd makes a file in memory that can be mapped to be executed, as the copy of the library for a forked child.
func tryMemfd() error {
	fd, err := unix.MemfdCreate("softcsp-doctor", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return fmt.Errorf("memfd_create is refused: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, int64(os.Getpagesize())); err != nil {
		return fmt.Errorf("a file in memory cannot grow: %w", err)
	}
	b, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("a file in memory cannot be executed: %w", err)
	}
	return unix.Munmap(b)
}

// lookTemporary looks for a directory that serves in place of a file in memory.
func lookTemporary(m *Machine, r *report, memfd error) {
	dir := m.Getenv("TMPDIR")
	if dir == "" {
		dir = "/tmp"
	}
	why := "a child that a program forks goes on with a copy of the library, which needs a file in memory or a temporary directory that allows execution: CKR_LIBRARY_LOAD_FAILED in children"
	var fs unix.Statfs_t
	switch err := unix.Statfs(dir, &fs); {
	case err != nil:
		r.problem(fmt.Sprintf("%v, and %s: %v", memfd, dir, err), why, "set TMPDIR to a directory that there is")
	case fs.Flags&unix.ST_NOEXEC != 0:
		r.problem(fmt.Sprintf("%v, and %s is mounted noexec", memfd, dir), why, "mount it without noexec, or set TMPDIR to another directory")
	default:
		r.note(memfd.Error(), "the copy of the library for forked children is made in "+dir, "")
	}
}

// tryAdvice tries an advice on memory.
func tryAdvice(advice int) error {
	b, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Munmap(b) }()
	return unix.Madvise(b, advice)
}

// lookConfinement looks at what keeps programs from files whatever their modes say.
func lookConfinement(m *Machine, r *report) {
	lookSELinux(m, r)
	lookAppArmor(m, r)
	for line := range strings.Lines(m.read("/proc/thread-self/status")) {
		if value, ok := strings.CutPrefix(line, "Seccomp:"); ok && strings.TrimSpace(value) == "2" {
			r.note("this process is under a filter of system calls (seccomp)", "what it refuses is an error of the calls that need it", "docs/hosts.md says which system calls the library makes")
		}
	}
	if len(r.list) == 0 {
		r.ok("neither SELinux nor AppArmor is in the way")
	}
}

// lookSELinux looks at the labels of the library and of the token directory.
func lookSELinux(m *Machine, r *report) {
	if m.read("/sys/fs/selinux/enforce") != "1" {
		return
	}
	label := func(file string) string {
		b := make([]byte, 256)
		n, err := unix.Getxattr(file, "security.selinux", b)
		if err != nil {
			return ""
		}
		return strings.TrimRight(string(b[:n]), "\x00")
	}
	if m.LibraryThere && !strings.Contains(label(m.Library), ":lib_t:") && !strings.Contains(label(m.Library), ":textrel_shlib_t:") {
		r.note(fmt.Sprintf("SELinux is enforcing, and %s has the label %q", m.Library, label(m.Library)), "services are allowed to load what has the type lib_t", "\trestorecon -v "+quote(m.Library))
	}
	if m.keepsFiles() {
		r.note("SELinux is enforcing", "a service may write to its own types of files alone: a login that is refused though the modes are right is in the log of the audit",
			"\tausearch -m avc -ts recent\nfor a web server:\n\tsemanage fcontext -a -t httpd_sys_rw_content_t '"+m.Config.TokenDir+"(/.*)?' && restorecon -R "+quote(m.Config.TokenDir))
	}
}

// lookAppArmor finds profiles of programs that load PKCS#11 modules, which do not allow the files of softcsp.
func lookAppArmor(m *Machine, r *report) {
	if m.read("/sys/module/apparmor/parameters/enabled") != "Y" || !m.keepsFiles() {
		return
	}
	for _, program := range []string{"usr.sbin.named", "usr.sbin.unbound", "usr.sbin.openvpn", "usr.sbin.nginx", "usr.sbin.apache2", "usr.sbin.sssd", "usr.sbin.mysqld", "usr.lib.ipsec.charon", "usr.sbin.swanctl", "usr.bin.evince", "firefox", "usr.bin.firefox"} {
		profile := filepath.Join("/etc/apparmor.d", program)
		local := filepath.Join("/etc/apparmor.d/local", program)
		text := m.read(profile)
		if text == "" || exists(m.system(filepath.Join("/etc/apparmor.d/disable", program))) || strings.Contains(text+m.read(local), m.Config.TokenDir) {
			continue
		}
		r.note(fmt.Sprintf("the profile %s does not name %s", profile, m.Config.TokenDir), "AppArmor keeps that program from the tokens and perhaps from the library, whatever the modes of the files are",
			fmt.Sprintf("add these lines to %s:\n\t%s mr,\n\t%[3]s/ r,\n\t%[3]s/** rwk,\nand then:\n\tsystemctl reload apparmor", local, m.Library, m.Config.TokenDir))
	}
}
