// Package capi is what of Microsoft's CryptoAPI needs no token: the derivation of CryptDeriveKey, and the providers, hashes, numbers and
// errors that go with it.
//
// [DeriveKey] makes from a hashed password the key that a provider of Windows makes of it, byte for byte. It is in derive.go, and what
// providers differ in is the table of provider.go. The known answers of testdata/cryptderivekey are run against it: of Windows, of Wine,
// of DPAPI blobs and of Office files.
//
// The derivation is one or two rounds of an old hash. Use it to read what exists, not for new designs.
//
// Names are those of wincrypt.h and winerror.h. Package csp has the functions of CryptoAPI with their handles, over a token; the mechanism
// CKM_SOFTCSP_CRYPT_DERIVE_KEY has the derivation in PKCS #11.
package capi
