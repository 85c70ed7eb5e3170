package conformance

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/miekg/pkcs11"
	"github.com/richardlehane/mscfb"

	"github.com/softcsp/softcsp/internal/vectors"
)

// TestOffice opens real Office files with keys that the token derives from their passwords and keeps to itself.
func TestOffice(t *testing.T) {
	h := capiHost(t)
	if h == nil {
		return
	}
	facts, err := vectors.Lines[vectors.OfficeFact](knownAnswers, "office/office-facts.jsonl")
	h.must(t, err)
	verified, contents := 0, 0
	for i := range facts {
		f := newOfficeFile(t, h, &facts[i])
		f.verify(t)
		verified++
		switch {
		case f.streams["EncryptedPackage"] != nil:
			f.checkPackage(t)
		case f.streams["WordDocument"] != nil:
			f.checkWord(t)
		case f.streams["Workbook"] != nil:
			f.checkExcel(t)
		default: // PowerPoint: the verifier alone
			continue
		}
		contents++
	}
	t.Logf("%d verifiers, %d contents", verified, contents)
	if verified != 11 || contents != 7 {
		t.Error("not the number of files that there should be")
	}
}

// An officeFile is an encrypted file, its streams, and the hash that its keys are derived from.
type officeFile struct {
	*vectors.OfficeFact
	*capiSession
	streams map[string][]byte
	plain   string // the plain copy, "" where there is none
	hash    []byte // H_0 or H_n of MS-OFFCRYPTO
}

func newOfficeFile(t *testing.T, h *capiSession, fact *vectors.OfficeFact) *officeFile {
	t.Helper()
	f := &officeFile{OfficeFact: fact, capiSession: h, streams: compound(t, "../testdata/"+fact.File)}
	if name, ok := strings.CutPrefix(fact.File, "office/inputs/"); ok {
		ext := filepath.Ext(name)
		f.plain = "../testdata/office/outputs/" + strings.TrimSuffix(name, ext) + "_plain" + ext
	}
	sum := sha1.New()
	sum.Write(fact.HeaderSalt)
	for _, c := range utf16.Encode([]rune(fact.Password)) {
		sum.Write([]byte{byte(c), byte(c >> 8)})
	}
	f.hash = sum.Sum(nil)
	for i := range fact.Spins {
		spin := sha1.Sum(append(binary.LittleEndian.AppendUint32(nil, uint32(i)), f.hash...))
		f.hash = spin[:]
	}
	if base := f.base(0); !bytes.Equal(base, fact.Base) {
		t.Errorf("%s: base data %x, want %x", f.File, base, fact.Base)
	}
	return f
}

