package conformance

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/internal/vectors"
)

// wincryptErrors are the codes of the errors that vectors name.
var wincryptErrors = map[string]string{
	"": "0", "ERROR_INVALID_PARAMETER": "57", "NTE_BAD_KEY": "80090003", "NTE_BAD_DATA": "80090005", "NTE_BAD_ALGID": "80090008",
	"NTE_BAD_FLAGS": "80090009", "NTE_FAIL": "80090020",
	// A provider says these of its own handles; CryptDeriveKey does not let it come to that.
	"NTE_BAD_UID": "57", "NTE_BAD_HASH": "57",
}

// wincryptProviders are the names and types of the providers, with _ for blanks.
var wincryptProviders = map[string]string{
	"base": "Microsoft_Base_Cryptographic_Provider_v1.0 1", "strong": "Microsoft_Strong_Cryptographic_Provider 1",
	"enhanced": "Microsoft_Enhanced_Cryptographic_Provider_v1.0 1",
	"aes":      "Microsoft_Enhanced_RSA_and_AES_Cryptographic_Provider 18",
}

// octets writes bytes for driver/cspdrive.c.
func octets(b []byte) string {
	if b == nil {
		return "-"
	}
	return fmt.Sprintf("x%x", b)
}

// TestWincryptVectors makes every call that was measured with Wine through the functions of wincrypt.h.
func TestWincryptVectors(t *testing.T) {
	only(t)
	all, err := vectors.WineVectors(knownAnswers, "cryptderivekey/wine-vectors.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	var in bytes.Buffer
	for i := range all {
		q := &all[i].Request
		fmt.Fprintf(&in, "%s %s %x %x %x %x %s %s %s %x %x %s\n", q.Scenario, wincryptProviders[q.Provider], q.Hash, q.Cipher, q.Flags,
			q.Chunk, octets(q.Base), octets(q.HashValue), octets(q.MACKey), q.MACCipher, q.HMACInner, octets(all[i].Plaintext))
	}
	cmd := exec.Command(buildWincrypt(t, "driver/cspdrive.c"))
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(all) {
		t.Fatalf("%d answers to %d requests", len(lines), len(all))
	}
	keys, errors, ciphertexts := 0, 0, 0
	for i := range all {
		v, got := &all[i], strings.Fields(lines[i])
		if v.Result.CreateHashError != "" || v.Result.DeriveError != "" {
			errors++
			compareError(t, v, got)
			continue
		}
		keys++
		ciphertexts += compareKey(t, v, got)
	}
	t.Logf("%d keys, %d errors, %d ciphertexts", keys, errors, ciphertexts)
	if keys != 2277 || errors != 1627 || ciphertexts == 0 {
		t.Error("not the number of checks that there should be")
	}
}

// compareError compares an answer with an error. Where the provider refuses, the caller's handle becomes 0; where it is not
// asked, it stays.
func compareError(t *testing.T, v *vectors.Wine, got []string) {
	t.Helper()
	want := []string{wincryptErrors[v.Result.CreateHashError]}
	if v.Result.CreateHashError == "" {
		handle := "0"
		if code := wincryptErrors[v.Result.DeriveError]; code == "57" {
			handle = "1234"
		}
		want = []string{"0", wincryptErrors[v.Result.DeriveError], handle}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s, %s: %v, want %v", v.ID, v.Request.Scenario, got, want)
	}
}

// compareKey compares an answer with a key, and returns how many ciphertexts were compared.
func compareKey(t *testing.T, v *vectors.Wine, got []string) (n int) {
	t.Helper()
	r := &v.Result
	number := func(u uint32) string { return octets([]byte{byte(u), byte(u >> 8), byte(u >> 16), byte(u >> 24)}) }
	more := "e8009000c"
	want := []string{"0", "0", "1", more, more, octets(r.HashValue)}
	if v.Request.Hash == 0x8008 {
		want[3] = "e80090008" // SSL3_SHAMD5 takes no data, and its value is set
	}
	if r.Key == nil {
		return 0
	}
	p := &r.Params
	for _, u := range []uint32{uint32(v.Request.Cipher), uint32(p.KeyLen), uint32(p.Effective), uint32(p.Block), p.Mode, 0, 1, uint32(p.Permissions)} {
		want = append(want, number(u))
	}
	salt, blob, ofb := octets(p.Salt), "e8009000b", "e80090008"
	if p.Salt == nil {
		salt = "e80090003"
	}
	if uint32(v.Request.Flags)&exportable != 0 {
		blob = "x0802000" + "0" + number(uint32(v.Request.Cipher))[1:] + number(uint32(len(r.Key)))[1:] + octets(r.Key)[1:]
	}
	if p.Block == 0 {
		ofb = octets(r.Default) // RC4 has no modes
	}
	want = append(want, salt, octets(make([]byte, p.IVLen)), blob)
	if !v.OnWindows {
		want = append(want, octets(r.Default), octets(r.ECB), octets(r.CBC), octets(r.CFB), ofb)
		n = 4
	} else if len(got) > len(want) {
		got = got[:len(want)]
	}
	if r.HashValue == nil && len(got) > 5 {
		want[5] = got[5]
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s: %v, want %v", v.ID, got, want)
	}
	return n
}
