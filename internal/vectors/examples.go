package vectors

import (
	"fmt"
	"io/fs"

	"github.com/softcsp/softcsp/ck"
)

// ExampleKey is the key that examples name beside the key of the operation.
var ExampleKey = Secret(ck.CKK_GENERIC_SECRET, counting(20))

// examples are the fields of a good parameter, by the name of its structure (internal/gen/types.txt). Where a mechanism wants other values
// than the others, its name stands before that; behind it stands the size of an older structure of the same name.
var examples = map[string][]any{
	"CK_MAC_GENERAL_PARAMS":                   {7},
	"CKM_SHA512_T CK_MAC_GENERAL_PARAMS":      {256}, // it is the length in bits there
	"CKM_SHA512_T_HMAC CK_MAC_GENERAL_PARAMS": {200},
	"CK_EXTRACT_PARAMS":                       {13},
	"CK_OBJECT_HANDLE":                        {Handle{ExampleKey}},
	"CK_VERSION":                              {[]byte{3, 3}},

	"CK_RC2_PARAMS":                          {128},
	"CK_RC2_CBC_PARAMS":                      {128, counting(8)},
	"CK_RC2_MAC_GENERAL_PARAMS":              {128, 5},
	"CK_RC5_PARAMS":                          {4, 12},
	"CK_RC5_CBC_PARAMS":                      {4, 12, Pointed(counting(8))},
	"CKM_RC5_CBC_PAD CK_RC5_CBC_PARAMS":      {8, 20, Pointed(counting(16))},
	"CK_RC5_MAC_GENERAL_PARAMS":              {8, 12, 15},
	"CK_AES_CTR_PARAMS":                      {32, zeroCounter()},
	"CK_CAMELLIA_CTR_PARAMS":                 {32, zeroCounter()},
	"CK_GCM_PARAMS":                          {nonce(), 96, Pointed{0, 255}, 128},
	"CKM_AES_GMAC CK_GCM_PARAMS":             {nonce(), 96, Pointed(nil), 128}, // the data is what is authenticated
	"CK_GCM_PARAMS of 40 bytes":              {nonce(), Pointed{0, 255}, 128},
	"CKM_AES_GMAC CK_GCM_PARAMS of 40 bytes": {nonce(), Pointed(nil), 128},
	"CK_GCM_WRAP_PARAMS":                     {nonce(), 0, uint(ck.CKG_NO_GENERATE), Pointed{0, 255}, 128},
	"CK_CCM_PARAMS":                          {64, nonce(), Pointed{0, 255}, 16},
	"CK_CCM_WRAP_PARAMS":                     {64, nonce(), 0, uint(ck.CKG_NO_GENERATE), Pointed{0, 255}, 16},
	"CK_CHACHA20_PARAMS":                     {Alone{1, 0, 0, 0}, 32, Alone(counting(12)), 96},
	"CK_SALSA20_PARAMS":                      {Alone(make([]byte, 8)), Alone(counting(8)), 64},
	"CK_SALSA20_CHACHA20_POLY1305_PARAMS":    {Alone(counting(12)), 96, Pointed{0, 255}},
	"CK_AES_CBC_ENCRYPT_DATA_PARAMS":         {counting(16), Pointed(counting(16))},
	"CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS":    {counting(16), Pointed(counting(16))},
	"CK_ARIA_CBC_ENCRYPT_DATA_PARAMS":        {counting(16), Pointed(counting(16))},
	"CK_SEED_CBC_ENCRYPT_DATA_PARAMS":        {counting(16), Pointed(counting(16))},
	"CK_DES_CBC_ENCRYPT_DATA_PARAMS":         {counting(8), Pointed(counting(8))},
	"CK_KEY_DERIVATION_STRING_DATA":          {Pointed(counting(32))},
	"CK_SOFTCSP_KMAC_PARAMS":                 {100, Pointed(counting(3))},
	"CK_SOFTCSP_SSHKDF_PARAMS":               {ck.CKM_SHA256, []byte{'C', 0, 0, 0, 0, 0, 0, 0}, Pointed(counting(3)), Pointed{3, 4}},

	"CK_HKDF_PARAMS":               hkdf(ck.CKF_HKDF_SALT_DATA, counting(8), 0),
	"CKM_HKDF_DATA CK_HKDF_PARAMS": hkdf(ck.CKF_HKDF_SALT_KEY, nil, Handle{ExampleKey}),
	"CK_PKCS5_PBKD2_PARAMS2":       {ck.CKZ_SALT_SPECIFIED, Pointed("salt"), 2, ck.CKP_PKCS5_PBKD2_HMAC_SHA256, Pointed(nil), Pointed("password")},
	"CK_PBE_PARAMS":                PBEFields(Out(pbeIV), []byte("password"), []byte("salt"), 2),

	"CK_SP800_108_KDF_PARAMS": counterMode(),
	"CK_SP800_108_FEEDBACK_KDF_PARAMS": KDF108Fields(ck.CKM_SP800_108_FEEDBACK_KDF, ck.CKM_SHA256_HMAC, counting(3), []KDF108Arg{
		{ck.CK_SP800_108_ITERATION_VARIABLE, nil}, CounterArg(ck.CK_SP800_108_COUNTER, 8), {ck.CK_SP800_108_BYTE_ARRAY, counting(4)}}),
	"CKM_SP800_108_DOUBLE_PIPELINE_KDF CK_SP800_108_KDF_PARAMS": KDF108Fields(ck.CKM_SP800_108_DOUBLE_PIPELINE_KDF, ck.CKM_SHA256_HMAC, nil, []KDF108Arg{
		{ck.CK_SP800_108_ITERATION_VARIABLE, nil}, {ck.CK_SP800_108_BYTE_ARRAY, counting(4)}}),

	"CK_TLS_MAC_PARAMS":                          {ck.CKM_SHA256, 12, 1},
	"CK_TLS_KDF_PARAMS":                          exampleTLS.Fields(ck.CKM_TLS_KDF),
	"CK_SSL3_MASTER_KEY_DERIVE_PARAMS":           exampleTLS.Fields(ck.CKM_SSL3_MASTER_KEY_DERIVE),
	"CK_SSL3_KEY_MAT_PARAMS":                     exampleTLS.Fields(ck.CKM_SSL3_KEY_AND_MAC_DERIVE),
	"CK_TLS12_MASTER_KEY_DERIVE_PARAMS":          exampleTLS.Fields(ck.CKM_TLS12_MASTER_KEY_DERIVE),
	"CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS": exampleTLS.Fields(ck.CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE),
	"CK_TLS12_KEY_MAT_PARAMS":                    exampleTLS.Fields(ck.CKM_TLS12_KEY_AND_MAC_DERIVE),

	"CK_IKE_PRF_DERIVE_PARAMS":       exampleIKE.Fields(ck.CKM_IKE_PRF_DERIVE),
	"CK_IKE1_PRF_DERIVE_PARAMS":      exampleIKE.Fields(ck.CKM_IKE1_PRF_DERIVE),
	"CK_IKE1_EXTENDED_DERIVE_PARAMS": exampleIKE.Fields(ck.CKM_IKE1_EXTENDED_DERIVE),
	"CK_IKE2_PRF_PLUS_DERIVE_PARAMS": exampleIKE.Fields(ck.CKM_IKE2_PRF_PLUS_DERIVE),
}

