// Package csp is Microsoft's CryptoAPI over the token: cryptographic service providers, hash objects, session keys, key pairs
// and key blobs, with the bytes and the errors that Windows gives.
//
// A [Context] is what CryptAcquireContext makes. Its methods are the functions of CryptoAPI without their prefix, and what
// they fail with is a [capi.Error], a code of winerror.h. [Handles] puts the numbers over it that C programs have.
//
// Every key is an object of a token, made and used through package token: a session object, or, of a named container, token
// objects. The algorithms are those of package mechanisms; that of CryptDeriveKey is in package capi and nowhere else. What is here is
// handles, state (the mode of a key, its feedback), blobs, parameters and their checks.
//
// A context with CRYPT_VERIFYCONTEXT needs no token of the user's and no PIN: its keys live in a token in the memory of this
// process. A named container lives in the first token that is initialised, or in the one that the setting csp_token names by
// label or serial number. It is a public data object with the name as CKA_LABEL and "softcsp CryptoAPI container" as CKA_APPLICATION;
// its key pairs are RSA objects with the same label, and a CKA_ID of the first 16 bytes of the SHA-256 of the name and one byte
// more, 1 for AT_KEYEXCHANGE and 2 for AT_SIGNATURE. The PIN comes from PP_KEYEXCHANGE_PIN or PP_SIGNATURE_PIN, else from
// SOFTCSP_PIN.
//
// docs/cryptoapi.md says where Windows is followed, and on whose word.
package csp
