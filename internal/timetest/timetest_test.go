package timetest

import (
	"math"
	"testing"
	"time"
)

// TestCompared tells a difference of a twentieth from none.
func TestCompared(t *testing.T) {
	var same, apart [2][]float64
	for i := range 1000 {
		noise := float64(i*7919%1000) / 10
		same[0], same[1] = append(same[0], 1000+noise), append(same[1], 1000+noise)
		apart[0], apart[1] = append(apart[0], 1000+noise), append(apart[1], 1050+noise)
	}
	if d, welch := compared(same); d != 0 || welch != 0 {
		t.Errorf("the same: %v ns, t = %v", d, welch)
	}
	if d, welch := compared(apart); math.Abs(d-50) > 1e-6 || welch < most {
		t.Errorf("apart: %v ns, t = %v", d, welch)
	}
}

// TestMeasured sees which of two takes longer.
func TestMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	d, welch := compared(measured(func(which int) {
		for start := time.Now(); which == 1 && time.Since(start) < 20*time.Microsecond; {
		}
	}))
	if d < 10000 || welch < most {
		t.Errorf("%v ns, t = %v", d, welch)
	}
}