var exampleTLS = TLSParam{Hash: ck.CKM_SHA256, Client: counting(32), Server: counting(31), Session: counting(30), Label: []byte("EXPORTER test"),
	Out: OutStructs{0, 0, 0, 0, Out(16), Out(16)}}

var exampleIKE = IKEParam{PRF: ck.CKM_SHA256_HMAC, Rekey: true, Other: Handle{ExampleKey}, Previous: Handle{ExampleKey},
	Ni: counting(4), Nr: counting(5), Data: counting(6), Number: []byte{1}}

// counting returns n bytes that count from 0.
func counting(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func nonce() Pointed { return counting(12) }

// zeroCounter is a counter block whose counter is 0, so that it does not come to its end.
func zeroCounter() []byte { return append(counting(10), make([]byte, 6)...) }

func hkdf(source ck.Flags, salt []byte, key any) []any {
	return []any{[]byte{1, 1, 0, 0, 0, 0, 0, 0}, ck.CKM_SHA256, uint(source), Pointed(salt), key, Pointed(counting(9))}
}

// counterMode has a key and the length of what is derived among its data, which no vector has.
func counterMode() []any {
	const sumOfKeys = 1 // CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS
	length := append(append(ck.UlongValue(sumOfKeys), make([]byte, 8)...), ck.UlongValue(16)...)
	counter := CounterArg(ck.CK_SP800_108_ITERATION_VARIABLE, 16)
	list := Structs{counter.Kind, Pointed(counter.Data), ck.CK_SP800_108_KEY_HANDLE, Structs{Handle{ExampleKey}}, 8, ck.CK_SP800_108_DKM_LENGTH, Pointed(length)}
	return []any{ck.CKM_SHA256_HMAC, 3, list, 0, Structs(nil)}
}

// Examples knows a good parameter of each mechanism.
type Examples struct{ first map[ck.MechanismType]*Case }

// LoadExamples reads the records in fsys, mechanisms/testdata: the parameter of a mechanism's first vector is a good one.
func LoadExamples(fsys fs.FS) (*Examples, error) {
	e := &Examples{make(map[ck.MechanismType]*Case)}
	files, err := fs.Glob(fsys, "*.txt")
	for _, f := range files {
		s, err := LoadRecords(fsys, f)
		if err != nil {
			return nil, err
		}
		for i := range s.Cases {
			if c := &s.Cases[i]; e.first[c.Mechanism] == nil && len(c.Refused) == 0 {
				e.first[c.Mechanism] = c
			}
		}
	}
	return e, err
}

// Fields are the fields of a good parameter of a mechanism that is the structure. It fails where nothing gives an example.
func (e *Examples) Fields(m ck.MechanismType, form *ck.Structure) ([]any, error) {
	if name := exampleFor(m, form); name != "" {
		return examples[name], nil
	}
	if form.Name == fmt.Sprintf("CK_BYTE[%d]", form.Size) {
		return []any{counting(int(form.Size))}, nil
	}
	if c := e.first[m]; c != nil && uint(len(LayOut(c.Param).Data)) == form.Size {
		return c.Param, nil
	}
	return nil, fmt.Errorf("%v takes a %s, and nothing gives an example of one: add a vector with a Param to mechanisms/testdata, "+
		"or a row to examples in internal/vectors/examples.go", m, form.Name)
}

// exampleFor is the name of the example for a mechanism and a structure, "" where there is none.
func exampleFor(m ck.MechanismType, form *ck.Structure) string {
	sized := fmt.Sprintf("%s of %d bytes", form.Name, form.Size)
	for _, name := range []string{m.String() + " " + sized, sized, m.String() + " " + form.Name, form.Name} {
		if _, ok := examples[name]; ok {
			return name
		}
	}
	return ""
}
