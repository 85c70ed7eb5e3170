package conformance

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// guest compiles a program of guest/: a host whose signals, limits and descriptors are its own business.
func guest(t *testing.T, name string, flags ...string) (prog string, env []string) {
	t.Helper()
	only(t)
	env, err := module.place(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tmp, err := os.MkdirTemp("", "softcsp-guest") // below directories that all may pass: one of the programs gives its rights up
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(tmp); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(tmp, 0o777); err != nil {
		t.Fatal(err)
	}
	return program(t, filepath.Join("guest", name+".c"), flags...), append(env, "TMPDIR="+tmp, "SOFTCSP_CONF=", "SOFTCSP_KDF=test")
}

// TestGuestSignals has the host's signals come while it is in the library, which neither takes them nor minds.
func TestGuestSignals(t *testing.T) {
	t.Parallel()
	t.Run("masks", func(t *testing.T) {
		prog, env := guest(t, "masks")
		mustRun(t, time.Minute, env, prog, module.path)
	})
	t.Run("pipe", func(t *testing.T) {
		prog, env := guest(t, "pipe")
		mustRun(t, time.Minute, env, prog, module.path)
	})
	t.Run("handlers", func(t *testing.T) {
		slow(t)
		prog, env := guest(t, "handlers")
		times := 1
		if takesLong() {
			times = 30
		}
		for _, how := range []string{"before 3000", "before 200000", "after 3000", "after 100000", "again 3000", "again 60000", "before 100 own", "after 1000 own"} {
			for range times {
				mustRun(t, time.Minute, env, prog, append([]string{module.path}, strings.Fields(how)...)...)
			}
		}
	})
	t.Run("perl", func(t *testing.T) {
		slow(t)
		perl := need(t, "perl", "apt-get install perl-base")
		_, env := guest(t, "pipe")
		preload := program(t, "guest/preload.c", "-shared", "-fPIC")
		mustRun(t, time.Minute, append(env, "MODULE="+module.path, "LD_PRELOAD="+preload), perl, "guest/signals.pl")
	})
}

// TestGuestLimits narrows the place of a host in every way. The library works in it or says that it cannot; the host goes on.
func TestGuestLimits(t *testing.T) {
	t.Parallel()
	slow(t)
	prog, env := guest(t, "limits")
	run := func(kind string, n int) (refused, child bool) {
		t.Helper()
		out := mustRun(t, time.Minute, env, prog, module.path, kind, strconv.Itoa(n))
		if !strings.HasSuffix(out, "ok\n") {
			t.Errorf("%s %d: %s", kind, n, out)
		}
		if strings.Contains(out, ": \n") {
			t.Errorf("%s %d: said %q, and not why", kind, n, out)
		}
		return strings.Contains(out, "refused 0x"), strings.Contains(out, "child refused")
	}
	for _, row := range []struct{ kind, sentence string }{
		{"space", "process wants `ulimit -v` of at least ([0-9]+) MB"},
		{"data", "`ulimit -d` of at least ([0-9]+) MB"},
	} {
		said := documented(t, row.sentence)
		if refused, _ := run(row.kind, said); refused {
			t.Errorf("%s: %d MB are not enough, and docs/hosts.md says so", row.kind, said)
		}
		for n := said - said/16; n > said/2; n -= said / 16 {
			run(row.kind, n)
		}
	}
	if refused, child := run("space", documented(t, "it wants `ulimit -v` of at least ([0-9]+) MB")); refused || child {
		t.Error("a forked child gets less address space than docs/hosts.md says")
	}
	threads := documented(t, `room for ([0-9]+) threads`)
	for _, n := range []int{1, threads / 2, threads - 1, threads + 2} {
		run("threads", n)
	}
	if syscall.Getuid() == 0 { // who is nobody else then, whose threads would count too
		if refused, _ := run("threads", threads); refused {
			t.Errorf("%d threads are not enough, and docs/hosts.md says so", threads)
		}
	}
	run("closing", 0)
	run("full", 1)
	run("descriptors", 40)
	for _, call := range []uintptr{
		syscall.SYS_EPOLL_CREATE1, syscall.SYS_EPOLL_CTL, syscall.SYS_EVENTFD2, 435 /* clone3 */, syscall.SYS_SIGALTSTACK, syscall.SYS_CLONE,
		318 /* getrandom */, syscall.SYS_PRCTL, syscall.SYS_SCHED_GETAFFINITY,
	} {
		run("EPERM", int(call))
		run("ENOSYS", int(call))
	}
}

// documented is a number in docs/hosts.md.
func documented(t *testing.T, sentence string) int {
	t.Helper()
	text, err := os.ReadFile("../docs/hosts.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(strings.ReplaceAll(sentence, " ", `\s+`)).FindSubmatch(text)
	if m == nil {
		t.Fatalf("docs/hosts.md does not say %q", sentence)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestGuestEnvironment gives the host the variables of Go programs, which are not for the library.
func TestGuestEnvironment(t *testing.T) {
	t.Parallel()
	prog, env := guest(t, "limits")
	for _, v := range []string{
		"GODEBUG=fips140=only", "GODEBUG=madvdontneed=1,gctrace=1,asyncpreemptoff=0", "GOMEMLIMIT=some", "GOMEMLIMIT=1", "GOGC=off", "GOMAXPROCS=100000", "GOTRACEBACK=crash",
	} {
		out := mustRun(t, time.Minute, append(env, v), prog, module.path, "none", "1")
		if out != "ok\n" {
			t.Errorf("%s: said %q", v, out)
		}
	}
}

// TestGuestHabits has hosts do what a library may meet: with standard error, descriptors and limits, with floating point numbers, with
// threads that are cancelled or have small stacks, and with handlers that call or jump, which they must not.
func TestGuestHabits(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, ways string }{
		{"stderr", "closed|full"}, {"logfile", ""}, {"size", "before|after"}, {"floats", "some before|some after|all before|all after"},
		{"within", "calls|jumps|starts"}, {"cancel", ""}, {"again", ""}, {"stacks", ""}, {"crowd", "|children"},
		{"random", "ENOSYS before|EPERM before|ENOSYS after|EPERM after"},
	} {
		t.Run(row.name, func(t *testing.T) {
			slow(t)
			prog, env := guest(t, row.name)
			for way := range strings.SplitSeq(row.ways, "|") {
				if out := mustRun(t, time.Minute, env, prog, append([]string{module.path}, strings.Fields(way)...)...); !strings.HasSuffix(out, "ok\n") {
					t.Errorf("%s: said %q, not ok", way, out)
				}
			}
		})
	}
}

// TestGuestRefusals refuses the system calls that the library makes, one in each life of a host, with the errors that filters give: all
// of them in make long, and otherwise those that it once ended the process for. What is left out libc itself cannot do without
// (futex, brk, rseq, munmap), or is documented to end the process after the start (mmap).
func TestGuestRefusals(t *testing.T) {
	t.Parallel()
	slow(t)
	prog, env := guest(t, "refusals")
	run := func(call int, errno syscall.Errno, when string) {
		t.Helper()
		mustRun(t, time.Minute, env, prog, module.path, strconv.Itoa(call), strconv.Itoa(int(errno)), when)
	}
	if !takesLong() {
		run(syscall.SYS_RT_SIGACTION, syscall.EPERM, "before")
		run(syscall.SYS_RT_SIGPROCMASK, syscall.EPERM, "before")
		run(318 /* getrandom */, syscall.EPERM, "after")
		run(syscall.SYS_RT_SIGPROCMASK, syscall.EPERM, "after")
		for range 5 { // the runtime does not bring another of its threads into use in every life
			run(syscall.SYS_SIGALTSTACK, syscall.EPERM, "after")
		}
		return
	}
	for _, call := range []int{
		syscall.SYS_READ, syscall.SYS_CLOSE, syscall.SYS_STAT, syscall.SYS_FSTAT, syscall.SYS_LSEEK, syscall.SYS_MPROTECT, syscall.SYS_RT_SIGACTION,
		syscall.SYS_RT_SIGPROCMASK, syscall.SYS_IOCTL, syscall.SYS_PREAD64, syscall.SYS_PWRITE64, syscall.SYS_ACCESS, syscall.SYS_SCHED_YIELD,
		syscall.SYS_MSYNC, syscall.SYS_MINCORE, syscall.SYS_MADVISE, syscall.SYS_NANOSLEEP, syscall.SYS_GETPID, syscall.SYS_SENDFILE, syscall.SYS_CLONE,
		syscall.SYS_FCNTL, syscall.SYS_FLOCK, syscall.SYS_FDATASYNC, syscall.SYS_FTRUNCATE, syscall.SYS_READLINK, syscall.SYS_GETEUID,
		syscall.SYS_SIGALTSTACK, syscall.SYS_MLOCK, syscall.SYS_MUNLOCK, syscall.SYS_PRCTL, syscall.SYS_GETTID, syscall.SYS_SCHED_GETAFFINITY,
		syscall.SYS_GETDENTS64, syscall.SYS_CLOCK_GETTIME, syscall.SYS_CLOCK_NANOSLEEP, syscall.SYS_TGKILL, syscall.SYS_OPENAT, syscall.SYS_NEWFSTATAT,
		syscall.SYS_FALLOCATE, syscall.SYS_PRLIMIT64, syscall.SYS_SET_ROBUST_LIST, 309 /* getcpu */, 318 /* getrandom */, 319 /* memfd_create */, 435, /* clone3 */
	} {
		for _, errno := range []syscall.Errno{syscall.EPERM, syscall.ENOSYS} {
			run(call, errno, "before")
			run(call, errno, "after")
		}
	}
}

// TestGuestSanitizers has hosts that watch themselves. What a sanitizer says is a fault of the host or of the library, and ends the host.
func TestGuestSanitizers(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"thread", "address"} {
		t.Run(kind, func(t *testing.T) {
			slow(t)
			prog, env := guest(t, "crowd", "-fsanitize="+kind)
			var exit *exec.ExitError
			if out, err := output(time.Minute, nil, prog); !errors.As(err, &exit) || exit.ExitCode() != 2 {
				t.Skipf("the sanitizer does not work on this system, without the library either: %v\n%s", err, out)
			}
			if out := mustRun(t, time.Minute, env, prog, module.path); !strings.HasSuffix(out, "ok\n") {
				t.Errorf("said %q, not ok", out)
			}
		})
	}
}

// TestGuestCrash has a host crash while the library is loaded. What is said of it tells nothing of anybody's memory.
func TestGuestCrash(t *testing.T) {
	t.Parallel()
	prog, env := guest(t, "crash")
	for _, where := range []string{"host", "stack"} {
		out, err := output(time.Minute, env, prog, module.path, where)
		if err == nil {
			t.Fatalf("%s: it went on: %s", where, out)
		}
		if m := regexp.MustCompile(`(?m)^(goroutine |r[a-d]x |stack: |0x?[0-9a-f]{8,}: )|\(0x`).FindString(out); m != "" {
			t.Errorf("%s: said %q in %s", where, m, out)
		}
	}
}
