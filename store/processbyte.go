package store

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"math"
	"sync"

	"golang.org/x/sys/unix"
)

// processByte returns the offset of the byte of a sidecar by whose lock copies of the library in one process keep each other out. It is made of
// the number of the process and the time at which it began, so that no other process has the same, not even a later one with the same number.
var processByte = sync.OnceValue(func() int64 {
	h := fnv.New64a()
	_, _ = h.Write(binary.LittleEndian.AppendUint64(processStart(), uint64(unix.Getpid())))
	return int64(h.Sum64()&(math.MaxInt64>>1)) + 1<<16
})

// processStart returns when this process began, as the kernel tells it; nothing where there is no /proc.
func processStart() []byte {
	fd, err := unix.Open("/proc/self/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = unix.Close(fd) }()
	b := make([]byte, 4096)
	n, err := unix.Read(fd, b)
	if err != nil {
		return nil
	}
	b = b[:max(n, 0)]
	// The second field is the program's name in parentheses, with anything in it; the beginning is the 22nd.
	if fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]); len(fields) > 19 {
		return bytes.Clone(fields[19])
	}
	return nil
}
