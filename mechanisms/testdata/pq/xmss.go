// Command xmss writes xmss.rec: signatures of XMSS and XMSS^MT as github.com/bwesterb/go-xmssmt v1.5.2 makes them. In a module of its own:
// go get github.com/bwesterb/go-xmssmt@v1.5.2; go run xmss.go > xmss.rec
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/bwesterb/go-xmssmt"
)

func main() {
	dir, err := os.MkdirTemp("", "xmss")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	fmt.Println("# Made by xmss.go with github.com/bwesterb/go-xmssmt v1.5.2: signatures of \"what is signed\".")
	for _, name := range xmssmt.ListNames() {
		if !strings.HasPrefix(name, "XMSS-") && strings.Contains(name, "_512") {
			continue // which are long
		}
		for place, number := range places(name) {
			record(filepath.Join(dir, strings.ReplaceAll(name, "/", "-")+place), name, number)
		}
	}
}

// places are leaves to sign with: the trees of 2^10 leaves and the low layers are made in no time.
func places(name string) map[string]uint64 {
	switch {
	case strings.HasPrefix(name, "XMSS-") && strings.Contains(name, "_10_"):
		return map[string]uint64{"in the middle": 357}
	case strings.Contains(name, "_20/4_"):
		return map[string]uint64{"late": 1<<20 - 3}
	case strings.Contains(name, "_40/8_192"), strings.Contains(name, "2_60/12_192"):
		return map[string]uint64{"late": 1<<39 + 12345}
	}
	return nil
}

func record(path, name string, number uint64) {
	ctx := xmssmt.NewContextFromName(name)
	n := int(ctx.Params().N)
	sk, pk, err := ctx.Derive(path, bytes.Repeat([]byte{1}, n), bytes.Repeat([]byte{2}, n), bytes.Repeat([]byte{3}, n))
	if err != nil {
		log.Fatal(err)
	}
	sk.DangerousSetSeqNo(xmssmt.SignatureSeqNo(number))
	sig, err := sk.Sign([]byte("what is signed"))
	if err != nil {
		log.Fatal(err)
	}
	public, err1 := pk.MarshalBinary()
	signature, err2 := sig.MarshalBinary()
	if err1 != nil || err2 != nil {
		log.Fatal(err1, err2)
	}
	kind := "CKM_XMSS"
	if ctx.MT() {
		kind = "CKM_XMSSMT"
	}
	// The library has a number of its own for the parameter set in the first four bytes of both; RFC 8391 has this one, in the key.
	binary.BigEndian.PutUint32(public, ctx.Oid())
	fmt.Printf("\nName = %s\nMechanism = %s\nPublic = %s\nSignature = %s\n", name, kind, hex.EncodeToString(public), hex.EncodeToString(signature[4:]))
}
