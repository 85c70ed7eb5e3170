package config

import (
	"path/filepath"
	"testing"
)

func TestReservedWritten(t *testing.T) {
	h := newHost(t)
	file := h.file(t, "a file.toml", "kdf = 'sensitive'\n")
	dir := filepath.Join(h.dir, "it's here")
	text, err := Reserved("tokendir", dir, "conf", file)
	if err != nil {
		t.Fatal(err)
	}
	if c := h.mustLoad(t, text); c.TokenDir != dir || c.File != file || c.KDF != "sensitive" {
		t.Errorf("%s is read as %+v", text, c)
	}
	if _, err := Reserved("conf", file, "tokendir", `both ' and "`); err == nil {
		t.Error("a text with both quotes was written")
	}
	if text, err := Reserved(); text != "" || err != nil {
		t.Errorf("nothing is %q, %v", text, err)
	}
	t.Setenv("SOFTCSP_CONF", file)
	if text, err = Reserved("log", "debug"); err != nil {
		t.Fatal(err)
	}
	if c := h.mustLoad(t, text); c.File != file || c.Log != "debug" {
		t.Errorf("%s is read as %+v", text, c)
	}
}
