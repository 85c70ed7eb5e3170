package conformance

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/internal/vectors"
)

// A replay is a line of testdata/cryptderivekey/wine-vectors.jsonl.gz with all that came of the call.
type replay struct {
	ID      string `json:"vector_id"`
	Request struct {
		Scenario  string
		Provider  string `json:"provider_name"`
		Type      uint   `json:"provider_type"`
		Hash      string `json:"hash_algid"`
		Base      string `json:"base_data_hex"`
		Chunk     uint   `json:"feed_chunk_bytes"`
		Cipher    string `json:"cipher_algid"`
		Flags     string `json:"dwflags"`
		Value     string `json:"set_hash_value_hex"`
		MACKey    string `json:"mac_key_hex"`
		MACCipher string `json:"mac_key_algid"`
		Inner     string `json:"hmac_inner_hash_algid"`
	}
	Result      map[string]any
	Differences []struct {
		Field      string
		Windows    any
		Confidence string
	} `json:"windows_differences"`
}

// readReplay reads the records.
func readReplay(t *testing.T) []replay {
	t.Helper()
	records, err := vectors.Lines[replay](knownAnswers, "cryptderivekey/wine-vectors.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// below are the scenarios in which the provider itself was called (CPDeriveKey), which no application can do, and the scenario
// of an application that comes nearest. What the provider says of a handle, CryptDeriveKey says before it.
var below = map[string]string{
	"csp_normal": "normal", "csp_null_phkey": "null_phkey", "csp_other_context": "other_prov_hash",
	"csp_null_hprov": "null_hprov", "csp_bad_hprov": "garbage_hprov",
	"csp_null_hash": "null_hash", "csp_bad_hash": "garbage_hash", "csp_hprov_as_hash": "hprov_as_hash",
}

// request is the line that twoworlds/replay.c reads.
func (r *replay) request() string {
	q := &r.Request
	or := func(s, none string) string {
		if s == "" {
			return none
		}
		return s
	}
	scenario := q.Scenario
	if above, ok := below[scenario]; ok {
		scenario = above
	}
	return strings.Join([]string{r.ID, scenario, strings.ReplaceAll(q.Provider, " ", "_"), fmt.Sprint(q.Type), q.Hash, or(q.Base, "-"),
		fmt.Sprint(q.Chunk), q.Cipher, q.Flags, or(q.Value, "-"), or(q.MACKey, "-"), or(q.MACCipher, "0"), or(q.Inner, "0")}, " ")
}

// hexNumber is a number of the record, in the digits that the program prints.
func hexNumber(v any) string {
	if s, ok := v.(string); ok {
		n, _ := strconv.ParseUint(s, 0, 32)
		return strconv.FormatUint(n, 16)
	}
	f, _ := v.(float64)
	return strconv.FormatUint(uint64(f), 16)
}

// outcome is "ok", or the error.
func outcome(ok, err any) string {
	if b, _ := ok.(bool); b {
		return "ok"
	}
	s, _ := err.(string)
	return strings.TrimPrefix(s, "0x")
}

// answer is what the program should say: what Wine said, but for what Windows does otherwise, of which it reports whether
// there is some.
func (r *replay) answer() (want map[string]string, windows bool) {
	want = r.wine()
	if want["hash"] != "" {
		windows = r.onWindows(want)
	}
	return want, windows
}

// wine is what Wine said.
func (r *replay) wine() map[string]string {
	want := make(map[string]string)
	for _, call := range [...][3]string{
		{"create", "create_hash_ok", "create_hash_error"}, {"derive", "derive_ok", "derive_error"},
		{"hashdata", "hashdata_after_derive_ok", "hashdata_after_derive_error"},
		{"hashsessionkey", "hashsessionkey_after_derive_ok", "hashsessionkey_after_derive_error"},
	} {
		if ok, there := r.Result[call[1]]; there {
			want[call[0]] = outcome(ok, r.Result[call[2]])
		}
	}
	if key, there := r.Result["phkey_after_failure"]; there {
		want["key"] = key.(string)
	}
	_, under := below[r.Request.Scenario]
	switch {
	case under && want["derive"] != "ok":
		want["derive"] = "00000057"
	case !under && want["derive"] == "ok":
		r.key(want)
	}
	return want
}

// key adds what the program should say of the key.
func (r *replay) key(want map[string]string) {
	text := func(name string) string { s, _ := r.Result[name].(string); return s }
	params, _ := r.Result["key_params"].(map[string]any)
	want["hash"], want["plain"], want["again"], want["decrypt"] = text("hash_value_hex"), text("plaintextkeyblob_hex"), "ok", "ok"
	for name, param := range map[string]string{
		"algid": "KP_ALGID", "keylen": "KP_KEYLEN_bits", "effective": "KP_EFFECTIVE_KEYLEN_bits", "blocklen": "KP_BLOCKLEN_bits",
		"mode": "KP_MODE", "modebits": "KP_MODE_BITS", "padding": "KP_PADDING", "permissions": "KP_PERMISSIONS",
	} {
		want[name] = hexNumber(params[param])
	}
	want["iv"], _ = params["KP_IV_hex"].(string)
	if salt, there := params["KP_SALT_hex"].(string); there {
		want["salt"] = salt
	} else {
		want["salt"] = "!" + outcome(false, params["KP_SALT_error"])
	}
	for _, mode := range [...]string{"default", "ecb", "cbc", "cfb", "ofb"} {
		if want[mode] = text("ct_" + mode + "_hex"); want[mode] == "" {
			want[mode] = "!" + outcome(false, r.Result["ct_"+mode+"_error"])
		}
	}
}

// onWindows changes what Wine says into what Windows does: DES keys with odd parity, salts, AES keys that have an empty one,
// and no export of what is not exportable.
func (r *replay) onWindows(want map[string]string) (changed bool) {
	const exportable = 1
	flags, _ := strconv.ParseUint(r.Request.Flags, 0, 32)
	for _, d := range r.Differences {
		shown := strings.HasPrefix(d.Confidence, "windows_test")
		text, _ := d.Windows.(string)
		switch {
		case d.Field == "result.key_hex" && shown:
			want["plain"] = want["plain"][:24] + text
		case d.Field == "result.key_params.KP_SALT" && shown:
			want["salt"] = ""
		case d.Field == "result.key_params.KP_SALT_len_bytes" && shown:
			r.salt(want, d.Windows)
		default:
			continue
		}
		changed = true
	}
	if flags&exportable == 0 {
		want["plain"], changed = "!8009000b", true
	}
	return changed
}

// salt makes a salt as long as Windows has it, of what follows the key in the hash value, and zeros where that is too short.
// Without one, the key is another, and so are the ciphertexts.
func (r *replay) salt(want map[string]string, length any) {
	n, _ := length.(float64)
	digits := 2 * int(n)
	key, _ := r.Result["key_hex"].(string)
	salt := want["hash"][len(key):] + strings.Repeat("00", int(n))
	if want["salt"] = salt[:digits]; digits == 0 {
		for _, mode := range [...]string{"default", "ecb", "cbc", "cfb", "ofb"} {
			delete(want, mode)
		}
	}
}
