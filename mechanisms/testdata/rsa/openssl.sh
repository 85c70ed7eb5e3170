#!/bin/sh
# Writes openssl.txt: RSA as OpenSSL's command line does it with the key in key.der, for what Project Wycheproof does not
# have. Signatures with PSS and ciphertexts with padding are new each time: they are verified and decrypted.
set -e
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT
[ -e key.der ] || openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 | openssl pkcs8 -topk8 -nocrypt -outform DER -out key.der
openssl pkcs8 -inform DER -nocrypt -in key.der -out "$tmp/key.pem"
hex() { xxd -p "$@" | tr -d '\n'; }
record() { printf '\nMechanism = %s\nParam = %s\n%s = %s\n%s = %s\n' "$1" "$2" "$3" "$(hex "$4")" "$5" "$(hex "$6")"; }
text="Now is the time for all good men to come to the aid of the party"
printf '%s' "$text" >"$tmp/text"

sign() { # mechanism, parameter, hash, more options
	m=$1 p=$2 h=$3
	shift 3
	openssl dgst -provider legacy -provider default "-$h" -sign "$tmp/key.pem" "$@" -out "$tmp/sig" "$tmp/text"
	record "$m" "$p" Data "$tmp/text" Signature "$tmp/sig"
}
pss() { # mechanism, parameter, hash, hash of the mask, length of the salt
	sign "$1" "$2" "$3" -sigopt rsa_padding_mode:pss -sigopt "rsa_mgf1_md:$4" -sigopt "rsa_pss_saltlen:$5"
}
digested() { # parameter, hash, hash of the mask, length of the salt
	openssl dgst -binary "-$2" -out "$tmp/digest" "$tmp/text"
	openssl pkeyutl -sign -inkey "$tmp/key.pem" -in "$tmp/digest" -out "$tmp/sig" -pkeyopt "digest:$2" \
		-pkeyopt rsa_padding_mode:pss -pkeyopt "rsa_mgf1_md:$3" -pkeyopt "rsa_pss_saltlen:$4"
	record CKM_RSA_PKCS_PSS "$1" Data "$tmp/digest" Signature "$tmp/sig"
}
oaep() { # parameter, hash, hash of the mask, label in hexadecimal
	openssl pkeyutl -encrypt -inkey "$tmp/key.pem" -in "$tmp/text" -out "$tmp/ct" -pkeyopt rsa_padding_mode:oaep \
		-pkeyopt "rsa_oaep_md:$2" -pkeyopt "rsa_mgf1_md:$3" ${4:+-pkeyopt "rsa_oaep_label:$4"}
	record CKM_RSA_PKCS_OAEP "$1" Plaintext "$tmp/text" Ciphertext "$tmp/ct"
}

x931() { # hash, its trailer
	openssl dgst -binary "-$1" -out "$tmp/digest" "$tmp/text"
	openssl pkeyutl -sign -inkey "$tmp/key.pem" -in "$tmp/digest" -out "$tmp/sig" -pkeyopt "digest:$1" -pkeyopt rsa_padding_mode:x931
	[ "$1" != sha1 ] || record CKM_SHA1_RSA_X9_31 "" Data "$tmp/text" Signature "$tmp/sig"
	printf %s "$2" | xxd -r -p >>"$tmp/digest"
	record CKM_RSA_X9_31 "" Data "$tmp/digest" Signature "$tmp/sig"
}

