package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// counts are the numbers of threads that the stopwatch has call together.
var counts = []int{1, 2, 4, 8, 16}

// togetherRows are what threads do together, each in a session of its own, with the same token keys.
var togetherRows = []row{
	{op: "gcm-16-token", title: "AES-256-GCM, 16 bytes"},
	{op: "gcm-1k-token", title: "AES-256-GCM, 1 KiB"},
	{op: "cbc-16-token", title: "AES-256-CBC-PAD, 16 bytes"},
	{op: "hmac-32-token", title: "HMAC-SHA-256, 32 bytes"},
	{op: "sha256-32", title: "SHA-256, 32 bytes"},
	{op: "find-known", title: "find by label, a known key"},
	{op: "random-32", title: "32 random bytes"},
	{op: "session", title: "session open and close"},
	{op: "p256-sign-token", title: "ECDSA P-256, sign"},
	{op: "rsa-2048-sign-token", title: "RSA-2048, SHA-256, sign"},
	{op: "rsa-2048-verify-token", title: "RSA-2048, SHA-256, verify"},
	{op: "create-token", title: "token secret key, create, durable (1)"},
	{op: "object-token", title: "token secret key, create and destroy, durable (1)"},
}

// A crowd is what threads of one module do together: calls a second of all of them, and how many times what one does. A module that does
// not have the operation has no line.
type crowd struct {
	Operation string    `json:"operation"`
	Title     string    `json:"title"`
	Module    string    `json:"module"`
	Threads   []int     `json:"threads"`
	Rates     []float64 `json:"calls_a_second"`
	Factors   []float64 `json:"factors"`
}

// together turns what was measured into a table. Of each number of threads it takes the best round, and the factor is of best to best.
func (b *bench) together(modules []*module) []crowd {
	var out []crowd
	for _, r := range togetherRows {
		for _, m := range modules {
			t := crowd{Operation: r.op, Title: r.title, Module: m.name, Threads: counts}
			for _, n := range counts {
				s := summarise(b.results[series{m.name, fmt.Sprintf("%s@%d", r.op, n), 0}], true)
				t.Rates = append(t.Rates, s.best)
				t.Factors = append(t.Factors, ratio(s.best, t.Rates[0]))
			}
			if t.Rates[0] > 0 {
				out = append(out, t)
			}
		}
	}
	return out
}

func printTogether(w io.Writer, lines []crowd) {
	fmt.Fprintf(w, "\nThreads together, each in a session of its own, with the same token keys: calls a second of all, and how many times one thread's.\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := []string{"operation", "module", "1 thread"}
	for _, n := range counts[1:] {
		head = append(head, fmt.Sprintf("%d threads", n), "")
	}
	fmt.Fprintln(t, strings.Join(head, "\t"))
	for _, l := range lines {
		cells := []string{l.Title, l.Module, digits(l.Rates[0])}
		for i := 1; i < len(counts); i++ {
			cells = append(cells, digits(l.Rates[i]), fmt.Sprintf("%.2f", l.Factors[i]))
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	t.Flush()
}
