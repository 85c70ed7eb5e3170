package main

import "C"

import (
	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/csp"
)

// The functions of wincrypt.h that ask which providers there are.

// listed gives an element of a list of names: which is csp.EnumProviders or csp.EnumProviderTypes.
func listed(which func(uint32) (string, uint32, error), write text, dwIndex, pdwReserved, dwFlags, pdwType, szName, pcbName uintptr) error {
	if err := requireNull(pdwReserved); err != nil {
		return err
	}
	if dwFlags != 0 {
		return capi.NTE_BAD_FLAGS
	}
	requirePointer(pdwType)
	name, typ, err := which(uint32(dwIndex))
	if err != nil {
		return err
	}
	err = sized(szName, pcbName, func(out *ck.Buffer) error { return copied(out, write(name)) })
	if err == nil {
		writeDword(pdwType, typ)
	}
	return err
}

// copied fills a buffer: ERROR_MORE_DATA where it is too short.
func copied(out *ck.Buffer, v []byte) error {
	if out.FillWith(v) != nil {
		return capi.ERROR_MORE_DATA
	}
	return nil
}

//export goCryptEnumProvidersA
func goCryptEnumProvidersA(dwIndex, pdwReserved, dwFlags, pdwProvType, szProvName, pcbProvName uintptr) uintptr {
	return crypt("CryptEnumProvidersA", func() error {
		return listed(csp.EnumProviders, narrowText, dwIndex, pdwReserved, dwFlags, pdwProvType, szProvName, pcbProvName)
	})
}

//export goCryptEnumProvidersW
func goCryptEnumProvidersW(dwIndex, pdwReserved, dwFlags, pdwProvType, szProvName, pcbProvName uintptr) uintptr {
	return crypt("CryptEnumProvidersW", func() error {
		return listed(csp.EnumProviders, wideText, dwIndex, pdwReserved, dwFlags, pdwProvType, szProvName, pcbProvName)
	})
}

//export goCryptEnumProviderTypesA
func goCryptEnumProviderTypesA(dwIndex, pdwReserved, dwFlags, pdwProvType, szTypeName, pcbTypeName uintptr) uintptr {
	return crypt("CryptEnumProviderTypesA", func() error {
		return listed(csp.EnumProviderTypes, narrowText, dwIndex, pdwReserved, dwFlags, pdwProvType, szTypeName, pcbTypeName)
	})
}

//export goCryptEnumProviderTypesW
func goCryptEnumProviderTypesW(dwIndex, pdwReserved, dwFlags, pdwProvType, szTypeName, pcbTypeName uintptr) uintptr {
	return crypt("CryptEnumProviderTypesW", func() error {
		return listed(csp.EnumProviderTypes, wideText, dwIndex, pdwReserved, dwFlags, pdwProvType, szTypeName, pcbTypeName)
	})
}

func defaultProvider(write text, dwProvType, pdwReserved, dwFlags, pszProvName, pcbProvName uintptr) error {
	if err := requireNull(pdwReserved); err != nil {
		return err
	}
	name, err := handles.DefaultProvider(uint32(dwProvType), uint32(dwFlags))
	if err != nil {
		return err
	}
	return sized(pszProvName, pcbProvName, func(out *ck.Buffer) error { return copied(out, write(name)) })
}

//export goCryptGetDefaultProviderA
func goCryptGetDefaultProviderA(dwProvType, pdwReserved, dwFlags, pszProvName, pcbProvName uintptr) uintptr {
	return crypt("CryptGetDefaultProviderA", func() error {
		return defaultProvider(narrowText, dwProvType, pdwReserved, dwFlags, pszProvName, pcbProvName)
	})
}

//export goCryptGetDefaultProviderW
func goCryptGetDefaultProviderW(dwProvType, pdwReserved, dwFlags, pszProvName, pcbProvName uintptr) uintptr {
	return crypt("CryptGetDefaultProviderW", func() error {
		return defaultProvider(wideText, dwProvType, pdwReserved, dwFlags, pszProvName, pcbProvName)
	})
}

func setProvider(name string, dwProvType, pdwReserved, dwFlags uintptr) error {
	if err := requireNull(pdwReserved); err != nil {
		return err
	}
	return handles.SetDefaultProvider(name, uint32(dwProvType), uint32(dwFlags))
}

//export goCryptSetProviderA
func goCryptSetProviderA(pszProvName, dwProvType uintptr) uintptr {
	return crypt("CryptSetProviderA", func() error { return setProvider(narrow(pszProvName), dwProvType, 0, capi.CRYPT_USER_DEFAULT) })
}

//export goCryptSetProviderW
func goCryptSetProviderW(pszProvName, dwProvType uintptr) uintptr {
	return crypt("CryptSetProviderW", func() error { return setProvider(wide(pszProvName), dwProvType, 0, capi.CRYPT_USER_DEFAULT) })
}

//export goCryptSetProviderExA
func goCryptSetProviderExA(pszProvName, dwProvType, pdwReserved, dwFlags uintptr) uintptr {
	return crypt("CryptSetProviderExA", func() error { return setProvider(narrow(pszProvName), dwProvType, pdwReserved, dwFlags) })
}

//export goCryptSetProviderExW
func goCryptSetProviderExW(pszProvName, dwProvType, pdwReserved, dwFlags uintptr) uintptr {
	return crypt("CryptSetProviderExW", func() error { return setProvider(wide(pszProvName), dwProvType, pdwReserved, dwFlags) })
}
