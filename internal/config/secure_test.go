package config

import (
	"encoding/binary"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestIsSecure(t *testing.T) {
	vector := func(numbers ...uint64) (b []byte) {
		for _, n := range numbers {
			if strconv.IntSize == 32 {
				b = binary.NativeEndian.AppendUint32(b, uint32(n))
			} else {
				b = binary.NativeEndian.AppendUint64(b, n)
			}
		}
		return b
	}
	for _, c := range []struct {
		auxv []byte
		want bool
	}{
		{nil, false},
		{vector(6, 4096, 23, 0, 0, 0), false},
		{vector(6, 4096, 23, 1, 0, 0), true},
		{vector(23, 1), true},
		{vector(23), false},
		{vector(6, 23, 1, 1), false},
	} {
		if got := isSecure(c.auxv); got != c.want {
			t.Errorf("isSecure(%x) = %v", c.auxv, got)
		}
	}
}

func TestGetenv(t *testing.T) {
	t.Setenv("SOFTCSP_TEST", "x")
	if Getenv("SOFTCSP_TEST") != "x" {
		t.Error("a program without rights of its file does not follow its environment")
	}
	if _, err := os.Stat("/proc/self/auxv"); err != nil {
		t.Skip("no /proc/self/auxv")
	}
	auxv, err := os.ReadFile("/proc/self/auxv")
	if err != nil || len(auxv) == 0 || isSecure(auxv) {
		t.Errorf("the vector of this process: %v, %x", err, auxv)
	}
}

func TestHomeIn(t *testing.T) {
	const passwd = "root:x:0:0:root:/root:/bin/sh\n# no line\nshort:x:7:7\n+::::::\nd:x:1000:1000:D,,,:/home/d:/bin/sh\nagain:x:0:0::/other:\n"
	for uid, want := range map[string]string{"0": "/root", "1000": "/home/d", "7": "", "": "", "100": ""} {
		if got := homeIn(strings.NewReader(passwd), uid); got != want {
			t.Errorf("user %q: %q, want %q", uid, got, want)
		}
	}
}
