package csp

import (
	"bytes"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"testing"

	"github.com/softcsp/softcsp/capi"
)

// rsaPubLen is the length of an RSAPUBKEY in bytes.
const rsaPubLen = 12

// contexts opens a verify context of each provider.
func contexts(t *testing.T, each func(*testing.T, *Context)) {
	s := testSystem(t)
	for name, p := range providersOf {
		t.Run(name, func(t *testing.T) {
			c, err := s.AcquireContext("", p.name, p.typ, capi.CRYPT_VERIFYCONTEXT)
			must(t, err)
			each(t, c)
			must(t, c.Release(0))
		})
	}
}

func encrypted(t *testing.T, k *Key, data string) []byte {
	t.Helper()
	buf := make([]byte, len(data)+maxBlock)
	n, err := k.Encrypt(nil, true, 0, buf, copy(buf, data))
	must(t, err)
	return buf[:n]
}

// TestGenKey makes a key of every algorithm and length, takes it through every kind of blob, and sees that it is the same key.
func TestGenKey(t *testing.T) {
	contexts(t, func(t *testing.T, c *Context) {
		exchange, err := c.GenKey(capi.AT_KEYEXCHANGE, capi.CRYPT_EXPORTABLE)
		must(t, err)
		for _, a := range c.provider.Ciphers {
			for bits := a.Min; bits <= a.Max; bits += max(8, (a.Max-a.Min)/32*8) {
				if bits/8 > 117 { // more than the exchange key holds
					break
				}
				k, err := c.GenKey(a.ID, uint32(bits)<<16|capi.CRYPT_EXPORTABLE)
				if err != nil {
					t.Fatalf("%s, %d bits: %v", a.Name, bits, err)
				}
				if n, err := k.Number(capi.KP_KEYLEN); err != nil || n != uint32(bits) {
					t.Errorf("%s, %d bits: KP_KEYLEN %d, %v", a.Name, bits, n, err)
				}
				for _, kind := range []uint32{capi.PLAINTEXTKEYBLOB, capi.OPAQUEKEYBLOB, capi.SIMPLEBLOB} {
					with := exchange
					if kind != capi.SIMPLEBLOB {
						with = nil
					}
					throughBlob(t, fmt.Sprintf("%s, %d bits, blob %d", a.Name, bits, kind), c, k, with, kind)
				}
				must(t, k.Destroy())
			}
			for _, flags := range []uint32{uint32(a.Min-8) << 16, uint32(a.Max+8) << 16, uint32(a.Min+1) << 16} {
				if k, err := c.GenKey(a.ID, flags); err == nil && flags>>16 != 0 && !(a.HasParity() && flags>>16 == uint32(a.Max)/8*7) {
					t.Errorf("%s: a key of %d bits", a.Name, flags>>16)
					must(t, k.Destroy())
				}
			}
		}
		must(t, exchange.Destroy())
	})
}

// throughBlob exports and imports a key.
func throughBlob(t *testing.T, what string, c *Context, k, with *Key, kind uint32) {
	t.Helper()
	blob, err := k.Export(with, kind, 0)
	if err != nil {
		t.Errorf("%s: export: %v", what, err)
		return
	}
	again, err := c.Import(blob, with, 0)
	if err != nil {
		t.Errorf("%s: import: %v", what, err)
		return
	}
	defer again.Destroy() //nolint:errcheck // it is there
	if effective, _ := again.Number(capi.KP_EFFECTIVE_KEYLEN); kind == capi.OPAQUEKEYBLOB || effective == k.effectiveBits {
		if got, want := encrypted(t, again, "one text"), encrypted(t, k, "one text"); !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", what, got, want)
		}
	}
	_, err = again.Export(nil, capi.PLAINTEXTKEYBLOB, 0)
	if kind == capi.OPAQUEKEYBLOB {
		want(t, what+": an exportable key stays so", err, 0)
	} else {
		want(t, what+": an imported key", err, capi.NTE_BAD_KEY_STATE)
	}
	for _, cut := range []int{0, headerLen - 1, headerLen, len(blob) - 1} {
		if k, err := c.Import(blob[:cut], with, 0); err == nil {
			t.Errorf("%s: %d bytes of %d are a blob", what, cut, len(blob))
			must(t, k.Destroy())
		}
	}
	blob[len(blob)-1] ^= 1
	if kind == capi.OPAQUEKEYBLOB {
		_, err = c.Import(blob, nil, 0)
		want(t, what+": changed", err, capi.NTE_BAD_DATA)
	}
}

