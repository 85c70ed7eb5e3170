package dpapi_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/examples/dpapi"
	"github.com/softcsp/softcsp/internal/vectors"
)

// A masterKeyFact is a line of dpapi-masterkeys.jsonl.
type masterKeyFact struct {
	Source, Account, SID, Password, Cipher, Hash, GUID string

	Rounds     uint32
	Salt, Data vectors.MaybeHex
	Secret     vectors.MaybeHex
	MasterKey  vectors.MaybeHex `json:"master_key"` // where it is known
	Whole      vectors.MaybeHex `json:"file"`
}

func masterKeyFacts(t testing.TB) []masterKeyFact {
	t.Helper()
	all, err := vectors.Lines[masterKeyFact](os.DirFS("../../testdata/cryptderivekey"), "dpapi-masterkeys.jsonl")
	if err != nil || len(all) != 9 {
		t.Fatalf("%d master keys, %v", len(all), err)
	}
	return all
}

// file returns the file of a master key: the one that is known, or one around the part that is.
func (f *masterKeyFact) file() []byte {
	if f.Whole != nil {
		return f.Whole
	}
	numbers := map[string]capi.AlgID{"des3": capi.CALG_3DES, "aes256": capi.CALG_AES_256, "sha1": capi.CALG_HMAC, "sha512": capi.CALG_SHA_512}
	key := append(binary.LittleEndian.AppendUint32(nil, 2), f.Salt...)
	for _, v := range []uint32{f.Rounds, uint32(numbers[f.Hash]), uint32(numbers[f.Cipher])} {
		key = binary.LittleEndian.AppendUint32(key, v)
	}
	key = append(key, f.Data...)
	head := make([]byte, 128)
	head[0] = 2
	for i, u := range utf16.Encode([]rune(exerciseGUID)) {
		binary.LittleEndian.PutUint16(head[12+2*i:], u)
	}
	binary.LittleEndian.PutUint64(head[96:], uint64(len(key)))
	return append(head, key...)
}

// exerciseGUID is the master key of the fifth blob.
const exerciseGUID = "865be7a6-863c-4d73-ac9f-233f8734089d"

func (f *masterKeyFact) open(m *dpapi.MasterKeyFile) ([]byte, error) {
	if f.Secret != nil {
		return m.OpenWith(f.Secret)
	}
	return m.Open(f.Password, f.SID)
}

func TestMasterKeys(t *testing.T) {
	accounts := make(map[string]int)
	for _, f := range masterKeyFacts(t) {
		m, err := dpapi.ParseMasterKey(f.file())
		if err != nil {
			t.Errorf("%s: %v", f.Source, err)
			continue
		}
		if f.GUID != "" && m.GUID != f.GUID {
			t.Errorf("%s: it is called %q", f.Source, m.GUID)
		}
		key, err := f.open(m)
		if err != nil || len(key) != 64 || f.MasterKey != nil && !bytes.Equal(key, f.MasterKey) {
			t.Errorf("%s, %s: %x, %v", f.Source, f.Account, key, err)
		}
		accounts[f.Account]++
		if _, err := m.Open(f.Password+"x", f.SID); !errors.Is(err, dpapi.ErrPassword) {
			t.Errorf("%s with another password: %v", f.Source, err)
		}
		if _, err := m.Open(f.Password, f.SID+"1"); !errors.Is(err, dpapi.ErrPassword) {
			t.Errorf("%s with another SID: %v", f.Source, err)
		}
	}
	if len(accounts) != 4 {
		t.Errorf("kinds of accounts: %v", accounts)
	}
}

// TestPasswordToBlob goes the whole way, from a password to what a blob holds.
func TestPasswordToBlob(t *testing.T) {
	for _, f := range masterKeyFacts(t) {
		if f.Password != "ransom" {
			continue
		}
		m, err := dpapi.ParseMasterKey(f.file())
		if err != nil {
			t.Fatal(err)
		}
		key, err := f.open(m)
		if err != nil {
			t.Fatal(err)
		}
		x := facts(t)[4]
		blob, err := dpapi.Parse(dpapi.Find(append([]byte("DPAPI"), x.Blob...)))
		if err != nil {
			t.Fatal(err)
		}
		if blob.GUID() != m.GUID || m.GUID != exerciseGUID {
			t.Errorf("the blob wants %s, and this is %s", blob.GUID(), m.GUID)
		}
		plain, err := blob.Open(key, nil, keys(t))
		if err != nil || len(plain) != 32 {
			t.Errorf("%x, %v", plain, err)
		}
		return
	}
	t.Error("there is no such master key")
}

// TestMasterKeyDamaged cuts a file short everywhere and changes what decides.
func TestMasterKeyDamaged(t *testing.T) {
	f := masterKeyFacts(t)[5] // 4,000 rounds
	file := f.file()
	for n := range file {
		m, err := dpapi.ParseMasterKey(file[:n])
		if err == nil {
			_, err = f.open(m)
		}
		if !errors.Is(err, dpapi.ErrMasterKey) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for at, want := range map[int]error{0: dpapi.ErrMasterKey, 149: dpapi.ErrMasterKey, 152: dpapi.ErrMasterKey, 156: dpapi.ErrMasterKey, 170: dpapi.ErrPassword, len(file) - 1: dpapi.ErrPassword} {
		bad := bytes.Clone(file)
		bad[at] ^= 0x40
		if at == 149 {
			bad[at+2] = 0xff // rounds without end
		}
		m, err := dpapi.ParseMasterKey(bad)
		if err == nil {
			_, err = f.open(m)
		}
		if !errors.Is(err, want) {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
	if dpapi.Find([]byte(strings.Repeat("no blob", 9))) != nil {
		t.Error("a blob was found where there is none")
	}
}

// FuzzParseMasterKey reads what may be a file of a master key.
func FuzzParseMasterKey(f *testing.F) {
	for _, x := range masterKeyFacts(f) {
		f.Add(x.file())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := dpapi.ParseMasterKey(b)
		if err != nil || m.Rounds > 10 {
			return
		}
		_, _ = m.Open("password", "S-1-5-21-1-2-3-1000")
	})
}
