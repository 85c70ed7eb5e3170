package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// What a process that loads the library wants: docs/hosts.md. Bytes.
const (
	mb          = 1 << 20
	addresses   = 1500 * mb // ulimit -v, of which the runtime reserves most and uses little
	childs      = 2000 * mb // the same of a forked child that uses the library
	data        = 256 * mb  // ulimit -d
	tokenFile   = 256 << 10 // ulimit -f, below which no token is made
	libraryFile = 12 * mb   // ulimit -f, below which a child cannot copy the library
	keys        = 1 * mb    // ulimit -l: a slab of 64 kB for each size of keys, and some room
	argon       = 128 * mb  // memory of the control group: Argon2id of two PINs, and what the library has in use
)

// The threads that the library wants beside one for each processor, the fewest it does with, and the descriptors.
const (
	spare       = 10
	fewest      = 16
	processors  = 64
	descriptors = 256
)

// aLimit is a limit of the process, and what becomes of it where it is lower.
type aLimit struct {
	resource int
	name     string // the flag of ulimit
	unit     uint64 // what ulimit counts in
	want     uint64
	state    State
	what     string
	why      string
}

var memoryLimits = []aLimit{
	{unix.RLIMIT_AS, "-v", 1024, addresses, Problem, "address space", "C_Initialize answers CKR_HOST_MEMORY: the Go runtime reserves addresses, most of which it never uses"},
	{unix.RLIMIT_AS, "-v", 1024, childs, Note, "address space", "a forked child that uses the library has a runtime of its own beside its parent's, and may not find room"},
	{unix.RLIMIT_DATA, "-d", 1024, data, Problem, "data", "C_Initialize answers CKR_HOST_MEMORY"},
	{unix.RLIMIT_FSIZE, "-f", 512, tokenFile, Problem, "the size of files", "no token can be made, and a key that makes the file larger is CKR_DEVICE_MEMORY"},
	{unix.RLIMIT_FSIZE, "-f", 512, libraryFile, Note, "the size of files", "a forked child cannot copy the library, where that was not done before: CKR_LIBRARY_LOAD_FAILED"},
	{unix.RLIMIT_NOFILE, "-n", 1, descriptors, Note, "descriptors", "the library keeps its own at numbers of 200 and more, out of the way of programs that close all below"},
}

// lookLimits looks at what this process may use. Services have limits of their own.
func lookLimits(m *Machine, r *report) {
	told := make(map[int]bool)
	for _, l := range memoryLimits {
		var have unix.Rlimit
		if unix.Getrlimit(l.resource, &have) != nil || have.Cur >= l.want || told[l.resource] {
			continue
		}
		told[l.resource] = true
		r.add(l.state, fmt.Sprintf("%s is limited to %s, and %s are wanted", l.what, amount(have.Cur, l.unit), amount(l.want, l.unit)), l.why,
			fmt.Sprintf("\tulimit %s %d\nor for a service: %s", l.name, l.want/l.unit, systemd[l.resource]))
	}
	lookLocked(m, r)
	lookThreads(m, r)
	lookGroup(m, r)
	if r.worst() == OK {
		r.ok("threads, address space, data, descriptors and files suffice; services may have other limits")
	}
}

// systemd has the settings of services that are these limits.
var systemd = map[int]string{
	unix.RLIMIT_AS: "LimitAS=", unix.RLIMIT_DATA: "LimitDATA=", unix.RLIMIT_FSIZE: "LimitFSIZE=", unix.RLIMIT_NOFILE: "LimitNOFILE=",
	unix.RLIMIT_MEMLOCK: "LimitMEMLOCK=", unix.RLIMIT_NPROC: "LimitNPROC=",
}

func amount(n, unit uint64) string {
	switch {
	case unit == 1:
		return strconv.FormatUint(n, 10)
	case n >= mb:
		return fmt.Sprintf("%d MB", n/mb)
	}
	return fmt.Sprintf("%d kB", n>>10)
}

