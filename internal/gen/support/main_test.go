package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const root = "../../.."

// TestGenerated fails when the document is not what the code says.
func TestGenerated(t *testing.T) {
	want, err := document(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not up to date: run go run ./internal/gen", path)
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
