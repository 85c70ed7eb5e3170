package main

import "C"

import (
	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/csp"
)

// The functions of wincrypt.h for hash objects.

//export goCryptCreateHash
func goCryptCreateHash(hProv, Algid, hKey, dwFlags, phHash uintptr) uintptr {
	return crypt("CryptCreateHash", func() error {
		c, err := inProv(hProv)
		if err != nil {
			return err
		}
		k, err := handles.OptionalKey(csp.Handle(hKey))
		if err != nil {
			return err
		}
		requireWritable(phHash)
		h, err := handles.AddHash(c.CreateHash(capi.AlgID(Algid), k, uint32(dwFlags)))
		return writeNewHandle(phHash, h, err)
	})
}

//export goCryptHashData
func goCryptHashData(hHash, pbData, dwDataLen, dwFlags uintptr) uintptr {
	return crypt("CryptHashData", func() error {
		h, err := handles.Hash(csp.Handle(hHash))
		if err != nil {
			return err
		}
		return h.HashData(inBytes(pbData, dwDataLen), uint32(dwFlags))
	})
}

//export goCryptHashSessionKey
func goCryptHashSessionKey(hHash, hKey, dwFlags uintptr) uintptr {
	return crypt("CryptHashSessionKey", func() error {
		h, err := handles.Hash(csp.Handle(hHash))
		if err != nil {
			return err
		}
		k, err := handles.Key(csp.Handle(hKey))
		if err != nil {
			return err
		}
		return h.HashSessionKey(k, uint32(dwFlags))
	})
}

//export goCryptSetHashParam
func goCryptSetHashParam(hHash, dwParam, pbData, dwFlags uintptr) uintptr {
	return crypt("CryptSetHashParam", func() error {
		h, err := handles.Hash(csp.Handle(hHash))
		if err != nil {
			return err
		}
		requirePointer(pbData)
		if dwFlags != 0 {
			return capi.NTE_BAD_FLAGS
		}
		switch dwParam {
		case capi.HP_HASHVAL:
			return h.SetValue(inBytes(pbData, uintptr(h.Size())))
		case capi.HP_HMAC_INFO:
			return h.SetHMACInfo(inHMACInfo(pbData))
		}
		return capi.NTE_BAD_TYPE
	})
}

// inHMACInfo is the HMAC_INFO at addr: five fields, of which each stands at a multiple of 8 bytes. A string that is NULL or
// empty is the default.
func inHMACInfo(addr uintptr) csp.HMACInfo {
	inString := func(at uintptr) []byte {
		n := uintptr(readDword(addr + at + 8))
		if n == 0 {
			return nil
		}
		return inBytes(readUlong(addr+at), n)
	}
	return csp.HMACInfo{HashAlgid: capi.AlgID(readDword(addr)), Inner: inString(8), Outer: inString(24)}
}

//export goCryptGetHashParam
func goCryptGetHashParam(hHash, dwParam, pbData, pdwDataLen, dwFlags uintptr) uintptr {
	return crypt("CryptGetHashParam", func() error {
		h, err := handles.Hash(csp.Handle(hHash))
		if err != nil {
			return err
		}
		return sized(pbData, pdwDataLen, func(out *ck.Buffer) error { return h.ReadParam(uint32(dwParam), uint32(dwFlags), out) })
	})
}

//export goCryptDuplicateHash
func goCryptDuplicateHash(hHash, pdwReserved, dwFlags, phHash uintptr) uintptr {
	return crypt("CryptDuplicateHash", func() error {
		h, err := handles.Hash(csp.Handle(hHash))
		if err != nil {
			return err
		}
		if err := requireNull(pdwReserved); err != nil {
			return err
		}
		requireWritable(phHash)
		d, err := handles.AddHash(h.Duplicate(uint32(dwFlags)))
		return writeNewHandle(phHash, d, err)
	})
}

//export goCryptDestroyHash
func goCryptDestroyHash(hHash uintptr) uintptr {
	return crypt("CryptDestroyHash", func() error { return handles.DestroyHash(csp.Handle(hHash)) })
}

// signHash is CryptSignHash. The description is in UTF-16.
func signHash(hHash, dwKeySpec uintptr, description []byte, dwFlags, pbSignature, pdwSigLen uintptr) error {
	h, err := handles.Hash(csp.Handle(hHash))
	if err != nil {
		return err
	}
	return sized(pbSignature, pdwSigLen, func(out *ck.Buffer) error {
		n, err := h.SignatureLen(uint32(dwKeySpec), uint32(dwFlags))
		if err != nil {
			return err
		}
		if out.Query(n) {
			return copied(out, make([]byte, n))
		}
		sig, err := h.Sign(uint32(dwKeySpec), description, uint32(dwFlags))
		if err != nil {
			return err
		}
		return copied(out, sig)
	})
}

//export goCryptSignHashA
func goCryptSignHashA(hHash, dwKeySpec, szDescription, dwFlags, pbSignature, pdwSigLen uintptr) uintptr {
	return crypt("CryptSignHashA", func() error {
		return signHash(hHash, dwKeySpec, widened(szDescription), dwFlags, pbSignature, pdwSigLen)
	})
}

// widened is the C string at addr in UTF-16.
func widened(addr uintptr) []byte {
	b := wideText(narrow(addr))
	return b[:len(b)-2]
}

//export goCryptSignHashW
func goCryptSignHashW(hHash, dwKeySpec, szDescription, dwFlags, pbSignature, pdwSigLen uintptr) uintptr {
	return crypt("CryptSignHashW", func() error {
		return signHash(hHash, dwKeySpec, utf16Bytes(units(szDescription)), dwFlags, pbSignature, pdwSigLen)
	})
}

func verifySignature(hHash, pbSignature, dwSigLen, hPubKey uintptr, description []byte, dwFlags uintptr) error {
	h, err := handles.Hash(csp.Handle(hHash))
	if err != nil {
		return err
	}
	k, err := handles.Key(csp.Handle(hPubKey))
	if err != nil {
		return err
	}
	var sig []byte
	if pbSignature != 0 {
		sig = inBytes(pbSignature, dwSigLen)
	}
	return h.Verify(sig, int(dwSigLen), k, description, uint32(dwFlags))
}

//export goCryptVerifySignatureA
func goCryptVerifySignatureA(hHash, pbSignature, dwSigLen, hPubKey, szDescription, dwFlags uintptr) uintptr {
	return crypt("CryptVerifySignatureA", func() error {
		return verifySignature(hHash, pbSignature, dwSigLen, hPubKey, widened(szDescription), dwFlags)
	})
}

//export goCryptVerifySignatureW
func goCryptVerifySignatureW(hHash, pbSignature, dwSigLen, hPubKey, szDescription, dwFlags uintptr) uintptr {
	return crypt("CryptVerifySignatureW", func() error {
		return verifySignature(hHash, pbSignature, dwSigLen, hPubKey, utf16Bytes(units(szDescription)), dwFlags)
	})
}
