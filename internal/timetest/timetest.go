// Package timetest measures, for tests, whether what is secret can be seen from how long a call takes.
package timetest

import (
	"crypto/rand"
	"math"
	"os"
	"slices"
	"testing"
	"time"
)

const (
	samples = 10000
	most    = 5  // of Welch's t
	least   = 50 // nanoseconds: less is not told apart from differences of where code and data lie
	tries   = 3  // noise can be anything once
)

// Alike fails the test if f(0) and f(1) take different times: by Welch's t of samples that were taken in turn, without the slowest tenth. It takes a
// while, and skips the test outside of long runs (SOFTCSP_LONG).
func Alike(t *testing.T, name string, f func(which int)) {
	t.Helper()
	if os.Getenv("SOFTCSP_LONG") == "" {
		t.Skip("long: SOFTCSP_LONG=1")
	}
	for try := 1; ; try++ {
		d, welch := compared(measured(f))
		t.Logf("%s: %+.0f ns, t = %.1f at 2 x %d", name, d, welch, samples)
		if math.Abs(welch) < most || math.Abs(d) < least {
			return
		}
		if try == tries {
			t.Errorf("%s: the one takes another time than the other: t = %.1f", name, welch)
			return
		}
	}
}

// measured returns how long each took, in nanoseconds. Which of the two comes first is drawn.
func measured(f func(which int)) (times [2][]float64) {
	var order [samples]byte
	rand.Read(order[:]) //nolint:errcheck // it does not fail
	for _, o := range order {
		for i := range 2 {
			which := (i + int(o)) & 1
			start := time.Now()
			f(which)
			times[which] = append(times[which], float64(time.Since(start)))
		}
	}
	return times
}

// compared returns the difference of the means, and Welch's t.
func compared(times [2][]float64) (difference, t float64) {
	var mean, spread [2]float64
	for i, x := range times {
		slices.Sort(x)
		x = x[:len(x)*9/10]
		for _, v := range x {
			mean[i] += v / float64(len(x))
		}
		for _, v := range x {
			spread[i] += (v - mean[i]) * (v - mean[i]) / float64(len(x)-1) / float64(len(x))
		}
	}
	difference = mean[1] - mean[0]
	return difference, difference / math.Sqrt(spread[0]+spread[1])
}
