package conformance

import (
	"slices"
	"testing"
)

// table runs a check that is no script.
func (m target) table(t *testing.T, name string) Result {
	t.Helper()
	i := slices.IndexFunc(tableChecks, func(c Check) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("there is no check %q", name)
	}
	r := Result{Check: tableChecks[i]}
	if err := r.run(m.script(t), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// passes wants a table to pass, with at least so many calls.
func passes(t *testing.T, name string, least int) {
	t.Helper()
	r := module.table(t, name)
	for _, f := range r.Failures {
		t.Errorf("%s: %s", f.Call, f.Text)
	}
	if r.Passed < least {
		t.Errorf("only %d calls", r.Passed)
	}
}

// TestNotInitialized calls every function before C_Initialize.
func TestNotInitialized(t *testing.T) {
	t.Parallel()
	passes(t, "notinitialized", 60)
}

// TestNulls calls every function with every choice of NULL for its pointers.
func TestNulls(t *testing.T) {
	t.Parallel()
	only(t)
	slow(t)
	passes(t, "nulls", 500)
}

// TestSessionFirst calls every function that takes a session with the handle of none.
func TestSessionFirst(t *testing.T) {
	t.Parallel()
	only(t)
	passes(t, "sessionfirst", 1000)
}
