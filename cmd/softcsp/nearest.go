package main

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// People write words differently: CKM_AES_GCM, aes-gcm, AESGCM. What can only be one word is that word; of what is none, an error says what
// is near.

// plainWord is a word without its case, the prefix of the standard's names, and all that is neither letter nor digit.
func plainWord(s string) string {
	const prefix = len("CKM_")
	if len(s) > prefix && strings.EqualFold(s[:2], "CK") && (s[prefix-1] == '_' || s[prefix-1] == '-') {
		s = s[prefix:]
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}

// wordMeant returns the one of the words that somebody has written, in whatever way, "" if it is none or could be several.
func wordMeant(given string, words []string) string {
	if slices.Contains(words, given) {
		return given
	}
	meant := ""
	for _, w := range words {
		switch {
		case plainWord(w) != plainWord(given):
		case meant != "":
			return ""
		default:
			meant = w
		}
	}
	return meant
}

// nearest returns the words that somebody may have meant by another one, the nearest first.
func nearest(given string, words []string) []string {
	type candidate struct {
		word    string
		by, far int
	}
	var list []candidate
	g := plainWord(given)
	for _, w := range words {
		p := plainWord(w)
		if by, near := resemble(g, p); near {
			list = append(list, candidate{w, by, max(len(p)-len(g), len(g)-len(p))})
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Or(a.by-b.by, a.far-b.far) })
	const most = 4
	var near []string
	for _, c := range list[:min(len(list), most)] {
		if best := list[0].by; c.by > best && (best == 0 || c.by > best+1) {
			break // it is far, beside what is near
		}
		near = append(near, c.word)
	}
	return near
}

// resemble says how far two words are apart, and whether one may be meant by the other: one letter, one that goes on or begins before, or a few letters.
func resemble(given, word string) (by int, near bool) {
	const few = 3 // letters that words have in common by chance
	d := distance(given, word)
	switch {
	case d == 0:
		return 0, true
	case len(given) < few:
		return 1, d == 1 && len(word) > 1
	case d == 1:
		return 1, true
	case strings.HasPrefix(word, given):
		return 2, true
	case strings.Contains(word, given), len(word) > few && strings.HasPrefix(given, word):
		return 3, true
	}
	return 2 + d, d <= 1+len(given)/6
}

// distance is how many letters have to be added, left out, changed or swapped with the next to make one word of another.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			changed := row[j]
			if a[i] != b[j] {
				changed++
			}
			next[j+1] = min(changed, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// notAWord is the error for a word that is none of those that a flag takes. A long list of them is left to the command that see names.
func notAWord(what, given string, words []string, see string) error {
	const few, short = 6, 200 // words, characters
	all := strings.Join(words, ", ")
	near := nearest(given, words)
	switch {
	case len(words) > few && len(near) > 0 && see != "":
		return misuse("%s is %q; did you mean %s?\nsee what there is with: %s", what, given, either(near), see)
	case len(words) > few && len(near) > 0:
		return misuse("%s is %q; did you mean %s?", what, given, either(near))
	case len(all) > short && see != "":
		return misuse("%s is %q, which it cannot be\nsee what there is with: %s", what, given, see)
	}
	return misuse("%s is %q, but can be %s", what, given, either(words))
}

// either writes words as one of which there is a choice: "a, b or c".
func either(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// oneOf returns the word that a flag is given, of those that it takes.
func oneOf(flag, given string, words ...string) (string, error) {
	if meant := wordMeant(given, words); meant != "" {
		return meant, nil
	}
	return "", notAWord("--"+flag, given, words, "")
}