{
	echo "# Made by openssl.sh with $(openssl version)."
	sign CKM_MD5_RSA_PKCS "" md5
	sign CKM_RIPEMD160_RSA_PKCS "" ripemd160
	sign CKM_SHA1_RSA_PKCS "" sha1
	pss CKM_SHA1_RSA_PKCS_PSS "ulong 0x220, ulong 1, ulong 20" sha1 sha1 20
	pss CKM_SHA1_RSA_PKCS_PSS "ulong 0x220, ulong 2, ulong 7" sha1 sha256 7
	pss CKM_SHA224_RSA_PKCS_PSS "ulong 0x255, ulong 5, ulong 28" sha224 sha224 28
	pss CKM_SHA256_RSA_PKCS_PSS "ulong 0x250, ulong 2, ulong 0" sha256 sha256 0
	pss CKM_SHA384_RSA_PKCS_PSS "ulong 0x260, ulong 1, ulong 48" sha384 sha1 48
	pss CKM_SHA512_RSA_PKCS_PSS "ulong 0x270, ulong 4, ulong 190" sha512 sha512 190
	pss CKM_SHA3_224_RSA_PKCS_PSS "ulong 0x2b5, ulong 6, ulong 28" sha3-224 sha3-224 28
	pss CKM_SHA3_256_RSA_PKCS_PSS "ulong 0x2b0, ulong 7, ulong 32" sha3-256 sha3-256 32
	pss CKM_SHA3_384_RSA_PKCS_PSS "ulong 0x2c0, ulong 8, ulong 48" sha3-384 sha3-384 48
	pss CKM_SHA3_512_RSA_PKCS_PSS "ulong 0x2d0, ulong 9, ulong 64" sha3-512 sha3-512 64
	digested "ulong 0x250, ulong 2, ulong 32" sha256 sha256 32
	digested "ulong 0x4c, ulong 3, ulong 10" sha512-256 sha384 10
	printf 'any data' >"$tmp/short"
	openssl pkeyutl -sign -inkey "$tmp/key.pem" -in "$tmp/short" -out "$tmp/sig"
	record CKM_RSA_PKCS "" Data "$tmp/short" Signature "$tmp/sig"
	{ head -c 192 /dev/zero; cat "$tmp/text"; } >"$tmp/long"
	openssl rsautl -sign -raw -inkey "$tmp/key.pem" -in "$tmp/long" -out "$tmp/sig" 2>/dev/null
	record CKM_RSA_X_509 "" Data "$tmp/long" Signature "$tmp/sig"
	openssl pkeyutl -encrypt -inkey "$tmp/key.pem" -in "$tmp/long" -out "$tmp/ct" -pkeyopt rsa_padding_mode:none
	record CKM_RSA_X_509 "" Plaintext "$tmp/long" Ciphertext "$tmp/ct"
	openssl pkeyutl -encrypt -inkey "$tmp/key.pem" -in "$tmp/text" -out "$tmp/ct"
	record CKM_RSA_PKCS "" Plaintext "$tmp/text" Ciphertext "$tmp/ct"
	oaep "ulong 0x220, ulong 1, ulong 1, pointer" sha1 sha1
	oaep "ulong 0x250, ulong 1, ulong 1, pointer 6c6162656c" sha256 sha1 6c6162656c
	oaep "ulong 0x2b0, ulong 7, ulong 1, pointer" sha3-256 sha3-256
	oaep "ulong 0x4c, ulong 9, ulong 1, pointer" sha512-256 sha3-512
	aes=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
	printf %s $aes | xxd -r -p >"$tmp/aes"
	openssl pkeyutl -encrypt -inkey "$tmp/key.pem" -in "$tmp/aes" -out "$tmp/ct" -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256
	openssl enc -id-aes256-wrap-pad -K $aes -iv a65959a6 -in "$tmp/text" >>"$tmp/ct"
	record CKM_RSA_AES_KEY_WRAP "ulong 256, alone 50020000000000000200000000000000010000000000000000000000000000000000000000000000" Value "$tmp/text" Wrapped "$tmp/ct"
	x931 sha1 "33cc"
	x931 sha256 "34cc"
	printf '\001\001\000\000\002' | cat - "$tmp/text" >"$tmp/bound"
	openssl pkeyutl -encrypt -inkey "$tmp/key.pem" -in "$tmp/bound" -out "$tmp/ct"
	record CKM_RSA_PKCS_TPM_1_1 "" Plaintext "$tmp/text" Ciphertext "$tmp/ct"
	openssl pkeyutl -encrypt -inkey "$tmp/key.pem" -in "$tmp/bound" -out "$tmp/ct" -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_label:54435041
	record CKM_RSA_PKCS_OAEP_TPM_1_1 "" Plaintext "$tmp/text" Ciphertext "$tmp/ct"
} >openssl.txt
