#!/bin/sh
# Makes key pairs with OpenSSL's command line: the private key as PKCS #8, the public one as a SubjectPublicKeyInfo.
set -e
cd "$(dirname "$0")"
tmp=$(mktemp)
trap 'rm "$tmp"' EXIT
both() {
	openssl pkcs8 -topk8 -nocrypt -in "$tmp" -outform DER -out "$1.der"
	openssl pkey -in "$tmp" -pubout -outform DER -out "$1.pub.der"
}
openssl genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:1024 2>/dev/null | openssl genpkey -paramfile /dev/stdin -out "$tmp" 2>/dev/null
both dsa
openssl genpkey -algorithm DH -pkeyopt group:modp_1536 -out "$tmp" 2>/dev/null
both dh
openssl genpkey -genparam -algorithm DHX -pkeyopt dh_paramgen_prime_len:1024 -pkeyopt dh_paramgen_subprime_len:160 \
	-pkeyopt dh_paramgen_type:1 2>/dev/null | openssl genpkey -paramfile /dev/stdin -out "$tmp" 2>/dev/null
both x942
