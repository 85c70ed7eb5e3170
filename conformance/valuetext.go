package conformance

import (
	"encoding/hex"
	"fmt"
	"math/bits"
	"regexp"
	"strconv"
	"strings"

	"github.com/softcsp/softcsp/internal/attrtext"
)

// comparisons are those of expect, for people.
var comparisons = map[string]string{"=": "it to be", "!=": "it not to be", "has": "it to have", "lacks": "it to lack", ">=": "at least", "<=": "at most"}

// unavailable is the length of what a token does not tell.
const unavailable = "CK_UNAVAILABLE_INFORMATION"

// decimal writes a CK_ULONG. What is a flag of the vendor's, or garbage, is easier to tell in base 16.
func decimal(n uint64) string {
	switch {
	case n == ^uint64(0):
		return unavailable
	case n >= 1<<31:
		return fmt.Sprintf("%#x", n)
	}
	return strconv.FormatUint(n, 10)
}

var constantRE = regexp.MustCompile(`^(CK[A-Z]_|CKU?F_)[A-Z0-9_]+$`)

// numberText writes a number that was compared with a word: by its name where the word is one.
func (t *tables) numberText(word string, n uint64) string {
	first, _, _ := strings.Cut(word, "|")
	m := constantRE.FindStringSubmatch(first)
	switch {
	case m == nil:
		return decimal(n)
	case m[1] == "CKF_":
		return t.flagText(n)
	}
	return t.name(m[1], n)
}

// flagText writes flags: the bits, since which names they have depends on where they stand.
func (t *tables) flagText(n uint64) string {
	if n == 0 {
		return "0 (no flag)"
	}
	return fmt.Sprintf("%#x (%d flags)", n, bits.OnesCount64(n))
}

// wanted writes the number that a word stands for, with the word where that says more.
func (t *tables) wanted(word string, n uint64) string {
	text := decimal(n)
	if _, err := strconv.ParseUint(word, 0, 64); err == nil || text == word {
		return text
	}
	return fmt.Sprintf("%s (%s)", word, text)
}

// mostBytes is how many bytes of a value are shown.
const mostBytes = 48

// bytesText writes bytes.
func bytesText(b []byte) string {
	switch {
	case len(b) == 0:
		return "empty"
	case len(b) > mostBytes:
		return fmt.Sprintf("%s… (%d bytes)", hex.EncodeToString(b[:mostBytes]), len(b))
	}
	return hex.EncodeToString(b)
}

// attributeText writes the value of an attribute: numbers in base 10 or by their name, and no order of bytes to puzzle over.
func (t *tables) attributeText(name string, b []byte) string {
	typ, err := attrtext.ParseName(name)
	switch {
	case len(b) == 0:
		return "empty"
	case err != nil || attrtext.FormOf(typ) == attrtext.Bytes:
		return bytesText(b)
	case attrtext.FormOf(typ) == attrtext.Text:
		return strconv.Quote(string(b))
	case attrtext.FormOf(typ) == attrtext.Number && len(b) != 8:
		return fmt.Sprintf("%s, which is no CK_ULONG of 8 bytes", bytesText(b))
	case attrtext.FormOf(typ) == attrtext.Bool && len(b) == 1 && b[0] > 1:
		return fmt.Sprintf("%#02x, which is neither CK_TRUE nor CK_FALSE", b[0])
	}
	return attrtext.Format(typ, b)
}
