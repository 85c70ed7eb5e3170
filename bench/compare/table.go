package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
)

// A row is one operation of the table and the limit that softcsp keeps to, if there is one.
type row struct {
	op, title string
	atMost    float64 // microseconds
	ofPeer    float64 // times what SoftHSM2 takes
	ofFew     float64 // with many keys, times what it takes with few
	scale     bool    // once with few keys, once with many
}

// rows is the table. The operations are those of ops.c and scale.c.
var rows = []row{
	{op: "derive-base", title: "CryptDeriveKey, MD5 to RC2-128, from a session key; destroy", atMost: 4},
	{op: "derive-digest", title: "CryptDeriveKey, MD5 to RC2-128, digest and all; destroy"},
	{op: "gcm-16-session", title: "AES-256-GCM, 16 bytes, session key", ofPeer: 0.1},
	{op: "gcm-16-token", title: "AES-256-GCM, 16 bytes, token key", ofPeer: 0.1},
	{op: "gcm-1k-session", title: "AES-256-GCM, 1 KiB, session key", ofPeer: 0.1},
	{op: "gcm-1k-token", title: "AES-256-GCM, 1 KiB, token key", ofPeer: 0.1},
	{op: "hmac-32-session", title: "HMAC-SHA-256, 32 bytes, session key", ofPeer: 0.1},
	{op: "hmac-32-token", title: "HMAC-SHA-256, 32 bytes, token key", ofPeer: 0.1},
	{op: "object-session", title: "session secret key, create and destroy", ofPeer: 0.1},
	{op: "object-token", title: "token secret key, create and destroy, durable (1)", ofPeer: 0.25},
	{op: "find-label", title: "find by label, warm", ofFew: 2, scale: true},
	{op: "find-id", title: "find by id, warm", ofFew: 2, scale: true},
	{op: "find-new-label", title: "find by label, a key not looked for before", ofFew: 2, scale: true},
	{op: "find-new-id", title: "find by id, a key not looked for before", ofFew: 2, scale: true},
	{op: "find-first-label", title: "find by label, first of the process", ofFew: 2, scale: true},
	{op: "find-first-id", title: "find by id, first of the process", ofFew: 2, scale: true},
	{op: "cold", title: "cold start to first result (2)", ofFew: 2, scale: true},
	{op: "derive-data", title: "AES_ECB_ENCRYPT_DATA, 32 bytes; destroy"},
	{op: "wrap", title: "AES key wrap of 16 bytes"},
	{op: "unwrap", title: "AES key unwrap of 16 bytes; destroy"},
	{op: "sha256-32", title: "SHA-256, 32 bytes"},
	{op: "sha256-1k", title: "SHA-256, 1 KiB"},
	{op: "sha256-1m", title: "SHA-256, 1 MiB"},
	{op: "cbc-16", title: "AES-256-CBC-PAD, 16 bytes, session key"},
	{op: "cbc-1k", title: "AES-256-CBC-PAD, 1 KiB, session key"},
	{op: "cbc-64k", title: "AES-256-CBC-PAD, 64 KiB, session key"},
	{op: "cbc-1m", title: "AES-256-CBC-PAD, 1 MiB, session key"},
	{op: "rsa-2048-sign", title: "RSA-2048, SHA-256, sign, session key"},
	{op: "rsa-2048-sign-token", title: "RSA-2048, SHA-256, sign, token key"},
	{op: "rsa-2048-verify", title: "RSA-2048, SHA-256, verify, session key"},
	{op: "rsa-3072-sign", title: "RSA-3072, SHA-256, sign, session key"},
	{op: "rsa-3072-verify", title: "RSA-3072, SHA-256, verify, session key"},
	{op: "rsa-4096-sign", title: "RSA-4096, SHA-256, sign, session key"},
	{op: "rsa-4096-verify", title: "RSA-4096, SHA-256, verify, session key"},
	{op: "p256-sign", title: "ECDSA P-256, sign, session key"},
	{op: "p256-sign-token", title: "ECDSA P-256, sign, token key"},
	{op: "p256-verify", title: "ECDSA P-256, verify, session key"},
	{op: "ed25519-sign", title: "Ed25519, sign, session key"},
	{op: "ed25519-verify", title: "Ed25519, verify, session key"},
	{op: "ecdh-p256", title: "ECDH P-256, session key; destroy"},
	{op: "generate-rsa-2048", title: "RSA-2048, generate in the session; destroy"},
	{op: "generate-p256", title: "P-256, generate in the session; destroy"},
	{op: "generate-aes-256", title: "AES-256, generate in the session; destroy"},
	{op: "random-32", title: "32 random bytes"},
	{op: "session", title: "session open and close"},
	{op: "token-info", title: "C_GetTokenInfo"},
	{op: "session-info", title: "C_GetSessionInfo"},
}

