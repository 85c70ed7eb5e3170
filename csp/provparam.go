package csp

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// Param is CryptGetProvParam of the parameters that are no lists: text with its terminating zero, numbers as DWORDs in
// little-endian order.
func (c *Context) Param(param, flags uint32) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	switch param {
	case capi.PP_ENUMALGS, capi.PP_ENUMALGS_EX, capi.PP_ENUMCONTAINERS, capi.PP_KEYSET_SEC_DESCR:
		return c.listParam(param, flags)
	}
	if flags != 0 {
		return nil, capi.NTE_BAD_FLAGS
	}
	switch param {
	case capi.PP_NAME:
		return cString(c.provider.name), nil
	case capi.PP_CONTAINER:
		return cString(c.name), nil
	case capi.PP_UNIQUE_CONTAINER:
		return cString(uniqueName(c.name)), nil
	case capi.PP_KEYEXCHANGE_PIN, capi.PP_SIGNATURE_PIN:
		return nil, capi.NTE_BAD_TYPE // set only
	}
	numbers := map[uint32]uint32{
		capi.PP_PROVTYPE: c.provider.typ, capi.PP_IMPTYPE: capi.CRYPT_IMPL_SOFTWARE, capi.PP_VERSION: 0x200, capi.PP_KEYSPEC: capi.AT_KEYEXCHANGE | capi.AT_SIGNATURE,
		capi.PP_KEYSET_TYPE: c.flags & capi.CRYPT_MACHINE_KEYSET, capi.PP_KEYSTORAGE: capi.CRYPT_SEC_DESCR, capi.PP_SIG_KEYSIZE_INC: 8, capi.PP_KEYX_KEYSIZE_INC: 8,
		capi.PP_USE_HARDWARE_RNG: 0, capi.PP_CRYPT_COUNT_KEY_USE: 0,
	}
	n, ok := numbers[param]
	if !ok {
		return nil, capi.NTE_BAD_TYPE
	}
	return dword(n), nil
}

// cString is s with its terminating zero.
func cString(s string) []byte { return append([]byte(s), 0) }

// uniqueName is PP_UNIQUE_CONTAINER in the form that Windows has: the MD5 of the name, and the machine.
func uniqueName(name string) string {
	if name == "" {
		return ""
	}
	sum := md5.Sum(cString(name))
	var s strings.Builder
	for i := range 4 {
		fmt.Fprintf(&s, "%08x", binary.LittleEndian.Uint32(sum[4*i:]))
	}
	id := "00000000000000000000000000000000"
	if machine, err := os.ReadFile("/etc/machine-id"); err == nil && len(machine) >= 32 {
		id = string(machine[:32])
	}
	return fmt.Sprintf("%s_%s-%s-%s-%s-%s", s.String(), id[:8], id[8:12], id[12:16], id[16:20], id[20:])
}

// listParam reads a parameter that takes flags. Of a list it returns the next element, or, with CRYPT_FIRST, the first;
// ERROR_NO_MORE_ITEMS past the last.
func (c *Context) listParam(param, flags uint32) ([]byte, error) {
	if param == capi.PP_KEYSET_SEC_DESCR {
		return securityDescriptor, nil
	}
	if flags&^(capi.CRYPT_FIRST|capi.CRYPT_NEXT) != 0 {
		return nil, capi.NTE_BAD_FLAGS
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if param == capi.PP_ENUMCONTAINERS {
		return c.nextContainer(flags)
	}
	if flags&capi.CRYPT_FIRST != 0 {
		c.nextAlg = 0
	}
	list := c.provider.algorithms()
	if c.nextAlg >= len(list) {
		return nil, capi.ERROR_NO_MORE_ITEMS
	}
	a := list[c.nextAlg]
	c.nextAlg++
	if param == capi.PP_ENUMALGS {
		return a.enumAlgs(), nil
	}
	return a.enumAlgsEx(), nil
}

// ReadParam is CryptGetProvParam with the caller's buffer. The length of an element of a list is asked for without taking one,
// and a container's name that fits leaves the length alone.
func (c *Context) ReadParam(param, flags uint32, out *ck.Buffer) error {
	lengths := map[uint32]uint{capi.PP_ENUMALGS: 32, capi.PP_ENUMALGS_EX: 88, capi.PP_ENUMCONTAINERS: maxContainer + 1}
	n, list := lengths[param]
	if !list {
		v, err := c.Param(param, flags)
		if err != nil {
			return err
		}
		return translated(out.FillWith(v))
	}
	if err := c.check(); err != nil {
		return err
	}
	if !out.Has {
		if flags&capi.CRYPT_FIRST != 0 {
			c.restartAlgs()
		}
		out.N = n
		return nil
	}
	v, err := c.Param(param, flags)
	if err != nil {
		return err
	}
	if err := out.FillWith(v); err != nil {
		c.stepBack(param, v)
		return translated(err)
	}
	if param == capi.PP_ENUMCONTAINERS {
		out.N = uint(len(out.Data))
	}
	return nil
}

// restartAlgs makes the first algorithm the next one.
func (c *Context) restartAlgs() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nextAlg = 0
}

