package vectors

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// The files of NIST's validation programs (CAVP) and of RFCs, as the package cryptography_vectors of Python has them in Debian.

// CryptographyVectors is where Debian's python3-cryptography-vectors puts them.
const CryptographyVectors = "/usr/lib/python3/dist-packages/cryptography_vectors"

// A nistReader reads stanzas: lines of "Name = value" without an empty line between. What a stanza says holds for those that
// follow, until they say otherwise, and so does what stands between square brackets.
type nistReader struct {
	fields map[string]string
	own    map[string]bool // what the stanza itself says
	at     string
	err    error
}

func (r *nistReader) has(name string) bool { return r.own[name] }

func (r *nistReader) keep(err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%s: %w", r.at, err)
	}
}

// bytes reads a field in hexadecimal, of which the first digit may be missing; text in double quotes stands for itself.
func (r *nistReader) bytes(name string) []byte {
	s := strings.ReplaceAll(r.fields[name], " ", "")
	if text, ok := strings.CutPrefix(r.fields[name], `"`); ok {
		return []byte(strings.TrimSuffix(text, `"`))
	}
	if len(s)%2 != 0 {
		s = "0" + s
	}
	b, err := hex.DecodeString(s)
	r.keep(err)
	return b
}

func (r *nistReader) number(name string) (n int) {
	_, err := fmt.Sscan(r.fields[name], &n)
	r.keep(err)
	return n
}

// bits reads a message of a length in bits, which stands in another field: of no bits "00" is written.
func (r *nistReader) bits(name, length string) []byte {
	b := r.bytes(name)
	n := r.number(length)
	if n%8 != 0 || n/8 > len(b) {
		r.keep(fmt.Errorf("%d bits of %s", n, name))
		return nil
	}
	return b[:n/8]
}

// nistStanzas calls f with each stanza that has all fields of mark.
func nistStanzas(s *Suite, in io.Reader, mark []string, f func(r *nistReader)) error {
	r := &nistReader{fields: make(map[string]string), own: make(map[string]bool)}
	end := func() {
		for _, m := range mark {
			if !r.own[m] {
				return
			}
		}
		s.Total++
		f(r)
		clear(r.own)
	}
	scan := bufio.NewScanner(in)
	scan.Buffer(nil, 1<<22)
	for n := 1; scan.Scan(); n++ {
		line := strings.TrimSpace(scan.Text())
		inside, header := strings.CutPrefix(line, "[")
		switch {
		case strings.HasPrefix(line, "#"):
			continue
		case line == "":
			end()
			clear(r.own)
			continue
		case header:
			end()
			r.header(strings.TrimSuffix(inside, "]"))
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if name, value = strings.TrimSpace(name), strings.TrimSpace(value); !ok {
			value = ""
		}
		if name == "key" || name == "plaintext" || name == "ciphertext" {
			name = strings.ToUpper(name)
		}
		if r.own[name] { // files without empty lines
			end()
		}
		if len(r.own) == 0 {
			r.at = fmt.Sprintf("%s:%d", s.Name, n)
		}
		r.own[name], r.fields[name] = true, value
	}
	end()
	if r.err == nil {
		r.err = scan.Err()
	}
	return r.err
}

// header reads what stands between square brackets: a list of fields, or a name, which is kept as "section".
func (r *nistReader) header(text string) {
	if !strings.ContainsAny(text, "=:") {
		if r.fields["section"] = text; len(text) > 2 && text[1] == '-' {
			r.fields["curve"] = text
		}
		return
	}
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		if i := strings.Index(part, ":"); i >= 0 {
			name, value = part[:i], part[i+1:]
		}
		r.fields[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	r.fields["header"] = text
}

// A nistRow says what is done with the files of a pattern, as the table for Wycheproof does. A pattern that ends in /** is
// a directory with all below it.
type nistRow struct {
	files, family string
	mark          []string // the fields of a stanza that is a vector
	load          func(s *Suite, r *nistReader)
	whole         func(s *Suite, in io.Reader) error // for files of another form
	reason        string
}

func (row *nistRow) fits(name string) bool {
	if dir, ok := strings.CutSuffix(row.files, "/**"); ok {
		return strings.HasPrefix(name, dir+"/")
	}
	ok, err := path.Match(row.files, name)
	return ok && err == nil
}

// NISTFiles are the names of all files of the package that are no programs.
func NISTFiles(fsys fs.FS) (names []string, err error) {
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasSuffix(name, ".py") && !strings.HasSuffix(name, ".pyc") {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

// LoadNIST makes cases of a file. A file that the table does not name is an error.
func LoadNIST(fsys fs.FS, name string) (*Suite, error) {
	for i := range nistTable {
		row := &nistTable[i]
		if !row.fits(name) {
			continue
		}
		s := &Suite{Name: name, Family: row.family, Reason: row.reason, Mixed: true}
		if row.reason != "" {
			return s, nil
		}
		f, err := fsys.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // read only
		if row.whole != nil {
			err = row.whole(s, f)
		} else {
			err = nistStanzas(s, f, row.mark, func(r *nistReader) {
				if row.load(s, r); r.err == nil && len(s.Cases) == 0 && len(s.Omitted) == 0 && len(s.Monte) == 0 {
					r.keep(fmt.Errorf("no case"))
				}
			})
		}
		if err == nil && s.Total == 0 {
			err = fmt.Errorf("%s: no vectors", name)
		}
		return s, err
	}
	return nil, fmt.Errorf("%s: the table of files does not say what to do with it", name)
}

// A Monte is a chain of hashes, of which every thousandth is told: those of SHA-3 hash the last, the older ones the last three.
type Monte struct {
	At        string
	Mechanism ck.MechanismType
	Three     bool
	Value     []byte // of the last that was told, or the seed
	Want      []byte
}
