package doctor

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// UnmarshalJSON is for what another process has found.
func (s *State) UnmarshalJSON(b []byte) error {
	for i, name := range stateNames {
		if string(b) == `"`+name+`"` {
			*s = State(i)
		}
	}
	return nil
}

// TestLimits has a process for each limit. Not in a short run: the race detector, which has those, cannot start where address space is limited.
func TestLimits(t *testing.T) {
	if testing.Short() {
		t.Skip("limits address space")
	}
	for _, c := range []struct {
		resource, amount, uid int
		state                 State
		text                  string
	}{
		{unix.RLIMIT_AS, 1400 * mb, os.Geteuid(), Problem, "address space is limited to 1400 MB"},
		{unix.RLIMIT_AS, 1700 * mb, os.Geteuid(), Note, "address space is limited to 1700 MB, and 2000 MB are wanted"},
		{unix.RLIMIT_DATA, 200 * mb, os.Geteuid(), Problem, "data is limited to 200 MB"},
		{unix.RLIMIT_FSIZE, 100 << 10, os.Geteuid(), Problem, "the size of files is limited to 100 kB"},
		{unix.RLIMIT_FSIZE, 5 * mb, os.Geteuid(), Note, "the size of files is limited to 5 MB"},
		{unix.RLIMIT_NOFILE, 100, os.Geteuid(), Note, "descriptors is limited to 100"},
		{unix.RLIMIT_NPROC, 12, stranger, Problem, "this user may have 12 threads"},
		{unix.RLIMIT_NPROC, 4000, stranger, OK, "suffice"},
		{unix.RLIMIT_MEMLOCK, 2 * mb, stranger, OK, "2 MB of memory for keys can be locked"},
		{unix.RLIMIT_MEMLOCK, 8 << 10, os.Geteuid(), OK, "can be locked without a limit"}, // as root
	} {
		if os.Geteuid() != 0 && (c.uid == stranger || c.resource == unix.RLIMIT_MEMLOCK) {
			continue
		}
		out, err := another(t, fmt.Sprintf("limit %d %d %d", c.resource, c.amount, c.uid)).Output()
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		var found []Finding
		if err := json.Unmarshal(out, &found); err != nil {
			t.Fatal(err)
		}
		has(t, found, c.state, c.text)
	}
}

// TestGroup has files of control groups, of either version, and of a machine with swap.
func TestGroup(t *testing.T) {
	m := machine(t, t.TempDir())
	write(t, m.system("/proc/self/cgroup"), "0::/system.slice/x.service\n")
	write(t, m.system("/sys/fs/cgroup/system.slice/x.service/pids.max"), "20\n")
	write(t, m.system("/sys/fs/cgroup/system.slice/x.service/pids.current"), "15\n")
	write(t, m.system("/sys/fs/cgroup/memory.max"), "33554432\n")
	found := one(m, lookLimits)
	has(t, found, Problem, "the control group may have 20 threads, and has 15")
	has(t, found, Note, "the control group may have 32 MB of memory")

	write(t, m.system("/proc/self/cgroup"), "5:pids:/docker/1\n4:memory:/docker/1\n")
	write(t, m.system("/sys/fs/cgroup/pids/docker/1/pids.max"), "100000\n")
	write(t, m.system("/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes"), "16777216\n")
	found = one(m, lookLimits)
	has(t, found, Note, "16 MB of memory")
	if len(found) > 3 {
		t.Error(show(found))
	}
}
