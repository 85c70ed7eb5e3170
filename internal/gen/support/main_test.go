package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

const root = "../../.."

// TestGenerated fails when a document is not what the code says.
func TestGenerated(t *testing.T) {
	for _, o := range outputs {
		want, err := o.write(root)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(root, o.path))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not up to date: run go run ./internal/gen", o.path)
		}
	}
}

func TestFunctions(t *testing.T) {
	supported, legacy, unsupported := functions()
	if n := len(supported) + len(legacy) + len(unsupported); n != 104 {
		t.Errorf("%d functions", n)
	}
	if !slices.Equal(legacy, []string{"C_CancelFunction", "C_GetFunctionStatus"}) {
		t.Errorf("legacy: %v", legacy)
	}
	for _, name := range []string{"C_Initialize", "C_DeriveKey", "C_GetInterface"} {
		if !slices.Contains(supported, name) {
			t.Errorf("%s is not supported", name)
		}
	}
}

// TestPeers holds the counts that the peers' sources have.
func TestPeers(t *testing.T) {
	all, lacking, err := readPeers()
	if err != nil {
		t.Fatal(err)
	}
	functions := map[byte]int{'S': 58, 'K': 83, 'N': 83, 'O': 76, 'B': 68}
	for _, p := range peers {
		n := 104
		for name, who := range lacking {
			if !slices.Contains(allFunctions(), name) {
				t.Errorf("no function %s", name)
			}
			if bytes.IndexByte([]byte(who), p.letter) >= 0 {
				n--
			}
		}
		if n != functions[p.letter] {
			t.Errorf("%s has %d functions, want %d", p.name, n, functions[p.letter])
		}
	}
	shared := 0
	for _, m := range all {
		if name, ok := ck.ParseMechanismType(m.name); !m.vendor && (!ok || name != m.number) {
			t.Errorf("%s is %#x here, and %#x with peers", m.name, uint(name), uint(m.number))
		}
		if !m.vendor && len(m.who) > 1 {
			shared++
		}
	}
	if shared != 214 {
		t.Errorf("two or more share %d mechanisms, want 214", shared)
	}
}

func allFunctions() []string {
	supported, legacy, unsupported := functions()
	return slices.Concat(supported, legacy, unsupported)
}
