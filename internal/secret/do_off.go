//go:build !goexperiment.runtimesecret

package secret

// Do runs f.
func Do(f func()) { f() }

// Erases says whether Do erases.
const Erases = false
