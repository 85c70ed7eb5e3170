#!/usr/bin/env python3
# Writes python.txt: SHA-3, SHAKE and BLAKE2b as CPython's hashlib computes them, which has its own code for all of these.
import hashlib, hmac, sys

print(f"# Made by python.py with the hashlib of Python {sys.version.split()[0]}.")
TEXTS = [b"", b"abc", bytes(range(256))]
KEY = bytes(range(32))


def record(**fields):
    print()
    for name, value in fields.items():
        print(f"{name} = {value}")


for bits in (224, 256, 384, 512):
    name = f"CKM_SHA3_{bits}"
    new = lambda data: hashlib.new(f"sha3_{bits}", data)
    for text in TEXTS:
        record(Mechanism=name, Data=text.hex(), Digest=new(text).hexdigest())
    tag = hmac.new(KEY, TEXTS[2], f"sha3_{bits}").hexdigest()
    record(Mechanism=name + "_HMAC", KeyType=name.replace("CKM", "CKK") + "_HMAC", Key=KEY.hex(), Data=TEXTS[2].hex(), MAC=tag)
    record(Mechanism=name + "_KEY_DERIVATION", Key=KEY.hex(), Value=new(KEY).hexdigest())
    record(Mechanism=name + "_KEY_DERIVATION", Key=KEY.hex(), NewType="CKK_AES", Length=16, Value=new(KEY).hexdigest()[:32])

for bits in (128, 256):
    for size in (16, 200):
        record(Mechanism=f"CKM_SHAKE_{bits}_KEY_DERIVATION", Key=KEY.hex(), Length=size, Value=hashlib.new(f"shake_{bits}", KEY).hexdigest(size))

for bits in (160, 256, 384, 512):
    name, size = f"CKM_BLAKE2B_{bits}", bits // 8
    for text in TEXTS:
        record(Mechanism=name, Data=text.hex(), Digest=hashlib.blake2b(text, digest_size=size).hexdigest())
    for key in (b"k", KEY, bytes(range(64))):
        tag = hashlib.blake2b(TEXTS[2], digest_size=size, key=key).hexdigest()
        record(Mechanism=name + "_HMAC", KeyType=name.replace("CKM", "CKK") + "_HMAC", Key=key.hex(), Data=TEXTS[2].hex(), MAC=tag)
        record(Mechanism=name + "_HMAC_GENERAL", Key=key.hex(), Param="ulong 11", Data=TEXTS[2].hex(), MAC=tag[:22])
    record(Mechanism=name + "_KEY_DERIVE", Key=KEY.hex(), Value=hashlib.blake2b(KEY, digest_size=size).hexdigest())