// A line is a row with its numbers, microseconds. A number that is missing is 0. The ratio is to the faster of the others.
type line struct {
	Operation   string  `json:"operation"`
	Title       string  `json:"title"`
	Keys        int     `json:"keys,omitempty"`
	PeerKeys    int     `json:"softhsm2_keys,omitempty"`
	Best        float64 `json:"softcsp"`
	Median      float64 `json:"softcsp_median"`
	Least       float64 `json:"softcsp_least"`
	PeerBest    float64 `json:"softhsm2,omitempty"`
	PeerMedian  float64 `json:"softhsm2_median,omitempty"`
	PeerLeast   float64 `json:"softhsm2_least,omitempty"`
	ThirdBest   float64 `json:"nss,omitempty"`
	ThirdMedian float64 `json:"nss_median,omitempty"`
	ThirdLeast  float64 `json:"nss_least,omitempty"`
	Ratio       float64 `json:"ratio,omitempty"`
	MedianRatio float64 `json:"median_ratio,omitempty"`
	Limit       string  `json:"limit,omitempty"`
	Met         *bool   `json:"met,omitempty"`
}

// A summary is what is left of the rounds: the best round's median, the median of all rounds' medians, and the shortest
// call of all.
type summary struct{ best, median, least float64 }

func summarise(samples []sample, rate bool) summary {
	if len(samples) == 0 {
		return summary{}
	}
	medians := make([]float64, len(samples))
	s := summary{least: samples[0].least}
	for i, v := range samples {
		medians[i] = v.median
		s.least = min(s.least, v.least)
	}
	slices.Sort(medians)
	s.best, s.median = medians[0], medians[len(medians)/2]
	if rate {
		s.best, s.least = medians[len(medians)-1], medians[0]
		return s
	}
	const micro = 1000
	return summary{s.best / micro, s.median / micro, s.least / micro}
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// faster is the less of two times. One that is missing is 0.
func faster(a, b float64) float64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// lines turns what was measured into the table.
func (b *bench) lines() []line {
	var out []line
	for _, r := range rows {
		if !r.scale {
			out = append(out, b.line(r, 0))
			continue
		}
		few, many := b.line(r, b.keys[0]), b.line(r, b.keys[1])
		few.PeerKeys, many.PeerKeys = few.Keys, b.peerMany
		grown := ratio(many.Best, few.Best)
		many.limit(fmt.Sprintf("%.2f of %d keys', <= %g", grown, few.Keys, r.ofFew), grown > 0 && grown <= r.ofFew)
		out = append(out, few, many)
	}
	return out
}

func (b *bench) line(r row, keys int) line {
	s := summarise(b.results[series{ours, r.op, keys}], false)
	p := summarise(b.results[series{peer, r.op, keys}], false)
	n := summarise(b.results[series{third, r.op, keys}], false)
	l := line{
		Operation: r.op, Title: r.title, Keys: keys, Best: s.best, Median: s.median, Least: s.least,
		PeerBest: p.best, PeerMedian: p.median, PeerLeast: p.least, ThirdBest: n.best, ThirdMedian: n.median, ThirdLeast: n.least,
		Ratio: ratio(s.best, faster(p.best, n.best)), MedianRatio: ratio(s.median, faster(p.median, n.median)),
	}
	switch {
	case r.atMost > 0:
		l.limit(fmt.Sprintf("<= %g us", r.atMost), l.Best > 0 && l.Best <= r.atMost)
	case r.ofPeer > 0:
		of := ratio(s.best, p.best)
		l.limit(fmt.Sprintf("<= %g of SoftHSM2's", r.ofPeer), of > 0 && of <= r.ofPeer)
	}
	return l
}

func (l *line) limit(text string, met bool) { l.Limit, l.Met = text, &met }

// digits prints three digits or more.
func digits(v float64) string {
	switch {
	case v == 0:
		return "-"
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func printTable(w io.Writer, b *bench, lines []line) {
	fmt.Fprintf(w, "%d processors, %s/%s. Microseconds of a call: the best round's median, and the median of %d rounds'.\n",
		runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, b.rounds)
	fmt.Fprintf(w, "The ratio is of best to best, to the faster of the others; below 1 softcsp is faster.\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := []string{"operation", ours, "median", peer, "median"}
	if b.third {
		head = append(head, third, "median")
	}
	fmt.Fprintln(t, strings.Join(append(head, "ratio", "limit", "met"), "\t"))
	for _, l := range lines {
		title, met := l.Title, ""
		if l.Keys > 0 {
			title += fmt.Sprintf(", %d keys", l.Keys)
		}
		if l.PeerKeys != l.Keys {
			title += fmt.Sprintf(" (SoftHSM2: %d)", l.PeerKeys)
		}
		if l.Met != nil {
			met = map[bool]string{true: "yes", false: "NO"}[*l.Met]
		}
		rel := "-"
		if l.Ratio > 0 {
			rel = fmt.Sprintf("%.2g", l.Ratio)
		}
		cells := []string{title, digits(l.Best), digits(l.Median), digits(l.PeerBest), digits(l.PeerMedian)}
		if b.third {
			cells = append(cells, digits(l.ThirdBest), digits(l.ThirdMedian))
		}
		fmt.Fprintln(t, strings.Join(append(cells, rel, l.Limit, met), "\t"))
	}
	t.Flush()
	fmt.Fprintf(w, "\n(1) softcsp waits for the disk before it answers; SoftHSM2 does not.\n")
	fmt.Fprintf(w, "(2) dlopen to the first ciphertext, in a fresh process, on a token whose PIN costs softcsp the least (kdf = \"test\").\n")
	if b.peerMany < b.keys[1] {
		fmt.Fprintf(w, "SoftHSM2 takes longer with each key: it was given %d keys instead of %d.\n", b.peerMany, b.keys[1])
	}
	var fs syscall.Statfs_t
	const tmpfs = 0x01021994
	if syscall.Statfs(b.dir, &fs) == nil && fs.Type == tmpfs {
		fmt.Fprintf(w, "The tokens lay in memory (tmpfs): nothing of (1) was durable. Choose a directory on a disk with --dir.\n")
	}
	if g := geometricMean(lines); g > 0 {
		fmt.Fprintf(w, "The geometric mean of all ratios is %.2f.\n", g)
	}
	if missed := missed(lines); len(missed) > 0 {
		fmt.Fprintf(w, "Limits missed: %s.\n", strings.Join(missed, ", "))
	}
}

// geometricMean is that of the ratios there are.
func geometricMean(lines []line) float64 {
	sum, n := 0.0, 0
	for _, l := range lines {
		if l.Ratio > 0 {
			sum += math.Log(l.Ratio)
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return math.Exp(sum / float64(n))
}

func missed(lines []line) []string {
	var out []string
	for _, l := range lines {
		if l.Met != nil && !*l.Met {
			out = append(out, l.Operation)
		}
	}
	return out
}
