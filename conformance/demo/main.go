// Command demo shows the main job of softcsp on a token that it throws away: a key derived from a password as Windows
// derives it, in a token, kept sealed, used from a second process, refused to whoever asks for its bytes, and good for
// opening a document that another program encrypted.
//
// It goes through the built library, and through the command line for what PKCS#11 has no words for. It says what it does
// and sees, and fails if anything is not as it should be.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// The PINs of the token that is thrown away.
const (
	soPIN   = "8765-4321"
	userPIN = "one-two-three"
)

// password is the password of Microsoft's sample.
const password = "apple-camshaft"

// A demo is one run.
type demo struct {
	module, cli string // the library and the command line
	dir         string // of everything, removed at the end
	failed      int
}

// step says what comes.
func (d *demo) step(format string, args ...any) { fmt.Printf("\n"+format+"\n", args...) }

// saw says what was seen, and whether it is as it should be.
func (d *demo) saw(ok bool, format string, args ...any) {
	mark := "ok  "
	if !ok {
		mark = "FAIL"
		d.failed++
	}
	fmt.Printf("  %s  %s\n", mark, fmt.Sprintf(format, args...))
}

func (d *demo) tokens() string { return filepath.Join(d.dir, "tokens") }

// run does all of it. What cannot go on is an error; what is wrong is counted.
func (d *demo) run() error {
	if err := d.makeToken(); err != nil {
		return err
	}
	for _, part := range []func(*session) error{d.sample, d.sealed, d.office} {
		s, err := d.open(userPIN)
		if err != nil {
			return err
		}
		err = part(s)
		s.close()
		if err != nil {
			return err
		}
	}
	if d.failed > 0 {
		return fmt.Errorf("%d things are not as they should be", d.failed)
	}
	return nil
}

func start() error {
	d := &demo{}
	flag.StringVar(&d.module, "module", "", "the library")
	flag.StringVar(&d.cli, "cli", "", "the command line")
	flag.StringVar(&d.dir, "second", "", "be the second process, for the token below this directory")
	flag.Parse()
	if d.dir != "" {
		return d.second()
	}
	if d.module == "" || d.cli == "" {
		return errors.New("usage: demo -module libsoftcsp.so -cli softcsp")
	}
	dir, err := os.MkdirTemp("", "softcsp-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d.dir = dir
	if err := d.run(); err != nil {
		return err
	}
	fmt.Println("\nAll of it is as it should be. The token is thrown away.")
	return nil
}

func main() {
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}
