// Package conformance drives a PKCS#11 module that was built, ours or another, through its C interface only, and holds it
// to the standard.
//
// The module runs in a host that is not Go: driver/p11drive.c, which calls through the function lists exactly as it is
// told. Scripts in testdata say what is called and what must come back, in the words that words.go reads. Tests that are
// about a host rather than a call (exit while threads are inside, fork, kill) have C programs of their own.
package conformance

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Host is one process of the driver. It is not for use by several goroutines at once.
type Host struct {
	cmd    *exec.Cmd
	in     *bufio.Writer
	pipe   io.Closer
	out    *bufio.Reader
	answer io.Closer // what out reads
	stderr syncBuffer
	tables *tables
	dead   error
	timer  *time.Timer
	hung   chan struct{}
	// succeeded are the functions that have returned CKR_OK.
	succeeded map[string]bool
	patience  time.Duration // how long one call of it may take
	newest    int           // the version of the list in use, 32 for 3.2, where it is not that of C_GetFunctionList
}

// patience is how long one call may take. PBKDF2 with 2^24 iterations takes an emulator minutes.
var patience = func() time.Duration {
	if emulator() != "" {
		return 10 * time.Minute
	}
	return time.Minute
}()

// errHost is a host that is not there any more: it crashed, or was killed because a call did not return.
var errHost = errors.New("the process that loads the module is gone")

// errHung is a host that was killed because a call did not return.
var errHung = fmt.Errorf("%w: a call did not return", errHost)

// An ending is how a host ended that should not have.
type ending struct {
	kind error // errHost or errHung
	how  string
	said string // what it wrote before, on either of its outputs
}

func (e *ending) Error() string { return e.how }

func (e *ending) Unwrap() error { return e.kind }

// ending says how the host ended: what the kernel says of it, and whether it was given up.
func (h *Host) ending(waited error) error {
	e := &ending{errHost, "the process ended within a call", h.Log()}
	hung := false
	select {
	case <-h.hung:
		hung = true
	default:
	}
	var exit *exec.ExitError
	switch {
	case !errors.As(waited, &exit):
	case hung && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
		e.kind, e.how = errHung, fmt.Sprintf("no answer in %v", h.patience)
	case exit.Sys().(syscall.WaitStatus).Signaled():
		e.how = "crashed with " + unix.SignalName(exit.Sys().(syscall.WaitStatus).Signal())
	default:
		e.how = fmt.Sprintf("the process ended with exit code %d", exit.ExitCode())
	}
	return e
}

// Tables are what the C compiler says of the header.
type tables struct {
	consts map[string]uint64
	fields map[string][]field // by structure
	sizes  map[string]int
	funcs  map[string][]param
	since  map[string]int // the version of the first list with a function, 24 for 2.40
}

type field struct {
	name, typ    string
	offset, size int
}

type param struct{ typ, name string }

// StartHost starts the driver prog with the module loaded. env is added to the environment.
func StartHost(prog, module string, env ...string) (*Host, error) {
	return startHost(exec.Command(prog), module, env...)
}

// startHost is StartHost for a command that runs the driver.
func startHost(cmd *exec.Cmd, module string, env ...string) (*Host, error) {
	h := &Host{cmd: cmd, hung: make(chan struct{}), succeeded: make(map[string]bool), patience: patience}
	h.cmd.Env = append(os.Environ(), env...)
	h.cmd.Stderr = &h.stderr
	h.cmd.WaitDelay = time.Second // a child of the module's may keep it open
	in, err := h.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	h.in, h.pipe, h.out, h.answer = bufio.NewWriterSize(in, 1<<16), in, bufio.NewReaderSize(out, 1<<16), out
	h.timer = time.AfterFunc(h.patience, h.giveUp)
	if h.tables, err = h.readTables(); err != nil {
		return nil, err
	}
	answer, err := h.ask("load " + module)
	if err == nil && !strings.HasPrefix(answer, "ok") {
		err = errors.New(answer)
	}
	return h, err
}

