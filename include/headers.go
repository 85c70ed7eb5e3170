// Package include has the C headers of Cryptoki, for programs that compile C at run time: softcsp conformance.
package include

import "embed"

// Headers are cryptoki.h, softcsp.h and wincrypt.h, below softcsp.
//
//go:embed softcsp/*.h
var Headers embed.FS