// compound reads the streams of a compound file.
func compound(t *testing.T, name string) map[string][]byte {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := mscfb.New(file)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	streams := map[string][]byte{}
	for {
		entry, err := r.Next()
		if errors.Is(err, io.EOF) {
			return streams
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if entry.Size == 0 {
			continue
		}
		if streams[entry.Name], err = io.ReadAll(entry); err != nil {
			t.Fatalf("%s: %s: %v", name, entry.Name, err)
		}
	}
}

// base is the base data of a block's key.
func (f *officeFile) base(block uint32) []byte {
	return binary.LittleEndian.AppendUint32(slices.Clone(f.hash), block)
}

// key derives the key of a block, in one of the two ways, into a key that cannot leave the token.
func (f *officeFile) key(t *testing.T, block uint32, digest bool) pkcs11.ObjectHandle {
	t.Helper()
	var base pkcs11.ObjectHandle
	if digest {
		f.must(t, f.DigestInit(f.s, mechanism(pkcs11.CKM_SHA_1, nil)))
		f.must(t, f.DigestUpdate(f.s, f.base(block)))
	} else {
		base = f.secret(t, pkcs11.CKK_GENERIC_SECRET, f.base(block), pkcs11.NewAttribute(pkcs11.CKA_DERIVE, true))
		defer f.destroy(t, base)
	}
	key, err := f.derive(base, vectors.CAPIProvider[f.Provider], calgSHA1, uint(f.Cipher), f.Bits<<16)
	f.must(t, err)
	if digest {
		_, err := f.DigestFinal(f.s)
		f.must(t, err)
	}
	return key
}

// verify decrypts the verifier and compares its hash, as a program does to see whether a password is right.
func (f *officeFile) verify(t *testing.T) {
	t.Helper()
	for _, digest := range []bool{false, true} {
		key := f.key(t, 0, digest)
		plain := f.decrypt(t, key, uint(f.Cipher), "ECB", slices.Concat(f.EncVerifier, f.EncHash))
		f.must(t, f.DigestInit(f.s, mechanism(pkcs11.CKM_SHA_1, nil)))
		sum, err := f.Digest(f.s, plain[:16])
		f.must(t, err)
		if !bytes.Equal(plain[:16], f.Verifier) || !bytes.Equal(sum, plain[16:36]) {
			t.Errorf("%s: the verifier is %x and its hash %x", f.File, plain[:16], plain[16:])
		}
		if _, err := f.attr(key, pkcs11.CKA_VALUE); !errors.Is(err, pkcs11.Error(pkcs11.CKR_ATTRIBUTE_SENSITIVE)) {
			t.Errorf("%s: the key can be read: %v", f.File, err)
		}
		f.destroy(t, key)
	}
}

// checkPackage decrypts a document of ECMA-376 standard encryption.
func (f *officeFile) checkPackage(t *testing.T) {
	t.Helper()
	stream := f.streams["EncryptedPackage"]
	size := binary.LittleEndian.Uint64(stream)
	key := f.key(t, 0, false)
	plain := f.decrypt(t, key, uint(f.Cipher), "ECB", stream[8:len(stream)-(len(stream)-8)%16])
	f.destroy(t, key)
	plain = plain[:size]
	if sum := sha256.Sum256(plain); hex.EncodeToString(sum[:]) != f.Package {
		t.Errorf("%s: the package is another", f.File)
	}
	if f.plain == "" {
		return
	}
	want, err := os.ReadFile("../testdata/" + f.plain)
	f.must(t, err)
	if !bytes.Equal(plain, want) {
		t.Errorf("%s differs from %s", f.File, f.plain)
	}
}

// blocks decrypts a stream of RC4 CryptoAPI encryption, each block with a key of its own.
func (f *officeFile) blocks(t *testing.T, stream []byte) (plain []byte) {
	t.Helper()
	block := uint32(0)
	for part := range slices.Chunk(stream, f.BlockSize) {
		key := f.key(t, block, block%2 == 0)
		plain = append(plain, f.decrypt(t, key, calgRC4, "", part)...)
		f.destroy(t, key)
		block++
	}
	return plain
}

// checkWord decrypts a Word document: all of the stream WordDocument but the 68 bytes at its front, and the table stream
// behind the encryption header.
func (f *officeFile) checkWord(t *testing.T) {
	t.Helper()
	const front = 0x44
	word := f.streams["WordDocument"]
	plain := f.blocks(t, word)
	if f.HasText {
		text := "This is a test"
		if !bytes.Contains(plain, []byte(text)) && !bytes.Contains(plain, []byte(strings.Join(strings.Split(text, ""), "\x00"))) {
			t.Errorf("%s: the text is not there", f.File)
		}
	}
	if f.plain == "" {
		return
	}
	want := compound(t, f.plain)
	if !bytes.Equal(plain[front:], want["WordDocument"][front:]) {
		t.Errorf("%s: WordDocument differs from %s", f.File, f.plain)
	}
	// The FIB says which table stream is used (fWhichTblStm), and how long the header at its front is (lKey).
	table := "0Table"
	if word[0x0b]&2 != 0 {
		table = "1Table"
	}
	header := binary.LittleEndian.Uint32(word[0x0e:])
	if got := f.blocks(t, f.streams[table]); len(got) == 0 || !bytes.Equal(got[header:], want[table][header:]) {
		t.Errorf("%s: %s differs from %s", f.File, table, f.plain)
	}
}

// openRecords are the records of a workbook that stay as they are: BOF, FILEPASS, USREXCL, FILELOCK, INTERFACEHDR, RRDINFO
// and RRDHEAD. Of BOUNDSHEET, the position in front does.
var openRecords = []uint16{0x809, 0x2f, 0x194, 0x195, 0xe1, 0x196, 0x138}

const recordFilePass, recordBoundSheet = 0x2f, 0x85

// checkExcel decrypts a workbook record by record.
func (f *officeFile) checkExcel(t *testing.T) {
	t.Helper()
	stream := f.streams["Workbook"]
	plain := f.blocks(t, stream)
	want := compound(t, f.plain)["Workbook"]
	records := 0
	for at := 0; at+4 <= len(stream); {
		kind, n := binary.LittleEndian.Uint16(stream[at:]), int(binary.LittleEndian.Uint16(stream[at+2:]))
		if kind == 0 {
			break
		}
		body := slices.Clone(plain[at+4 : at+4+n])
		switch {
		case slices.Contains(openRecords, kind):
			copy(body, stream[at+4:])
		case kind == recordBoundSheet:
			copy(body[:4], stream[at+4:])
		}
		same := bytes.Equal(stream[at:at+4], want[at:at+4]) && bytes.Equal(body, want[at+4:at+4+n])
		if kind != recordFilePass && !same {
			t.Errorf("%s: record %#x at %d differs", f.File, kind, at)
		}
		at += 4 + n
		records++
	}
	t.Logf("%s: %d records", f.File, records)
	if records < 300 {
		t.Errorf("%s: %d records", f.File, records)
	}
}
