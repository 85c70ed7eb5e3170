// Command compare times softcsp beside SoftHSM2 and prints a table with the limits that softcsp keeps to.
//
// Each module runs in a process of its own, on a fresh token of its own, and the modules take turns in rounds, because the
// machine is shared: what counts is the ratio of two numbers taken in the same minute. Being slow is not an error. A call
// that fails is, and so is a result in which the two modules differ.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// A plan is how much is measured.
type plan struct {
	rounds        int     // turns of each module
	seconds       float64 // for each operation in each round
	keys          [2]int  // tokens with few and with many keys
	peerKeys      int     // what SoftHSM2 has instead of many
	coldRounds    int
	peerFillLimit float64 // seconds
}

var (
	whole = plan{rounds: 15, seconds: 0.04, keys: [2]int{100, 10000}, peerKeys: 1000, coldRounds: 7, peerFillLimit: 40}
	quick = plan{rounds: 4, seconds: 0.02, keys: [2]int{100, 2000}, peerKeys: 300, coldRounds: 3, peerFillLimit: 10}
)

func main() {
	stopwatch := flag.String("stopwatch", "build/stopwatch", "the compiled stopwatch")
	softcsp := flag.String("softcsp", "build/libsoftcsp.so", "the softcsp module")
	softhsm := flag.String("softhsm", "/usr/lib/softhsm/libsofthsm2.so", "the SoftHSM2 module")
	short := flag.Bool("quick", false, "fewer rounds and fewer keys")
	jsonFile := flag.String("json", "", "also write the results to this `file`")
	dir := flag.String("dir", "", "make the temporary tokens below this `directory`")
	flag.Parse()
	p := whole
	if *short {
		p = quick
	}
	// Who interrupts the measurement is not left with its tokens.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *stopwatch, *softcsp, *softhsm, *dir, *jsonFile, p); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, stopwatch, softcsp, softhsm, parent, jsonFile string, p plan) error {
	dir, err := os.MkdirTemp(parent, "softcsp-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, file := range []*string{&stopwatch, &softcsp, &softhsm} {
		if *file, err = filepath.Abs(*file); err != nil {
			return err
		}
	}
	b := &bench{ctx: ctx, stopwatch: stopwatch, dir: dir, results: make(results), plan: p}
	modules := []*module{{name: ours, path: softcsp}, {name: peer, path: softhsm}}
	if err := b.operations(modules); err != nil {
		return err
	}
	if err := b.scale(modules); err != nil {
		return err
	}
	lines := b.lines()
	printTable(os.Stdout, b, lines)
	if jsonFile == "" {
		return nil
	}
	text, err := json.MarshalIndent(lines, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(jsonFile, append(text, '\n'), 0o644)
}
