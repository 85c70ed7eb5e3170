#!/bin/sh
# Writes openssl.txt: signatures with DSA and the hashes that no publication has them for, as OpenSSL makes them with the
# key in dsa.der.
set -e
cd "$(dirname "$0")"
tmp=$(mktemp)
trap 'rm "$tmp"' EXIT
echo "# Made by opensslsig.sh with $(openssl version)."
numbers() { openssl asn1parse -inform DER "$@" | sed -n 's/.*INTEGER *:0*//p'; }
set -- $(numbers -in dsa.pub.der -strparse 4 | head -3) X
p=$1 q=$2 g=$3
even() { case $((${#1} % 2)) in 1) printf 0%s "$1" ;; *) printf %s "$1" ;; esac; }
y=$(openssl asn1parse -inform DER -in dsa.pub.der | sed -n 's/^ *\([0-9]*\):.*BIT STRING.*/\1/p')
y=$(numbers -in dsa.pub.der -strparse "$y")
x=$(openssl asn1parse -inform DER -in dsa.der | sed -n 's/.*OCTET STRING.*HEX DUMP\]:02..\(00\)\{0,1\}//p')
for bits in 224 256 384 512; do
	printf 'the data of SHA3-%s' $bits | openssl dgst -sha3-$bits -sign dsa.der -keyform DER >"$tmp"
	set -- $(numbers -in "$tmp")
	printf '\nMechanism = CKM_DSA_SHA3_%s\nP = %s\nQ = %s\nG = %s\nX = %s\nY = %s\nMessage = "the data of SHA3-%s"\nR = %s\nS = %s\n' \
		$bits "$(even "$p")" "$(even "$q")" "$(even "$g")" "$x" "$(even "$y")" $bits "$(even "$1")" "$(even "$2")"
done
