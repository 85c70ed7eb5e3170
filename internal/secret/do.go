// Package secret runs code whose temporary storage is erased: registers and stack when it ends, heap as soon as nothing
// refers to it and the collector has run. It is runtime/secret where the toolchain is asked for it
// (GOEXPERIMENT=runtimesecret, as the Makefile does), and a plain call elsewhere.
package secret
