#!/bin/sh
# Writes openssl.txt: modes for which no publication has vectors, as OpenSSL's command line encrypts.
set -e
enc() { # mechanism, key type, cipher, key, iv, parameter, hexadecimal plaintext, more options
	out=$(printf %s "$7" | xxd -r -p | openssl enc -provider legacy -provider default "-$3" -K "$4" -iv "$5" $8 | xxd -p | tr -d '\n')
	printf '\nMechanism = %s\nKeyType = %s\nKey = %s\nParam = %s\nPlaintext = %s\nCiphertext = %s\n' "$1" "$2" "$4" "$6" "$7" "$out"
}
mac() { # mechanism, key type, cipher, key, parameter, hexadecimal data, the same in whole blocks, hexadecimal digits of the MAC, of a block
	case $3 in *aes* | *camellia* | *aria* | *seed*) iv0=00000000000000000000000000000000 ;; *) iv0=0000000000000000 ;; esac
	out=$(printf %s "$7" | xxd -r -p | openssl enc -provider legacy -provider default "-$3" -K "$4" -iv $iv0 -nopad | tail -c $(($9 / 2)) | xxd -p | tr -d '\n' | cut -c "1-$8")
	printf '\nMechanism = %s\nKeyType = %s\nKey = %s\nParam = %s\nData = %s\nMAC = %s\n' "$1" "$2" "$4" "$5" "$6" "$out"
}
derive() { # mechanism, key type, cipher, key, iv, parameter, hexadecimal data
	out=$(printf %s "$7" | xxd -r -p | openssl enc -provider legacy -provider default "-$3" -K "$4" -iv "$5" -nopad | xxd -p | tr -d '\n')
	printf '\nMechanism = %s\nKeyType = %s\nKey = %s\nParam = %s\nValue = %s\n' "$1" "$2" "$4" "$6" "$out"
}
echo "# Made by openssl.sh with $(openssl version)."
k8=0123456789abcdef k16=0123456789abcdef23456789abcdef01 k24=0123456789abcdef23456789abcdef01456789abcdef0123
iv=1234567890abcdef text=4e6f77206973207468652074696d6520666f7220616c6c2e
enc CKM_DES_CBC_PAD CKK_DES des-cbc $k8 $iv "bytes $iv" $text
enc CKM_DES3_CBC CKK_DES3 des-ede3-cbc $k24 $iv "bytes $iv" $text -nopad
enc CKM_DES3_CBC_PAD CKK_DES3 des-ede3-cbc $k24 $iv "bytes $iv" ${text%??}
enc CKM_DES3_CBC CKK_DES2 des-ede-cbc $k16 $iv "bytes $iv" $text -nopad
enc CKM_DES_CFB8 CKK_DES3 des-ede3-cfb8 $k24 $iv "bytes $iv" $text
enc CKM_DES_CFB64 CKK_DES2 des-ede-cfb $k16 $iv "bytes $iv" $text
enc CKM_DES_OFB64 CKK_DES3 des-ede3-ofb $k24 $iv "bytes $iv" $text
enc CKM_RC2_CBC CKK_RC2 rc2-cbc $k16 $iv "ulong 128, bytes $iv" $text -nopad
enc CKM_RC2_CBC_PAD CKK_RC2 rc2-cbc $k16 $iv "ulong 128, bytes $iv" ${text%??}
enc CKM_RC2_CBC_PAD CKK_RC2 rc2-40-cbc 0123456789 $iv "ulong 40, bytes $iv" $text
enc CKM_RC2_CBC_PAD CKK_RC2 rc2-64-cbc $k8 $iv "ulong 64, bytes $iv" $text
enc CKM_AES_CFB1 CKK_AES aes-192-cfb1 $k24 $iv$iv "bytes $iv$iv" $text
for cut in 46 48; do # a part of a block, and whole blocks
	t=$(printf %s $text | cut -c 1-$cut) p=$(printf %-48s "$(printf %s $text | cut -c 1-$cut)" | tr ' ' 0)
	mac CKM_AES_MAC CKK_AES aes-128-cbc $k16 "" $t ${p}0000000000000000 16 32
	mac CKM_AES_MAC_GENERAL CKK_AES aes-192-cbc $k24 "ulong 13" $t ${p}0000000000000000 26 32
	mac CKM_DES3_MAC CKK_DES2 des-ede-cbc $k16 "" $t $p 8 16
	mac CKM_DES3_MAC_GENERAL CKK_DES3 des-ede3-cbc $k24 "ulong 7" $t $p 14 16
	mac CKM_RC2_MAC CKK_RC2 rc2-cbc $k16 "ulong 128" $t $p 8 16
	mac CKM_RC2_MAC_GENERAL CKK_RC2 rc2-40-cbc 0123456789 "ulong 40, ulong 8" $t $p 16 16
