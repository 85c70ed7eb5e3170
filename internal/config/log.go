package config

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
)

// An output is where the log goes. A file is opened when the first line is written.
type output struct {
	logger *slog.Logger
	name   string

	mu     sync.Mutex
	file   *os.File
	opened bool
	closed bool
}

// newOutput returns the output of a level and a file name, nil where logging is off.
func newOutput(level, name string) *output {
	var l slog.Level
	switch level {
	case "error":
		l = slog.LevelError
	case "info":
		l = slog.LevelInfo
	case "debug":
		l = slog.LevelDebug
	default:
		return nil
	}
	o := &output{name: name}
	o.logger = slog.New(slog.NewTextHandler(o, &slog.HandlerOptions{Level: l})).With("pid", os.Getpid())
	return o
}

// Write implements io.Writer. slog calls it once for each line.
func (o *output) Write(line []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return len(line), nil
	}
	if !o.opened {
		o.opened = true
		o.open()
	}
	if o.file == nil {
		return os.Stderr.Write(line)
	}
	return o.file.Write(line)
}

// open opens the file. What cannot be opened is said once, and the log goes to stderr.
func (o *output) open() {
	if o.name == "" {
		return
	}
	f, err := os.OpenFile(o.name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) // os.OpenFile adds O_CLOEXEC
	if err != nil {
		fmt.Fprintf(os.Stderr, "softcsp: the log goes to stderr: %v\n", err)
		return
	}
	o.file = f
}

func (o *output) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if o.file == nil {
		return nil
	}
	f := o.file
	o.file = nil
	return f.Close()
}
