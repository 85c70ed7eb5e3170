package main

import "C"

import (
	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/csp"
)

// The functions of wincrypt.h for keys.

//export goCryptDeriveKey
func goCryptDeriveKey(hProv, Algid, hBaseData, dwFlags, phKey uintptr) uintptr {
	return crypt("CryptDeriveKey", func() error {
		var key csp.Handle
		out := &key
		if phKey == 0 {
			out = nil
		} else {
			requireWritable(phKey)
			if dwFlags&capi.CRYPT_UPDATE_KEY != 0 {
				key = csp.Handle(readUlong(phKey))
			}
		}
		was := key
		err := handles.DeriveKey(handleAt(hProv), capi.AlgID(Algid), csp.Handle(hBaseData), uint32(dwFlags), out)
		if out != nil && (err == nil || key != was || capi.Code(err) != capi.ERROR_INVALID_PARAMETER) {
			writeHandle(phKey, key)
		}
		return err
	})
}

//export goCryptGenKey
func goCryptGenKey(hProv, Algid, dwFlags, phKey uintptr) uintptr {
	return crypt("CryptGenKey", func() error {
		c, err := inProv(hProv)
		if err != nil {
			return err
		}
		requireWritable(phKey)
		k, err := handles.AddKey(c.GenKey(capi.AlgID(Algid), uint32(dwFlags)))
		return writeNewHandle(phKey, k, err)
	})
}

//export goCryptGetUserKey
func goCryptGetUserKey(hProv, dwKeySpec, phUserKey uintptr) uintptr {
	return crypt("CryptGetUserKey", func() error {
		c, err := inProv(hProv)
		if err != nil {
			return err
		}
		requireWritable(phUserKey)
		k, err := handles.AddKey(c.UserKey(uint32(dwKeySpec)))
		return writeNewHandle(phUserKey, k, err)
	})
}

//export goCryptDuplicateKey
func goCryptDuplicateKey(hKey, pdwReserved, dwFlags, phKey uintptr) uintptr {
	return crypt("CryptDuplicateKey", func() error {
		k, err := handles.Key(csp.Handle(hKey))
		if err != nil {
			return err
		}
		if err := requireNull(pdwReserved); err != nil {
			return err
		}
		requireWritable(phKey)
		d, err := handles.AddKey(k.Duplicate(uint32(dwFlags)))
		return writeNewHandle(phKey, d, err)
	})
}

//export goCryptSetKeyParam
func goCryptSetKeyParam(hKey, dwParam, pbData, dwFlags uintptr) uintptr {
	return crypt("CryptSetKeyParam", func() error {
		k, err := handles.Key(csp.Handle(hKey))
		if err != nil {
			return err
		}
		var value []byte
		if pbData != 0 {
			value = inBytes(pbData, uintptr(k.ParamLen(uint32(dwParam))))
			if dwParam == capi.KP_SALT_EX { // a CRYPT_DATA_BLOB
				value = inBytes(readUlong(pbData+8), uintptr(readDword(pbData)))
				if value == nil {
					value = empty
				}
			}
		}
		return k.SetParam(uint32(dwParam), value, uint32(dwFlags))
	})
}

//export goCryptGetKeyParam
func goCryptGetKeyParam(hKey, dwParam, pbData, pdwDataLen, dwFlags uintptr) uintptr {
	return crypt("CryptGetKeyParam", func() error {
		k, err := handles.Key(csp.Handle(hKey))
		if err != nil {
			return err
		}
		return sized(pbData, pdwDataLen, func(out *ck.Buffer) error { return k.ReadParam(uint32(dwParam), uint32(dwFlags), out) })
	})
}

//export goCryptDestroyKey
func goCryptDestroyKey(hKey uintptr) uintptr {
	return crypt("CryptDestroyKey", func() error { return handles.DestroyKey(csp.Handle(hKey)) })
}

//export goCryptExportKey
func goCryptExportKey(hKey, hExpKey, dwBlobType, dwFlags, pbData, pdwDataLen uintptr) uintptr {
	return crypt("CryptExportKey", func() error {
		k, err := handles.Key(csp.Handle(hKey))
		if err != nil {
			return err
		}
		with, err := handles.OptionalKey(csp.Handle(hExpKey))
		if err != nil {
			return err
		}
		return sized(pbData, pdwDataLen, func(out *ck.Buffer) error {
			blob, err := k.Export(with, uint32(dwBlobType), uint32(dwFlags))
			if err != nil {
				return err
			}
			defer clear(blob)
			return copied(out, blob)
		})
	})
}

//export goCryptImportKey
func goCryptImportKey(hProv, pbData, dwDataLen, hPubKey, dwFlags, phKey uintptr) uintptr {
	return crypt("CryptImportKey", func() error {
		c, err := inProv(hProv)
		if err != nil {
			return err
		}
		with, err := handles.OptionalKey(csp.Handle(hPubKey))
		if err != nil {
			return err
		}
		requireWritable(phKey)
		requirePointer(pbData)
		k, err := handles.AddKey(c.Import(inBytes(pbData, dwDataLen), with, uint32(dwFlags)))
		return writeNewHandle(phKey, k, err)
	})
}

// keyAndHash finds the handles of CryptEncrypt and CryptDecrypt.
func keyAndHash(hKey, hHash uintptr) (*csp.Key, *csp.Hash, error) {
	k, err := handles.Key(csp.Handle(hKey))
	if err != nil {
		return nil, nil, err
	}
	h, err := handles.OptionalHash(csp.Handle(hHash))
	return k, h, err
}

//export goCryptEncrypt
func goCryptEncrypt(hKey, hHash, Final, dwFlags, pbData, pdwDataLen, dwBufLen uintptr) uintptr {
	return crypt("CryptEncrypt", func() error {
		k, h, err := keyAndHash(hKey, hHash)
		if err != nil {
			return err
		}
		requireWritableDword(pdwDataLen)
		var buf []byte
		if pbData != 0 {
			buf = inBytes(pbData, dwBufLen)
		}
		n, err := k.Encrypt(h, uint32(Final) != 0, uint32(dwFlags), buf, int(readDword(pdwDataLen)))
		writeDword(pdwDataLen, uint32(n))
		return err
	})
}

//export goCryptDecrypt
func goCryptDecrypt(hKey, hHash, Final, dwFlags, pbData, pdwDataLen uintptr) uintptr {
	return crypt("CryptDecrypt", func() error {
		k, h, err := keyAndHash(hKey, hHash)
		if err != nil {
			return err
		}
		requireWritableDword(pdwDataLen)
		requirePointer(pbData)
		n, err := k.Decrypt(h, uint32(Final) != 0, uint32(dwFlags), inBytes(pbData, uintptr(readDword(pdwDataLen))))
		writeDword(pdwDataLen, uint32(n))
		return err
	})
}
