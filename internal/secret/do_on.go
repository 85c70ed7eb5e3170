//go:build goexperiment.runtimesecret

package secret

import "runtime/secret"

// Do runs f and erases what it used.
func Do(f func()) { secret.Do(f) }