// lookLocked looks whether the bytes of keys can be kept from being swapped out.
func lookLocked(m *Machine, r *report) {
	var have unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &have) != nil || have.Cur == unix.RLIM_INFINITY || m.may(unix.CAP_IPC_LOCK) {
		r.ok("memory for keys can be locked without a limit")
		return
	}
	if have.Cur >= keys {
		r.ok("%s of memory for keys can be locked", amount(have.Cur, 1024))
		return
	}
	swap := strings.Count(m.read("/proc/swaps"), "\n") > 0
	what := fmt.Sprintf("%s of memory can be locked, and keys may want %s", amount(have.Cur, 1024), amount(keys, 1024))
	if !swap {
		r.ok("%s; but there is no swap that they could be written to", what)
		return
	}
	r.note(what, "keys beyond that lie in ordinary memory, which the system may write to the swap", fmt.Sprintf("\tulimit -l %d\nor for a service: LimitMEMLOCK=%d", keys>>10, keys))
}

// may reports whether this process has a capability.
func (m *Machine) may(capability uint) bool {
	for line := range strings.Lines(m.read("/proc/thread-self/status")) {
		if value, ok := strings.CutPrefix(line, "CapEff:"); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return err == nil && n&(1<<capability) != 0
		}
	}
	return false
}

// lookThreads looks how many threads this user may still start.
func lookThreads(m *Machine, r *report) {
	var have unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NPROC, &have) != nil || have.Cur == unix.RLIM_INFINITY || m.UID == 0 || m.may(unix.CAP_SYS_RESOURCE) || m.may(unix.CAP_SYS_ADMIN) {
		return
	}
	used := m.threadsOf(m.UID)
	tellThreads(r, have.Cur-min(have.Cur, used), fmt.Sprintf("this user may have %d threads, and has %d", have.Cur, used),
		"raise what ulimit -u shows, or for a service: LimitNPROC=")
}

func tellThreads(r *report, left uint64, what, do string) {
	wanted := uint64(min(runtime.NumCPU(), processors) + spare)
	switch {
	case left < fewest:
		r.problem(what, fmt.Sprintf("the library starts with %d, and does with %d at least: C_Initialize answers CKR_HOST_MEMORY", wanted, fewest), do)
	case left < wanted:
		r.note(what, fmt.Sprintf("the library would start with %d; with fewer it uses fewer processors", wanted), do)
	}
}

// threadsOf counts the threads of a user.
func (m *Machine) threadsOf(uid int) (n uint64) {
	dirs, _ := filepath.Glob(m.system("/proc/[0-9]*"))
	for _, dir := range dirs {
		var st unix.Stat_t
		if unix.Stat(dir, &st) != nil || int(st.Uid) != uid {
			continue
		}
		tasks, err := os.ReadDir(filepath.Join(dir, "task"))
		if err == nil {
			n += uint64(len(tasks))
		}
	}
	return n
}

// lookGroup looks at the limits of the control group, as containers and services have them.
func lookGroup(m *Machine, r *report) {
	limit, err := strconv.ParseUint(m.group("pids", "pids.max"), 10, 64)
	if err == nil {
		used, _ := strconv.ParseUint(m.group("pids", "pids.current"), 10, 64)
		tellThreads(r, limit-min(limit, used), fmt.Sprintf("the control group may have %d threads, and has %d", limit, used), "raise pids.max: TasksMax= of the service, --pids-limit of the container")
	}
	file := "memory.max"
	if m.group("memory", file) == "" {
		file = "memory.limit_in_bytes"
	}
	if limit, err := strconv.ParseUint(m.group("memory", file), 10, 64); err == nil && limit < argon {
		r.note(fmt.Sprintf("the control group may have %s of memory", amount(limit, 1024)), "a login takes what the token's cost of a PIN says, 19 MiB or 64, beside what the program has: the kernel may end it",
			"raise memory.max: MemoryMax= of the service, --memory of the container")
	}
}

// group reads a file of the control group that this process is in, of version 2 or 1.
func (m *Machine) group(controller, file string) string {
	for line := range strings.Lines(m.read("/proc/self/cgroup")) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		top := "/sys/fs/cgroup"
		if f[1] == controller {
			top = filepath.Join(top, controller)
		} else if f[1] != "" {
			continue
		}
		for _, dir := range []string{filepath.Join(top, f[2]), top} {
			if text := m.read(filepath.Join(dir, file)); text != "" {
				return text
			}
		}
	}
	return ""
}