done
k32=$k16$k16
enc CKM_CHACHA20 CKK_CHACHA20 chacha20 $k32 0500000000000000$iv "alone 0500000000000000, ulong 64, alone $iv, ulong 64" $text$text$text
enc CKM_CHACHA20 CKK_CHACHA20 chacha20 $k32 fffffffffeffffff$iv "alone fffffffffeffffff, ulong 64, alone $iv, ulong 64" $text$text$text$text
enc CKM_BLOWFISH_CBC_PAD CKK_BLOWFISH bf-cbc $k16 $iv "bytes $iv" ${text%??}
enc CKM_CAST128_CBC CKK_CAST128 cast5-cbc $k16 $iv "bytes $iv" $text -nopad
enc CKM_CAST128_CBC_PAD CKK_CAST128 cast5-cbc $k16 $iv "bytes $iv" ${text%??}
mac CKM_CAST128_MAC CKK_CAST128 cast5-cbc $k16 "" $text $text 8 16
mac CKM_CAST128_MAC_GENERAL CKK_CAST128 cast5-cbc $k16 "ulong 7" ${text%??} ${text%??}00 14 16
block=$text$iv # two blocks of 128 bits, as the ciphers that follow have them
for k in $k16 $k24 $k32; do
	for c in camellia aria seed; do
		n=-$((${#k} * 4)) C=$(echo $c | tr a-z A-Z) i=$iv$iv
		[ $c != seed ] || { n= && [ $k = $k16 ]; } || continue
		enc CKM_${C}_CBC CKK_$C $c$n-cbc $k $i "bytes $i" $block$block -nopad
		enc CKM_${C}_CBC_PAD CKK_$C $c$n-cbc $k $i "bytes $i" $block
		enc CKM_${C}_CBC_PAD CKK_$C $c$n-cbc $k $i "bytes $i" ${text%??}
		mac CKM_${C}_MAC CKK_$C $c$n-cbc $k "" $block $block 16 32
		mac CKM_${C}_MAC_GENERAL CKK_$C $c$n-cbc $k "ulong 13" ${block%??} ${block%??}00 26 32
		derive CKM_${C}_ECB_ENCRYPT_DATA CKK_$C $c$n-ecb $k 00 "pointer $block" $block
		derive CKM_${C}_CBC_ENCRYPT_DATA CKK_$C $c$n-cbc $k $i "bytes $i, pointer $block" $block
	done
	enc CKM_CAMELLIA_CTR CKK_CAMELLIA camellia-$((${#k} * 4))-ctr $k $iv${iv%??}fe "ulong 12, bytes $iv${iv%??}fe" $text$text$text
done
ssh() { # digest, its number, letter, bytes to derive, the base key, how the parameter names it, the shared secret as mpint
	out=$(openssl kdf -keylen $4 -kdfopt digest:$1 -kdfopt hexkey:$7 -kdfopt hexxcghash:$k32 -kdfopt hexsession_id:$k24 -kdfopt type:$3 SSHKDF | tr -d ':\n' | tr A-F a-f)
	printf '\nMechanism = CKM_SOFTCSP_SSHKDF_DERIVE\nKey = %s\nParam = ulong %s, bytes %x%s000000000000, pointer %s, pointer %s\nLength = %s\nValue = %s\n' "$5" $2 "'$3" $6 $k32 $k24 $4 "$out"
}
high=80$k16
for l in C D E F; do # keys, as A and B make data: of a secret that is encoded, and numbers that have to be
	ssh SHA1 544 $l 24 00000010$k16 00 00000010$k16
	ssh SHA256 592 $l 100 00000011$high 00 00000011$high
	ssh SHA256 592 $l 32 $high 01 0000001200$high
	ssh SHA512 624 $l 64 0000$k16 01 00000010$k16
done
des() { # key, block
	printf %s "$2" | xxd -r -p | openssl enc -provider legacy -provider default -des-ecb -K "$1" -nopad | xxd -p
}
half() { printf %s "$1" | cut -c "$2"; }
masked() { # two blocks, of whose sum the bits that the masks of each half have
	for h in 1-8 9-16; do printf %08x $(((0x$(half $1 $h) ^ 0x$(half $2 $h)) & $3)); done
}
for k in $k8 fedcba9876543210; do # DES with a key that has been shortened
	full=$(masked $k 0000000000000000 0xfefefefe)
	short=$(des ef2c041ce6382fe6 $(masked $full $(des c408b0540ba1e0ae $full) 0x0efe0efe))
	for m in ECB CBC CBC_PAD; do
		nopad=-nopad p="bytes $iv" mode=cbc t=$text
		[ $m != CBC_PAD ] || { nopad= t=${text%??}; }
		[ $m != ECB ] || { p= mode=ecb; }
		enc CKM_CDMF_$m CKK_CDMF des-$mode $short $iv "$p" $t $nopad | sed "s/^Key = .*/Key = $k/"
	done
	mac CKM_CDMF_MAC CKK_CDMF des-cbc $short "" $text $text 8 16 | sed "s/^Key = .*/Key = $k/"
	mac CKM_CDMF_MAC_GENERAL CKK_CDMF des-cbc $short "ulong 7" ${text%??} ${text%??}00 14 16 | sed "s/^Key = .*/Key = $k/"
done