// TestEffectiveBits wants KP_EFFECTIVE_KEYLEN not to tell a key that may not be exported: with 8 bits of it, and then 16, it is found by trying.
func TestEffectiveBits(t *testing.T) {
	c, err := testSystem(t).AcquireContext("", capi.MS_ENHANCED_PROV, capi.PROV_RSA_FULL, capi.CRYPT_VERIFYCONTEXT)
	must(t, err)
	k, err := c.GenKey(capi.CALG_RC2, 128<<16)
	must(t, err)
	must(t, k.SetParam(capi.KP_EFFECTIVE_KEYLEN, dword(8), 0))
	for _, salt := range []string{"", "salt"} {
		if _, err := k.Encrypt(nil, true, 0, make([]byte, 16), 4); err == nil {
			t.Error("encrypts with 8 effective bits")
		}
		must(t, k.SetParam(capi.KP_SALT_EX, []byte(salt), 0))
	}
	if _, err := k.Encrypt(nil, true, 0, make([]byte, 16), 4); err == nil {
		t.Error("encrypts with 8 effective bits, after a salt was set")
	}
	must(t, k.SetParam(capi.KP_EFFECTIVE_KEYLEN, dword(128), 0))
	_, err = k.Encrypt(nil, true, 0, make([]byte, 16), 4)
	must(t, err)
}

// TestOpaque imports an opaque blob with its parameters into another context, and not where another token is.
func TestOpaque(t *testing.T) {
	s := testSystem(t)
	open := func(s *System) *Context {
		c, err := s.AcquireContext("", capi.MS_ENHANCED_PROV, capi.PROV_RSA_FULL, capi.CRYPT_VERIFYCONTEXT)
		must(t, err)
		return c
	}
	c := open(s)
	k, err := c.DeriveKey(capi.CALG_RC2, hashOf(t, c, capi.CALG_SHA1, "base"), 64<<16|capi.CRYPT_EXPORTABLE)
	must(t, err)
	must(t, k.SetParam(capi.KP_SALT_EX, []byte("salt"), 0))
	must(t, k.SetParam(capi.KP_IV, []byte("12345678"), 0))
	must(t, k.SetParam(capi.KP_EFFECTIVE_KEYLEN, dword(63), 0))
	must(t, k.SetParam(capi.KP_MODE, dword(capi.CRYPT_MODE_CFB), 0))
	blob, err := k.Export(nil, capi.OPAQUEKEYBLOB, 0)
	must(t, err)
	want, wantIV := encrypted(t, k, "text"), []byte("12345678")
	must(t, c.Release(0))
	c = open(s)
	k, err = c.Import(blob, nil, 0)
	must(t, err)
	if iv, err := k.Param(capi.KP_IV, 0); err != nil || !bytes.Equal(iv, wantIV) {
		t.Errorf("IV %q, %v", iv, err)
	}
	if got := encrypted(t, k, "text"); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	if _, err := open(testSystem(t)).Import(blob, nil, 0); capi.Code(err) != capi.NTE_BAD_DATA {
		t.Errorf("in another process: %v", err)
	}
}

