#!/bin/sh
# Runs the tests of python-pkcs11 0.7.0 against a module: python-pkcs11.sh SOURCE MODULE. SOURCE is the directory of its source, as Debian 13 has it. It needs
# cython3, python3-dev, python3-asn1crypto, python3-oscrypto, python3-cached-property and python3-cryptography.
set -eu
source=$1 module=$(realpath "$2")
work=$(mktemp -d)
echo "in $work:"
cp -r "$source/." "$work"
cd "$work"
python=/usr/bin/python3 # with the packages of Debian
cython3 -3 pkcs11/_pkcs11.pyx >cython.log 2>&1
cc -w -O1 -shared -fPIC $($python-config --includes) -Iextern pkcs11/_pkcs11.c -o "pkcs11/_pkcs11$($python-config --extension-suffix)"

# Some tests are for SoftHSM2, by the name of its file: they are run with every module.
mkdir module && ln -s "$module" module/libsofthsm2.so
mkdir -m 700 tokens
printf 'tokendir = "%s/tokens"\nkdf = "test"\n' "$work" >softcsp.toml
printf 'directories.tokendir = %s/tokens\nlog.level = ERROR\n' "$work" >softhsm2.conf
export SOFTCSP_CONF="$work/softcsp.toml" SOFTHSM2_CONF="$work/softhsm2.conf" XDG_STATE_HOME="$work/state"
export PKCS11_MODULE="$work/module/libsofthsm2.so" PKCS11_TOKEN_LABEL=TEST PKCS11_TOKEN_PIN=1234 PKCS11_TOKEN_SO_PIN=5678
pkcs11-tool --module "$PKCS11_MODULE" --slot-index 0 --init-token --label TEST --so-pin 5678 >/dev/null 2>&1
pkcs11-tool --module "$PKCS11_MODULE" --token-label TEST --login --login-type so --so-pin 5678 --init-pin --pin 1234 >/dev/null 2>&1
$python -m unittest discover -s tests -t . 2>&1 | tee tests.log | grep -E '^(ERROR|FAIL|Ran|OK|FAILED)'
