// Command compare times softcsp beside SoftHSM2, and NSS where it is there, and prints a table with the limits that softcsp keeps to.
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

	togetherRounds  int     // turns with several threads
	togetherSeconds float64 // for each operation and number of threads
}

var (
	whole = plan{rounds: 15, seconds: 0.04, keys: [2]int{100, 10000}, peerKeys: 1000, coldRounds: 7, peerFillLimit: 40, togetherRounds: 5, togetherSeconds: 0.1}
	quick = plan{rounds: 4, seconds: 0.02, keys: [2]int{100, 2000}, peerKeys: 300, coldRounds: 3, peerFillLimit: 10, togetherRounds: 2, togetherSeconds: 0.03}
)

func main() {
	stopwatch := flag.String("stopwatch", "build/stopwatch", "the compiled stopwatch")
	softcsp := flag.String("softcsp", "build/libsoftcsp.so", "the softcsp module")
	softhsm := flag.String("softhsm", "/usr/lib/softhsm/libsofthsm2.so", "the SoftHSM2 module")
	nss := flag.String("nss", "", "the softoken module of NSS, if it shall be timed too")
	short := flag.Bool("quick", false, "fewer rounds and fewer keys")
	objects := flag.Bool("scale", false, "measure what depends on the number of objects, and draw charts")
	cli := flag.String("cli", "build/softcsp", "the command softcsp")
	jsonFile := flag.String("json", "", "also write the results to this `file`")
	dir := flag.String("dir", "", "make the temporary tokens below this `directory`")
	flag.Parse()
	p, s := whole, wholeObjects
	if *short {
		p, s = quick, quickObjects
	}
	// Who interrupts the measurement is not left with its tokens.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	modules := []*module{{ours, *softcsp, "bench"}, {peer, *softhsm, "bench"}}
	if *nss != "" {
		modules = append(modules, &module{third, *nss, "NSS Certificate DB"})
	}
	err := start(ctx, *stopwatch, *dir, modules, func(b *bench) error {
		if *objects {
			// NSS is here for its operations.
			return runObjects(ctx, b, modules[:2], s, *cli, *jsonFile)
		}
		b.plan = p
		return run(b, modules, *jsonFile)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// start makes the directory of the tokens, calls f, and removes the directory.
func start(ctx context.Context, stopwatch, parent string, modules []*module, f func(*bench) error) error {
	dir, err := os.MkdirTemp(parent, "softcsp-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{ctx: ctx, dir: dir, results: make(results), third: len(modules) > 2}
	if b.stopwatch, err = filepath.Abs(stopwatch); err != nil {
		return err
	}
	for _, m := range modules {
		if m.path, err = filepath.Abs(m.path); err != nil {
			return err
		}
	}
	return f(b)
}

func run(b *bench, modules []*module, jsonFile string) error {
	if err := b.operations(modules); err != nil {
		return err
	}
	if err := b.scale(modules[:2]); err != nil {
		return err
	}
	lines, together := b.lines(), b.together(modules)
	printTable(os.Stdout, b, lines)
	printTogether(os.Stdout, together)
	if jsonFile == "" {
		return nil
	}
	return writeJSON(jsonFile, struct {
		Operations []line  `json:"operations"`
		Together   []crowd `json:"together"`
	}{lines, together})
}

func writeJSON(file string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
