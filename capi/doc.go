// Package capi is Microsoft's CryptoAPI as far as it needs no keys that are kept: its numbers, its errors, its providers and hashes, and
// the derivation of CryptDeriveKey.
package capi