// giveUp ends a host whose call does not return. A child of the module's may go on, and have our pipe open.
func (h *Host) giveUp() {
	close(h.hung)
	_ = h.cmd.Process.Kill()
	_ = h.answer.Close()
}

// PID is the host's process id.
func (h *Host) PID() int { return h.cmd.Process.Pid }

// Log is what the host and the module wrote to the standard error.
func (h *Host) Log() string { return h.stderr.String() }

// Kill ends the host as kill -9 does.
func (h *Host) Kill() error {
	h.timer.Stop()
	_ = h.cmd.Process.Kill()
	err := h.cmd.Wait()
	if h.dead == nil {
		h.dead = errHost
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

// Close ends the host: it leaves main at the end of its input. An exit code or a signal is an error.
func (h *Host) Close() error {
	if h.dead != nil {
		return h.dead
	}
	h.dead = errHost
	h.timer.Reset(h.patience)
	defer h.timer.Stop()
	if err := h.in.Flush(); err != nil {
		return err
	}
	if err := h.pipe.Close(); err != nil {
		return err
	}
	if err := h.cmd.Wait(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return h.ending(err)
	}
	return nil
}

// send writes a command that has no answer.
func (h *Host) send(line string) {
	_, _ = h.in.WriteString(line)
	_ = h.in.WriteByte('\n')
}

// line reads a line of the answer.
func (h *Host) line() (string, error) {
	if h.dead != nil {
		return "", h.dead
	}
	h.timer.Reset(h.patience)
	defer h.timer.Stop()
	_ = h.in.Flush()
	s, err := h.out.ReadString('\n')
	if err == nil {
		return strings.TrimSuffix(s, "\n"), nil
	}
	h.dead = h.ending(h.cmd.Wait())
	return "", h.dead
}

// ask sends a command and reads its answer of one line.
func (h *Host) ask(line string) (string, error) {
	h.send(line)
	return h.line()
}

func (h *Host) askBytes(line string) ([]byte, error) {
	h.send(line)
	return h.lineBytes()
}

func (h *Host) lineBytes() ([]byte, error) {
	s, err := h.line()
	if err != nil {
		return nil, err
	}
	return hex.DecodeString(s)
}

func (h *Host) readTables() (*tables, error) {
	t := &tables{map[string]uint64{}, map[string][]field{}, map[string]int{}, map[string][]param{}, map[string]int{}}
	h.send("tables")
	for {
		s, err := h.line()
		if err != nil || s == "end" {
			t.consts["driver.far"] = t.consts["driver.arena"] + t.consts["driver.arena_size"]/2
			return t, err
		}
		w := strings.Split(s, " ")
		switch w[0] {
		case "const":
			t.consts[w[1]], err = strconv.ParseUint(w[2], 10, 64)
		case "field":
			t.fields[w[1]] = append(t.fields[w[1]], field{w[2], w[3], atoi(w[4]), atoi(w[5])})
			t.sizes[w[1]] = atoi(w[6])
		case "function":
			var list []param
			for p := range strings.SplitSeq(strings.Join(w[3:], " "), ",") {
				typ, name, _ := strings.Cut(p, " ")
				list = append(list, param{typ, name})
			}
			t.funcs[w[1]], t.since[w[1]] = list, atoi(w[2])
		}
		if err != nil {
			return nil, err
		}
	}
}

// name finds the name of a number among the constants with a prefix, "CKR_" say.
func (t *tables) name(prefix string, v uint64) string {
	best := ""
	for n, x := range t.consts {
		if x == v && strings.HasPrefix(n, prefix) && (best == "" || n < best) {
			best = n
		}
	}
	if best == "" {
		return fmt.Sprintf("%s%#x", prefix, v)
	}
	return best
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// A syncBuffer is a buffer that the process writes while others read.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