// stepBack returns an element to its list, because the caller had no room for it.
func (c *Context) stepBack(param uint32, v []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if param == capi.PP_ENUMCONTAINERS {
		c.containerNames = append([]string{string(v[:len(v)-1])}, c.containerNames...)
		return
	}
	c.nextAlg--
}

// nextContainer gives the next of the container names that there were at CRYPT_FIRST. The context is locked.
func (c *Context) nextContainer(flags uint32) ([]byte, error) {
	if c.isVerifyContext() {
		return nil, capi.ERROR_NO_MORE_ITEMS
	}
	if flags&capi.CRYPT_FIRST != 0 {
		names, err := c.listContainers()
		if err != nil {
			return nil, err
		}
		c.containerNames = names
	}
	if len(c.containerNames) == 0 {
		return nil, capi.ERROR_NO_MORE_ITEMS
	}
	name := c.containerNames[0]
	c.containerNames = c.containerNames[1:]
	return cString(name), nil
}

// securityDescriptor is PP_KEYSET_SEC_DESCR: a self-relative descriptor without an owner, a group or lists. Who may use a
// container is decided by its token.
var securityDescriptor = []byte{1, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// fixedText is a text in a field of n bytes, and its length with the terminating zero.
func fixedText(s string, n int) (length []byte, field []byte) {
	field = make([]byte, n)
	copy(field[:n-1], s)
	return dword(uint32(min(len(s), n-1) + 1)), field
}

// enumAlgs is a PROV_ENUMALGS.
func (a *EnumAlg) enumAlgs() []byte {
	length, name := fixedText(a.Name, 20)
	b := append(dword(uint32(a.ALGID)), dword(a.Default)...)
	return append(append(b, length...), name...)
}

// enumAlgsEx is a PROV_ENUMALGS_EX.
func (a *EnumAlg) enumAlgsEx() []byte {
	var b []byte
	for _, u := range []uint32{uint32(a.ALGID), a.Default, a.Min, a.Max, a.Protocols} {
		b = append(b, dword(u)...)
	}
	length, name := fixedText(a.Name, 20)
	b = append(append(b, length...), name...)
	length, name = fixedText(a.LongName, 40)
	return append(append(b, length...), name...)
}

// SetParam is CryptSetProvParam. nil is a NULL pointer. A window to ask the user with is taken and not used.
func (c *Context) SetParam(param uint32, value []byte, flags uint32) error {
	if err := c.check(); err != nil {
		return err
	}
	switch param {
	case capi.PP_CLIENT_HWND, capi.PP_USE_HARDWARE_RNG:
		return nil
	case capi.PP_KEYSET_SEC_DESCR:
		return nil
	case capi.PP_KEYEXCHANGE_PIN, capi.PP_SIGNATURE_PIN:
		if flags != 0 {
			return capi.NTE_BAD_FLAGS
		}
		return c.setPIN(value)
	}
	return capi.NTE_BAD_TYPE
}

// Algs is PP_ENUMALGS_EX as a list.
func (c *Context) Algs() []EnumAlg { return c.provider.algorithms() }
