package config

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"sync"
)

// Getenv reads the environment of the process, which says nothing where the program was given rights by its file: it would be
// that of whoever started it, who has none of them.
func Getenv(name string) string {
	if secure() {
		return ""
	}
	return os.Getenv(name)
}

// secure reports whether the program was given rights by its file, as the kernel said when it began. The ids do not tell:
// such a program may have made its real user id the effective one since.
var secure = sync.OnceValue(func() bool {
	auxv, err := os.ReadFile("/proc/self/auxv")
	if err != nil { // a process with such rights may not be allowed to look at itself
		return errors.Is(err, fs.ErrPermission) || os.Getuid() != os.Geteuid() || os.Getgid() != os.Getegid()
	}
	return isSecure(auxv)
})

// isSecure finds AT_SECURE in an auxiliary vector.
func isSecure(auxv []byte) bool {
	const atSecure = 23
	const word = strconv.IntSize / 8
	number := func(at int) uint64 {
		if word == 4 {
			return uint64(binary.NativeEndian.Uint32(auxv[at:]))
		}
		return binary.NativeEndian.Uint64(auxv[at:])
	}
	for at := 0; at+2*word <= len(auxv); at += 2 * word {
		if number(at) == atSecure {
			return number(at+word) != 0
		}
	}
	return false
}
