package conformance

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// programs are the C programs of ours that this run has compiled, by their sources and arguments: functions that return paths.
var programs sync.Map

// compiled compiles a C program of ours against the headers, once in a run, and returns its path.
func compiled(source string, args ...string) (string, error) {
	once := sync.OnceValues(func() (string, error) {
		name := strings.TrimSuffix(filepath.Base(source), ".c")
		dir, err := os.MkdirTemp(work, name)
		if err != nil {
			return "", err
		}
		prog := filepath.Join(dir, name)
		return prog, compile(prog, source, append(args, "-I"+work, "-I"+include, "-I"+filepath.Dir(include))...)
	})
	path, _ := programs.LoadOrStore(strings.Join(append([]string{source}, args...), " "), once)
	return path.(func() (string, error))()
}

// program compiles a C program of ours, once in a run.
func program(t *testing.T, source string, args ...string) string {
	t.Helper()
	prog, err := compiled(source, args...)
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// output runs a program with a time limit, and kills it with all its children when it is over. It returns what it wrote; the
// error says how it ended.
func output(limit time.Duration, env []string, prog string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, prog, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("hung for %v: %w", limit, err)
	}
	return out.String(), err
}

// mustRun is output for a program that must end well.
func mustRun(t *testing.T, limit time.Duration, env []string, prog string, args ...string) string {
	t.Helper()
	out, err := output(limit, env, prog, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(prog), strings.Join(args, " "), err, out)
	}
	return out
}