// TestNowhere gives what is said to be a gigabyte, of which only the beginning is there. Memory is not made for it.
func TestNowhere(t *testing.T) {
	c, err := testSystem(t).AcquireContext("", capi.MS_ENHANCED_PROV, capi.PROV_RSA_FULL, capi.CRYPT_VERIFYCONTEXT)
	must(t, err)
	k, err := c.GenKey(capi.CALG_RC4, 0)
	must(t, err)
	mem, err := syscall.Mmap(-1, 0, 1<<30, syscall.PROT_NONE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	must(t, err)
	defer syscall.Munmap(mem) //nolint:errcheck // it is ours
	must(t, syscall.Mprotect(mem[:4096], syscall.PROT_READ|syscall.PROT_WRITE))
	hmac := func(info HMACInfo) func() error {
		return func() error {
			h, err := c.CreateHash(capi.CALG_HMAC, k, 0)
			must(t, err)
			return h.SetHMACInfo(info)
		}
	}
	for name, f := range map[string]func() error{
		"an opaque blob": func() error {
			copy(mem, capi.BlobHeader(capi.OPAQUEKEYBLOB, capi.CALG_RC4))
			_, err := c.Import(mem, nil, 0)
			return err
		},
		"an inner string": hmac(HMACInfo{HashAlgid: capi.CALG_MD5, Inner: mem}),
		"an outer string": hmac(HMACInfo{HashAlgid: capi.CALG_MD5, Outer: mem}),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if !faults(t, f) {
			t.Errorf("%s: there was no fault", name)
		}
		if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 1<<20 {
			t.Errorf("%s: %d bytes were made", name, after.TotalAlloc-before.TotalAlloc)
		}
	}
}

// faults reports whether f ends in a fault in memory, as in the calls of a library.
func faults(t *testing.T, f func() error) (fault bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { _, fault = recover().(interface{ Addr() uintptr }) }()
	t.Errorf("no fault: %v", f())
	return false
}

// TestPairBlobs takes a key pair through its blobs, in the clear and encrypted.
func TestPairBlobs(t *testing.T) {
	contexts(t, func(t *testing.T, c *Context) {
		for _, bits := range []uint32{512, 1024} {
			k, err := c.GenKey(capi.AT_KEYEXCHANGE, bits<<16|capi.CRYPT_EXPORTABLE)
			must(t, err)
			public, err := k.Export(nil, capi.PUBLICKEYBLOB, 0)
			if must(t, err); len(public) != headerLen+rsaPubLen+int(bits/8) {
				t.Errorf("a public blob of %d bytes", len(public))
			}
			p, err := c.Import(public, nil, 0)
			must(t, err)
			buf := make([]byte, bits/8)
			n, err := p.Encrypt(nil, true, 0, buf, copy(buf, "secret"))
			must(t, err)
			_, err = p.Decrypt(nil, true, 0, append([]byte(nil), buf[:n]...))
			want(t, "decrypting with a public key", err, capi.NTE_BAD_KEY)
			session, err := c.GenKey(capi.CALG_RC2, 40<<16)
			must(t, err)
			for _, with := range []*Key{nil, session} {
				blob, err := k.Export(with, capi.PRIVATEKEYBLOB, 0)
				if must(t, err); with == nil && len(blob) != headerLen+rsaPubLen+int(bits/8)/2*9 {
					t.Errorf("a private blob of %d bytes", len(blob))
				}
				again, err := c.Import(blob, with, capi.CRYPT_EXPORTABLE)
				must(t, err)
				plain := append([]byte(nil), buf[:n]...)
				if m, err := again.Decrypt(nil, true, 0, plain); err != nil || string(plain[:m]) != "secret" {
					t.Errorf("decrypts to %q, %v", plain[:m], err)
				}
				if same, err := again.Export(with, capi.PRIVATEKEYBLOB, 0); err != nil || !bytes.Equal(same, blob) {
					t.Errorf("another private blob, %v", err)
				}
				must(t, again.Destroy())
			}
			for _, key := range []*Key{session, p, k} {
				must(t, key.Destroy())
			}
		}
	})
}

// TestPieces encrypts and decrypts in pieces, in every mode, in the middle of which keys are duplicated.
func TestPieces(t *testing.T) {
	contexts(t, func(t *testing.T, c *Context) {
		for _, a := range c.provider.Ciphers {
			for _, mode := range []uint32{capi.CRYPT_MODE_CBC, capi.CRYPT_MODE_ECB, capi.CRYPT_MODE_CFB} {
				k, err := c.GenKey(a.ID, 0)
				must(t, err)
				must(t, k.SetParam(capi.KP_MODE, dword(mode), 0))
				if k.blockLen() != 0 {
					must(t, k.SetParam(capi.KP_IV, []byte("0123456789abcdef")[:k.blockLen()], 0))
				}
				text := bytes.Repeat([]byte("sixteen letters."), 5)
				if mode == capi.CRYPT_MODE_CFB && a.ID == capi.CALG_RC5 {
					continue // RC5 has no such mode
				}
				whole := encrypted(t, k, string(text))
				pieces := make([]byte, len(text)+maxBlock)
				copy(pieces, text)
				n := 0
				for _, size := range []int{16, 32, len(text) - 48} {
					d, err := k.Duplicate(0)
					must(t, err)
					final := n+size == len(text)
					before := append([]byte(nil), pieces[n:n+size+maxBlock]...)
					m, err := k.Encrypt(nil, final, 0, pieces[n:], size)
					must(t, err)
					if _, err := d.Encrypt(nil, final, 0, before, size); err != nil || !bytes.Equal(before[:m], pieces[n:n+m]) {
						t.Errorf("%s, mode %d: the duplicate encrypts to %x, %v", a.Name, mode, before, err)
					}
					must(t, d.Destroy())
					n += m
				}
				if !bytes.Equal(pieces[:n], whole) {
					t.Errorf("%s, mode %d: in pieces %x, want %x", a.Name, mode, pieces[:n], whole)
				}
				first, err := k.Decrypt(nil, false, 0, pieces[:32])
				must(t, err)
				last, err := k.Decrypt(nil, true, 0, pieces[32:n])
				if err != nil || first+last != len(text) || !bytes.Equal(pieces[:len(text)], text) {
					t.Errorf("%s, mode %d: decrypts to %q, %v", a.Name, mode, pieces[:len(text)], err)
				}
				must(t, k.Destroy())
			}
		}
	})
}

// TestThreads derives and encrypts in 16 threads, each with a context of its own and all with one hash object and one key
// between them.
func TestThreads(t *testing.T) {
	r := NewHandles(testSystem(t))
	open := func() (Handle, *Context) {
		h, err := r.AcquireContext("", capi.MS_ENH_RSA_AES_PROV, capi.PROV_RSA_AES, capi.CRYPT_VERIFYCONTEXT)
		must(t, err)
		c, err := r.Context(h)
		must(t, err)
		return h, c
	}
	_, shared := open()
	hash := hashOf(t, shared, capi.CALG_SHA_256, "base")
	key, err := shared.DeriveKey(capi.CALG_AES_256, hash, 0)
	must(t, err)
	want := encrypted(t, key, "sixteen letters.")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			h, c := open()
			for range 50 {
				own := hashOf(t, c, capi.CALG_SHA_256, "base")
				for _, base := range []*Hash{own, hash} {
					k, err := c.DeriveKey(capi.CALG_AES_256, base, 0)
					if err != nil || !bytes.Equal(encrypted(t, k, "sixteen letters."), want) || k.Destroy() != nil {
						t.Errorf("another key: %v", err)
					}
				}
				if !bytes.Equal(encrypted(t, key, "sixteen letters."), want) {
					t.Error("another ciphertext of the shared key")
				}
				if own.Destroy() != nil {
					t.Error("a hash object that is gone")
				}
			}
			if err := r.ReleaseContext(h, 0); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestReleaseEndsAll leaves keys in the middle of their streams, and sees that no session outlives its context.
func TestReleaseEndsAll(t *testing.T) {
	s := testSystem(t)
	for range 3 {
		c, err := s.AcquireContext("", capi.MS_ENHANCED_PROV, capi.PROV_RSA_FULL, capi.CRYPT_VERIFYCONTEXT)
		must(t, err)
		k, err := c.GenKey(capi.CALG_RC4, 0)
		must(t, err)
		_, err = k.Encrypt(nil, false, 0, make([]byte, 5), 5)
		must(t, err)
		_, err = k.Duplicate(0)
		must(t, err)
		must(t, c.Release(0))
		_, err = k.Encrypt(nil, false, 0, make([]byte, 5), 5)
		want(t, "after the release", err, capi.NTE_BAD_KEY)
	}
	info, err := s.memory.cryptoki.GetTokenInfo(s.memory.id)
	if must(t, err); info.SessionCount != 0 {
		t.Errorf("%d sessions are open", info.SessionCount)
	}
}

// TestUpdateKey changes a key of provider softcsp by a second hash object, and sees that the Microsoft providers make another.
func TestUpdateKey(t *testing.T) {
	contexts(t, func(t *testing.T, c *Context) {
		k, err := c.DeriveKey(capi.CALG_RC4, hashOf(t, c, capi.CALG_MD5, "first"), 40<<16|capi.CRYPT_NO_SALT|capi.CRYPT_EXPORTABLE)
		must(t, err)
		before := encrypted(t, k, "text")
		second := hashOf(t, c, capi.CALG_MD5, "second")
		n, err := c.UpdateKey(capi.CALG_RC4, second, 40<<16|capi.CRYPT_NO_SALT|capi.CRYPT_EXPORTABLE, k)
		must(t, err)
		if !c.provider.UpdatesKeys() {
			if n == k || !bytes.Equal(encrypted(t, k, "text"), before) {
				t.Error("the key is another")
			}
			return
		}
		both := hashOf(t, c, capi.CALG_MD5, "")
		for _, text := range []string{"first", "second"} {
			v, err := hashOf(t, c, capi.CALG_MD5, text).Value()
			must(t, err)
			must(t, both.HashData(v, 0))
		}
		same, err := c.DeriveKey(capi.CALG_RC4, both, 40<<16|capi.CRYPT_NO_SALT)
		must(t, err)
		if after := encrypted(t, k, "text"); n != k || bytes.Equal(after, before) || !bytes.Equal(after, encrypted(t, same, "text")) {
			t.Errorf("%x before, %x after", before, after)
		}
		_, err = c.UpdateKey(capi.CALG_RC4, second, 0, nil)
		want(t, "updating no key", err, capi.ERROR_INVALID_HANDLE)
		_, err = c.UpdateKey(capi.CALG_RC2, second, 0, k)
		want(t, "another algorithm", err, capi.NTE_BAD_ALGID)
	})
}

// TestRandom fills buffers, an empty one too.
func TestRandom(t *testing.T) {
	contexts(t, func(t *testing.T, c *Context) {
		must(t, c.GenRandom(nil))
		a, b := make([]byte, 32), make([]byte, 32)
		must(t, c.GenRandom(a))
		must(t, c.GenRandom(b))
		if bytes.Equal(a, b) {
			t.Error("twice the same")
		}
	})
}
