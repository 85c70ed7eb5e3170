// Writes noble.rec: signatures of hashes as the JavaScript library @noble/post-quantum makes them, which has its own code for all
// of this. npm install @noble/post-quantum; node noble.mjs > noble.rec
import { ml_dsa44, ml_dsa65, ml_dsa87 } from '@noble/post-quantum/ml-dsa.js';
import * as slh from '@noble/post-quantum/slh-dsa.js';
import { getMessagePrehash } from '@noble/post-quantum/utils.js';
import { sha224, sha256, sha384, sha512, sha512_224, sha512_256 } from '@noble/hashes/sha2.js';
import { sha3_224, sha3_256, sha3_384, sha3_512, shake128_32, shake256_64 } from '@noble/hashes/sha3.js';

const hex = (b) => Buffer.from(b).toString('hex');
const bytes = (n, step) => Uint8Array.from({ length: n }, (_, i) => i * step + 1);
const MESSAGE = new TextEncoder().encode('what is signed');
const CONTEXT = new TextEncoder().encode('where');
const HASHES = { SHA224: sha224, SHA256: sha256, SHA384: sha384, SHA512: sha512, SHA512_224: sha512_224, SHA512_256: sha512_256,
  SHA3_224: sha3_224, SHA3_256: sha3_256, SHA3_384: sha3_384, SHA3_512: sha3_512, SHAKE128: shake128_32, SHAKE256: shake256_64 };

console.log(`# Made by noble.mjs with @noble/post-quantum 0.7.1: deterministic signatures of "what is signed" in the context "where". Of a
# key and of a signature stands the SHA-256.`);

function record(name, set, scheme, seed) {
  const keys = scheme.keygen(seed);
  console.log(`\n[Algorithm = ${name}]\n[Set = ${set}]\n[Seed = ${hex(seed)}]`);
  console.log(`\nPublic = ${hex(sha256(keys.publicKey))}`);
  console.log(`Signature = ${hex(sha256(scheme.sign(MESSAGE, keys.secretKey, { context: CONTEXT, extraEntropy: false })))}`);
  for (const [hash, f] of Object.entries(HASHES)) {
    // prehash() refuses hashes that it finds too weak for the set; PKCS #11 has mechanisms for them.
    const options = name === 'CKK_ML_DSA' ? { extraEntropy: false, externalMu: false } : { extraEntropy: false };
    const signature = scheme.internal.sign(getMessagePrehash(f, MESSAGE, CONTEXT), keys.secretKey, options);
    console.log(`\nHash = ${hash}\nSignature = ${hex(sha256(signature))}`);
  }
}

for (const [set, scheme] of Object.entries({ ML_DSA_44: ml_dsa44, ML_DSA_65: ml_dsa65, ML_DSA_87: ml_dsa87 }))
  record('CKK_ML_DSA', `CKP_${set}`, scheme, bytes(32, 3));
for (const size of ['128', '192', '256'])
  for (const family of ['sha2', 'shake'])
    record('CKK_SLH_DSA', `CKP_SLH_DSA_${family.toUpperCase()}_${size}F`, slh[`slh_dsa_${family}_${size}f`], bytes((3 * size) / 8, 5));
